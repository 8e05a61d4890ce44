"""When two volumes differ by more than rounding, and in which bins.

Comparisons have a relative and an absolute tolerance, so that neither a billion requests nor a millionth of
one hides or fakes a fault.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowtime.model.spec import FloatArray

__all__ = [
    "ABSOLUTE_TOLERANCE",
    "RELATIVE_TOLERANCE",
    "BoolArray",
    "apart",
    "before",
    "bin_ranges",
    "exceeds",
    "finite_or_zero",
    "long_runs",
]

RELATIVE_TOLERANCE = 1e-9
ABSOLUTE_TOLERANCE = 1e-9

BoolArray = NDArray[np.bool_]


def exceeds(left: FloatArray, right: FloatArray | float) -> BoolArray:
    """Where left > right by more than rounding; never where either is NaN.  All (bins,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        slack = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * np.maximum(np.abs(left), np.abs(right))
        return np.asarray(left - right > slack)


def apart(left: FloatArray, right: FloatArray) -> BoolArray:
    """Where the two differ by more than rounding, in either direction.  All (bins,)."""
    return exceeds(left, right) | exceeds(right, left)


def bin_ranges(broken: BoolArray) -> tuple[tuple[int, int], ...]:
    """Return the bins where ``broken`` (bins,) is true as inclusive ranges."""
    runs = _runs(broken)
    return tuple(zip(runs[:, 0].tolist(), (runs[:, 1] - 1).tolist(), strict=True))


def long_runs(true: BoolArray, least: int) -> BoolArray:
    """Return ``true`` (bins,) without the runs that are shorter than ``least`` bins."""
    runs = _runs(true)
    long = runs[runs[:, 1] - runs[:, 0] >= least]
    # Up by one where a run begins and down where it has ended: the sum so far is 1 inside of one.
    steps = np.zeros(true.size + 1, dtype=np.int8)
    steps[long[:, 0]] = 1
    steps[long[:, 1]] = -1
    return np.asarray(np.cumsum(steps[:-1], dtype=np.int8) == 1)


def _runs(true: BoolArray) -> NDArray[np.intp]:
    """Where runs of true begin and have ended, (runs, 2)."""
    if not true.size:
        return np.empty((0, 2), dtype=np.intp)
    edges = np.empty(true.size + 1, dtype=np.bool_)
    edges[0], edges[-1] = true[0], true[-1]
    np.not_equal(true[1:], true[:-1], out=edges[1:-1])
    return np.flatnonzero(edges).reshape(-1, 2)


def finite_or_zero(values: FloatArray) -> FloatArray:
    """Values with 0 for what is not finite, as the plan takes them."""
    known: FloatArray = np.where(np.isfinite(values), values, 0.0)
    return known


def before(values: FloatArray, initial: float = 0.0) -> FloatArray:
    """The value of the bin before, ``initial`` in the first; (bins,)."""
    earlier: FloatArray = np.concatenate(([initial], values[:-1]))
    return earlier
