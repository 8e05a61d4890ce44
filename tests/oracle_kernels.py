"""The slow obvious twins of the compiled kernels: lists, loops and the ``math`` module, one value at a time.

Nothing here is fast and nothing is shared with the engine, so that a mistake has to be made twice to stay hidden.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = [
    "absolute",
    "allowance",
    "bound_queue_step",
    "bound_served_step",
    "capped",
    "ceiling",
    "clamp",
    "convolve",
    "cumulative_sum",
    "demand",
    "divide",
    "ema",
    "ema_step",
    "equal",
    "exponential",
    "floor",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "mix_step",
    "modulo",
    "natural_log",
    "not_equal",
    "over_limit",
    "power",
    "proportional",
    "pulse",
    "pulse_at",
    "queue_recurrence",
    "queue_step",
    "round_half_away",
    "safe",
    "select",
    "served_recurrence",
    "served_step",
    "shift",
    "square_root",
    "step",
    "water_level",
]

NAN = math.nan


def safe(value: float) -> float:
    """Finite values as they are; NaN and the infinities count 0."""
    return value if math.isfinite(value) else 0.0


def divide(a: float, b: float) -> float:
    """a / b; 0 where b is exactly 0."""
    if b == 0.0:
        return 0.0
    return a / b


def modulo(a: float, b: float) -> float:
    """Remainder with the sign of b; NaN unless both are finite; 0 where b is 0 or the least number there is."""
    if not math.isfinite(a) or not math.isfinite(b):
        return NAN
    if abs(b) <= 4.9e-324:
        return 0.0
    return a % b


def floor(value: float) -> float:
    """The greatest whole number that is not above the value."""
    return float(math.floor(value)) if math.isfinite(value) else value


def ceiling(value: float) -> float:
    """The least whole number that is not below the value."""
    return float(math.ceil(value)) if math.isfinite(value) else value


def round_half_away(value: float) -> float:
    """The nearest whole number, halves away from zero."""
    if not math.isfinite(value):
        return value
    size = abs(value)
    whole = math.floor(size)
    # The part behind the point is exact, which size + 0.5 would not be.
    if size - whole >= 0.5:
        whole += 1
    return math.copysign(float(whole), value)


def absolute(value: float) -> float:
    """The value without its sign."""
    return abs(value)


def step(a: float, b: float) -> float:
    """1 where a >= b, else 0, so 0 where one is NaN."""
    return 1.0 if a >= b else 0.0


def minimum(a: float, b: float) -> float:
    """The lesser of two; NaN where one is NaN."""
    if math.isnan(a) or math.isnan(b):
        return NAN
    return a if a < b else b


def maximum(a: float, b: float) -> float:
    """The greater of two; NaN where one is NaN."""
    if math.isnan(a) or math.isnan(b):
        return NAN
    return a if a > b else b


def clamp(value: float, low: float, high: float) -> float:
    """The value held between two others; the lower one wins where they cross."""
    return maximum(low, minimum(high, value))


def _truth(a: float, b: float, answer: bool) -> float:
    if math.isnan(a) or math.isnan(b):
        return NAN
    return 1.0 if answer else 0.0


def less(a: float, b: float) -> float:
    """Whether a < b, as 1 or 0; NaN where one is NaN."""
    return _truth(a, b, a < b)


def less_equal(a: float, b: float) -> float:
    """Whether a <= b, as 1 or 0; NaN where one is NaN."""
    return _truth(a, b, a <= b)


def equal(a: float, b: float) -> float:
    """Whether a == b, as 1 or 0; NaN where one is NaN."""
    return _truth(a, b, a == b)


def not_equal(a: float, b: float) -> float:
    """Whether a != b, as 1 or 0; NaN where one is NaN."""
    return _truth(a, b, a != b)


def logical_and(a: float, b: float) -> float:
    """Whether both are not 0; NaN where one is NaN."""
    return _truth(a, b, a != 0.0 and b != 0.0)


def logical_or(a: float, b: float) -> float:
    """Whether one is not 0; NaN where one is NaN."""
    return _truth(a, b, a != 0.0 or b != 0.0)


def logical_not(a: float) -> float:
    """Whether it is 0; NaN where it is NaN."""
    return _truth(a, a, a == 0.0)


def select(condition: float, a: float, b: float) -> float:
    """a where the condition is not 0, b where it is 0, NaN where it is NaN."""
    if math.isnan(condition):
        return NAN
    return a if condition != 0.0 else b


def square_root(value: float) -> float:
    """The square root; NaN below 0."""
    return math.sqrt(value) if value >= 0.0 else NAN


def natural_log(value: float) -> float:
    """The natural logarithm; NaN at 0 and below."""
    return math.log(value) if value > 0.0 else NAN


def exponential(value: float) -> float:
    """e to the power of the value; infinite where it is too large."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def power(a: float, b: float) -> float:
    """a to the power of b as C's ``pow`` has it, where Python would raise."""
    is_odd = math.isfinite(b) and math.fmod(b, 2.0) in (1.0, -1.0)
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0.0 and is_odd else math.inf
    except ValueError:
        if a != 0.0:
            return NAN  # a root of a negative number
        return math.copysign(math.inf, a) if is_odd else math.inf


def shift(x: Sequence[float], lag: int, before: float = 0.0) -> list[float]:
    """x as it was ``lag`` bins ago; ``before`` where there was none."""
    return [x[t - lag] if t >= lag else before for t in range(len(x))]


