"""One segment that is being written: a mapped file whose room was set aside beforehand, and the shelf it comes from.

What is written to the mapping belongs to the kernel at once, so a kill at any instant loses nothing.  Room is set
aside by ``posix_fallocate`` since a sparse file on a full disk ends a process by SIGBUS, at some later write.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path

from flowtime.storage.atomic import sync_file, sync_folder
from flowtime.tracking.clock import Clock
from flowtime.tracking.log.log_format import (
    HEADER_BYTES,
    MARK_AT,
    Mark,
    SegmentHeader,
    SegmentName,
    encode_header,
    encode_mark,
)

__all__ = ["Segment", "Shelf", "set_aside", "sync_sealed"]

FIRST_BYTES = 64 << 10
_PAGE = 4096
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_ZEROS = 1 << 20
# Linux 5.14: maps pages for writing at once, and answers with an error where a write would be SIGBUS.
_POPULATE_WRITE = 23
_UNKNOWN_ADVICE = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
_FIRST_WAIT_NS = 100_000_000
_LONGEST_WAIT_NS = 2_000_000_000
_MAX_TRIES = 16


class Segment:
    """One segment file, mapped, with its header written; ``view`` is all its bytes."""

    __slots__ = ("_is_named", "_mapping", "header", "path", "size", "view")

    def __init__(self, path: Path, header: SegmentHeader, size: int) -> None:
        """Make the file ``path`` of ``size`` bytes; lets OSError through, and then leaves no file."""
        self.path = path
        self.header = header
        self.size = size
        self._is_named = False
        descriptor = os.open(path, _CREATE, 0o666)
        try:
            self._mapping = _mapped(descriptor, size)
        except BaseException:
            with suppress(OSError):  # the first error is the one to report
                path.unlink()
            raise
        if hasattr(mmap, "MADV_RANDOM"):
            # Else the first touch reads all 8 MiB ahead: 3 to 5 ms of the host's time.
            self._mapping.madvise(mmap.MADV_RANDOM)
        self.view = memoryview(self._mapping)
        self.view[:MARK_AT] = encode_header(header)

    def populate(self, start: int, end: int) -> None:
        """Bring bytes ``start`` to ``end`` into memory, so that writing them faults no more; OSError when full."""
        if sys.platform != "linux":
            return
        first = start // _PAGE * _PAGE
        try:
            self._mapping.madvise(_POPULATE_WRITE, first, min(end, self.size) - first)
        except OSError as error:
            if error.errno not in _UNKNOWN_ADVICE:
                raise

    def write_mark(self, mark: Mark) -> None:
        """Say in the file how much it holds."""
        data = encode_mark(mark)
        self.view[MARK_AT : MARK_AT + len(data)] = data

    def seal(self, mark: Mark) -> None:
        """Mark the segment as finished and give back the room that it does not need; ``view`` stays valid."""
        self.write_mark(mark)
        # Windows can not cut a file that is mapped; there the zeros stay, and readers know zeros.
        with suppress(OSError):
            os.truncate(self.path, mark.used)

    def sync(self) -> None:
        """Bring everything to the disk; lets OSError through."""
        if sys.platform != "linux":
            # Linux syncs what was written to a mapping with its file.  Never there: `flush` holds the interpreter's
            # lock for as long as the disk takes.
            self._mapping.flush()
        with suppress(FileNotFoundError):  # sealed and compacted meanwhile, and synced by that
            sync_file(self.path)
            if not self._is_named:
                sync_folder(self.path.parent, durability="power")
                self._is_named = True

    def discard(self) -> None:
        """Drop the segment and its file: nothing was written to it."""
        self.unmap()
        with suppress(OSError):  # an empty segment that stays harms nobody
            self.path.unlink()

    def unmap(self) -> None:
        """Drop the mapping now, where nobody looks at it any more."""
        self.view.release()
        with suppress(BufferError):  # a thread is still about to write: the mapping goes with its view
            self._mapping.close()


class Shelf:
    """Where one stream of one writer gets its segments from: ever larger ones, and none for a while when it is full.

    ``reason`` says why the last one could not be had.
    """

    def __init__(self, folder: Path, writer: str, stream: str, *, most_bytes: int, clock: Clock) -> None:
        self.folder = folder
        self.writer = writer
        self.stream = stream
        self.clock = clock
        self.number = 0
        self.reason = ""
        self._most_bytes = most_bytes
        self._next_bytes = min(FIRST_BYTES, most_bytes)
        self._wait_ns = 0
        self._retry_ns = 0

    def take(self, first_sequence: int, *, least_bytes: int = 0, record_bytes: int = 0) -> Segment | None:
        """Return a new segment with room for ``least_bytes`` of records, or None (``reason`` says why).

        After a failure the disk is asked again only after a while: 0.1 s, then twice that, up to 2 s.
        """
        now = self.clock.monotonic_ns()
        if now < self._retry_ns:
            return None
        least = -(-(least_bytes + HEADER_BYTES) // _PAGE) * _PAGE
        sizes = sorted({max(self._next_bytes, least), max(min(FIRST_BYTES, self._most_bytes), least)}, reverse=True)
        for size in sizes:
            segment = self._make(first_sequence, record_bytes, size)
            if segment is not None:
                self._next_bytes = min(max(self._next_bytes, min(size, self._most_bytes)) * 2, self._most_bytes)
                self._wait_ns = self._retry_ns = 0
                return segment
        self.refuse(self.reason)
        return None

    def refuse(self, reason: str) -> None:
        """Take note that the disk would not, and wait before it is asked again."""
        self.reason = reason
        self._wait_ns = min(max(self._wait_ns * 2, _FIRST_WAIT_NS), _LONGEST_WAIT_NS)
        self._retry_ns = self.clock.monotonic_ns() + self._wait_ns

    def _make(self, first_sequence: int, record_bytes: int, size: int) -> Segment | None:
        header = SegmentHeader(
            self.stream,
            record_bytes,
            os.getpid(),
            first_sequence,
            self.clock.wall_ns(),
            self.clock.monotonic_ns(),
            self.writer,
        )
        for _ in range(_MAX_TRIES):
            self.number += 1
            path = SegmentName(self.writer, self.stream, self.number, str(self.folder), is_compacted=False).path
            try:
                return Segment(path, header, size)
            except FileExistsError:
                self.reason = f"{path.name} is there already"
            except OSError as error:
                self.number -= 1
                self.reason = f"{error.strerror or error}"
                return None
        return None


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    """Return an empty file as a mapping with room on the disk; closes the descriptor."""
    try:
        set_aside(descriptor, size)
        # The mapping has a descriptor of its own, which goes with it: a log that is forgotten leaves none open.
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def set_aside(descriptor: int, size: int) -> None:
    """Give an empty file ``size`` bytes of zeros that the disk has room for; lets OSError through."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _UNKNOWN_ADVICE:
                raise
        else:
            return
    zeros = bytes(min(size, _ZEROS))
    left = size
    while left > 0:
        left -= os.write(descriptor, zeros[:left])


def sync_sealed(paths: deque[Path]) -> None:
    """Bring sealed segments to the disk and take them off the list; lets OSError through."""
    while paths:
        path = paths[0]
        with suppress(FileNotFoundError):  # compacted, and synced by that
            sync_file(path)
            sync_folder(path.parent, durability="power")
        paths.popleft()
