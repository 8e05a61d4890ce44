"""What a program printed, kept in files of bounded size: the beginning, and the most recent part.

``output.log`` is where the program writes now.  When it is full for the first time it becomes ``output.head.log``,
which stays; later ones become ``output.1.log``, each in place of the one before.  Nothing is ever written anew, so
whatever kills the tracker, all that was passed on is there.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["DEFAULT_LIMIT_BYTES", "LastBytes", "OutputLog", "last_output_lines", "output_files", "text_lines"]

DEFAULT_LIMIT_BYTES = 16 << 20
LINE_LETTERS = 500
_CURRENT = "output.log"
_HEAD = "output.head.log"
_BEFORE = "output.1.log"
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# What terminals take as commands: colors, movements, titles.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


class OutputLog:
    """The kept output of one run, in its folder; never raises once made.

    ``limit_bytes`` bounds all files together.  ``left_out`` counts bytes that the limit took, ``lost`` those that the
    disk refused, and ``problem`` says why.  A run that goes on appends.  Raises OSError where no file can be made.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.left_out = 0
        self.lost = 0
        self.problem: str | None = None
        self._folder = folder
        self._head_bytes = max(1, limit_bytes // 4)
        self._tail_bytes = max(1, (limit_bytes - self._head_bytes) // 2)
        self._file = os.open(folder / _CURRENT, _CREATE, 0o666)
        self._size = os.fstat(self._file).st_size
        self._has_head = (folder / _HEAD).exists()

    def write(self, data: bytes) -> None:
        """Keep some output; what the disk does not take is counted."""
        rest = memoryview(data)
        while rest:
            room = (self._tail_bytes if self._has_head else self._head_bytes) - self._size
            if room <= 0:
                if not self._rotate():
                    self.lost += len(rest)
                    return
                continue
            try:
                done = os.write(self._file, rest[:room])
            except OSError as error:
                self._failed(error, len(rest))
                return
            self._size += done
            rest = rest[done:]

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            with suppress(OSError):  # all was handed to the system by each write
                os.close(self._file)
        self._file = -1

    def _rotate(self) -> bool:
        """Put the full file aside and begin the next; says whether there is one."""
        target = self._folder / (_BEFORE if self._has_head else _HEAD)
        try:
            gone = target.stat().st_size if target.exists() else 0
            os.replace(self._folder / _CURRENT, target)
            fresh = os.open(self._folder / _CURRENT, _CREATE, 0o666)
        except OSError as error:
            self._failed(error, 0)
            return False
        self.close()
        self._file, self._size = fresh, 0
        self._has_head = True
        self.left_out += gone
        return True

    def _failed(self, error: OSError, size: int) -> None:
        self.lost += size
        self.problem = f"output.log: {error.strerror or error}"


class LastBytes:
    """The last bytes of a stream, in whole pieces: at least ``limit``, where there were so many."""

    def __init__(self, limit: int = 1 << 16) -> None:
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Take in what came, and let go of what is older than the limit."""
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size - len(self._pieces[0]) >= self._limit:
            self._size -= len(self._pieces.popleft())

    def lines(self, count: int) -> tuple[str, ...]:
        """Return the last lines, as text."""
        return text_lines(b"".join(self._pieces), count)


def text_lines(data: bytes, count: int) -> tuple[str, ...]:
    """Return the last ``count`` lines of output as people saw them.

    Without the commands of terminals, a line that was written over (progress bars) as it was last, each cut at 500
    characters.
    """
    lines = data.decode("utf-8", "replace").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return tuple(_seen(line) for line in lines[-count:])


def output_files(folder: Path) -> list[Path]:
    """Return the files that hold the kept output of a run, oldest part first; some may be missing between them."""
    return [path for name in (_HEAD, _BEFORE, _CURRENT) if (path := folder / name).is_file()]


def last_output_lines(folder: Path, count: int = 50) -> tuple[str, ...]:
    """Return the last lines that the program of a run printed, of a live run too; empty where nothing is kept."""
    data = b""
    for piece in _pieces_backwards(folder):
        data = piece + data
        if data.count(b"\n") > count:
            break
    return text_lines(data, count)


def _pieces_backwards(folder: Path) -> Iterator[bytes]:
    for path in reversed(output_files(folder)):
        begin = 0
        with suppress(OSError), path.open("rb") as file:  # the writer may put it aside at any time
            begin = max(0, os.fstat(file.fileno()).st_size - (1 << 16))
            file.seek(begin)
            yield file.read()
        if begin:
            # What lies before is not that which came before.
            return


def _seen(line: str) -> str:
    plain = _ESCAPES.sub("", line.rstrip("\r"))
    return "".join(letter for letter in plain.rpartition("\r")[2] if letter.isprintable() or letter == "\t")[
        :LINE_LETTERS
    ]
