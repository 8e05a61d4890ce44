"""How good the forecasts of a run were, once it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["ForecastPoint", "Score", "score"]

# Against at least this share of the whole run: of the last seconds every forecast is wrong by a lot of nothing.
_LEAST_SHARE = 0.05


class ForecastPoint(NamedTuple):
    """A forecast as it was made: seconds since the run began, how many steps were over, and what it said was left."""

    elapsed: float
    steps_over: int
    seconds: float
    low: float
    high: float


class Score(NamedTuple):
    """Errors are shares of what was really left; None where there is nothing to judge.

    ``after_step_2_error`` is of the first forecast after two steps were over; ``interval_coverage`` is the share of
    forecasts whose interval held the end (80 % are meant to).
    """

    forecasts: int
    median_error: float | None
    after_step_2_error: float | None
    interval_coverage: float | None


def score(points: Sequence[ForecastPoint], elapsed: float) -> Score:
    """Return how good forecasts were of a run that took ``elapsed`` seconds.

    The error is |forecast - what was left| over what was left, or over 5 % of the run where less was.
    """
    if not points or elapsed <= 0.0:
        return Score(len(points), None, None, None)
    errors = sorted(_error(point, elapsed) for point in points)
    later = next((point for point in points if point.steps_over >= 2), None)
    held = sum(point.low <= elapsed - point.elapsed <= point.high for point in points)
    return Score(
        forecasts=len(points),
        median_error=errors[len(errors) // 2],
        after_step_2_error=None if later is None else _error(later, elapsed),
        interval_coverage=held / len(points),
    )


def _error(point: ForecastPoint, elapsed: float) -> float:
    left = elapsed - point.elapsed
    return abs(point.seconds - left) / max(left, _LEAST_SHARE * elapsed)
