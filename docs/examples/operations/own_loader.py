import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from flowtime.telemetry.importing import ImportRequest, import_telemetry
from flowtime.telemetry.loaders import ImportOptions, SeriesBins, SourceError, Target, parse_step


def load(source: Path, options: ImportOptions, bins: SeriesBins) -> None:
    """Read the answer of a range query: increase(requests_total[1m]) by service."""
    answer = json.loads(source.read_text(encoding="utf-8"))
    if answer["status"] != "success":
        raise SourceError("telemetry.source_format", "the query failed", file=source.name)
    for number, series in enumerate(answer["data"]["result"], start=1):
        nanos = np.array([int(seconds * 1e9) for seconds, _ in series["values"]])
        values = np.array([float(text) for _, text in series["values"]])
        located = bins.locate(nanos, lambda row, number=number: number)
        bins.add(Target("node", series["metric"]["service"], "arrivals"), "column", located, values)
        bins.rows += len(values)


request = ImportRequest(
    source=Path("prometheus.json"),
    output=Path("captures/prometheus"),
    options=ImportOptions(step=parse_step("1m")),
    loader=load,
    loader_name="prometheus",
)
report = import_telemetry(request, clock=lambda: datetime.now(UTC))
for series in report.series:
    print(series.subject, series.metric, series.points, "bins")
for warning in report.manifest.warnings:
    print(warning.node_id, warning.message)
