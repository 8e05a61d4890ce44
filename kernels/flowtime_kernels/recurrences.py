"""Operations for which earlier bins matter, over a block of bins of one scenario.

``t0`` is the number of the block's first bin; ``source`` rows start at bin 0, so that a block can look
back; ``out`` rows hold the block only.  Sources of formulas: engine.md 2.3, 2.7, 2.8 and 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import scalars
from flowtime_kernels.jit import njit

__all__ = [
    "bound_queue_block",
    "bound_serve_block",
    "convolve_block",
    "cumulative_block",
    "demand_block",
    "ema_block",
    "is_tame",
    "line_block",
    "mix_block",
    "pulse_block",
    "queue_block",
    "serve_block",
    "shift_block",
    "water_level",
]

Row = NDArray[np.float64]
Indices = NDArray[np.int64]

# Below this size no sum of 10,000,000 bins can overflow, so `safe` can not change a value.
TAME = 1e150


@njit
def shift_block(source: Row, lag: int, initial: float, t0: int, out: Row) -> None:
    """``out[i] = source[t0 + i - lag]``, and ``initial`` before bin 0."""
    n = out.size
    first = min(max(lag - t0, 0), n)
    for i in range(first):
        out[i] = initial
    if first < n:
        delayed = source[t0 + first - lag : t0 + n - lag]
        rest = out[first:]
        for i in range(rest.size):
            rest[i] = delayed[i]


@njit
def convolve_block(source: Row, taps: Row, t0: int, out: Row) -> None:
    """``out[i] = sum over k of source[t0 + i - k] * taps[k]``, k ascending, nothing before bin 0.

    Samples that are not finite are skipped.
    """
    n = out.size
    for i in range(n):
        out[i] = 0.0
    for k in range(taps.size):
        first = min(max(k - t0, 0), n)
        if first < n:
            delayed = source[t0 + first - k : t0 + n - k]
            rest = out[first:]
            for i in range(rest.size):
                rest[i] += scalars.safe(delayed[i]) * taps[k]


@njit
def cumulative_block(x: Row, previous: float, out: Row) -> None:
    """Running sum of ``x`` (n,) from ``previous``; samples that are not finite count 0."""
    total = previous
    for i in range(out.size):
        total += scalars.safe(x[i])
        out[i] = total


@njit
def ema_block(x: Row, alpha: float, previous: float, out: Row) -> None:
    """Exponential smoothing of ``x`` (n,) from ``previous`` (NaN: not yet started)."""
    level = previous
    for i in range(out.size):
        level = scalars.next_ema(level, x[i], alpha)
        out[i] = level


@njit
def pulse_block(period: int, phase: int, amplitude: float, t0: int, out: Row) -> None:
    """``amplitude`` in bins ``phase``, ``phase + period`` ..., else 0."""
    for i in range(out.size):
        out[i] = 0.0
    late = t0 - phase
    first = -late if late < 0 else (period - late % period) % period
    for i in range(first, out.size, period):
        out[i] = amplitude


@njit
def queue_block(inflow: Row, outflow: Row, loss: Row, previous: float, out: Row) -> None:
    """Queue depth (n,) at the end of each bin, the outflow being given (engine.md 2.3)."""
    depth = previous
    for i in range(out.size):
        depth = scalars.queue_step(depth, inflow[i], outflow[i], loss[i])
        out[i] = depth


@njit
def serve_block(arrivals: Row, capacity: Row, loss: Row, previous: float, served: Row, lost: Row, depth: Row) -> None:
    """A buffer that serves what it can (design.md, idea 3): fills served, lost and depth (n,)."""
    level = previous
    for i in range(served.size):
        served[i], lost[i], level = scalars.serve_step(level, arrivals[i], capacity[i], loss[i])
        depth[i] = level


@njit
def bound_queue_block(inflow: Row, outflow: Row, loss: Row, limit: Row, previous: float, over: Row, out: Row) -> None:
    """A queue whose depth is limited: fills what does not fit (``over``) and the depth (n,) (engine.md 2.4)."""
    depth = previous
    for i in range(out.size):
        depth = scalars.queue_step(depth, inflow[i], outflow[i], loss[i])
        over[i] = scalars.over_limit(depth, limit[i])
        depth -= over[i]
        out[i] = depth


@njit
def bound_serve_block(
    arrivals: Row, capacity: Row, loss: Row, limit: Row, previous: float, served: Row, lost: Row, over: Row, depth: Row
) -> None:
    """A buffer that serves what it can and keeps what its limit allows: fills all four results (n,)."""
    level = previous
    for i in range(served.size):
        served[i], lost[i], level = scalars.serve_step(level, arrivals[i], capacity[i], loss[i])
        over[i] = scalars.over_limit(level, limit[i])
        level -= over[i]
        depth[i] = level


@njit
def mix_block(x: Row, keep: Row, previous: float, present: Row, depth: Row) -> None:
    """One class of the mixed work of a buffer: fills what is there in a bin and what is left of it (n,)."""
    level = previous
    for i in range(depth.size):
        present[i], level = scalars.mix_step(level, x[i], keep[i])
        depth[i] = level


@njit
def demand_block(depth: Row, t0: int, initial: float, arrivals: Row, capacity: Row, loss: Row, out: Row) -> None:
    """What a buffer would serve if nothing but its own capacity held it back; ``depth`` starts at bin 0."""
    for i in range(out.size):
        previous = initial if t0 + i == 0 else depth[t0 + i - 1]
        out[i] = scalars.demand_step(previous, arrivals[i], capacity[i], loss[i])


@njit
def water_level(columns: Row, start: Indices, stride: Indices, t: int, capacity: float, buf: Row) -> float:
    """The level up to which each demand is met when ``capacity`` is shared max-min fair, infinite if all fit.

    ``columns`` (k,) are the numbers of the columns that hold the demands, all of them finite and not negative;
    bin t of column c stands at ``start[c] + t * stride[c]``.  The level rises from an equal share until what
    small demands leave over is spread over the others (Bertsekas and Gallager, Data Networks, 6.5.2).
    """
    if not capacity > 0.0:
        return 0.0
    total = 0.0
    for k in range(columns.size):
        column = int(columns[k])
        total += buf[start[column] + t * stride[column]]
    if total <= capacity:
        return math.inf
    level = capacity / columns.size
    while True:
        met = 0.0
        more = 0
        for k in range(columns.size):
            column = int(columns[k])
            demand = buf[start[column] + t * stride[column]]
            if demand <= level:
                met += demand
            else:
                more += 1
        raised = (capacity - met) / more if more > 0 else level
        if raised <= level:
            return level
        level = raised


@njit
def is_tame(x: Row) -> bool:
    """Whether every value is finite and far from overflow."""
    wild = 0
    for i in range(x.size):
        wild += 0 if abs(x[i]) < TAME else 1
    return wild == 0


@njit
def line_block(inflow: Row, capacity: Row, previous: float, available: Row, served: Row, depth: Row) -> None:
    """``avail = in + SHIFT(q, 1); served = MIN(avail, capacity); q = queue(in, served)`` in one pass.

    All (n,).  The same bytes as the three operations one by one; the pass without `safe` is a third
    shorter on the path that one bin waits for the next on.
    """
    level = previous
    if abs(previous) < TAME and is_tame(inflow) and is_tame(capacity):
        for i in range(depth.size):
            present = inflow[i] + level
            done = capacity[i] if capacity[i] <= present else present
            level = max(0.0, present - done)
            available[i] = present
            served[i] = done
            depth[i] = level
        return
    for i in range(depth.size):
        available[i], served[i], level = scalars.line_step(level, inflow[i], capacity[i])
        depth[i] = level
