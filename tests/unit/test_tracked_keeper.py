"""What a run tells of itself while it goes on: heartbeat, progress, forecasts, samples, advice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowtime.tracking.ends import Ends
from flowtime.tracking.guard import Guard
from flowtime.tracking.live.feeds import ForecastFeed, Past, StepEvent, feed_forecaster
from flowtime.tracking.live.keeper import Keeper
from flowtime.tracking.live.live_page import Beat, read_live
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.step_table import StepRow
from flowtime.tracking.tracked_run import TrackedRun
from trackerfakes import FakeClock, begun, begun_at, document


class Recorder:
    """A forecaster that only writes down what it is told, and when by its clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.told: list[tuple[object, ...]] = []
        self._clock = clock

    def step_started(self, step_id: str) -> None:
        self.told.append(("started", step_id, self._clock()))

    def step_ended(self, step_id: str, status: str) -> None:
        self.told.append(("ended", step_id, status, self._clock()))

    def skipped(self, step_id: str) -> None:
        self.told.append(("skipped", step_id))


class Kept:
    """What a keeper looks after; its second beat fails."""

    def __init__(self) -> None:
        self.beats = 0
        self.third = threading.Event()

    def beat(self) -> None:
        self.beats += 1
        if self.beats == 2:
            raise OSError("the disk")
        if self.beats >= 3:
            self.third.set()

    def sample(self) -> float:
        return 1.0

    def tidy(self) -> None:
        """Nothing to do."""


def beat_of(run: TrackedRun) -> Beat:
    beat = read_live(run.folder or Path()).beat
    assert beat is not None
    return beat


def events_of(run: TrackedRun, kind: Kind) -> list[dict[str, Any]]:
    return [event.data for event in read_events(run.folder or Path()) if event.kind == kind]


def row_of(step_id: str, status: str, parent: str | None = None) -> StepRow:
    row = StepRow(step_id, 1, parent=parent)
    row.status = status
    return row


def two_steps_of_20_s(root: Path) -> TrackedRun:
    """Go through a run with a heartbeat each second."""
    clock = FakeClock()
    run = begun_at(root, clock, steps=["a", "b"])
    for name in ("a", "b"):
        with run.step(name):
            for _ in range(20):
                clock.pass_s(1.0)
                run._pulse.beat()
    run.finish()
    return run


def test_the_heartbeat_says_where_the_run_is(tmp_path: Path) -> None:
    clock = FakeClock()
    run = begun_at(tmp_path, clock, steps=["a", "b"])
    with run.step("a", total=10) as step:
        step.advance(4)
        clock.pass_s(2.0)
        run._pulse.beat()
        beat = beat_of(run)
        clock.pass_s(1.0)
        run._pulse.beat()
    run.finish()
    assert (beat.step, beat.step_index, beat.step_count, beat.done, beat.total) == ("a", 1, 2, 4, 10)
    assert (beat.monotonic_ns, beat.dropped, beat.eta_seconds) == (int(1002e9), 0, None)
    assert events_of(run, Kind.PROGRESS) == [{"a": [4, 10]}]


def test_a_forecast_is_on_the_page_and_scored_at_the_end(tmp_path: Path) -> None:
    for _ in range(3):
        run = two_steps_of_20_s(tmp_path)
    etas = events_of(run, Kind.ETA)
    assert beat_of(run).eta_seconds == pytest.approx(0.0, abs=5.0)
    assert etas[0]["seconds"] == pytest.approx(38.0, abs=3.0)
    assert document(run)["eta"]["medianError"] < 0.2
    assert document(run)["steps"][1]["etaSnapshotSeconds"] == pytest.approx(19.0, abs=3.0)


def test_a_jump_of_the_wall_clock_is_noted(tmp_path: Path) -> None:
    clock = FakeClock()
    run = begun_at(tmp_path, clock)
    run._pulse.beat()
    clock.wall_s += 3600.0
    run._pulse.beat()
    run.finish()
    assert [note["text"] for note in events_of(run, Kind.NOTE)] == [
        "the wall clock jumped by +3600.0 s (set, or the machine slept)"
    ]


