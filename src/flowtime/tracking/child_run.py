"""What a child process may tell of its parent's run: figures, lines and files, in a segment of its own.

Steps and the status are the parent's alone.  A reader merges the segments by time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flowtime.errors import RunNotFoundError
from flowtime.tracking.guard import Guard
from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.null_run import NULL_STEP, NullStep, nothing
from flowtime.tracking.run_files import RunFiles, is_tracked

__all__ = ["ChildRun", "forked_log", "open_child"]


class ChildRun:
    """The writer of one child process; a context manager.  ``log(**figures)`` is as that of a run."""

    is_enabled = True

    def __init__(self, folder: Path, *, durability: str = "process", strict: bool = False) -> None:
        self.id = folder.name
        self.folder = folder
        self._pid = os.getpid()
        self._guard = Guard(strict=strict)
        self._log = EventLog(
            RunFiles(folder).tracking, writer=_writer(), durability=durability, on_drop=self._guard.lost
        )
        self.log: Callable[..., None] = self._log.scalars

    def __enter__(self) -> Self:
        """Go on."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the segments; an exception passes on and is noted."""
        if error is not None:
            self.note(f"process {self._pid} failed: {type(error).__name__}: {error}", level="error")
        self.close()

    def note(self, text: str, level: str = "info") -> None:
        """Keep a line of text."""
        with self._guard:
            self._log.append(Kind.NOTE, {"level": str(level), "text": str(text)[:10_000]})

    def artifact(self, path: str | Path, *, step: str | None = None) -> None:
        """Note a file that was made, by a step of the parent if one is named."""
        with self._guard:
            self._log.append(Kind.ARTIFACT, {"path": os.fspath(path), "step": step})

    def step(self, id: str, **_options: Any) -> NullStep:
        """Return a step that records nothing: steps are the parent's."""
        return NULL_STEP

    def close(self) -> None:
        """Close the segments; later calls do nothing."""
        self.log = nothing
        with self._guard:
            self._log.close()


def open_child(folder: str | os.PathLike[str], *, durability: str = "process", strict: bool = False) -> ChildRun:
    """Return a writer of this process for the run in ``folder``; raises RunNotFoundError where there is none."""
    path = Path(folder)
    if not is_tracked(path):
        raise RunNotFoundError(f"{path.name} is no folder of a tracked run")
    return ChildRun(path, durability=durability, strict=strict)


def forked_log(folder: Path) -> Callable[..., None]:
    """Return ``log`` for a process that was forked off: its segment is begun at the first figure.

    So a child that logs nothing, such as one that only runs another program, leaves no file.
    """
    opened: list[ChildRun] = []

    def log(**values: Any) -> None:
        if not opened:
            opened.append(ChildRun(folder))
        opened[0].log(**values)

    return log


def _writer() -> str:
    return f"p{os.getpid()}-{os.urandom(2).hex()}"
