"""When a run will end: from how long its steps took in earlier runs, and from how fast this one goes.

Each step has a guess of its whole duration: from the past, from its live rate, or from both by their certainty.
What is left of the running steps and all of the pending ones add up; steps that run beside each other are counted
by how much they overlapped before.  A step that nothing is known of makes the end unknown: it is never taken for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, log, sqrt
from typing import Literal, NamedTuple, TypeAlias

from flowtime.tracking.forecast.durations import SHARED, Guess, blend, guess_from_past, remaining, total
from flowtime.tracking.forecast.live_rate import LiveRate

__all__ = ["NO_HISTORY", "Basis", "Forecast", "Forecaster", "StepHistory", "StepPast"]

Basis: TypeAlias = Literal["history", "live", "history+live", "unknown", "done"]

_OVER = frozenset({"completed", "skipped", "failed", "cancelled"})
# A run says this much of how fast the machine is today against one step of it that is done.
_USUAL_PACE_WEIGHT = 1.0
_LEAST_OVERLAP = 1.0 / 16.0
_MOST_OVERLAP = 2.0


class StepPast(NamedTuple):
    """How one step went in earlier runs, oldest first: seconds, and the items of its progress (None if it had none)."""

    seconds: tuple[float, ...]
    totals: tuple[int | None, ...]


class StepHistory(NamedTuple):
    """What earlier runs of a pipeline say; ``overlap`` is elapsed time over the sum of its steps (1: one by one)."""

    runs: int
    steps: Mapping[str, StepPast]
    overlap: float = 1.0


NO_HISTORY = StepHistory(0, {})


class Forecast(NamedTuple):
    """Seconds that are left: the median, and what one in ten is below and above; None where that is not known.

    ``step_seconds`` is what is left of the running steps alone; ``basis`` says what the forecast rests on.
    """

    seconds: float | None
    low: float | None
    high: float | None
    step_seconds: float | None
    basis: Basis


class _Pace(NamedTuple):
    """How much slower this run is than earlier ones, and what knowing that leaves of the spread of a step."""

    factor: float
    narrowing: float


class _Step:
    """What is known of one step of this run; times are of the forecaster's clock."""

    __slots__ = ("rate", "spent", "started", "status")

    def __init__(self) -> None:
        self.status = "pending"
        self.started = 0.0
        self.spent = 0.0
        self.rate = LiveRate()


