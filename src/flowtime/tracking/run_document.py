"""run.json of a tracked run as plain JSON: at its start, and at its end.

Built without the structs of ``records``, since msgspec takes as long to load as everything else that a tracked
program loads of us; the tests decode what is built here as PipelineRunRecord.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtime.tracking.clock import utc_text
from flowtime.tracking.live.identity import host_name
from flowtime.tracking.run_files import plain
from flowtime.tracking.step_table import StepTable

if TYPE_CHECKING:
    from flowtime.tracking.opening import RunRequest

__all__ = ["Outcome", "end_document", "final_document", "start_document", "step_status_at_end"]


class Outcome(NamedTuple):
    """How a run ended, and what is to be kept of it; ``end`` is an EndCause or None, ``events`` of all sessions."""

    status: str
    wall_ns: int
    elapsed_s: float
    end: Mapping[str, Any] | None = None
    summary: Mapping[str, Any] = MappingProxyType({})
    recommendations: Sequence[Mapping[str, Any]] = ()
    perf_tests: Sequence[Mapping[str, Any]] = ()
    eta: Mapping[str, Any] | None = None
    events: int = 0
    dropped: int = 0


def start_document(request: RunRequest, run_id: str, created_utc: str) -> dict[str, Any]:
    """Return the record of a run that begins."""
    return {
        "schemaVersion": 1,
        "runId": run_id,
        "kind": request.kind,
        "pipeline": request.pipeline,
        "status": "running",
        "createdUtc": created_utc,
        "completedUtc": None,
        "elapsedSeconds": None,
        "sessions": 1,
        "enabledSteps": [step_id for step_id, _ in request.steps],
        "initiator": request.initiator or _initiator(),
        "scenario": request.scenario,
        "tags": dict(request.tags),
        "config": request.config,
        "environment": _environment(),
        "artifacts": [],
        "summary": {},
        "steps": [],
        "recommendations": [],
        "perfTests": [],
        "end": None,
        "eta": None,
        "events": 0,
        "dropped": 0,
    }


def final_document(document: Mapping[str, Any], table: StepTable, outcome: Outcome) -> dict[str, Any]:
    """Return the record of a run that has ended; what an earlier session kept stays."""
    return {
        **document,
        "status": outcome.status,
        "completedUtc": utc_text(outcome.wall_ns),
        "elapsedSeconds": max(0.0, outcome.elapsed_s),
        "summary": {**document["summary"], **{str(key): _scalar(value) for key, value in outcome.summary.items()}},
        "steps": table.documents(),
        "artifacts": list(table.artifacts),
        "recommendations": [*document["recommendations"], *map(plain, outcome.recommendations)],
        "perfTests": [*document["perfTests"], *map(plain, outcome.perf_tests)],
        "end": outcome.end,
        "eta": outcome.eta,
        "events": outcome.events,
        "dropped": document["dropped"] + outcome.dropped,
    }


def end_document(
    *,
    exit_code: int | None = None,
    signal: str | None = None,
    error: str | None = None,
    traceback: str | None = None,
    log_lines: Sequence[str] = (),
    reason: str | None = None,
) -> dict[str, Any]:
    """Return an EndCause."""
    return {
        "exitCode": exit_code,
        "signal": signal,
        "error": error,
        "traceback": traceback,
        "logLines": list(log_lines),
        "reason": reason,
    }


def step_status_at_end(run_status: str) -> str:
    """Return what a step is that was under way when its run ended."""
    if run_status == "completed":
        return "completed"
    return "cancelled" if run_status in ("cancelled", "preempted") else "failed"


def _scalar(value: object) -> Any:
    kept = plain(value)
    return kept if kept is None or isinstance(kept, str | bool | int | float) else str(kept)


def _initiator() -> str | None:
    return os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) and sys.argv[0] else None


def _environment() -> dict[str, Any]:
    from flowtime import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    machine = os.uname().machine if hasattr(os, "uname") else sys.platform
    cpus = os.cpu_count()
    return {
        "flowtime": __version__,
        "python": version,
        "platform": sys.platform,
        "host": host_name(),
        # What durations can be compared on: the same host with as many processors.
        "machine": f"{host_name()}/{machine}/{cpus}",
        "cpus": cpus,
        "command": " ".join(getattr(sys, "argv", ()))[:1000],
        "pid": os.getpid(),
    }
