"""Sources to import, and what comes of them, for the tests of imports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowtime.telemetry.importing import ImportReport, ImportRequest, import_telemetry
from flowtime.telemetry.loaders.axis import parse_step
from flowtime.telemetry.loaders.base import ImportOptions
from flowtime.telemetry.loaders.mapping import parse_measures
from flowtime.telemetry.loaders.registry import find_loader
from flowtime.telemetry.loaders.series_bins import Measured, SeriesBins
from flowtime.telemetry.loaders.zones import offset_at

__all__ = [
    "COUNTS",
    "DAY_ONE",
    "REAL",
    "imported",
    "manifest_warnings",
    "measured",
    "moment",
    "options",
    "otlp",
    "series",
    "span",
    "write",
]

DAY_ONE = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
REAL = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "real"
# Rows that are bins of five minutes, from minute 4, with one gap (bin 2) and an empty cell (bin 4).
COUNTS = """\
time,value,note
2025-03-01T00:04:00Z,5,a
2025-03-01T00:09:00Z,7.5,b
2025-03-01T00:19:00Z,0,c
2025-03-01T00:24:00Z,,d
2025-03-01T00:29:00Z,1e2,e
"""


def options(*maps: str, grid: str = "5m", **others: Any) -> ImportOptions:
    """Return the options of an import with those maps."""
    return ImportOptions(step=parse_step(grid), measures=parse_measures(maps), **others)


def write(folder: Path, text: str, name: str = "source.csv") -> Path:
    """Write a source, byte for byte, and return its path."""
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


def measured(path: Path, wanted: ImportOptions) -> Measured:
    """Return what the loader of a file finds in it."""
    zone = wanted.zone
    local = (lambda _: 0) if zone is None else (lambda nanos: offset_at(nanos, zone))
    bins = SeriesBins(wanted, file=path.name, local=local)
    find_loader(path)[1](path, wanted, bins)
    return bins.finish()


def series(found: Measured) -> dict[str, list[float]]:
    """Return the values of each series by its target, as it is written in a map."""
    return {str(item.target): item.values.tolist() for item in found.series}


def imported(path: Path, wanted: ImportOptions, folder: Path, **others: Any) -> ImportReport:
    """Import a file into ``folder / "captures" / "one"``."""
    request = ImportRequest(source=path, output=folder / "captures" / "one", options=wanted, **others)
    return import_telemetry(request, clock=lambda: DAY_ONE, durability="process")


def manifest_warnings(report: ImportReport) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return the bins of each warning by its code."""
    return {warning.code: warning.bins for warning in report.manifest.warnings}


def moment(text: str) -> int:
    """Return a date-time in UTC as nanoseconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def span(service: str, start: float, end: float, **others: Any) -> str:
    """Return a line with a span; ``start`` and ``end`` are seconds after 2025-01-01."""
    zero = 1_735_689_600
    times = {"start": round((zero + start) * 1e9), "end": round((zero + end) * 1e9)}
    return json.dumps({"service": service, **times, **others}) + "\n"


def otlp(spans: Mapping[str, Sequence[Mapping[str, object]]]) -> str:
    """Return a line as the collector exports it: the spans of each service."""
    resources = [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"scope": {"name": "test"}, "spans": list(listed)}],
        }
        for service, listed in spans.items()
    ]
    return json.dumps({"resourceSpans": resources}) + "\n"
