"""Holding a run that has ended, so that nobody takes it up again while it is moved away."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowtime.errors import FlowtimeError
from flowtime.runs.pins import is_pinned
from flowtime.runs.retention import Keeping
from flowtime.tracking.live.identity import take_lock
from flowtime.tracking.live.liveness import status_of
from flowtime.tracking.run_files import RunFiles, is_tracked, read_document

__all__ = ["hold_ended"]


@contextmanager
def hold_ended(folder: Path) -> Iterator[Keeping | None]:
    """Hold the lock of a run for the length of the block; gives why the run must stay, or None.

    A run that is not tracked was written whole, so it can not be going on.  Raises StorageError where the lock can
    not be made.
    """
    if not is_tracked(folder):
        yield "pinned" if is_pinned(folder) else None
        return
    lock: int | None = take_lock(RunFiles(folder).lock)
    if lock is None:
        yield "running"
        return
    try:
        reason = _reason(folder)
        if sys.platform == "win32":
            # A folder with an open file can not be moved there, which also protects one that is taken up again.
            os.close(lock)
            lock = None
        yield reason
    finally:
        if lock is not None:
            os.close(lock)


def _reason(folder: Path) -> Keeping | None:
    if is_pinned(folder):
        return "pinned"
    try:
        status = status_of(folder, read_document(folder).get("status", "completed"))
    except FlowtimeError:
        return "broken"
    if status in ("running", "pending"):
        return "running"
    return "lost" if status == "lost" else None
