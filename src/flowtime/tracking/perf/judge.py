"""The judgement of one case: pure functions from times to a verdict.

An episode is summed up by the median of ln(head / base) over its sweeps, each sweep a pair measured within
milliseconds; the result is the median over episodes.  The base twin, the same code as the base, goes the same way
and tells what such a figure is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, comb, exp, inf, log, sqrt
from statistics import median, stdev
from typing import NamedTuple

from flowtime.tracking.records import PerformanceVerdict

__all__ = [
    "Estimate",
    "Interval",
    "Judgement",
    "Limits",
    "estimate",
    "judge",
    "judge_apart",
    "median_interval",
    "settle",
    "worst",
]

ORDER: tuple[PerformanceVerdict, ...] = ("failed", "soft-breach", "no-baseline", "passed")
ABOVE_SHARE = 0.8
TWIN_LIMIT = 0.03
# Standard error of a median of normal draws is 1.25 times that of their mean.
MEDIAN_FACTOR = 1.25
SE_FACTOR = 3.0
# Both tails together: 22 of 1,024 is what the second and ninth of ten leave out, so "98 %".
TAILS = 22 / 1024


class Limits(NamedTuple):
    """Shares by which a case may be slower than its base: 0.03 is 3 percent."""

    soft: float = 0.03
    fail: float = 0.05


class Estimate(NamedTuple):
    """One episode: the median of ln(head / base), and of ln(twin / base)."""

    head: float
    twin: float


class Interval(NamedTuple):
    """Bounds of a median (None where there are too few values), and how sure they are."""

    low: float
    high: float
    confidence: float


class Judgement(NamedTuple):
    """A verdict with its reason, and the figures behind it; ratios are head (or twin) over base."""

    verdict: PerformanceVerdict
    reason: str | None
    ratio: float
    interval: Interval
    twin_ratio: float
    twin_sd: float
    standard_error: float
    fail_limit: float
    above: int
    episodes: int


def estimate(base: Sequence[float], twin: Sequence[float], head: Sequence[float]) -> Estimate:
    """Sum up one episode; the sequences are turns of the same sweeps, in one order."""
    pairs = list(zip(base, twin, head, strict=True))
    return Estimate(median(log(h / b) for b, _, h in pairs), median(log(t / b) for b, t, _ in pairs))


def judge(episodes: Sequence[Estimate], limits: Limits) -> Judgement:
    """Judge one set of episodes, at least one.

    Over the fail limit is ``failed``: the limit of the case, or three standard errors of the twin where that is more.
    Over the soft limit with at least 8 of 10 episodes above 0 is ``soft-breach``.  Where the twin itself is off by
    more than 3 percent the case is noisy, and a soft breach at most and at least; so is a single episode.
    """
    heads, twins = [item.head for item in episodes], [item.twin for item in episodes]
    middle, twin = median(heads), median(twins)
    twin_sd = stdev(twins) if len(twins) > 1 else inf
    error = MEDIAN_FACTOR * twin_sd / sqrt(len(twins))
    # By the twin and not by the head, whose own spread may be what was broken.
    fail_ln = max(log(1.0 + limits.fail), SE_FACTOR * error)
    above = sum(value > 0.0 for value in heads)
    verdict, reason = _verdict(middle, twin, fail_ln, above >= ceil(ABOVE_SHARE * len(heads)), limits)
    low, high, confidence = median_interval(heads)
    return Judgement(
        verdict,
        reason,
        exp(middle),
        Interval(exp(low), exp(high), confidence),
        exp(twin),
        twin_sd,
        error,
        _finite_exp(fail_ln) - 1.0,
        above,
        len(heads),
    )


def settle(first: Judgement, pooled: Judgement | None) -> Judgement:
    """Return what holds after a confirmation: ``pooled`` judges the first episodes and fresh ones together.

    A failure that the pooled episodes do not show is a soft breach; without a confirmation it is not taken back.
    """
    if first.verdict != "failed" or pooled is None or pooled.verdict == "failed":
        return pooled if pooled is not None else first
    return pooled._replace(verdict="soft-breach", reason="not_confirmed")


def judge_apart(base: Sequence[float], head: Sequence[float], limits: Limits) -> Judgement:
    """Judge two measurements of different times: seconds by episode of each.

    Such a comparison holds drifts of the host, which no statistic finds, so it is a soft breach at most.
    """
    lns = [log(value) for value in head], [log(value) for value in base]
    middle = median(lns[0]) - median(lns[1])
    deviations = [stdev(values) if len(values) > 1 else inf for values in lns]
    error = MEDIAN_FACTOR * sqrt(sum(sd**2 / len(values) for sd, values in zip(deviations, lns, strict=True)))
    fail_ln = max(log(1.0 + limits.fail), SE_FACTOR * error)
    # No rule of 8 in 10 here: episodes of two runs are no pairs.
    is_over = middle > fail_ln
    ends = [median_interval(values) for values in lns]
    interval = Interval(exp(ends[0].low - ends[1].high), exp(ends[0].high - ends[1].low), ends[0].confidence)
    return Judgement(
        "soft-breach" if is_over else "passed",
        "not_interleaved" if is_over else None,
        exp(middle),
        interval,
        1.0,
        deviations[1],
        error,
        _finite_exp(fail_ln) - 1.0,
        sum(value > median(lns[1]) for value in lns[0]),
        len(lns[0]),
    )


def median_interval(values: Sequence[float]) -> Interval:
    """Return bounds of the median by order statistics, 98 percent sure or more; fewer values make it less sure."""
    # Order statistics assume nothing of the shape, and the tails of such times are long.
    ordered, count = sorted(values), len(values)
    rank, tails = 1, 2.0 / 2**count
    while rank + 1 <= count // 2:
        wider = tails + 2.0 * comb(count, rank) / 2**count
        if wider > TAILS:
            break
        rank, tails = rank + 1, wider
    return Interval(ordered[rank - 1], ordered[-rank], max(0.0, 1.0 - tails))


def worst(verdicts: Sequence[PerformanceVerdict]) -> PerformanceVerdict:
    """Return the verdict of a suite: failed before soft-breach before no-baseline before passed."""
    return min(verdicts, key=ORDER.index, default="no-baseline")


def _verdict(
    middle: float, twin: float, fail_ln: float, is_steady: bool, limits: Limits
) -> tuple[PerformanceVerdict, str | None]:
    # First what makes any other answer worthless.
    if fail_ln == inf:
        return "soft-breach", "too_few_episodes"
    if abs(twin) > log(1.0 + TWIN_LIMIT):
        return "soft-breach", "noisy_twin"
    if middle > fail_ln:
        return "failed", "slower"
    if middle > log(1.0 + limits.soft) and is_steady:
        return "soft-breach", "slower"
    return "passed", None


def _finite_exp(value: float) -> float:
    return exp(value) if value < 700.0 else inf
