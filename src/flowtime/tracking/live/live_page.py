"""One mapped page per run: what it is doing now, and how it ended, readable from another process at any instant.

    0     magic, version
    64    beat slot A      1536  beat slot B       written in turns, so that one of them is whole
    3072  the end          the first end wins

A slot is ``<I crc32 of the rest><H size><Q number>`` and JSON.  The page is a mapping, so what is in it survives the
process (not the machine); nothing here takes a lock or makes a system call once it is open.
"""

from __future__ import annotations

import json
import mmap
import os
import zlib
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

__all__ = ["Beat", "EndMark", "LivePage", "LivePageWriter", "read_live"]

PAGE_BYTES = 4096
_MAGIC = b"FLOWLIVE" + (1).to_bytes(4, "little")
_SLOTS = (64, 1536)
_SLOT_BYTES = 1472
_END = 3072
_END_BYTES = PAGE_BYTES - _END
_HEAD = Struct("<IHQ")
_CHECKED = Struct("<HQ")


class Beat(NamedTuple):
    """A heartbeat: where the run is; None where that is not known.

    Times are nanoseconds of the wall clock and of the monotonic clock of the writer's machine; ``step_index`` counts
    finished and running steps from 1 of ``step_count``; ``eta_*`` are seconds left, ``rate`` items a second.
    """

    number: int
    wall_ns: int
    monotonic_ns: int
    events: int = 0
    dropped: int = 0
    step: str | None = None
    step_index: int | None = None
    step_count: int | None = None
    done: int | None = None
    total: int | None = None
    eta_seconds: float | None = None
    eta_low: float | None = None
    eta_high: float | None = None
    rate: float | None = None


class EndMark(NamedTuple):
    """How a run ended, written the moment that it was known: before run.json, and by signal handlers."""

    status: str
    signal: str | None
    wall_ns: int


class LivePage(NamedTuple):
    """The page as it was read: the last whole beat, and the end if there is one."""

    beat: Beat | None
    end: EndMark | None


# The names in the file, in the order of the fields after `number`.
_BEAT_KEYS = (
    "wallNs",
    "monotonicNs",
    "events",
    "dropped",
    "step",
    "stepIndex",
    "stepCount",
    "done",
    "total",
    "etaSeconds",
    "etaLow",
    "etaHigh",
    "rate",
)


def read_live(folder: Path) -> LivePage:
    """Return the live page of a run folder; what is missing, torn or not readable is None."""
    try:
        with open(folder / "tracking" / "live.bin", "rb") as file:
            page = file.read(PAGE_BYTES)
    except OSError:
        return LivePage(None, None)
    if len(page) < PAGE_BYTES or page[: len(_MAGIC)] != _MAGIC:
        return LivePage(None, None)
    beats = [beat for beat in map(_beat, (_slot(page, start, _SLOT_BYTES) for start in _SLOTS)) if beat is not None]
    end = _slot(page, _END, _END_BYTES)
    return LivePage(max(beats, default=None), None if end is None else _end(end[1]))


class LivePageWriter:
    """The page of a run that is going on, for its one process; made anew, so that the end of an earlier one is gone.

    ``beat`` is for one thread (the keeper); ``mark_end`` may be called from any thread and from a signal handler at
    any instant.  Raises OSError where the file can not be made.
    """

    def __init__(self, path: Path) -> None:
        # Beside it first: a page that is being cleared must not show to whoever judges the run.
        fresh = path.with_name(f".live.{os.getpid()}.tmp")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            # Written, not truncated to size: a hole that can not be filled later is a SIGBUS.
            os.write(descriptor, _MAGIC + bytes(PAGE_BYTES - len(_MAGIC)))
            self._page: mmap.mmap | None = mmap.mmap(descriptor, PAGE_BYTES)
        finally:
            os.close(descriptor)
        os.replace(fresh, path)
        self._ends = count()
        self._is_ended = False
        self._beats = 0

    def beat(self, fields: Mapping[str, Any]) -> None:
        """Write a heartbeat; ``fields`` are named as in the file, and a text that is too long is cut off."""
        self._beats += 1
        data = _json(fields)
        if len(data) > _SLOT_BYTES - _HEAD.size:
            data = _json({**fields, "step": str(fields.get("step"))[:64]})
        self._put(_SLOTS[self._beats & 1], self._beats, data)

    def mark_end(self, status: str, signal: str | None, wall_ns: int, *, is_final: bool = True) -> bool:
        """Write how the run ended; says whether this was the first end, as a later one changes nothing.

        One that is not final says what to think of the run if it is never heard of again, until an end comes.
        """
        if self._is_ended or (is_final and next(self._ends)):
            return False
        self._is_ended = is_final
        self._put(_END, 1, _json({"status": status, "signal": signal, "wallNs": wall_ns}))
        return True

    def flush(self) -> None:
        """Bring the page to the disk, for those who want it to survive the machine."""
        if self._page is not None:
            self._page.flush()

    def close(self) -> None:
        """Unmap the page; later calls do nothing."""
        page, self._page = self._page, None
        if page is not None:
            page.close()

    def _put(self, start: int, number: int, data: bytes) -> None:
        page = self._page
        if page is None:
            return
        rest = _CHECKED.pack(len(data), number) + data
        page[start + 4 : start + 4 + len(rest)] = rest
        page[start : start + 4] = zlib.crc32(rest).to_bytes(4, "little")


def _json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _slot(page: bytes, start: int, room: int) -> tuple[int, dict[str, Any]] | None:
    """Return number and fields of a slot, or None where it is empty or torn."""
    crc, size, number = _HEAD.unpack_from(page, start)
    if not size or size > room - _HEAD.size:
        return None
    if zlib.crc32(page[start + 4 : start + _HEAD.size + size]) != crc:
        return None
    try:
        fields = json.loads(page[start + _HEAD.size : start + _HEAD.size + size])
    except ValueError:
        return None
    return (number, fields) if isinstance(fields, dict) else None


def _beat(slot: tuple[int, dict[str, Any]] | None) -> Beat | None:
    if slot is None:
        return None
    number, fields = slot
    values: list[Any] = [fields.get(key) for key in _BEAT_KEYS]
    return Beat(number, *values)


def _end(fields: Mapping[str, Any]) -> EndMark | None:
    status, wall_ns = fields.get("status"), fields.get("wallNs")
    if not isinstance(status, str) or not isinstance(wall_ns, int):
        return None
    return EndMark(status, fields.get("signal"), wall_ns)
