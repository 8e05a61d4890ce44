"""What a log holds and what of it is damaged: counted quickly from marks, or told in full by reading all of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from flowtime.tracking.log.event_reader import EVENT_STREAMS
from flowtime.tracking.log.log_format import (
    HEADER_BYTES,
    SCALAR_BYTES,
    SCALAR_STREAM,
    Kind,
    SegmentName,
    list_segments,
)
from flowtime.tracking.log.scalar_slots import count_kind
from flowtime.tracking.log.segment_file import Damage, Faults, SegmentFile, open_segment
from flowtime.tracking.log.segment_reader import live_end, read_records, read_slots

__all__ = ["Gap", "LogReport", "SegmentReport", "count_events", "scan_log", "scan_segment"]

_TRIES = 3
_WAIT_S = 0.002


class SegmentReport(NamedTuple):
    """One segment: what it holds, and what could not be read.

    ``records`` are events; ``first`` and ``end`` are the sequences that it spans; ``holes`` are slots that a thread
    took and never wrote, as it was killed between the two: nobody was told that they were logged.
    """

    file: str
    writer: str
    stream: str
    number: int
    first: int
    end: int
    records: int
    bytes: int
    is_sealed: bool
    is_compacted: bool
    holes: int
    damages: tuple[Damage, ...]


class Gap(NamedTuple):
    """Sequences that no segment holds: of a file that is gone, or of damaged bytes."""

    writer: str
    stream: str
    first: int
    missing: int


class LogReport(NamedTuple):
    """A log as found: its segments, and the sequences that are missing."""

    segments: tuple[SegmentReport, ...]
    gaps: tuple[Gap, ...]

    @property
    def events(self) -> int:
        """How many events can be read, scalars too; names of keys are none."""
        return sum(segment.records for segment in self.segments if segment.stream in EVENT_STREAMS)

    @property
    def scalars(self) -> int:
        """How many scalars can be read."""
        return sum(segment.records for segment in self.segments if segment.stream == SCALAR_STREAM)

    @property
    def holes(self) -> int:
        """How many slots were taken and never written."""
        return sum(segment.holes for segment in self.segments)

    @property
    def damages(self) -> tuple[Damage, ...]:
        """Every damage, with its file and offset."""
        return tuple(damage for segment in self.segments for damage in segment.damages)

    @property
    def bytes(self) -> int:
        """How long all files are."""
        return sum(segment.bytes for segment in self.segments)


def count_events(folder: Path) -> int:
    """Return how many events a log holds, from the marks of its segments: at most one page of each is read.

    A slot that a thread took and never wrote before its segment was full counts as one; ``scan_log`` is exact.
    """
    return sum(map(_count_segment, list_segments(folder, EVENT_STREAMS)))


def scan_log(folder: Path) -> LogReport:
    """Read a log wholly and tell what is there, what is damaged and what is missing."""
    reports = [report for name in list_segments(folder) if (report := scan_segment(name)) is not None]
    gaps = [gap for _, group in groupby(reports, key=lambda one: (one.writer, one.stream)) for gap in _gaps(group)]
    return LogReport(tuple(reports), tuple(gaps))


def scan_segment(name: SegmentName) -> SegmentReport | None:
    """Read one segment wholly; None where it is gone.

    What looks torn in one that is being written may be a record on its way, so that is read again.
    """
    report = None
    for _ in range(_TRIES):
        file = open_segment(name)
        if file is None:
            return None
        with file:
            report = _scan(file)
        if report.is_sealed or not report.damages:
            break
        time.sleep(_WAIT_S)
    return report


def _scan(file: SegmentFile) -> SegmentReport:
    faults = Faults(file.file_name)
    first = end = 0
    records = 0
    if file.header is None:
        if not file.is_blank:
            faults.damaged(0, file.size)
    elif file.name.stream == SCALAR_STREAM:
        first = end = file.header.first_sequence
        for slot in read_slots(file, faults=faults):
            records += slot[1] == Kind.SCALAR
            end = slot[3] + 1
        if file.mark is not None:
            end = max(end, first + (file.mark.used - HEADER_BYTES) // SCALAR_BYTES)
            _check_length(file, faults)
    else:
        first = end = file.header.first_sequence
        for record in read_records(file, faults=faults):
            records += 1
            end = record.sequence + 1
    name = file.name
    return SegmentReport(
        file.file_name,
        name.writer,
        name.stream,
        name.number,
        first,
        end,
        records,
        file.size,
        file.is_sealed,
        name.is_compacted,
        faults.holes,
        tuple(faults.damages),
    )


def _check_length(file: SegmentFile, faults: Faults) -> None:
    """Tell of bytes that the mark counts and the file has no more."""
    if file.mark is not None and not file.name.is_compacted and file.size < file.mark.used:
        faults.damaged(file.size, file.mark.used - file.size)


def _gaps(reports: Iterator[SegmentReport]) -> Iterator[Gap]:
    expected = 1
    for report in reports:
        if report.end == 0:
            continue
        if report.first > expected:
            yield Gap(report.writer, report.stream, expected, report.first - expected)
        lost = report.end - report.first - report.records
        if lost > 0 and report.stream != SCALAR_STREAM:
            yield Gap(report.writer, report.stream, report.first, lost)
        expected = max(expected, report.end)


def _count_segment(name: SegmentName) -> int:
    file = open_segment(name)
    if file is None:
        return 0
    with file:
        if file.header is None:
            return 0
        mark = file.mark
        if mark is not None and mark.is_sealed:
            return mark.records
        if name.stream == SCALAR_STREAM:
            return (mark.records if mark is not None else 0) + count_kind(live_end(file)[1], Kind.SCALAR)
        if mark is None:
            return sum(1 for _ in read_records(file))
        later = read_records(file, start=mark.used, sequence=file.header.first_sequence + mark.records)
        return mark.records + sum(1 for _ in later)
