"""Tracked runs in a folder of the test, and clocks that the test sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flowtime.tracking import TrackedRun
from flowtime.tracking.clock import Clock
from flowtime.tracking.entry import track
from flowtime.tracking.guard import Guard
from flowtime.tracking.opening import checked_request, open_session

__all__ = ["FakeClock", "begun", "begun_at", "document", "step_of", "steps_of"]

_NS = 1_000_000_000


class FakeClock:
    """Two clocks that stand still until they are moved; seconds from an arbitrary start."""

    def __init__(self, wall_s: float = 1_700_000_000.0) -> None:
        self.wall_s = wall_s
        self.monotonic_s = 1000.0

    def pass_s(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.wall_s += seconds
        self.monotonic_s += seconds

    @property
    def clock(self) -> Clock:
        """What the tracker is handed."""
        return Clock(lambda: int(self.wall_s * _NS), lambda: int(self.monotonic_s * _NS))


def begun(root: Path, **options: Any) -> TrackedRun:
    """Begin a strict run without samples and signals, unless the options say otherwise."""
    chosen = {"sample": False, "signals": False, "strict": True, "pipeline": "demo", **options}
    run = track(chosen.pop("pipeline"), root=root, **chosen).start()
    assert isinstance(run, TrackedRun)
    return run


def begun_at(root: Path, clock: FakeClock, **options: Any) -> TrackedRun:
    """Begin a strict run on a clock of the test, without a keeper."""
    request = checked_request("demo", root=root, strict=True, sample=False, signals=False, clock=clock.clock, **options)
    guard = Guard(strict=True)
    return TrackedRun(request, open_session(request, guard), guard)


def document(run: TrackedRun) -> dict[str, Any]:
    """Return run.json."""
    assert run.folder is not None
    found: dict[str, Any] = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    return found


def steps_of(run: TrackedRun) -> dict[str, str]:
    """Return the status of each step in run.json."""
    return {step["stepId"]: step["status"] for step in document(run)["steps"]}


def step_of(run: TrackedRun, step_id: str) -> dict[str, Any]:
    """Return one step of run.json."""
    (found,) = (step for step in document(run)["steps"] if step["stepId"] == step_id)
    return dict(found)
