"""What tests of the event log need: a clock of their own, a disk without room, and ways to damage a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from flowtime.tracking.clock import Clock
from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.event_reader import LogEvent, read_events
from flowtime.tracking.log.log_format import HEADER_BYTES, Kind

__all__ = [
    "FakeClock",
    "FullDisk",
    "alter",
    "cut",
    "notes",
    "only_segment",
    "scalars",
    "values",
    "write_notes",
]

START_NS = 1_700_000_000_000_000_000


class FakeClock:
    """Two clocks that stand until they are moved; ``clock`` is what a log takes."""

    def __init__(self, *, wall_ns: int = START_NS, monotonic_ns: int = 5_000_000_000) -> None:
        self.wall_ns = wall_ns
        self.monotonic_ns = monotonic_ns
        self.clock = Clock(lambda: self.wall_ns, lambda: self.monotonic_ns)

    def pass_time(self, seconds: float) -> None:
        """Let both clocks run."""
        self.wall_ns += int(seconds * 1e9)
        self.monotonic_ns += int(seconds * 1e9)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a person or NTP does; the other runs on."""
        self.wall_ns += int(seconds * 1e9)


class FullDisk:
    """A disk that has no room for new segments until ``has_room`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_room = False
        self.asked = 0
        allocate = os.posix_fallocate

        def posix_fallocate(descriptor: int, offset: int, size: int) -> None:
            self.asked += 1
            if not self.has_room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            allocate(descriptor, offset, size)

        monkeypatch.setattr(os, "posix_fallocate", posix_fallocate)


def write_notes(log: EventLog, texts: list[str]) -> None:
    """Append a note of each text."""
    for text in texts:
        log.append(Kind.NOTE, {"level": "info", "text": text})


def notes(folder: Path) -> list[str]:
    """Return the texts of the notes that can be read."""
    return [event.data["text"] for event in read_events(folder, streams={"notes"})]


def scalars(folder: Path) -> list[LogEvent]:
    """Return the scalars that can be read."""
    return list(read_events(folder, streams={"scalars"}))


def values(folder: Path) -> list[float]:
    """Return the values of the scalars that can be read."""
    return [event.data["value"] for event in scalars(folder)]


def only_segment(folder: Path, stream: str) -> Path:
    """Return the one segment of a stream."""
    (path,) = folder.glob(f"*-{stream}-*.seg*")
    return path


def cut(path: Path, size: int) -> None:
    """Let a file end after ``size`` bytes."""
    os.truncate(path, size)


def alter(path: Path, offset: int, data: bytes | None = None) -> None:
    """Write ``data`` at ``offset`` of a file; without it, flip the bits of one byte."""
    content = bytearray(path.read_bytes())
    new = bytes([content[offset] ^ 0xFF]) if data is None else data
    content[offset : offset + len(new)] = new
    path.write_bytes(content)


def first_slots(path: Path, count: int) -> list[bytes]:
    """Return the bytes of the first slots of a segment of scalars."""
    content: Any = path.read_bytes()
    return [content[HEADER_BYTES + 40 * i : HEADER_BYTES + 40 * i + 40] for i in range(count)]
