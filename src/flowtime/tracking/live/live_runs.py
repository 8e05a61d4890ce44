"""Lists of runs that know which of the running ones are alive: the registry, with the judge of the tracker."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flowtime.errors import FlowtimeError
from flowtime.runs.registry import Judgement, Registry
from flowtime.runs.summary import RunStatus
from flowtime.runs.times import parse_utc

if TYPE_CHECKING:
    from flowtime.tracking.live.live_page import Beat

__all__ = ["judge_run", "open_registry", "session_seconds", "steps_completed"]


def open_registry(root: Path, *, clock: Callable[[], datetime]) -> Registry:
    """Return the registry of a root that looks after its live runs: the dead ones among them are buried."""
    return Registry(root, clock=clock, judge=judge_run)


def judge_run(folder: Path, recorded: RunStatus) -> Judgement:
    """Say what a run is that its run.json calls running; one whose process is gone gets its final run.json.

    Where that can not be written, the status is told all the same.
    """
    # Here, since most lists hold no run that is going on.
    from flowtime.tracking.live.live_page import read_live
    from flowtime.tracking.live.liveness import status_of
    from flowtime.tracking.run_files import is_tracked

    if recorded == "broken" or not is_tracked(folder):
        return Judgement(recorded)
    status: RunStatus = status_of(folder, recorded)
    if status != recorded:
        return Judgement(status, was_written=_was_buried(folder))
    beat = read_live(folder).beat
    return Judgement(
        status,
        steps_done=None if beat is None else steps_completed(beat),
        steps_total=None if beat is None else beat.step_count,
        session_seconds=session_seconds(folder),
    )


def steps_completed(beat: Beat) -> int | None:
    """Return how many steps are over, from a heartbeat: its index counts the one under way too."""
    if beat.step_count is None:
        return None
    return max(0, (beat.step_index or 0) - (beat.step is not None))


def session_seconds(folder: Path) -> float | None:
    """Return for how long the process that writes a run has been doing so; None where that is not known."""
    from flowtime.tracking.live.identity import read_owner
    from flowtime.tracking.run_files import RunFiles

    owner = read_owner(RunFiles(folder))
    began = None if owner is None else parse_utc(owner.created_utc)
    return None if began is None else max(0.0, time.time() - began.timestamp())


def _was_buried(folder: Path) -> bool:
    from flowtime.tracking.live.liveness import bury, judge

    if judge(folder) != "dead":
        return False
    try:
        return bury(folder) is not None
    except FlowtimeError:
        return False
