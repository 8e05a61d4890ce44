"""The probes that broke the tracker that ours grows from, each run against ours.

A, G, H, J, K, L and M are here; B and C are in test_tracker_races, D and E in test_tracker_signals, F in
test_tracker_forks (all e2e), for they take processes of their own.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowtime.errors import ParameterError, RunConflictError
from flowtime.runs.query import RunQuery, parse_query
from flowtime.runs.retention import RetentionRules, plan_retention, prune_runs
from flowtime.tracking.advice.advisor import Advisor
from flowtime.tracking.advice.throughput import ThroughputHistory
from flowtime.tracking.clock import SYSTEM_CLOCK
from flowtime.tracking.forecast.eta import Forecaster, StepHistory, StepPast
from flowtime.tracking.live.holding import hold_ended
from flowtime.tracking.live.live_runs import open_registry
from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.sampling.gpu import GpuMeter
from flowtime.tracking.sampling.sampler import Sampler, open_sources
from nvmlfakes import NOT_SUPPORTED, FakeDevice, FakeNvml, NVMLError
from trackedfolders import make_tracked, statuses_of
from trackerfakes import begun, document
from trackfakes import notes, only_segment, write_notes

STEPS = ("train", "check")


def prune_all(root: Path) -> None:
    """Keep no run, whatever there is."""
    now = datetime.now(UTC)
    with open_registry(root, clock=lambda: now) as registry:
        plan = plan_retention(registry.all_runs(RunQuery()), RetentionRules(keep=0), root=root, now=now)
    prune_runs(root, plan, guard=hold_ended, purge=True, clock=lambda: now, entropy=os.urandom)


def history(*seconds: float) -> StepHistory:
    """Return ten earlier runs, each step as long as it says."""
    pairs = zip(STEPS, seconds, strict=True)
    return StepHistory(10, {name: StepPast((value,) * 10, (None,) * 10) for name, value in pairs})


def test_a_twenty_one_later_runs_leave_a_running_one_alone(tmp_path: Path) -> None:
    with begun(tmp_path, run_id="alive") as run:
        run.note("before")
        for number in range(21):
            make_tracked(tmp_path, f"later{number:02d}")
        prune_all(tmp_path)
        run.note("after")
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["alive"]
    assert notes(tmp_path / "alive") == ["before", "after"]


def test_g_a_step_skipped_in_advance_is_not_waited_for() -> None:
    forecaster = Forecaster(STEPS, history(10.0, 90.0), lambda: 0.0)
    forecaster.step_started("train")
    forecaster.skipped("check")
    assert forecaster.forecast().seconds == pytest.approx(10.0, rel=0.1)


def sample(second: int, **figures: Any) -> dict[str, Any]:
    """Return a sample of a machine of 100 cores that is at ease."""
    return {"timestampMs": second * 1000, "stepId": "train", "cpuPercentSystem": 1.0, "cpuLimitCores": 100.0, **figures}


def test_h_a_run_that_meets_its_own_plan_is_not_called_slow() -> None:
    usual = ThroughputHistory((0.042,) * 10, {"train": (0.042,) * 10})
    advisor = Advisor(history=usual)
    live = [advice for second in range(600) for advice in advisor.feed(sample(second, stepsPerSec=0.042), second)]
    assert [advice["trigger"] for advice in (*live, *advisor.finish())] == []


def test_h2_one_busy_core_of_a_hundred_is_no_saturation() -> None:
    advisor = Advisor()
    live = [advice for second in range(120) for advice in advisor.feed(sample(second, cpuPercentProcess=100.0), second)]
    assert "cpu_saturation" not in [advice["trigger"] for advice in (*live, *advisor.finish())]


def test_j_a_query_that_a_device_does_not_support_costs_that_figure_alone(tmp_path: Path) -> None:
    nvml = FakeNvml(FakeDevice("GPU-1", util=NVMLError(NOT_SUPPORTED)))
    sources = open_sources(os.getpid(), gpu=False)._replace(gpu=GpuMeter({}, load=lambda: nvml))
    found: dict[str, Any] = Sampler(os.getpid(), disk_path=tmp_path, clock=SYSTEM_CLOCK, sources=sources).sample()
    assert (found["memoryRssMb"] > 0, found["gpuMemUsedMb"]) == (True, 1000)
    assert "gpuUtilPercent" not in found
    assert [note for note in found["notes"] if "util" in note] != []


def test_k_folders_that_are_no_runs_stay(tmp_path: Path) -> None:
    for name in ("summaries", "tb", "perf-tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept.txt").write_text("years of work", encoding="utf-8")
    make_tracked(tmp_path, "old")
    prune_all(tmp_path)
    assert sorted(path.parent.name for path in tmp_path.glob("*/kept.txt")) == ["perf-tests", "summaries", "tb"]
    assert not (tmp_path / "old").exists()


def test_k2_an_id_that_is_taken_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    with begun(tmp_path, run_id="latest") as run:
        run.summary["figure"] = 1
    with pytest.raises(RunConflictError):
        begun(tmp_path, run_id="latest")
    assert document(run)["summary"]["figure"] == 1


def test_l_nothing_is_glued_to_a_torn_tail(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    write_notes(log, ["whole", "torn"])
    log.abandon()
    segment = only_segment(tmp_path, "notes")
    # As a writer leaves it that is killed, or whose machine goes down, amid a record.
    segment.write_bytes(segment.read_bytes().replace(b'torn"', b"to\0\0\0"))
    later = EventLog(tmp_path)
    write_notes(later, ["after"])
    later.close()
    assert notes(tmp_path) == ["whole", "after"]
    repairs = [event.data["file"] for event in read_events(tmp_path) if event.kind == Kind.REPAIR]
    assert repairs == [segment.name]


def test_m_a_time_without_a_zone_does_not_break_the_list(tmp_path: Path) -> None:
    make_tracked(tmp_path, "naive", createdUtc="2025-01-02T00:00:00")
    make_tracked(tmp_path, "aware", createdUtc="2025-01-01T00:00:00Z")
    assert set(statuses_of(tmp_path)) == {"naive", "aware"}


def test_m2_a_status_that_is_none_is_an_error() -> None:
    with pytest.raises(ParameterError, match="status"):
        parse_query({"status": "complete"})
