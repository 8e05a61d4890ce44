"""How long things take, as log-normal guesses: of one step, of what is left of it, and of several together.

A guess is the median and the spread (the standard deviation of the logarithm) of a number of seconds.  All formulas
are of the log-normal distribution; sums follow Fenton and Wilkinson (the sum has the mean and variance of its parts
and is taken to be log-normal again).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import erf, exp, expm1, log, log1p, sqrt
from typing import NamedTuple

__all__ = ["SHARED", "TENTH", "Guess", "blend", "guess_from_past", "remaining", "total"]

# Of the normal distribution: where 10 % lie above.  Intervals are from 10 to 90 %.
TENTH = 1.2815515655446004
# What a single duration says of the next one: people's steps vary by about a fifth from run to run.
_USUAL_SPREAD = 0.2
_USUAL_WEIGHT = 1.0
# Nothing that a machine does is steadier than this.
_LEAST_SPREAD = 0.01
# How much of the spread of several steps is shared (a slow machine is slow in all of them).
SHARED = 0.5
# Something later than so many spreads shows that the spread was wrong: it is widened until it is this late.
_LATEST = 3.0
_LEAST_S = 1e-9


class Guess(NamedTuple):
    """A number of seconds that is not known: its median, and the spread of its logarithm."""

    median: float
    spread: float

    @property
    def low(self) -> float:
        """One in ten is shorter than this."""
        return self.median * exp(-TENTH * self.spread)

    @property
    def high(self) -> float:
        """One in ten is longer than this."""
        return self.median * exp(TENTH * self.spread)


def guess_from_past(seconds: Sequence[float]) -> Guess | None:
    """Return what earlier durations, newest last, say of the next one; None without any.

    The spread is that of the logarithms, drawn towards a usual one where they are few, and widened by what the
    mean itself is unsure of.  The newer half counts twice, since programs change.
    """
    logs = [log(value) for value in seconds if value > _LEAST_S]
    if not logs:
        return None
    weights = [2.0 if 2 * place >= len(logs) else 1.0 for place in range(len(logs))]
    whole = sum(weights)
    mean = sum(weight * value for weight, value in zip(weights, logs, strict=True)) / whole
    squares = sum((value - mean) ** 2 for value in logs)
    count = len(logs)
    variance = (_USUAL_WEIGHT * _USUAL_SPREAD**2 + squares) / (_USUAL_WEIGHT + count - 1)
    return Guess(exp(mean), max(_LEAST_SPREAD, sqrt(variance * (1.0 + 1.0 / count))))


def blend(past: Guess | None, live: Guess | None) -> Guess | None:
    """Return one guess from two about the same thing, each by its certainty.

    Where they contradict each other the past is doubted: what is seen now is this run.
    """
    if past is None or live is None:
        return past if live is None else live
    past_log, live_log = log(max(past.median, _LEAST_S)), log(max(live.median, _LEAST_S))
    apart = abs(past_log - live_log) / sqrt(past.spread**2 + live.spread**2)
    doubted = past.spread * max(1.0, apart)
    past_weight, live_weight = doubted**-2, max(live.spread, _LEAST_SPREAD) ** -2
    whole = past_weight + live_weight
    middle = (past_weight * past_log + live_weight * live_log) / whole
    return Guess(exp(middle), max(_LEAST_SPREAD, sqrt(1.0 / whole)))


def remaining(whole: Guess, elapsed: float) -> Guess:
    """Return what is left of a duration that has lasted ``elapsed`` seconds and is not over.

    The median and the tenths of ``whole`` given that it is longer than ``elapsed``, less ``elapsed``: something that
    is late is not done at once, but the later, the longer it will still take.
    """
    if elapsed <= 0.0:
        return whole
    late = (log(elapsed) - log(max(whole.median, _LEAST_S))) / whole.spread
    spread = whole.spread * max(1.0, late / _LATEST)
    done = _below(min(late, _LATEST))
    shares = (done + share * (1.0 - done) for share in (0.1, 0.5, 0.9))
    low, middle, high = (max(_LEAST_S, whole.median * exp(spread * _place(share)) - elapsed) for share in shares)
    return Guess(middle, max(_LEAST_SPREAD, log(high / low) / (2.0 * TENTH)))


def total(guesses: Iterable[Guess]) -> Guess:
    """Return the sum of several durations, spreads half shared; nothing at all lasts no time."""
    means, deviations, variances = [], [], []
    for guess in guesses:
        mean = guess.median * exp(guess.spread**2 / 2.0)
        variance = expm1(guess.spread**2) * mean**2
        means.append(mean)
        deviations.append(sqrt(variance))
        variances.append(variance)
    whole = sum(means)
    if whole <= 0.0:
        return Guess(0.0, 0.0)
    variance = (1.0 - SHARED) * sum(variances) + SHARED * sum(deviations) ** 2
    square = log1p(variance / whole**2)
    return Guess(whole * exp(-square / 2.0), sqrt(square))


def _below(place: float) -> float:
    return 0.5 * (1.0 + erf(place / sqrt(2.0)))


def _place(share: float) -> float:
    """Invert ``_below`` by bisection: 60 halvings of a range that holds all that doubles can tell apart."""
    low, high = -9.0, 9.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if _below(middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
