"""What the keeper asks while a run goes on: samples of the machine, advice on them, and when the run will end.

All of it is loaded on the keeper's thread, and what takes long only after the first second: a short run pays nothing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from flowtime.tracking.clock import Clock
from flowtime.tracking.step_table import StepRow

if TYPE_CHECKING:
    from flowtime.tracking.advice.advisor import Advisor
    from flowtime.tracking.forecast.durations import Guess
    from flowtime.tracking.forecast.eta import Forecast
    from flowtime.tracking.forecast.eta_history import PipelinePast

__all__ = ["BegunStep", "ForecastFeed", "Forecasting", "Past", "TelemetryFeed", "feed_forecaster"]

_NS = 1_000_000_000
# A forecast is kept for the score this often; in between it only counts down.
_POINT_EVERY_S = 10.0
_MOST_POINTS = 2000
# Advice rests on half a minute of samples at least, so it may be loaded a few samples later.
_SAMPLES_BEFORE_ADVICE = 5


class Forecasting(Protocol):
    """What is fed with the course of a run, and forecasts its end."""

    def step_started(self, step_id: str) -> None:
        """A step runs."""

    def step_ended(self, step_id: str, status: str) -> None:
        """A step is over."""

    def skipped(self, step_id: str) -> None:
        """A step will not run."""

    def progress(self, step_id: str, done: int, items: int | None) -> None:
        """So many items of a step are done."""

    def rate(self, step_id: str) -> float | None:
        """Items a second, lately."""

    def expected(self, step_id: str) -> Guess | None:
        """How long a step takes as a whole."""

    def forecast(self) -> Forecast:
        """What is left."""


class StepEvent(NamedTuple):
    """Something that a step did, and when."""

    at_ns: int
    step_id: str
    status: str
    row: StepRow


class BegunStep(NamedTuple):
    """A step that has begun, when by the wall clock, and how long it should take: one in ten is out at each end."""

    step_id: str
    at_ms: int
    low_s: float | None
    high_s: float | None


def feed_forecaster(forecaster: Forecasting, event: StepEvent) -> None:
    """Tell a forecaster of one thing that a step did; the one place where it is fed with steps."""
    if event.status == "running":
        forecaster.step_started(event.step_id)
    elif event.status == "skipped":
        forecaster.skipped(event.step_id)
    else:
        forecaster.step_ended(event.step_id, event.status)


class Past:
    """What earlier runs of the pipeline say, read once, when first asked for."""

    def __init__(self, root: Path, pipeline: str, machine: str | None, scenario: str | None) -> None:
        self._args = (root, pipeline, machine)
        self._scenario = scenario
        self._found: PipelinePast | None = None

    def __call__(self) -> PipelinePast:
        """Return it; reads up to 50 records."""
        if self._found is None:
            from flowtime.tracking.forecast.eta_history import load_history

            self._found = load_history(*self._args, scenario=self._scenario)
        return self._found


class TelemetryFeed:
    """Samples the machine and hands each sample to the advisor.

    ``tell(kind, payload)`` is called with each sample ("sample") and each new advice ("advice").  For one thread.
    """

    def __init__(
        self,
        *,
        disk_path: Path,
        clock: Clock,
        interval_s: float,
        advice: bool,
        past: Past,
        tell: Callable[[str, dict[str, Any]], None],
    ) -> None:
        from flowtime.tracking.sampling.sampler import Sampler

        self._sampler = Sampler(os.getpid(), disk_path=disk_path, clock=clock, interval_s=interval_s)
        self._advice = advice
        self._past = past
        self._tell = tell
        self._advisor: Advisor | None = None
        self._waiting: list[dict[str, Any]] = []
        self._begun: list[BegunStep] = []
        self._number = 0

    def tick(self, step_id: str | None, rate: float | None, elapsed_s: float) -> float:
        """Take one sample and return the seconds until the next one is due."""
        self.last(step_id, rate)
        if self._advisor is not None or len(self._waiting) >= _SAMPLES_BEFORE_ADVICE:
            self._judge(self._advice)
        return self._sampler.next_interval(elapsed_s)

    def begun(self, step: BegunStep) -> None:
        """Take in that a step has begun, and how long it should take."""
        self._begun.append(step)

    def last(self, step_id: str | None, rate: float | None) -> None:
        """Take one sample, and no advice on it yet."""
        sample = self._sampler.sample(step_id=step_id, steps_per_sec=rate)
        self._tell("sample", sample)
        self._waiting.append(sample)

    def outcome(self, *, is_completed: bool) -> tuple[list[dict[str, Any]], dict[str, float | int]]:
        """Return all advice of the run, and the figures for its summary."""
        # A run that was too short for advice only has its figures summed up: settings and history take time to load.
        self._judge(advice=False)
        advisor = self._advisor
        if advisor is None:
            return [], {}
        return advisor.finish(is_completed=is_completed), advisor.summary()

    def close(self) -> None:
        """Let the sources go."""
        self._sampler.close()

    def _judge(self, advice: bool) -> None:
        """Hand the samples that wait to the advisor; ``advice`` says of which kind one is made if there is none."""
        if self._advisor is None:
            self._advisor = self._make_advisor(advice)
        begun, self._begun = self._begun, []
        for step in begun:
            self._advisor.step_started(step.step_id, step.at_ms)
            if step.low_s is not None and step.high_s is not None:
                self._advisor.expect(step.step_id, step.low_s, step.high_s)
        waiting, self._waiting = self._waiting, []
        for sample in waiting:
            for found in self._advisor.feed(sample, self._number):
                self._tell("advice", found)
            self._number += 1

    def _make_advisor(self, advice: bool) -> Advisor:
        from flowtime.tracking.advice.advice_table import RULES
        from flowtime.tracking.advice.advisor import Advisor, silenced_of, thresholds_of

        if not advice:
            return Advisor(silenced=RULES)
        from flowtime.settings import load_settings
        from flowtime.tracking.advice.throughput import ThroughputHistory

        settings = load_settings(folder=Path(), environ=os.environ, flags={})
        past = self._past()
        history = ThroughputHistory(past.throughput, past.throughput_by_step)
        return Advisor(thresholds_of(settings), history, silenced_of(settings))


class ForecastFeed:
    """Keeps a forecaster up to date and remembers its forecasts, for the score at the end.

    ``step`` may be called from any thread; the rest is for the keeper's.
    """

    def __init__(self, plan: list[str], clock: Clock, started_ns: int) -> None:
        self._plan = plan
        self._clock = clock
        self._started_ns = started_ns
        self._events: deque[StepEvent] = deque()
        self._forecaster: Forecasting | None = None
        # While events are caught up with, the forecaster's clock shows when they happened.
        self._now_ns: int | None = None
        self._points: list[tuple[float, int, float, float, float]] = []
        self._point_at_s = -_POINT_EVERY_S
        self._steps_over = 0
        self._begun: list[BegunStep] = []

    def step(self, at_ns: int, row: StepRow) -> None:
        """Take in that a step of the top level has another status."""
        if row.parent is None:
            self._events.append(StepEvent(at_ns, row.id, row.status, row))

    def begin(self, past: Past, before: list[StepRow]) -> None:
        """Load the history; ``before`` are the steps as earlier sessions of this run left them."""
        from flowtime.tracking.forecast.eta import Forecaster

        forecaster = Forecaster(self._plan, past().steps, self._seconds)
        for row in before:
            if row.attempts or row.status == "skipped":
                forecaster.resumed(row.id, row.status, row.spent_ns / _NS)
        self._forecaster = forecaster

    def tick(self, progress: Mapping[str, tuple[int, int | None]]) -> tuple[Forecast, bool] | None:
        """Return the forecast now, and whether it is one to be recorded; None before the history is loaded."""
        if self._forecaster is None:
            return None
        was_over = self._steps_over
        begun = self._catch_up(self._forecaster)
        for step_id, (done, total) in progress.items():
            self._forecaster.progress(step_id, done, total)
        forecast = self._forecaster.forecast()
        for row in begun:
            row.eta = forecast.seconds
            self._begun.append(self._expectation(self._forecaster, row))
        elapsed_s = (self._clock.monotonic_ns() - self._started_ns) / _NS
        is_due = elapsed_s - self._point_at_s >= _POINT_EVERY_S or self._steps_over != was_over
        if is_due:
            self._point_at_s = elapsed_s
            self._remember(elapsed_s, forecast)
        return forecast, is_due

    def take_begun(self) -> list[BegunStep]:
        """Return the steps that have begun since the last call."""
        begun, self._begun = self._begun, []
        return begun

    def rate(self, step_id: str) -> float | None:
        """Return items a second of a step."""
        return None if self._forecaster is None else self._forecaster.rate(step_id)

    def score(self, elapsed_s: float) -> dict[str, Any] | None:
        """Return how good the forecasts were, as an EtaScore; None where there were none."""
        if not self._points:
            return None
        from flowtime.tracking.forecast.eta_score import ForecastPoint, score

        found = score([ForecastPoint(*point) for point in self._points], elapsed_s)
        return {
            "forecasts": found.forecasts,
            "medianError": found.median_error,
            "afterStep2Error": found.after_step_2_error,
            "intervalCoverage": found.interval_coverage,
        }

    def _expectation(self, forecaster: Forecasting, row: StepRow) -> BegunStep:
        guess = forecaster.expected(row.id)
        ago_ns = self._clock.monotonic_ns() - row.started_monotonic_ns
        at_ms = (self._clock.wall_ns() - ago_ns) // 1_000_000
        return BegunStep(row.id, at_ms, None if guess is None else guess.low, None if guess is None else guess.high)

    def _seconds(self) -> float:
        return (self._clock.monotonic_ns() if self._now_ns is None else self._now_ns) / _NS

    def _catch_up(self, forecaster: Forecasting) -> list[StepRow]:
        """Feed what has happened; returns the steps that have begun and are still under way."""
        begun: list[StepRow] = []
        while self._events:
            event = self._events.popleft()
            self._now_ns = event.at_ns
            feed_forecaster(forecaster, event)
            if event.status == "running":
                begun.append(event.row)
            else:
                self._steps_over += 1
        self._now_ns = None
        return [row for row in begun if row.status == "running"]

    def _remember(self, elapsed_s: float, forecast: Forecast) -> None:
        seconds, low, high = forecast.seconds, forecast.low, forecast.high
        if seconds is None or low is None or high is None or forecast.basis == "done":
            return
        if len(self._points) < _MOST_POINTS:
            self._points.append((elapsed_s, self._steps_over, seconds, low, high))
