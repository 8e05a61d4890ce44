"""One stream of JSON records being written: whole records, in the order of their sequence, from any thread.

A signal handler that appends while the thread below it is appending only queues; the frame below writes it before it
returns.  So nothing is overwritten and nothing waits for itself.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import NamedTuple

from flowtime.tracking.log.drops import Drops
from flowtime.tracking.log.log_format import HEADER_BYTES, MAX_RECORD_BYTES, RECORD_BYTES, TIMES, Mark, encode_record
from flowtime.tracking.log.segment import Segment, Shelf, sync_sealed

__all__ = ["DROPPED", "QUEUED", "RecordStream"]

DROPPED = -1
QUEUED = 0
# How many records pass between two marks, which readers use to count without reading.
_MARK_EVERY = 64


class _Entry:
    """One record on its way; ``sequence`` is set when it is written."""

    __slots__ = ("kind", "sequence", "text", "times")

    def __init__(self, kind: int, times: bytes, text: bytes) -> None:
        self.kind = kind
        self.times = times
        self.text = text
        self.sequence = QUEUED


class _Place(NamedTuple):
    """Where the next record goes: one value, so that an interrupt finds the old place or the new one."""

    segment: Segment | None
    offset: int
    sequence: int
    records: int


class RecordStream:
    """The segments of one stream of JSON records.

    ``records`` counts what was written before, ``sequence`` is the first to be given (from 1).
    """

    def __init__(self, shelf: Shelf, drops: Drops, *, sequence: int = 1, records: int = 0) -> None:
        self._shelf = shelf
        self._drops = drops
        self._before = records - (sequence - 1)
        self._place = _Place(None, 0, sequence, 0)
        self._queue: deque[_Entry] = deque()
        self._lock = threading.RLock()
        self._is_busy = False
        self._is_closed = False
        self._reason = ""
        self._sealed: deque[Path] = deque()

    @property
    def records(self) -> int:
        """How many records the stream holds, those of earlier sessions too."""
        return self._place.sequence - 1 + self._before

    @property
    def reason(self) -> str:
        """Why the last record that was dropped was."""
        return self._reason

    def append(self, kind: int, text: bytes) -> int:
        """Write one record and return its sequence, DROPPED, or QUEUED where the frame below will write it."""
        clock = self._shelf.clock
        entry = _Entry(kind, TIMES.pack(clock.wall_ns(), clock.monotonic_ns()), text)
        with self._lock:
            self._queue.append(entry)
            if self._is_busy:
                return QUEUED
            self._is_busy = True
            try:
                self._drain()
            finally:
                self._is_busy = False
        return entry.sequence

    def sync(self) -> None:
        """Bring all that was written to the disk; lets OSError through."""
        segment = self._place.segment
        if segment is not None:
            segment.sync()
        # After the open one, as that may have been sealed meanwhile.
        sync_sealed(self._sealed)

    def close(self) -> None:
        """Seal what is open; later records are dropped.  Does nothing inside an append that it interrupted."""
        with self._lock:
            if not self._is_busy:
                self._is_closed = True
                self._seal()

    def abandon(self) -> None:
        """Forget all without writing, as a forked child must; takes no lock, since its holder was not forked."""
        self._is_closed = True
        self._lock = threading.RLock()
        self._queue = deque()
        self._is_busy = False
        self._place = self._place._replace(segment=None)

    def _drain(self) -> None:
        """Write what is queued, in order; an interrupt at any point leaves a state that this goes on from."""
        while self._queue:
            entry = self._queue[0]
            if not 0 < entry.sequence < self._place.sequence:
                self._write(entry)
            self._queue.popleft()

    def _write(self, entry: _Entry) -> None:
        size = RECORD_BYTES + len(entry.times) + len(entry.text)
        reason = self._find_room(size)
        segment, offset, sequence, records = self._place
        if reason or segment is None:
            entry.sequence = DROPPED
            self._reason = reason
            self._drops.add(reason)
            return
        segment.view[offset : offset + size] = encode_record(entry.kind, sequence, entry.times, entry.text)
        entry.sequence = sequence
        self._place = _Place(segment, offset + size, sequence + 1, records + 1)
        if records % _MARK_EVERY == _MARK_EVERY - 1:
            segment.write_mark(self._mark(is_sealed=False))

    def _find_room(self, size: int) -> str:
        """Make the place one with ``size`` bytes of room; return why there is none, or nothing."""
        segment, offset, sequence, _ = self._place
        if self._is_closed:
            return "the log is closed"
        if size > MAX_RECORD_BYTES:
            return f"a record of {size} bytes is over {MAX_RECORD_BYTES}"
        if segment is not None and offset + size <= segment.size:
            return ""
        fresh = self._shelf.take(sequence, least_bytes=size)
        if fresh is None:
            return self._shelf.reason
        try:
            fresh.populate(0, HEADER_BYTES + size)
        except OSError as error:
            fresh.discard()
            self._shelf.refuse(error.strerror or str(error))
            return self._shelf.reason
        self._seal()
        self._place = _Place(fresh, HEADER_BYTES, sequence, 0)
        return ""

    def _seal(self) -> None:
        """Seal the open segment, if any."""
        segment = self._place.segment
        if segment is None:
            return
        segment.seal(self._mark(is_sealed=True))
        self._sealed.append(segment.path)
        self._place = self._place._replace(segment=None)
        segment.unmap()

    def _mark(self, *, is_sealed: bool) -> Mark:
        return Mark(is_sealed, self._place.records, self._place.offset, self._shelf.clock.wall_ns())
