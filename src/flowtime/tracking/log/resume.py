"""Going on with a log whose writer is gone: where its sequences stopped, what it knew, and what is torn.

Nothing is written behind a torn tail: a resumed log begins new segments.  What a dead writer left open is sealed, so
that it is looked at once only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from flowtime.tracking.log.key_names import KeyNames
from flowtime.tracking.log.log_format import (
    HEADER_BYTES,
    MARK_AT,
    SCALAR_BYTES,
    SCALAR_STREAM,
    Mark,
    SegmentName,
    encode_mark,
    list_segments,
)
from flowtime.tracking.log.log_report import SegmentReport, scan_segment
from flowtime.tracking.log.scalar_reader import last_values
from flowtime.tracking.log.scalar_stream import Resumed
from flowtime.tracking.log.segment import Shelf
from flowtime.tracking.log.segment_file import open_segment

__all__ = ["Found", "resume_log", "seal_file"]


class Found(NamedTuple):
    """What an earlier session left: ``starts`` holds stream -> (next sequence, records), ``repairs`` what is torn."""

    scalars: Resumed
    starts: dict[str, tuple[int, int]]
    repairs: tuple[dict[str, object], ...]


class _End(NamedTuple):
    """Where a segment ends: the sequence after its last, and how many events it holds."""

    next_sequence: int
    records: int


def resume_log(folder: Path, writer: str, shelves: Mapping[str, Shelf]) -> Found:
    """Look at the segments of ``writer``, seal what is open, and let its shelves go on after the last numbers.

    Lets OSError through where a file can not be read; one that can not be sealed is left open.
    """
    starts: dict[str, tuple[int, int]] = {}
    repairs: list[dict[str, object]] = []
    segments = [name for name in list_segments(folder) if name.writer == writer]
    for name in segments:
        shelves[name.stream].number = name.number
        end = _end(name, repairs)
        if end is not None:
            sequence, records = starts.get(name.stream, (1, 0))
            starts[name.stream] = (max(sequence, end.next_sequence), records + end.records)
    scalars = [name for name in segments if name.stream == SCALAR_STREAM]
    return Found(_scalars(folder, writer, scalars, shelves, starts), starts, tuple(repairs))


def seal_file(name: SegmentName) -> SegmentReport | None:
    """Seal a raw segment that nobody writes any more and return what it holds.

    None where it is sealed already, gone, or has no header that can be read.  Lets OSError through.
    """
    file = open_segment(name)
    if file is None:
        return None
    with file:
        if file.name.is_compacted or file.header is None or file.is_sealed:
            return None
        written = HEADER_BYTES + len(file.read(HEADER_BYTES, file.size).rstrip(b"\0"))
    report = scan_segment(name)
    if report is None:
        return None
    if name.stream == SCALAR_STREAM:
        written = HEADER_BYTES + -(-(written - HEADER_BYTES) // SCALAR_BYTES) * SCALAR_BYTES
    mark = encode_mark(Mark(True, report.records, written, 0))
    descriptor = os.open(name.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.lseek(descriptor, MARK_AT, os.SEEK_SET)
        # Never cut here: a writer that was only thought dead would die of it, by SIGBUS.  Compaction frees the room.
        os.write(descriptor, mark)
    finally:
        os.close(descriptor)
    return report


def _end(name: SegmentName, repairs: list[dict[str, object]]) -> _End | None:
    file = open_segment(name)
    if file is None:
        return None
    with file:
        header, mark, size, is_blank = file.header, file.mark, file.size, file.is_blank
    if header is None:
        if not is_blank:
            repairs.append({"file": name.file, "offset": 0, "bytes": size})
        return None
    if mark is not None and mark.is_sealed:
        if name.stream == SCALAR_STREAM:
            return _End(header.first_sequence + (mark.used - HEADER_BYTES) // SCALAR_BYTES, mark.records)
        return _End(header.first_sequence + mark.records, mark.records)
    report = _sealed(name)
    if report is None:
        return None
    repairs += [{"file": one.file, "offset": one.offset, "bytes": one.bytes} for one in report.damages]
    return _End(report.end, report.records)


def _sealed(name: SegmentName) -> SegmentReport | None:
    """Seal a segment and report it; where the disk would not, report it all the same."""
    try:
        return seal_file(name)
    except OSError:
        return scan_segment(name)


def _scalars(
    folder: Path,
    writer: str,
    segments: list[SegmentName],
    shelves: Mapping[str, Shelf],
    starts: Mapping[str, tuple[int, int]],
) -> Resumed:
    clock = shelves[SCALAR_STREAM].clock
    shift = clock.monotonic_ns() - clock.wall_ns()
    names = KeyNames(folder).of_writer(writer)
    last = last_values(segments, names)
    sequence, records = starts.get(SCALAR_STREAM, (1, 0))
    return Resumed(
        next_sequence=sequence,
        records=records,
        keys={name: key for key, name in names.items()},
        last={key: (value.wall_ns + shift, value.row, value.value) for key, value in last.items()},
        next_row=1 + max((value.row for value in last.values()), default=-1),
    )