def convolve(x: Sequence[float], taps: Sequence[float]) -> list[float]:
    """Causal convolution, the newest sample first; samples that are not finite are left out."""
    result = []
    for t in range(len(x)):
        total = 0.0
        for place in range(min(t + 1, len(taps))):
            if math.isfinite(x[t - place]):
                total += x[t - place] * taps[place]
        result.append(total)
    return result


def ema_step(before: float, sample: float, alpha: float) -> float:
    """One bin of an exponential moving average; ``before`` is NaN until there was a finite sample."""
    if not math.isfinite(sample):
        return before
    if math.isnan(before):
        return sample
    return before + alpha * (sample - before)


def ema(x: Sequence[float], alpha: float) -> list[float]:
    """Exponential moving average that starts at the first finite sample."""
    result: list[float] = []
    for sample in x:
        result.append(ema_step(result[-1] if result else NAN, sample, alpha))
    return result


def cumulative_sum(x: Sequence[float]) -> list[float]:
    """Running sum; samples that are not finite count 0."""
    result = []
    total = 0.0
    for sample in x:
        total += safe(sample)
        result.append(total)
    return result


def pulse_at(t: int, period: int, phase: int, amplitude: float) -> float:
    """The amplitude where the bin is ``phase`` or a whole number of periods behind it, else 0."""
    return amplitude if t >= phase and (t - phase) % period == 0 else 0.0


def pulse(bins: int, period: int, phase: int = 0, amplitude: float = 1.0) -> list[float]:
    """One pulse in every ``period`` bins from ``phase`` on."""
    return [pulse_at(t, period, phase, amplitude) for t in range(bins)]


def queue_step(depth: float, inflow: float, outflow: float, loss: float) -> float:
    """Depth behind a bin whose outflow is given; never below 0."""
    return max(0.0, ((depth + safe(inflow)) - safe(outflow)) - safe(loss))


def queue_recurrence(
    inflow: Sequence[float], outflow: Sequence[float], loss: Sequence[float], initial: float = 0.0
) -> list[float]:
    """Depth of a queue whose outflow is given."""
    result = []
    depth = initial
    for t in range(len(inflow)):
        depth = queue_step(depth, inflow[t], outflow[t], loss[t])
        result.append(depth)
    return result


def served_step(depth: float, arrivals: float, capacity: float, loss: float) -> tuple[float, float, float]:
    """Served, lost and depth of a bin that serves what is there as far as the capacity goes."""
    available = max(0.0, depth + safe(arrivals))
    lost = min(max(0.0, safe(loss)), available)
    usable = capacity if capacity > 0.0 else 0.0  # NaN serves nothing, infinity serves all
    served = min(usable, available - lost)
    return served, lost, (available - lost) - served


def allowance(capacity: float) -> float:
    """What a capacity lets through: NaN and less than nothing let nothing through."""
    return capacity if capacity > 0.0 else 0.0


def capped(value: float, limit: float) -> float:
    """No more than a limit that is a number; a negative one is 0."""
    return min(value, max(0.0, limit)) if math.isfinite(limit) else value


def proportional(demand: float, total: float, capacity: float) -> float:
    """The part of a capacity that goes to one of several demands."""
    if not capacity > 0.0 or not total > 0.0:
        return 0.0
    return demand if total <= capacity else capacity * demand / total


def water_level(capacity: float, demands: Sequence[float]) -> float:
    """Up to where demands are met: the smallest first, what each leaves over is for the rest."""
    if not capacity > 0.0:
        return 0.0
    if sum(demands) <= capacity:
        return math.inf
    left = capacity
    waiting = sorted(demands)
    while waiting and waiting[0] <= left / len(waiting):
        left -= waiting.pop(0)
    return left / len(waiting)


def over_limit(depth: float, limit: float) -> float:
    """What does not fit."""
    return max(0.0, depth - max(0.0, limit)) if math.isfinite(limit) else 0.0


def bound_queue_step(depth: float, inflow: float, outflow: float, loss: float, limit: float) -> tuple[float, float]:
    """Overflow and depth of a limited queue."""
    full = queue_step(depth, inflow, outflow, loss)
    over = over_limit(full, limit)
    return over, full - over


def bound_served_step(
    depth: float, arrivals: float, capacity: float, loss: float, limit: float
) -> tuple[float, float, float, float]:
    """Served, lost, overflow and depth of a limited queue that serves what it can."""
    served, lost, full = served_step(depth, arrivals, capacity, loss)
    over = over_limit(full, limit)
    return served, lost, over, full - over


def mix_step(depth: float, inflow: float, keep: float) -> tuple[float, float]:
    """What of one class is there, and what stays where all keep the same share."""
    present = max(0.0, depth + safe(inflow))
    return present, present * keep


def demand(
    before: Sequence[float], arrivals: Sequence[float], capacity: Sequence[float], loss: Sequence[float]
) -> list[float]:
    """What a queue of depth ``before`` each bin would serve."""
    rows = zip(before, arrivals, capacity, loss, strict=False)
    return [served_step(*row)[0] for row in rows]


def served_recurrence(
    arrivals: Sequence[float], capacity: Sequence[float], loss: Sequence[float], initial: float = 0.0
) -> tuple[list[float], list[float], list[float]]:
    """Served, lost and depth of a queue that serves what is there as far as the capacity goes."""
    served, lost, depths = [], [], []
    depth = initial
    for t in range(len(arrivals)):
        done, gone, depth = served_step(depth, arrivals[t], capacity[t], loss[t])
        served.append(done)
        lost.append(gone)
        depths.append(depth)
    return served, lost, depths
