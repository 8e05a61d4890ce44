"""What is told of a run while it goes on: heartbeat, progress, forecasts, samples; the keeper's rounds call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flowtime.events.bus import EventBus
from flowtime.tracking.guard import Guard
from flowtime.tracking.live.feeds import ForecastFeed, Past, TelemetryFeed
from flowtime.tracking.live.keeper import ClockWatch
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.opening import RunRequest, Session
from flowtime.tracking.step_table import StepRow
from flowtime.tracking.tracked_step import Step

if TYPE_CHECKING:
    from flowtime.tracking.forecast.eta import Forecast

__all__ = ["Pulse"]

_NS = 1_000_000_000
_RECORDS = {"sample": Kind.SAMPLE, "advice": Kind.ADVICE}


class Pulse:
    """Writes into the live page and the log what changes without the host's doing.

    ``step`` may be called from any thread; the other methods are for the keeper's thread, and for the last round
    after it has ended.  ``guards`` are those whose losses the heartbeat counts.
    """

    def __init__(
        self,
        request: RunRequest,
        session: Session,
        bus: EventBus,
        steps: Mapping[str, Step],
        note: Callable[[str, str], None],
    ) -> None:
        self.guards: tuple[Guard, ...] = ()
        self._request = request
        self._session = session
        self._bus = bus
        self._steps = steps
        self._note = note
        self._watch = ClockWatch(request.clock)
        self._before = [row for row in session.table.rows.values() if row.attempts or row.status == "skipped"]
        machine = session.document["environment"].get("machine")
        self._past = Past(request.root, request.pipeline, machine, request.scenario)
        self._eta = ForecastFeed([step_id for step_id, _ in request.steps], request.clock, session.started_ns)
        self._telemetry: TelemetryFeed | None = None
        self._told: dict[str, tuple[int, int | None]] = {}
        self._beats = 0

    @property
    def dropped(self) -> int:
        """How many events and calls were lost."""
        return sum(guard.dropped for guard in self.guards)

    @property
    def reason(self) -> str | None:
        """Why, the last time."""
        return next((guard.reason for guard in self.guards if guard.reason is not None), None)

    def elapsed_s(self) -> float:
        """Return how long the run has taken, earlier sessions too."""
        session = self._session
        return (session.base_ns + self._request.clock.monotonic_ns() - session.started_ns) / _NS

    def step(self, at_ns: int, row: StepRow) -> None:
        """Take in that a step has another status."""
        self._eta.step(at_ns, row)

    def beat(self) -> None:
        """Write the heartbeat, progress that was made, and the forecast."""
        self._beats += 1
        self._check_clock()
        if self._beats == 2:
            # Not in the first second: a short run has no use for it, and it reads the earlier runs.
            self._eta.begin(self._past, self._before)
        progress = self._progress()
        forecast = self._forecast(progress)
        self._session.live.beat(self._fields(progress, forecast))

    def sample(self) -> float:
        """Sample the machine; returns the seconds until the next sample is due."""
        if self._telemetry is None:
            self._telemetry = TelemetryFeed(
                disk_path=self._session.files.folder,
                clock=self._request.clock,
                interval_s=self._request.interval_s,
                advice=self._request.advice,
                past=self._past,
                tell=self._tell,
            )
        return self._telemetry.tick(*self._rate(), self.elapsed_s())

    def tidy(self) -> None:
        """Compact the segments that are full."""
        from flowtime.tracking.log.compaction import compact

        compact(self._session.files.folder)

    def last(self, *, is_completed: bool) -> tuple[list[dict[str, Any]], dict[str, float | int]]:
        """Take the last sample and return all advice of the run and its figures."""
        if self._telemetry is None:
            return [], {}
        self._telemetry.last(*self._rate())
        found = self._telemetry.outcome(is_completed=is_completed)
        self._telemetry.close()
        return found

    def score(self) -> dict[str, Any] | None:
        """Return how good the forecasts were, at the end of the run."""
        return self._eta.score((self._request.clock.monotonic_ns() - self._session.started_ns) / _NS)

    def _tell(self, kind: str, payload: dict[str, Any]) -> None:
        self._session.log.append(_RECORDS[kind], payload)
        self._bus.publish(kind, payload)

    def _check_clock(self) -> None:
        jump_s = self._watch.jump_s()
        if jump_s is not None:
            self._note(f"the wall clock jumped by {jump_s:+.1f} s (set, or the machine slept)", "warning")

    def _progress(self) -> dict[str, tuple[int, int | None]]:
        """Return done and total of the steps under way, and log those that changed."""
        progress = {
            step_id: (step.done, step.total)
            for step_id, step in list(self._steps.items())
            if step.done or step.total is not None
        }
        news = {step_id: pair for step_id, pair in progress.items() if self._told.get(step_id) != pair}
        self._told = progress
        if news:
            self._session.log.append(Kind.PROGRESS, news)
        return progress

    def _forecast(self, progress: Mapping[str, tuple[int, int | None]]) -> Forecast | None:
        found = self._eta.tick(progress)
        if found is None:
            return None
        forecast, is_due = found
        begun = self._eta.take_begun()
        if self._telemetry is not None:
            for step in begun:
                self._telemetry.begun(step)
        if is_due:
            data = {
                "seconds": forecast.seconds,
                "low": forecast.low,
                "high": forecast.high,
                "basis": forecast.basis,
            }
            self._session.log.append(Kind.ETA, data)
            self._bus.publish("eta", data)
        return forecast

    def _rate(self) -> tuple[str | None, float | None]:
        """Return the step under way, and its items a second."""
        row = self._session.table.current
        return (None, None) if row is None else (row.id, self._eta.rate(row.id))

    def _fields(self, progress: Mapping[str, tuple[int, int | None]], forecast: Forecast | None) -> dict[str, Any]:
        table, clock = self._session.table, self._request.clock
        step_id, rate = self._rate()
        done, total = progress.get(step_id, (None, None)) if step_id is not None else (None, None)
        return {
            "wallNs": clock.wall_ns(),
            "monotonicNs": clock.monotonic_ns(),
            "events": self._session.log.counts.events,
            "dropped": self.dropped,
            "step": step_id,
            "stepIndex": table.index,
            "stepCount": table.total,
            "done": done,
            "total": total,
            "etaSeconds": None if forecast is None else forecast.seconds,
            "etaLow": None if forecast is None else forecast.low,
            "etaHigh": None if forecast is None else forecast.high,
            "rate": rate,
        }
