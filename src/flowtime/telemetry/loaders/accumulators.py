"""Numbers per bin while rows come by: arrays that grow at both ends, and ways to put rows of a bin together."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowtime.telemetry.loaders.cells import BoolArray, FloatArray, IntArray
from flowtime.telemetry.loaders.mapping import How

__all__ = ["Accumulator", "BinArray", "accumulator", "last_of_each"]

_LEAST = 64

Number = TypeVar("Number", bound=np.generic)


class BinArray(Generic[Number]):
    """One number per bin, ``fill`` where none came; bins may be below 0 and come in any order."""

    def __init__(self, fill: float, dtype: type[Number]) -> None:
        self._fill = fill
        self._base = 0
        self._values: NDArray[Number] = np.empty(0, dtype)

    def over(self, first: int, last: int) -> NDArray[Number]:
        """Return a view of the bins from ``first`` to ``last``, both inside, to be written."""
        low, high = self._base, self._base + self._values.size
        if not self._values.size or first < low or last >= high:
            self._grow(first, last)
        return self._values[first - self._base : last + 1 - self._base]

    def cut(self, first: int, last: int) -> NDArray[Number]:
        """Return a copy of the bins from ``first`` to ``last``, both inside."""
        found = np.full(last + 1 - first, self._fill, self._values.dtype)
        low, high = max(first, self._base), min(last + 1, self._base + self._values.size)
        if low < high:
            found[low - first : high - first] = self._values[low - self._base : high - self._base]
        return found

    def _grow(self, first: int, last: int) -> None:
        """Make room; to twice the size at the least, so that a row more does not copy all bins each time."""
        low, high = self._base, self._base + self._values.size
        if not self._values.size:
            low, high = first, first
        spare = max(high - low, _LEAST)
        new_low = low if first >= low else min(first, low - spare)
        new_high = high if last < high else max(last + 1, high + spare)
        grown = np.full(new_high - new_low, self._fill, self._values.dtype)
        grown[low - new_low : high - new_low] = self._values
        self._base, self._values = new_low, grown


class Accumulator(Protocol):
    """Puts the rows of each bin together; the result does not depend on how rows were cut into batches."""

    def add(self, bins: IntArray, values: FloatArray | None) -> None:
        """Take rows in: their bins (rows,) and numbers (rows,), None for a plain count; no number is NaN."""

    def result(self, first: int, last: int) -> tuple[FloatArray, BoolArray]:
        """Return the values of the bins from ``first`` to ``last`` and which of them are missing, both (bins,)."""


def accumulator(how: How) -> Accumulator:
    """Return a new accumulator of a kind; ``column`` and ``last`` keep the last row."""
    if how in ("count", "sum"):
        return _Total()
    if how == "mean":
        return _Mean()
    return _Last() if how in ("column", "last") else _Extreme(np.fmin if how == "min" else np.fmax)


def last_of_each(bins: IntArray) -> IntArray | None:
    """Return the last row of each bin, in the order of the bins; None where bins rise from row to row."""
    if bool((bins[1:] > bins[:-1]).all()):
        return None
    # Reversed, since it is the first of equal ones that unique tells.
    rows = np.unique(bins[::-1], return_index=True)[1]
    return len(bins) - 1 - rows


def _reach(bins: IntArray) -> tuple[int, int]:
    return int(bins.min()), int(bins.max())


class _Total:
    """Sums and counts; a bin without rows has 0, since nothing happened there."""

    def __init__(self) -> None:
        self._sums = BinArray(0.0, np.float64)

    def add(self, bins: IntArray, values: FloatArray | None) -> None:
        first, last = _reach(bins)
        # In the order of the rows, one after the other: bincount a batch would round by where batches end.
        np.add.at(self._sums.over(first, last), bins - first, 1.0 if values is None else values)

    def result(self, first: int, last: int) -> tuple[FloatArray, BoolArray]:
        sums = self._sums.cut(first, last)
        return sums, np.zeros(sums.size, np.bool_)


class _Mean:
    """Means; a bin without rows is missing."""

    def __init__(self) -> None:
        self._sums, self._counts = _Total(), _Total()

    def add(self, bins: IntArray, values: FloatArray | None) -> None:
        self._sums.add(bins, values)
        self._counts.add(bins, None)

    def result(self, first: int, last: int) -> tuple[FloatArray, BoolArray]:
        sums, counts = self._sums.result(first, last)[0], self._counts.result(first, last)[0]
        missing = counts == 0.0
        return np.divide(sums, counts, out=np.full(sums.size, np.nan), where=~missing), missing


class _Extreme:
    """Smallest or largest values; a bin without rows is missing."""

    def __init__(self, pick: np.ufunc) -> None:
        self._pick = pick
        self._values = BinArray(np.nan, np.float64)

    def add(self, bins: IntArray, values: FloatArray | None) -> None:
        first, last = _reach(bins)
        self._pick.at(self._values.over(first, last), bins - first, values)

    def result(self, first: int, last: int) -> tuple[FloatArray, BoolArray]:
        values = self._values.cut(first, last)
        return values, np.isnan(values)


class _Last:
    """The last row of each bin, in the order of the source, NaN and infinity as they are; else missing."""

    def __init__(self) -> None:
        self._values = BinArray(np.nan, np.float64)
        self._known = BinArray(0, np.bool_)

    def add(self, bins: IntArray, values: FloatArray | None) -> None:
        first, last = _reach(bins)
        rows = last_of_each(bins)
        where = bins if rows is None else bins[rows]
        if values is not None:
            self._values.over(first, last)[where - first] = values if rows is None else values[rows]
        self._known.over(first, last)[where - first] = True

    def result(self, first: int, last: int) -> tuple[FloatArray, BoolArray]:
        return self._values.cut(first, last), ~self._known.cut(first, last)
