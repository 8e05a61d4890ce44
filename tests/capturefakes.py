"""Runs to capture, captures of them, and ways to spoil one: for the tests of telemetry."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from enginemodels import model_text, station
from flowtime.bundle import Bundle, open_bundle
from flowtime.model import parse_model
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.settings import Settings
from flowtime.storage import sha256_bytes
from flowtime.telemetry.capture import CaptureReport, CaptureRequest, capture_run
from flowtime.telemetry.manifest import CaptureManifest, manifest_bytes, read_manifest

__all__ = [
    "CLASSES",
    "DAY_ONE",
    "DAY_TWO",
    "FLOW",
    "LIMITED",
    "PLAIN",
    "RETRIES",
    "SAMPLED",
    "a_capture",
    "a_run",
    "manifest_of",
    "parts_of_capture",
    "replace_cells",
    "rewrite",
]

DAY_ONE = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
DAY_TWO = datetime(2026, 7, 31, 23, 59, 59, tzinfo=UTC)
# A line of two, of which the second gets what the first serves.
FLOW = model_text(
    4,
    {"demand": [1.0, 5.0, 0.1, 0.0], "limit": 2.0},
    station("arrivals: demand, capacity: limit", name="Desk"),
    station("arrivals: desk_served", kind="sink", name="Done"),
    edges=["{from: Desk, to: Done, id: out}"],
    grid='binSize: 5, binUnit: minutes, start: "2026-03-01T00:00:00Z"',
)
RETRIES = model_text(
    4,
    {"requests": [8.0, 8.0, 8.0, 8.0], "failed": "arrived * 0.25", "arrived": "requests + again",
     "again": "CONV(failed, [0, 0.5])", "work": "served * 20", "served": "arrived - failed"},
    station(
        "arrivals: requests, served: served, errors: failed, attempts: arrived, failures: failed, "
        "retryEcho: again, processingTimeMsSum: work, servedCount: served",
        kind="service",
        name="Api",
    ),
)  # fmt: skip
CLASSES = model_text(
    3,
    {"demand": "{kind: const, values: [6, 6, 6]}", "limit": 4.0},
    station("arrivals: demand, capacity: limit", name="Desk"),
    root=[
        "classes: [{id: Vip}, {id: Rest}]",
        "traffic:",
        "  arrivals:",
        "    - {nodeId: demand, classId: Vip, pattern: {kind: constant, ratePerBin: 1}}",
        "    - {nodeId: demand, classId: Rest, pattern: {kind: constant, ratePerBin: 2}}",
    ],
)
LIMITED = model_text(
    3,
    {"a": [4.0, 4.0, 4.0], "b": [2.0, 2.0, 2.0], "each": 9.0, "both": 3.0, "all": "a + b"},
    station("arrivals: a, capacity: each", name="A", rest=", constraints: [Shared]"),
    station("arrivals: b, capacity: each", name="B", rest=", constraints: [Shared]"),
    constraints=["{id: Shared, semantics: {arrivals: all, served: both}}"],
)
PLAIN = model_text(3, {"x": [1.0, -2.0, float("nan")], "y": "x * 2"})
SAMPLED = model_text(
    5, {"x": "{kind: pmf, pmf: {values: [0, 10], probabilities: [0.5, 0.5]}}"}, station("arrivals: x", kind="sink")
)


def a_run(folder: Path, text: str = FLOW, *, run_id: str = "one", **request: Any) -> Bundle:
    """Evaluate a model and return its run, in ``folder/runs``."""
    run_simulation(
        RunRequest(source=parse_model(text), run_id=run_id, **request),
        root=folder / "runs",
        settings=Settings(durability="process"),
        clock=lambda: DAY_ONE,
        entropy=bytes,
    )
    return open_bundle(folder / "runs" / run_id)


def a_capture(bundle: Bundle, output: Path, *, day: datetime = DAY_ONE, **request: Any) -> CaptureReport:
    """Capture a run on a given day."""
    return capture_run(bundle, CaptureRequest(output=output, **request), clock=lambda: day, durability="process")


def manifest_of(folder: Path) -> Any:
    """Return the manifest of a capture as plain data."""
    return json.loads((folder / "manifest.json").read_bytes())


def parts_of_capture(manifest: CaptureManifest) -> set[tuple[str | None, str, str]]:
    """Return what a capture holds: subject, metric and class."""
    return {(file.subject, file.metric, file.class_id) for file in manifest.files}


def rewrite(folder: Path, change: Callable[[Any], None]) -> None:
    """Change the manifest of a capture and seal it anew, as somebody would who knows how."""
    document = manifest_of(folder)
    change(document)
    manifest = msgspec.convert(document, CaptureManifest)
    (folder / "manifest.json").write_bytes(manifest_bytes(manifest))


def replace_cells(folder: Path, path: str, old: bytes, new: bytes) -> None:
    """Change a file of a capture, and its hash in the manifest."""
    data = (folder / path).read_bytes().replace(old, new)
    (folder / path).write_bytes(data)
    files = read_manifest(folder).files
    found = [index for index, file in enumerate(files) if file.path == path]

    def change(document: Any) -> None:
        for index in found:
            document["files"][index]["hash"] = sha256_bytes(data)

    rewrite(folder, change)
