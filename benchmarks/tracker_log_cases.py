"""The event log of the tracker: logging, counting, reading and exporting, beside the least that does as much."""

from __future__ import annotations

import io
import itertools
import json
import mmap
import os
import struct
from pathlib import Path
from zlib import crc32

from benchmarks.case import Case, Guardrail, Size, Timed, require

__all__ = ["TRACKER_LOG_CASES"]

CALLS = 1000
STEPS = 100
# Two of the largest segments and a part of a third.
LOGGED = {"full": 500_000, "tiny": 2_000}
SMALL = {"full": 20_000, "tiny": 500}


def _log_scalars(folder: Path, _size: Size) -> Timed:
    from flowtime.tracking.log.event_log import EventLog

    log = EventLog(folder)
    call_log = log.scalars
    called = itertools.count(1)

    def call() -> int:
        for _ in range(CALLS):
            call_log(loss=0.5)
        return next(called) * CALLS

    return Timed(call, lambda count: require(log.counts == (count, count, 0, None), "all of them in the log"))


def _log_lines(folder: Path, _size: Size) -> Timed:
    """A line of JSON and one write a scalar: what a plain log does that a kill can not hurt."""
    descriptor = os.open(folder / "lines.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    dumps, write = json.dumps, os.write

    def call() -> int:
        written = 0
        for row in range(CALLS):
            written += write(descriptor, (dumps({"name": "loss", "row": row, "value": 0.5}) + "\n").encode())
        return written

    return Timed(call, lambda written: require(written > CALLS * 40, "all lines"))


def _map_records(folder: Path, _size: Size) -> Timed:
    """The same forty bytes to a mapping and nothing else: no names, no pages, no care."""
    file = (folder / "floor.bin").open("w+b")
    file.truncate(CALLS * 40)
    mapping = mmap.mmap(file.fileno(), CALLS * 40)
    pack, write = struct.Struct("<HBBQqIId").pack, struct.Struct("<I36s").pack_into

    def call() -> int:
        for slot in range(CALLS):
            body = pack(40, 1, 0, slot, 0, 1, slot, 0.5)
            write(mapping, slot * 40, crc32(body), body)
        return mapping[-34]

    return Timed(call, lambda kind: require(kind == 1, "a record at the end"))


def _append_steps(folder: Path, _size: Size) -> Timed:
    from flowtime.tracking.log.event_log import EventLog
    from flowtime.tracking.log.log_format import Kind

    log = EventLog(folder)

    def call() -> int:
        for number in range(STEPS):
            last = log.append(Kind.STEP, {"id": "collect", "status": "running", "attempt": number})
        return last

    return Timed(call, lambda last: require(last == log.counts.events, "all of them in the log"))


def _status(folder: Path, size: Size) -> Timed:
    from flowtime.tracking.log.log_report import count_events
    from flowtime.tracking.log.scalar_reader import last_scalars

    count = _fill(folder, LOGGED[size])

    def call() -> tuple[int, dict[str, tuple[float, int, int]]]:
        return count_events(folder), last_scalars(folder)

    def check(result: tuple[int, dict[str, tuple[float, int, int]]]) -> None:
        require(result[0] == count, "the count of all events")
        require(result[1]["rare"][0] == 7.0 and result[1]["loss"][0] == count - 2, "the last value of each name")

    return Timed(call, check)


def _read(folder: Path, size: Size) -> Timed:
    from flowtime.tracking.log.scalar_reader import read_scalars

    count = _fill(folder, SMALL[size])
    return Timed(
        lambda: read_scalars(folder)["loss"].values, lambda values: require(len(values) == count - 1, "every value")
    )


def _export(folder: Path, size: Size) -> Timed:
    from flowtime.tracking.log.jsonl_export import export_jsonl

    count = _fill(folder, SMALL[size])
    return Timed(lambda: export_jsonl(folder, io.StringIO()), lambda lines: require(lines == count, "every event"))


def _fill(folder: Path, count: int) -> int:
    """Log one scalar of a rare name and ``count`` of another, leave the log open, and return how many there are."""
    from flowtime.tracking.log.event_log import EventLog

    log = EventLog(folder)
    log.scalars(rare=7.0)
    for number in range(count):
        log.scalars(loss=number)
    return count + 1


# A host on which a thousand bare records take 2 ms, five times the usual, judges nothing.
_LIMITS = Guardrail({"mean_best_half": 0.003}, turns=500, probe="log_scalar_mapping", probe_limit_ms=2.0)

TRACKER_LOG_CASES = (
    Case("log_scalar", "log 1,000 scalars", _log_scalars, 2, items=CALLS, gate=True, guardrail=_LIMITS),
    Case("log_scalar_json_line", "log 1,000 scalars", _log_lines, 1, items=CALLS),
    Case("log_scalar_mapping", "log 1,000 scalars", _map_records, 4, items=CALLS),
    Case("log_step_record", "log 100 step records", _append_steps, 4, items=STEPS, gate=True),
    Case("log_status_500k", "count and last values of 500,000 events", _status, 2, gate=True),
    Case("log_read_20k", "read 20,000 scalars", _read, 1),
    Case("log_export_20k", "export 20,000 scalars", _export, 1),
)
