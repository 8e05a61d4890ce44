"""What each operation means for one bin: the only place where a formula of the engine is written.

The block, component and lane interpreters call these, so they can not disagree.
"""

from __future__ import annotations

import math

import numpy as np

from flowtime_kernels.jit import njit

__all__ = [
    "allowance", "both", "capped", "copy_sign_round", "demand_step", "divide", "either", "equal", "grant", "less",
    "less_equal", "line_step", "maximum", "minimum", "mix_step", "modulo", "natural_log", "negation", "next_ema",
    "not_equal", "over_limit", "pair_sum", "positive_or_one", "power", "pulse_at", "queue_step", "ratio", "safe",
    "select", "serve_step", "square_root", "step", "work_lost", "work_present", "work_served",
]  # fmt: skip

# The least subnormal: below it a modulus is no modulus (engine.md 3).
TINY = 4.9e-324


@njit
def safe(x: float) -> float:
    """The value if it is finite, else 0: what a stock adds for a missing sample."""
    return x if abs(x) < math.inf else 0.0


@njit
def positive_or_one(x: float) -> float:
    """The value if it is positive and finite, else 1: parallelism that can not be used is ignored."""
    return x if 0.0 < x < math.inf else 1.0


@njit
def allowance(x: float) -> float:
    """What a capacity lets through: nothing where it is NaN or negative, all where it is infinite."""
    return x if x > 0.0 else 0.0


@njit
def capped(x: float, limit: float) -> float:
    """x, and no more than a limit of at least 0; a limit that is not finite is none."""
    return min(x, max(0.0, limit)) if abs(limit) < math.inf else x


@njit
def square_root(x: float) -> float:
    """The root, NaN below 0."""
    return math.sqrt(x) if x >= 0.0 else math.nan


@njit
def natural_log(x: float) -> float:
    """The natural logarithm, NaN at 0 and below."""
    return math.log(x) if x > 0.0 else math.nan


@njit
def copy_sign_round(x: float) -> float:
    """Round half away from zero, exactly (0.49999999999999994 gives 0)."""
    size = abs(x)
    whole = np.floor(size)
    # The difference is exact, unlike floor(x + 0.5), which rounds the sum first.
    return math.copysign(whole + 1.0 if size - whole >= 0.5 else whole, x)


@njit
def negation(x: float) -> float:
    """1 for zero, 0 for any other number, NaN for NaN."""
    if x != x:
        return x
    return 1.0 if x == 0.0 else 0.0


@njit
def divide(x: float, y: float) -> float:
    """x / y, and 0 where y is exactly 0."""
    return x / y if y != 0.0 else 0.0


@njit
def minimum(x: float, y: float) -> float:
    """The lesser; NaN if either is."""
    return x if (x < y or x != x) else y


@njit
def maximum(x: float, y: float) -> float:
    """The greater; NaN if either is."""
    return x if (x > y or x != x) else y


@njit
def modulo(x: float, y: float) -> float:
    """Floored remainder with the sign of y; 0 where y is 0; NaN for anything not finite."""
    if not (abs(x) < math.inf and abs(y) < math.inf):
        return math.nan
    if abs(y) <= TINY:
        return 0.0
    rest = float(np.fmod(x, y))
    return rest + y if (rest != 0.0 and (rest < 0.0) != (y < 0.0)) else rest


@njit
def power(x: float, y: float) -> float:
    """x to the y; NaN where that is no real number."""
    return float(np.power(x, y))


@njit
def less(x: float, y: float) -> float:
    """1 if x < y, else 0; NaN if either is."""
    if x != x or y != y:
        return math.nan
    return 1.0 if x < y else 0.0


@njit
def less_equal(x: float, y: float) -> float:
    """1 if x <= y, else 0; NaN if either is."""
    if x != x or y != y:
        return math.nan
    return 1.0 if x <= y else 0.0


@njit
def equal(x: float, y: float) -> float:
    """1 if x equals y, else 0; NaN if either is."""
    if x != x or y != y:
        return math.nan
    return 1.0 if x == y else 0.0


@njit
def not_equal(x: float, y: float) -> float:
    """1 if x differs from y, else 0; NaN if either is."""
    if x != x or y != y:
        return math.nan
    return 1.0 if x != y else 0.0


@njit
def step(x: float, y: float) -> float:
    """1 if x >= y, else 0, NaN counting as below."""
    return 1.0 if x >= y else 0.0