class Forecaster:
    """Follows one run and tells, at any moment, when it will end.

    ``plan`` names the steps that are to come, those of earlier runs where it is empty; ``clock`` gives seconds that
    never jump.  For one thread, or under the caller's lock.
    """

    def __init__(self, plan: Sequence[str], history: StepHistory, clock: Callable[[], float]) -> None:
        self._history = history
        self._clock = clock
        self._steps: dict[str, _Step] = {name: _Step() for name in plan or _usual_steps(history)}

    def step_started(self, step_id: str) -> None:
        """Tell that a step runs, or runs again."""
        step = self._step(step_id)
        if step.status != "running":
            step.status, step.started, step.rate = "running", self._clock(), LiveRate()

    def step_ended(self, step_id: str, status: str) -> None:
        """Tell that a step is over; one that failed may start again."""
        step = self._step(step_id)
        if step.status == "running":
            step.spent += self._clock() - step.started
        step.status = status

    def resumed(self, step_id: str, status: str, seconds: float) -> None:
        """Tell what became of a step in an earlier session of this run, and how long it took there."""
        step = self._step(step_id)
        step.status, step.spent = ("pending" if status == "running" else status), seconds

    def progress(self, step_id: str, done: int, items: int | None) -> None:
        """Tell how many items of a running step are done, of how many (None: nobody knows)."""
        step = self._step(step_id)
        if step.status == "running" and done != step.rate.done:
            step.rate.tell(self._clock() - step.started, done, items)

    def skipped(self, step_id: str) -> None:
        """Tell that a step will not run."""
        self._step(step_id).status = "skipped"

    def rate(self, step_id: str) -> float | None:
        """Return items a second of a step, lately; None before two items."""
        return self._step(step_id).rate.per_second()

    def expected(self, step_id: str) -> Guess | None:
        """Return the guess of the whole duration of a step; None where nothing is known."""
        return self._whole(step_id, self._step(step_id), self._pace())

    def forecast(self) -> Forecast:
        """Return what is left at this moment; it counts down between two calls of ``progress``."""
        pace = self._pace()
        running = {name: step for name, step in self._steps.items() if step.status == "running"}
        pending = [name for name, step in self._steps.items() if step.status not in _OVER and name not in running]
        if not running and not pending:
            return Forecast(0.0, 0.0, 0.0, None, "done") if self._steps else _unknown(None)
        lefts = _all_known(self._left(name, step, pace) for name, step in running.items())
        waits = _all_known(self._whole(name, self._steps[name], pace) for name in pending)
        step_seconds = max((left.median for left in lefts), default=None) if lefts is not None else None
        if lefts is None or waits is None:
            return _unknown(step_seconds)
        return self._sum(lefts, waits, step_seconds, self._basis(running))

    def _sum(self, lefts: list[Guess], waits: list[Guess], step_seconds: float | None, basis: Basis) -> Forecast:
        overlap = self._overlap(len(lefts))
        whole = total([*lefts, *waits])
        # Steps beside each other can not end before the longest of them.
        least = max((left.median for left in lefts), default=0.0)
        scaled = Guess(max(whole.median * overlap, least), whole.spread)
        return Forecast(scaled.median, scaled.low, scaled.high, step_seconds, basis)

    def _overlap(self, running: int) -> float:
        if self._history.runs:
            return min(_MOST_OVERLAP, max(_LEAST_OVERLAP, self._history.overlap))
        return 1.0 / max(1, running)

    def _basis(self, running: Mapping[str, _Step]) -> Basis:
        is_live = any(step.rate.whole() is not None for step in running.values())
        if not self._history.runs:
            return "live"
        return "history+live" if is_live else "history"

    def _step(self, step_id: str) -> _Step:
        step = self._steps.get(step_id)
        if step is None:
            step = self._steps[step_id] = _Step()
        return step

    def _left(self, name: str, step: _Step, pace: _Pace) -> Guess | None:
        whole = self._whole(name, step, pace)
        return None if whole is None else remaining(whole, self._clock() - step.started)

    def _whole(self, name: str, step: _Step, pace: _Pace) -> Guess | None:
        past = self._past(name, step.rate.total)
        if past is not None:
            past = Guess(past.median * pace.factor, past.spread * pace.narrowing)
        return blend(past, step.rate.whole())

    def _past(self, name: str, items: int | None) -> Guess | None:
        """Return what earlier runs say of a step, by items where all of them and this one say how many."""
        past = self._history.steps.get(name)
        if past is None:
            return None
        if not items or not past.totals or not all(past.totals):
            return guess_from_past(past.seconds)
        by_item = [seconds * items / count for seconds, count in _pairs(past)]
        return guess_from_past(by_item)

    def _pace(self) -> _Pace:
        """Return how much slower than before this run is, from its steps that are done.

        A step counts by its share of the time of all steps, and never more than once: of one of some milliseconds
        it says little that it took twice as long.
        """
        pasts = {name: past for name, step in self._steps.items() if (past := self._past(name, step.rate.total))}
        usual = sum(past.median for past in pasts.values()) / max(1, len(pasts))
        logs, weights = 0.0, 0.0
        for name, past in pasts.items():
            step = self._steps[name]
            if step.status == "completed" and step.spent > 0.0:
                weight = min(1.0, past.median / usual)
                logs += weight * log(step.spent / past.median)
                weights += weight
        whole = weights + _USUAL_PACE_WEIGHT
        return _Pace(exp(logs / whole), sqrt(1.0 - SHARED * weights / whole))


def _all_known(guesses: Iterable[Guess | None]) -> list[Guess] | None:
    """Return the guesses, or None where one of them is not known."""
    known = []
    for guess in guesses:
        if guess is None:
            return None
        known.append(guess)
    return known


def _usual_steps(history: StepHistory) -> Iterable[str]:
    """Return the steps that at least half of the earlier runs completed."""
    return (name for name, past in history.steps.items() if 2 * len(past.seconds) >= history.runs)


def _pairs(past: StepPast) -> Iterable[tuple[float, int]]:
    return ((seconds, count) for seconds, count in zip(past.seconds, past.totals, strict=True) if count)


def _unknown(step_seconds: float | None) -> Forecast:
    return Forecast(None, None, None, step_seconds, "unknown")
