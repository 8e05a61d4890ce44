"""What stands beside our figures: loops written by hand for one model, and a NumPy triad of the same bytes."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["HAND_LANES", "chain_loop", "chain_scenarios", "triad"]

Array = NDArray[np.float64]

HAND_LANES = 32


@numba.njit(nogil=True, error_model="numpy", cache=True)  # type: ignore[untyped-decorator]
def chain_loop(arrivals: Array, capacity: Array, available: Array, served: Array, depth: Array) -> None:
    """The chain of ``benchmarks.models``: what one would write by hand for this one model.

    ``arrivals`` (bins,), ``capacity`` (stages, bins); fills ``available``, ``served`` and ``depth``.
    """
    stages, bins = capacity.shape
    for stage in range(stages):
        level = 0.0
        for t in range(bins):
            inflow = arrivals[t] if stage == 0 else served[stage - 1, t]
            work = inflow + level
            done = min(work, capacity[stage, t])
            level = max(0.0, work - done)
            available[stage, t] = work
            served[stage, t] = done
            depth[stage, t] = level


@numba.njit(nogil=True, error_model="numpy", cache=True)  # type: ignore[untyped-decorator]
def chain_scenarios(arrivals: Array, capacity: Array, factor: Array, queue: Array, out: Array) -> None:
    """The same chain for HAND_LANES scenarios side by side, arrivals times ``factor`` (HAND_LANES,).

    ``queue`` (stages, HAND_LANES) is work space; ``out`` (bins, HAND_LANES) gets what the last stage serves.
    """
    stages, bins = capacity.shape
    flow = np.empty(HAND_LANES)
    for t in range(bins):
        for i in range(HAND_LANES):
            flow[i] = arrivals[t] * factor[i]
        for stage in range(stages):
            limit = capacity[stage, t]
            row = queue[stage]
            for i in range(HAND_LANES):
                work = flow[i] + row[i]
                done = min(work, limit)
                row[i] = max(0.0, work - done)
                flow[i] = done
        for i in range(HAND_LANES):
            out[t, i] = flow[i]


def triad(x: Array, y: Array, out: Array) -> None:
    """``out = x + 2 y`` in two passes: what moving the bytes of a result costs NumPy."""
    np.multiply(y, 2.0, out=out)
    np.add(x, out, out=out)