@njit
def both(x: float, y: float) -> float:
    """Logical and of two numbers, where anything but 0 is true; NaN if either is."""
    if x != x or y != y:
        return math.nan
    return 1.0 if (x != 0.0 and y != 0.0) else 0.0


@njit
def either(x: float, y: float) -> float:
    """Logical or of two numbers, where anything but 0 is true; NaN if either is."""
    if x != x or y != y:
        return math.nan
    return 1.0 if (x != 0.0 or y != 0.0) else 0.0


@njit
def select(condition: float, yes: float, no: float) -> float:
    """`yes` where the condition is not 0, else `no`; NaN where the condition is NaN."""
    if condition != condition:
        return condition
    return yes if condition != 0.0 else no


@njit
def ratio(x: float, y: float) -> float:
    """x / y where y is positive and both are finite, else NaN: a ratio that is undefined is not 0."""
    return x / y if (0.0 < y < math.inf and abs(x) < math.inf) else math.nan


@njit
def pair_sum(x: float, y: float) -> float:
    """x + y, a missing (NaN) part counting as nothing; NaN if both are missing."""
    if x != x:
        return y
    return x if y != y else x + y


@njit
def grant(demand: float, total: float, capacity: float) -> float:
    """What one of several demands gets of a capacity that is shared in proportion (engine.md 2.9)."""
    if not (capacity > 0.0 and total > 0.0):
        return 0.0
    return demand if total <= capacity else capacity * demand / total


@njit
def pulse_at(t: int, period: int, phase: int, amplitude: float) -> float:
    """The amplitude in every `period`-th bin from `phase` on, else 0."""
    return amplitude if (t >= phase and (t - phase) % period == 0) else 0.0


@njit
def next_ema(previous: float, x: float, alpha: float) -> float:
    """One step of exponential smoothing; a sample that is not finite keeps the previous value."""
    if not abs(x) < math.inf:
        return previous
    return x if previous != previous else previous + alpha * (x - previous)


@njit
def queue_step(previous: float, inflow: float, outflow: float, loss: float) -> float:
    """Depth at the end of a bin when the outflow is given: max(0, Q + in - out - loss)."""
    return max(0.0, ((previous + safe(inflow)) - safe(outflow)) - safe(loss))


@njit
def work_present(previous: float, arrivals: float) -> float:
    """What there is to serve in a bin: the stock and what arrives, at least 0."""
    return max(0.0, previous + safe(arrivals))


@njit
def work_lost(loss: float, present: float) -> float:
    """What is lost of it: the loss asked for, never more than there is."""
    return min(max(0.0, safe(loss)), present)


@njit
def work_served(capacity: float, left: float) -> float:
    """What is served of the rest: NaN or negative capacity serves nothing, an infinite one all."""
    return min(allowance(capacity), left)


@njit
def serve_step(previous: float, arrivals: float, capacity: float, loss: float) -> tuple[float, float, float]:
    """Served, lost and depth of a bin: losses first, then as much work as capacity allows.

    Conserves flow: previous + arrivals = served + lost + depth, for arrivals of at least 0.
    """
    present = work_present(previous, arrivals)
    lost = work_lost(loss, present)
    served = work_served(capacity, present - lost)
    return served, lost, (present - lost) - served


@njit
def demand_step(previous: float, arrivals: float, capacity: float, loss: float) -> float:
    """What a bin would serve if nothing but its own capacity held it back: `served` of ``serve_step``."""
    present = work_present(previous, arrivals)
    return work_served(capacity, present - work_lost(loss, present))


@njit
def over_limit(depth: float, limit: float) -> float:
    """What of a depth does not fit under a limit; a limit that is not finite is none, a negative one is 0."""
    return max(0.0, depth - max(0.0, limit)) if abs(limit) < math.inf else 0.0


@njit
def mix_step(previous: float, x: float, keep: float) -> tuple[float, float]:
    """One class of mixed work: what of it is there, and what is left when all keep the share ``keep``."""
    present = work_present(previous, x)
    return present, present * keep


@njit
def line_step(previous: float, inflow: float, capacity: float) -> tuple[float, float, float]:
    """Available work, served and depth of ``avail = in + SHIFT(q, 1); served = MIN(avail, capacity)``."""
    available = inflow + previous
    served = minimum(available, capacity)
    return available, served, queue_step(previous, inflow, served, 0.0)
