"""Following a log: what came since one looked last, while others write it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from flowtime.tracking.clock import SYSTEM_CLOCK, Clock
from flowtime.tracking.log.event_reader import EVENT_STREAMS, LogEvent, record_event, slot_event
from flowtime.tracking.log.key_names import KeyNames
from flowtime.tracking.log.log_format import HEADER_BYTES, SCALAR_STREAM, Kind, SegmentName, list_segments
from flowtime.tracking.log.segment_file import SegmentFile, open_segment
from flowtime.tracking.log.segment_reader import live_end, read_records, read_slots

__all__ = ["Follower"]

# A slot that was taken and is not written yet is waited for as long: a thread may be held up between the two.
_PATIENCE_NS = 1_000_000_000


class Follower:
    """Gives the events of a log as they come, each of them once, in the order of each stream.

    ``streams`` are those to follow, all if None.  With ``from_start`` False what is there already is passed over.
    """

    def __init__(
        self,
        folder: Path,
        streams: Collection[str] | None = None,
        *,
        from_start: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._folder = folder
        self._streams = EVENT_STREAMS if streams is None else tuple(streams)
        self._now = clock.monotonic_ns
        self._names = KeyNames(folder)
        self._tails: dict[tuple[str, str], _Tail] = {}
        if not from_start:
            for tail, segments in self._groups():
                tail.skip(segments)

    def poll(self) -> list[LogEvent]:
        """Return what came since the last call, merged by time; lets OSErrors of reading through."""
        parts = [tail.read(segments, self._names, self._now) for tail, segments in self._groups()]
        # Merged, not sorted: the order of a stream is that of its sequence, whatever the clock said.
        return list(heapq.merge(*parts, key=attrgetter("wall_ns")))

    def _groups(self) -> Iterator[tuple[_Tail, list[SegmentName]]]:
        names = list_segments(self._folder, self._streams)
        for key, group in groupby(names, key=lambda name: (name.writer, name.stream)):
            yield self._tails.setdefault(key, _Tail()), list(group)


class _Tail:
    """How far one stream of one writer was read: the next sequence, and where in which segment it lies."""

    __slots__ = ("_next", "_number", "_offset", "_stalled_ns")

    def __init__(self) -> None:
        self._next = 1
        self._number = 0
        self._offset = HEADER_BYTES
        self._stalled_ns: int | None = None

    def skip(self, segments: list[SegmentName]) -> None:
        """Pass over all that is there."""
        for name in segments[-1:]:
            file = open_segment(name)
            if file is None:
                continue
            with file:
                if file.header is None:
                    continue
                self._number = name.number
                self._next = file.header.first_sequence
                if name.stream == SCALAR_STREAM and not file.name.is_compacted:
                    self._next += live_end(file)[0]
                elif name.stream == SCALAR_STREAM:
                    self._next += sum(head.records for head in file.block_heads())
                else:
                    self._skip_records(file)

    def read(self, segments: list[SegmentName], names: KeyNames, now: Callable[[], int]) -> list[LogEvent]:
        """Return the events that came."""
        found: list[LogEvent] = []
        last = segments[-1].number if segments else 0
        for name in segments:
            if name.number < self._number:
                continue
            file = open_segment(name)
            if file is None:
                continue
            with file:
                if file.header is None:
                    continue
                if name.number != self._number:
                    self._number, self._offset = name.number, HEADER_BYTES
                    self._next = max(self._next, file.header.first_sequence)
                is_live = name.number == last and not file.is_sealed
                if not self._read_segment(file, found, names, now if is_live else None):
                    break
        return found

    def _read_segment(
        self, file: SegmentFile, found: list[LogEvent], names: KeyNames, now: Callable[[], int] | None
    ) -> bool:
        """Add the events of one segment; False where one that should be next is not there yet."""
        for sequence, end, event in self._events(file, names):
            if sequence < self._next:
                continue
            if sequence > self._next and now is not None and self._waits(now()):
                return False
            self._stalled_ns = None
            self._next = sequence + 1
            self._offset = end or self._offset
            if event is not None:
                found.append(event)
        return True

    def _waits(self, now_ns: int) -> bool:
        """Say whether to wait for what is missing before going on without it."""
        if self._stalled_ns is None:
            self._stalled_ns = now_ns
        return now_ns - self._stalled_ns < _PATIENCE_NS

    def _events(self, file: SegmentFile, names: KeyNames) -> Iterator[tuple[int, int, LogEvent | None]]:
        """Yield (sequence, offset behind it or 0, event or None for what is none) from the next one on."""
        if file.header is None:
            return
        if file.name.stream != SCALAR_STREAM:
            start = HEADER_BYTES if file.name.is_compacted else self._offset
            sequence = None if start == HEADER_BYTES else self._next
            for record in read_records(file, start=start, sequence=sequence):
                yield record.sequence, record.end, record_event(file, record)
            return
        for slot in read_slots(file, start=self._next - file.header.first_sequence, is_live=not file.is_sealed):
            is_event = slot[1] == Kind.SCALAR
            yield slot[3], 0, slot_event(file, slot, names.name(file.name.writer, slot[5])) if is_event else None

    def _skip_records(self, file: SegmentFile) -> None:
        start, sequence = HEADER_BYTES, None
        if file.mark is not None and not file.name.is_compacted and file.header is not None and not file.is_sealed:
            start, sequence = file.mark.used, file.header.first_sequence + file.mark.records
            self._offset, self._next = start, sequence
        for record in read_records(file, start=start, sequence=sequence):
            self._next = record.sequence + 1
            self._offset = record.end or self._offset
