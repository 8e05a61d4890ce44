"""Is this run slower than earlier ones of its pipeline, and how sure is that?

Mean rates of runs are taken to be log-normal; a new run is held against the interval in which Student's t would
predict it (mean and spread unknown, so few earlier runs need a larger drop).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import atan, cos, exp, isfinite, log, pi, sin, sqrt
from typing import NamedTuple

__all__ = [
    "LEAST_RUNS",
    "RATE_KEY",
    "Comparison",
    "ThroughputHistory",
    "compare",
    "deviation_of",
    "mean_of",
    "median_of",
]

RATE_KEY = "avg_steps_per_sec"
# Fewer say nothing of how much runs differ.
LEAST_RUNS = 3
# Repeated runs that agree better than this do so by chance.
_LEAST_SPREAD = 0.02
# Earlier runs that were sick themselves are left out where there are enough others.
_LEAST_RUNS_TO_TRIM = 8
_FAR_OUT = 3.5
# Turns a median of absolute deviations into a standard deviation, for normal noise.
_MAD_SCALE = 1.4826
_MOST_CONFIDENCE = 0.999


def mean_of(values: Sequence[float]) -> float:
    """Return the mean.  (The module ``statistics`` would load ``decimal`` and ``random``: 15 ms.)"""
    return sum(values) / len(values)


def median_of(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two in the middle."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2.0


def deviation_of(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample of at least two."""
    mean = mean_of(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


class ThroughputHistory(NamedTuple):
    """Mean ``steps_per_sec`` of earlier completed runs of the pipeline on this machine, one value a run.

    ``by_step`` holds the means of single steps: these can be compared while the run goes, the whole only at its end,
    since steps have rates of their own.
    """

    values: tuple[float, ...] = ()
    by_step: Mapping[str, tuple[float, ...]] = {}

    @classmethod
    def from_summaries(cls, summaries: Iterable[Mapping[str, object]]) -> ThroughputHistory:
        """Read ``avg_steps_per_sec`` and ``avg_steps_per_sec.<step>`` of the summaries of earlier runs."""
        rates: dict[str, list[float]] = {}
        for summary in summaries:
            for key, value in summary.items():
                if key.partition(".")[0] == RATE_KEY and _is_rate(value):
                    rates.setdefault(key, []).append(float(value))  # type: ignore[arg-type]
        whole = tuple(rates.pop(RATE_KEY, ()))
        return cls(whole, {key.partition(".")[2]: tuple(values) for key, values in rates.items()})


class Comparison(NamedTuple):
    """A rate beside earlier ones; ``drop`` and ``confidence`` from 0 to 1.

    ``confidence`` is 1 less the share of healthy runs that would be as slow; at most 0.999.
    """

    rate: float
    baseline: float
    drop: float
    confidence: float
    runs: int


def compare(rate: float, earlier: Sequence[float], *, own_spread: float = 0.0) -> Comparison | None:
    """Compare ``rate`` with the rates of earlier runs; None with fewer than three of them, or without a rate.

    ``own_spread`` is the standard error of the logarithm of ``rate`` itself, where it is of a part of a run only.
    """
    logs = _trimmed([log(value) for value in earlier if _is_rate(value)])
    if len(logs) < LEAST_RUNS or not isfinite(rate) or rate < 0.0:
        return None
    baseline = exp(median_of(logs))
    drop = max(0.0, 1.0 - rate / baseline)
    if rate == 0.0:
        return Comparison(rate, baseline, drop, _MOST_CONFIDENCE, len(logs))
    spread = max(deviation_of(logs), _LEAST_SPREAD)
    error = sqrt(spread**2 * (1.0 + 1.0 / len(logs)) + own_spread**2)
    confidence = _student_below((mean_of(logs) - log(rate)) / error, len(logs) - 1)
    return Comparison(rate, baseline, drop, min(_MOST_CONFIDENCE, confidence), len(logs))


def _is_rate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value > 0.0


def _trimmed(logs: list[float]) -> list[float]:
    if len(logs) < _LEAST_RUNS_TO_TRIM:
        return logs
    middle = median_of(logs)
    spread = max(_LEAST_SPREAD, _MAD_SCALE * median_of([abs(value - middle) for value in logs]))
    return [value for value in logs if abs(value - middle) <= _FAR_OUT * spread]


def _student_below(t: float, freedom: int) -> float:
    """Return the share of Student's distribution below ``t``.

    For whole degrees of freedom it is a finite sum: Abramowitz and Stegun, Handbook of Mathematical Functions (1964),
    26.7.3 and 26.7.4.
    """
    angle = atan(t / sqrt(freedom))
    first, term, whole = freedom % 2, 1.0, 0.0
    for power in range(first, freedom - 1, 2):
        whole += term * cos(angle) ** power
        term *= (power + 1) / (power + 2)
    within = sin(angle) * whole
    if first:
        within = (angle + within) * 2.0 / pi
    return (1.0 + within) / 2.0
