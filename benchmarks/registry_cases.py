"""The first page of a list of 10,000 runs: by way of the index, beside reading every run.json."""

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
)
