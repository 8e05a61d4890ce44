"""Reading the event log as events, in the order of their time, also while others write it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from flowtime.tracking.log.key_names import KeyNames
from flowtime.tracking.log.log_format import SCALAR_STREAM, STREAMS, Kind, SegmentName, list_segments
from flowtime.tracking.log.segment_file import SegmentFile, open_segment
from flowtime.tracking.log.segment_reader import Record, Slot, read_records, read_slots

__all__ = ["EVENT_STREAMS", "LogEvent", "read_events", "record_event", "slot_event"]

# All but the names of keys, which readers put into the scalars.
EVENT_STREAMS = tuple(stream for stream in STREAMS if stream != "names")


class LogEvent(NamedTuple):
    """One event; ``data`` of a scalar is ``{"name": ..., "row": ..., "value": ...}``.

    ``row`` is the same for all values of one call.  ``wall_ns`` of a scalar is the wall clock at the start of its
    segment plus what the monotonic clock ran since.
    """

    writer: str
    stream: str
    sequence: int
    kind: int
    wall_ns: int
    monotonic_ns: int
    data: dict[str, Any]


def read_events(folder: Path, *, streams: Collection[str] | None = None) -> Iterator[LogEvent]:
    """Yield the events of a log, merged over its writers by wall clock, each stream of a writer in its own order.

    ``folder`` is the folder of the run, or ``tracking`` in it.  Damaged bytes are passed over: ``scan_log`` tells of
    them.  Holds one segment of each stream of JSON records in memory, of scalars some 250 KB.
    """
    wanted = EVENT_STREAMS if streams is None else tuple(streams)
    segments = list_segments(folder, wanted)
    names = KeyNames(folder)
    parts = [
        _stream_events(stream, list(group), names)
        for (_, stream), group in groupby(segments, key=lambda name: (name.writer, name.stream))
    ]
    if len(parts) == 1:
        return parts[0]
    return heapq.merge(*parts, key=attrgetter("wall_ns"))


def slot_event(file: SegmentFile, slot: Slot, name: str) -> LogEvent:
    """Return a slot of an open segment as an event."""
    _, kind, _, sequence, monotonic_ns, _, row, value = slot
    header = file.header
    wall_ns = monotonic_ns if header is None else header.wall_ns + monotonic_ns - header.monotonic_ns
    data = {"name": name, "row": row, "value": value}
    return LogEvent(file.name.writer, SCALAR_STREAM, sequence, kind, wall_ns, monotonic_ns, data)


def record_event(file: SegmentFile, record: Record) -> LogEvent:
    """Return a record of an open segment as an event."""
    data = json.loads(record.text)
    name = file.name
    return LogEvent(name.writer, name.stream, record.sequence, record.kind, record.wall_ns, record.monotonic_ns, data)


def _stream_events(stream: str, segments: list[SegmentName], names: KeyNames) -> Iterator[LogEvent]:
    for segment in segments:
        file = open_segment(segment)
        if file is None:
            continue
        with file:
            if stream != SCALAR_STREAM:
                for record in read_records(file):
                    yield record_event(file, record)
                continue
            for slot in read_slots(file):
                if slot[1] == Kind.SCALAR:
                    yield slot_event(file, slot, names.name(segment.writer, slot[5]))
