"""When two volumes differ by more than rounding, and in which bins.

Comparisons have a relative and an absolute tolerance, so that neither a billion requests nor a millionth of
one hides or fakes a fault.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    edges = np.flatnonzero(np.diff(np.concatenate(([False], broken, [False])).astype(np.int8)))
    return tuple((int(first), int(end) - 1) for first, end in edges.reshape(-1, 2))


def long_runs(true: BoolArray, least: int) -> BoolArray:
    """Return ``true`` (bins,) without the runs that are shorter than ``least`` bins."""
    kept = np.zeros_like(true)
    for first, last in _runs(true, least):
        kept[first : last + 1] = True
    return kept


def _runs(true: BoolArray, least: int) -> Iterator[tuple[int, int]]:
    return ((first, last) for first, last in bin_ranges(true) if last - first + 1 >= least)


def finite_or_zero(values: FloatArray) -> FloatArray:
    """Values with 0 for what is not finite, as the plan takes them."""
    known: FloatArray = np.where(np.isfinite(values), values, 0.0)
    return known


def before(values: FloatArray, initial: float = 0.0) -> FloatArray:
    """The value of the bin before, ``initial`` in the first; (bins,)."""
    earlier: FloatArray = np.concatenate(([initial], values[:-1]))
    return earlier
