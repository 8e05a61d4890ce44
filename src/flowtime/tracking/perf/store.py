"""Perf runs on disk: tracked runs of kind ``perf`` that hold the outcome as JSON, Markdown and JUnit XML too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from flowtime.errors import StorageError
from flowtime.storage.atomic import write_atomic
from flowtime.tracking.entry import Tracking, track
from flowtime.tracking.null_run import NullRun
from flowtime.tracking.perf.outcome import PERF_FILE, PerfOutcome
from flowtime.tracking.perf.report import junit_xml, markdown_text
from flowtime.tracking.tracked_run import TrackedRun

__all__ = ["keep_outcome", "outcome_json", "perf_run"]


def perf_run(root: Path, name: str, *, run_id: str | None, config: dict[str, Any]) -> Tracking | NullRun:
    """Return a measurement as a tracked run of its own; it ends as failed where the measurement breaks.

    The tracker samples nothing meanwhile and gives no advice: it should not be what is measured.  Raises
    RunConflictError, UnsafeNameError and StorageError.
    """
    return track(
        name,
        kind="perf",
        root=root,
        run_id=run_id,
        config=config,
        sample=False,
        advice=False,
        initiator="flowtime perf",
    )


def keep_outcome(run: TrackedRun | NullRun, outcome: PerfOutcome) -> Path:
    """Keep an outcome in its run, files and results, and return the folder.

    Raises StorageError where there is none: a measurement that nobody can look at is as good as lost.
    """
    if run.folder is None:
        raise StorageError("the runs folder can not be written, so the measurement is not kept")
    for name, data in (
        (PERF_FILE, outcome_json(outcome)),
        ("perf.md", markdown_text(outcome).encode()),
        ("perf.xml", junit_xml(outcome)),
    ):
        write_atomic(run.folder / name, data, durability="process")
        run.artifact(name)
    counts = dict.fromkeys(("passed", "soft-breach", "failed", "no-baseline"), 0)
    for result in outcome.results:
        counts[result.status] += 1
        run.performance(msgspec.to_builtins(result))
    run.summary.update({"verdict": outcome.verdict, "sha": outcome.head.sha, **counts})
    return run.folder


def outcome_json(outcome: PerfOutcome) -> bytes:
    """Return an outcome as ``perf.json`` holds it."""
    return msgspec.json.encode(outcome) + b"\n"
