"""The event log as lines of JSON, one event a line, in the order of time."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO

from flowtime.storage.atomic import disk_error
from flowtime.tracking.log.event_reader import LogEvent, read_events
from flowtime.tracking.log.log_format import Kind, kind_name

__all__ = ["export_jsonl", "jsonl_lines"]

_BATCH = 2048


def export_jsonl(folder: Path, out: Path | IO[str], *, streams: Collection[str] | None = None) -> int:
    """Write the events of a log to ``out``, one JSON object a line, and return how many there were.

    A line has ``writer``, ``stream``, ``sequence``, ``kind`` (by name), ``wallNs``, ``monotonicNs`` and ``data``.  A
    value that is no finite number is a text, ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``, as JSON has none such.
    A path is written beside its place and renamed; raises StorageError where the disk would not.
    """
    if not isinstance(out, Path):
        return _write(folder, out, streams)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("x", encoding="ascii", newline="\n") as file:
            count = _write(folder, file, streams)
        os.replace(temporary, out)
    except OSError as error:
        with suppress(OSError):  # the first error is the one to report
            temporary.unlink(missing_ok=True)
        raise disk_error(error, out) from error
    return count


def jsonl_lines(folder: Path, *, streams: Collection[str] | None = None) -> Iterator[str]:
    """Yield the lines that ``export_jsonl`` writes, each with its line feed."""
    encode = json.JSONEncoder(separators=(",", ":")).encode
    quoted: dict[str, str] = {}
    for event in read_events(folder, streams=streams):
        if event.kind == Kind.SCALAR:
            yield _scalar_line(event, quoted)
        else:
            yield f'{_head(event)}"kind":"{kind_name(event.kind)}","data":{encode(event.data)}}}\n'


def _write(folder: Path, out: IO[str], streams: Collection[str] | None) -> int:
    lines = jsonl_lines(folder, streams=streams)
    count = 0
    while batch := list(islice(lines, _BATCH)):
        out.write("".join(batch))
        count += len(batch)
    return count


def _head(event: LogEvent) -> str:
    return (
        f'{{"writer":"{event.writer}","stream":"{event.stream}","sequence":{event.sequence},'
        f'"wallNs":{event.wall_ns},"monotonicNs":{event.monotonic_ns},'
    )


def _scalar_line(event: LogEvent, quoted: dict[str, str]) -> str:
    """Return the line of a scalar, put together by hand: a third of the time of an encoder."""
    name = event.data["name"]
    text = quoted.get(name)
    if text is None:
        text = quoted[name] = json.dumps(name)
    value = event.data["value"]
    number = repr(value) if math.isfinite(value) else _odd(value)
    return f'{_head(event)}"kind":"scalar","data":{{"name":{text},"row":{event.data["row"]},"value":{number}}}}}\n'


def _odd(value: float) -> str:
    if math.isnan(value):
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'
