"""Lists of 10,000 runs, flow and tracked: by way of the index, beside reading every run.json; one run's status."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Size, Timed, require

__all__ = ["REGISTRY_CASES"]

RUNS = 10_000
TEMPLATES = 12
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
# Long after the files are written, so that they count as settled.
NOW = datetime(2100, 1, 1, tzinfo=UTC)


def make_runs(root: Path, count: int) -> None:
    """Write ``count`` runs, a minute apart, each a folder with a run.json of twelve series."""
    series = [{"id": f"s{row}@S{row}@DEFAULT", "path": None, "unit": "entities/bin"} for row in range(12)]
    for number in range(count):
        folder = root / f"run_{number:08d}"
        folder.mkdir(parents=True)
        document = {
            "schemaVersion": 1,
            "runId": folder.name,
            "kind": "flow",
            "mode": "telemetry" if number % 5 == 0 else "simulation",
            "templateId": f"template-{number % TEMPLATES}",
            "templateVersion": "1.0.0",
            "inputHash": f"sha256:{number:064x}",
            "createdUtc": (FIRST + timedelta(minutes=number)).isoformat().replace("+00:00", "Z"),
            "grid": {"bins": 288, "binSize": 5, "binUnit": "minutes"},
            "warnings": [{"severity": "warning"}] * (number % 3),
            "series": series,
        }
        (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")


def _first_page(root: Path, query: dict[str, Any]) -> Callable[[], Any]:
    """Open the registry and take the first page, as a process does that lists once."""
    from flowtime.runs.query import RunQuery
    from flowtime.runs.registry import Registry

    def call() -> Any:
        with Registry(root, clock=lambda: NOW) as registry:
            return registry.page(RunQuery(**query)).items

    return call


def _kept_open(root: Path, query: dict[str, Any]) -> Callable[[], Any]:
    """Take the first page of a registry that stays open, as a server does."""
    from flowtime.runs.query import RunQuery
    from flowtime.runs.registry import Registry

    registry = Registry(root, clock=lambda: NOW)
    return lambda: registry.page(RunQuery(**query)).items


def _read_all(root: Path, _query: dict[str, Any]) -> Callable[[], Any]:
    """Read every run.json, and take the newest."""
    from flowtime.runs import list_runs

    return lambda: list_runs(root)[:50]


def make_tracked_runs(root: Path, count: int) -> None:
    """Write ``count`` tracked runs, a minute apart: eight pipelines, five scenarios, three tags, four steps each."""
    ends = ("completed", "completed", "completed", "failed", "killed")
    for number in range(count):
        folder = root / f"run_{number:08d}"
        (folder / "tracking").mkdir(parents=True)
        began = FIRST + timedelta(minutes=number)
        steps = [
            {"stepId": f"step{place}", "displayName": f"step{place}", "order": place, "status": "completed"}
            for place in range(1, 5)
        ]
        document = {
            "schemaVersion": 1,
            "runId": folder.name,
            "kind": "pipeline",
            "pipeline": f"pipeline-{number % 8}",
            "status": ends[number % 5],
            "createdUtc": began.isoformat().replace("+00:00", "Z"),
            "completedUtc": (began + timedelta(minutes=5)).isoformat().replace("+00:00", "Z"),
            "elapsedSeconds": 300.0,
            "scenario": f"maps/hall-{number % 5}.yaml",
            "tags": {"team": f"t{number % 3}", "seed": str(number), "gpu": ""},
            "steps": steps,
        }
        (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")


def _tracked_page(root: Path, query: dict[str, Any]) -> Callable[[], Any]:
    """Open the registry that looks after live runs, and take the first 20 rows."""
    from flowtime.runs.query import RunQuery
    from flowtime.tracking.live.live_runs import open_registry

    def call() -> Any:
        with open_registry(root, clock=lambda: NOW) as registry:
            return registry.page(RunQuery(**query, page_size=20)).items

    return call


def _tracked_lists(folder: Path, size: Size, *, query: dict[str, Any], step: int) -> Timed:
    count = RUNS if size == "full" else 60
    make_tracked_runs(folder / "runs", count)
    wanted = [f"run_{number:08d}" for number in range(count - 1, -1, -1) if number % step == 0][:20]

    def check(found: Any) -> None:
        require([run.run_id for run in found] == wanted, "the newest runs, newest first")

    return Timed(_tracked_page(folder / "runs", query), check)


def _reindex(folder: Path, size: Size) -> Timed:
    from flowtime.tracking.live.live_runs import open_registry

    count = RUNS if size == "full" else 60
    make_tracked_runs(folder / "runs", count)

    def call() -> Any:
        with open_registry(folder / "runs", clock=lambda: NOW) as registry:
            return registry.reindex()

    return Timed(call, lambda report: require(report.run_count == count, "every run is read"))


def _status(folder: Path, size: Size) -> Timed:
    """A run that goes on, of 2,000,000 scalars in four names and 5,000 samples."""
    from flowtime.tracking import track
    from flowtime.tracking.report.run_status import read_status

    rows = 500_000 if size == "full" else 50
    run = track("pipeline", steps=["one", "two"], root=folder / "runs", run_id="run", sample=False)
    run.step("one").__enter__()
    for number in range(rows):
        run.log(loss=0.5, reward=float(number), rate=2.0, entropy=3.0)

    def check(found: Any) -> None:
        require({item.row for item in found.scalars} == {rows - 1}, "the last values")

    return Timed(lambda: read_status(folder / "runs" / "run"), check)


def _lists(
    folder: Path, size: Size, *, of: Callable[[Path, dict[str, Any]], Callable[[], Any]], query: dict[str, Any]
) -> Timed:
    count = RUNS if size == "full" else 60
    make_runs(folder / "runs", count)
    step = TEMPLATES if query else 1
    wanted = [f"run_{number:08d}" for number in range(count - 1, -1, -1) if number % step == 0][:50]

    def check(found: Any) -> None:
        require([run.run_id for run in found] == wanted, "the newest runs, newest first")

    return Timed(of(folder / "runs", query), check)


_OF_ONE = {"templates": ("template-0",)}

REGISTRY_CASES = (
    Case("list_runs_index_10k", "first page of 10,000 runs", partial(_lists, of=_first_page, query={})),
    Case("list_runs_open_10k", "first page of 10,000 runs", partial(_lists, of=_kept_open, query={})),
    Case("list_runs_read_all_10k", "first page of 10,000 runs", partial(_lists, of=_read_all, query={})),
    Case("list_runs_filter_10k", "first page of one template", partial(_lists, of=_first_page, query=_OF_ONE)),
    Case("list_tracked_10k", "first 20 of 10,000 tracked runs", partial(_tracked_lists, query={}, step=1)),
    Case(
        "list_tracked_filter_10k",
        "first 20 of a status and a scenario",
        partial(_tracked_lists, query={"status": "completed", "scenario": "hall-0"}, step=5),
    ),
    Case("list_tracked_tag_10k", "first 20 with a tag", partial(_tracked_lists, query={"tags": ("team=t0",)}, step=3)),
    Case("reindex_tracked_10k", "read 10,000 tracked runs anew", _reindex),
    Case("run_status_2m", "status of a run of 2,000,000 events", _status, calls_per_turn=2),
)