def test_samples_are_recorded_told_and_summed_up(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    run = begun(tmp_path, sample=True, interval_s=0.05)
    run.subscribe(lambda kind, payload: seen.append((kind, "timestampMs" in payload)), "sample")
    deadline = time.monotonic() + 5.0
    while len(seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    run.finish()
    samples = events_of(run, Kind.SAMPLE)
    assert seen[:3] == [("sample", True)] * 3
    assert document(run)["summary"]["telemetry_samples"] == len(samples) >= 4
    assert document(run)["summary"]["max_memory_rss_mb"] > 1


def test_advice_is_in_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advice = {"trigger": "cpu_idle", "severity": "info", "message": "m", "suggestedActions": ["a"], "evidence": {}}
    monkeypatch.setattr("flowtime.tracking.advice.advisor.Advisor.feed", lambda *_: [advice])
    monkeypatch.setattr("flowtime.tracking.advice.advisor.Advisor.finish", lambda *_, **__: [advice])
    run = begun(tmp_path, sample=True)
    deadline = time.monotonic() + 5.0
    while run._pulse._telemetry is None and time.monotonic() < deadline:
        time.sleep(0.01)
    run.finish()
    found = document(run)
    assert [item["trigger"] for item in found["recommendations"]] == ["cpu_idle"]
    assert (found["summary"]["recommendation_count"], len(events_of(run, Kind.ADVICE))) == (1, 2)


def test_a_step_that_takes_much_longer_than_before_is_advised_on(tmp_path: Path) -> None:
    for _ in range(5):
        slow_run(tmp_path, seconds=60).finish()
    run = slow_run(tmp_path, seconds=600)
    run.finish()
    found = {item["trigger"]: item for item in document(run)["recommendations"]}
    assert found["step_overrun"]["stepId"] == "a"
    assert events_of(run, Kind.ADVICE)[0]["trigger"] == "step_overrun"


def slow_run(root: Path, *, seconds: int) -> TrackedRun:
    """Be in a step for so long, with a beat and a sample each second."""
    clock = FakeClock()
    run = begun_at(root, clock, steps=["a"])
    with run.step("a"):
        for _ in range(seconds):
            clock.pass_s(1.0)
            run._pulse.beat()
            run._pulse.sample()
    return run


@pytest.mark.parametrize(
    ("status", "told"),
    [
        pytest.param("running", ("started", "a", 5.0), id="started"),
        pytest.param("completed", ("ended", "a", "completed", 5.0), id="completed"),
        pytest.param("failed", ("ended", "a", "failed", 5.0), id="failed"),
        pytest.param("skipped", ("skipped", "a"), id="skipped"),
    ],
)
def test_a_forecaster_is_told_what_steps_do(status: str, told: tuple[object, ...]) -> None:
    recorder = Recorder(lambda: 5.0)
    feed_forecaster(recorder, StepEvent(0, "a", status, row_of("a", status)))  # type: ignore[arg-type]
    assert recorder.told == [told]


def test_a_forecaster_that_is_loaded_late_hears_when_things_happened(tmp_path: Path) -> None:
    clock = FakeClock()
    feed = ForecastFeed(["a"], clock.clock, int(1000e9))
    recorder = Recorder(feed._seconds)
    feed.step(int(1001e9), row_of("a", "running"))
    feed.step(int(1002e9), row_of("a/x", "running", parent="a"))
    feed.step(int(1003e9), row_of("a", "completed"))
    assert feed.tick({}) is None
    clock.pass_s(9.0)
    feed._catch_up(recorder)  # type: ignore[arg-type]
    assert recorder.told == [("started", "a", 1001.0), ("ended", "a", "completed", 1003.0)]
    assert feed._seconds() == 1009.0


def test_a_history_that_is_not_there_forecasts_nothing(tmp_path: Path) -> None:
    assert Past(tmp_path / "gone", "demo", None, None)().steps.runs == 0


def test_a_round_that_fails_is_counted_and_the_next_one_goes_on() -> None:
    kept, guard, clock = Kept(), Guard(strict=False), FakeClock()
    keeper = Keeper(kept, Ends(lambda _seen, _is_final: None), guard, clock.clock, sample=False)
    keeper.start()
    deadline = time.monotonic() + 10.0
    while not kept.third.is_set() and time.monotonic() < deadline:
        clock.pass_s(1.0)
        keeper._event.set()
        time.sleep(0.01)
    assert keeper.stop(2.0)
    assert kept.third.is_set()
    assert (guard.dropped, guard.reason) == (1, "OSError: the disk")


def test_nothing_is_left_of_a_run_that_has_ended(tmp_path: Path) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with begun(tmp_path, signals=True) as run:
        assert "flowtime-keeper" in {thread.name for thread in threading.enumerate()}
    assert {thread.name for thread in threading.enumerate()} == before
    assert run._ends.wake_fd is None
