"""Run folders that hold a run.json and no more, for tests of lists."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flowtime.runs.query import RunPage, RunQuery
from flowtime.runs.registry import Registry

NOW = datetime(2030, 1, 1, tzinfo=UTC)
# Long before NOW, so that what is written once is taken as settled.
LONG_AGO_NS = int((NOW - timedelta(days=1)).timestamp()) * 1_000_000_000


def make_run(root: Path, name: str, created: str = "2025-01-01T00:00:00.000Z", **fields: object) -> Path:
    """Write a run with one series and two warnings, or other fields."""
    folder = root / name
    folder.mkdir(parents=True)
    document = {"runId": name, "createdUtc": created, "series": [{"id": "a@A@DEFAULT"}], "warnings": [{}, {}]}
    write_run(folder, document | fields)
    return folder


def write_run(folder: Path, document: object) -> None:
    """Write a run.json in place, as an editor does."""
    (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")


def set_modified(folder: Path, modified_ns: int) -> None:
    """Set when a run.json was written to."""
    os.utime(folder / "run.json", ns=(modified_ns, modified_ns))


def page_of(root: Path, **query: object) -> RunPage:
    """List with a registry of its own, on a fixed day long after all runs."""
    with Registry(root, clock=lambda: NOW) as registry:
        return registry.page(RunQuery(**query))  # type: ignore[arg-type]


def ids_of(root: Path, **query: object) -> list[str]:
    """Return the ids on a page."""
    return [run.run_id for run in page_of(root, **query).items]
