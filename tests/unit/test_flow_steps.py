"""Flow runs tell of their steps through the same log as tracked runs."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest

from flowtime.errors import RunError
from flowtime.tracking.clock import Clock
from flowtime.tracking.flow_steps import FlowSteps
from flowtime.tracking.log.log_report import scan_log
from flowtime.tracking.report.run_status import read_status
from flowtime.tracking.report.run_watch import watch_run
from flowtime.tracking.run_files import has_flow_steps, is_tracked
from runfakes import simulate

STEPS = ["compile", "evaluate", "write"]


def log_of(folder: Path) -> FlowSteps:
    """Return a log of two steps on a clock that goes on by a second at each look, written below ``folder``."""
    ticks = count(0, 1_000_000_000)
    log = FlowSteps(Clock(lambda: next(ticks), lambda: next(ticks)))
    with log.step("compile"):
        pass
    with log.step("evaluate"):
        pass
    path, data = log.file()
    (folder / "tracking").mkdir()
    (folder / path).write_bytes(data)
    return log


def run_of(root: Path) -> Path:
    """Return the folder of a flow run of a small model."""
    simulate(root, run_id="one")
    return root / "one"


def test_the_log_is_whole_and_sealed(tmp_path: Path) -> None:
    log_of(tmp_path)
    (segment,) = scan_log(tmp_path).segments
    assert (segment.is_sealed, segment.records, segment.damages) == (True, 4, ())


def test_a_step_that_raises_is_not_ended() -> None:
    log = FlowSteps()
    with pytest.raises(ValueError, match="no"), log.step("compile"):
        raise ValueError("no")
    assert b"completed" not in log.file()[1]


def test_status_of_a_flow_run(tmp_path: Path) -> None:
    folder = run_of(tmp_path)
    found = read_status(folder)
    assert (found.kind, found.status, [step.step_id for step in found.steps]) == ("flow", "completed", STEPS)
    assert all(step.status == "completed" and step.duration_seconds is not None for step in found.steps)
    assert found.elapsed_seconds == pytest.approx(sum(step.duration_seconds or 0.0 for step in found.steps))


def test_watching_a_flow_run_ends_at_once(tmp_path: Path) -> None:
    updates = list(watch_run(run_of(tmp_path), wait=lambda _seconds: pytest.fail("waited for a run that has ended")))
    assert updates[-1].status.status == "completed"


def test_a_flow_run_is_not_a_tracked_one(tmp_path: Path) -> None:
    folder = run_of(tmp_path)
    assert (is_tracked(folder), has_flow_steps(folder)) == (False, True)


def test_a_run_of_before_has_no_steps(tmp_path: Path) -> None:
    folder = run_of(tmp_path)
    shutil.rmtree(folder / "tracking")
    with pytest.raises(RunError, match="not tracked"):
        read_status(folder)
