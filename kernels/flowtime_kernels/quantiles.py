"""Order within a window: the k-th smallest of its values, and a window kept sorted while it moves.

A quantile lies at ``p (n - 1)`` of the sorted values, between two of them in proportion (Hyndman and Fan 1996, no. 7).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels.jit import njit

__all__ = ["FEW_TO_RANK", "insert", "quantile_of_ranks", "quantile_of_sorted", "remove", "replace", "select_quantile"]

Row = NDArray[np.float64]
Offset = np.uint64

ZERO = np.uint64(0)
ONE = np.uint64(1)
TWO = np.uint64(2)
THREE = np.uint64(3)
FOUR = np.uint64(4)

# Below this many values sorting by insertion is quicker than another partition.
FEW = 16
# Up to so many values ranks are quicker than a selection.
FEW_TO_RANK = np.uint64(128)
# Up to this many values counting is quicker than halving.
COUNTED = np.uint64(64)


@njit
def _between(low: float, high: float, share: float) -> float:
    """From ``low`` to ``high`` by ``share``, as NumPy rounds it; an infinity on one side wins, two give NaN."""
    if low == high or share == 0.0:
        return low
    if math.isinf(low) or math.isinf(high):
        return low + high
    gap = high - low
    return high - gap * (1.0 - share) if share >= 0.5 else low + gap * share


@njit
def quantile_of_sorted(values: Row, count: int, probability: float) -> float:
    """The quantile of the first ``count`` values, which are in order; NaN of none."""
    if count == 0:
        return math.nan
    place = probability * (count - 1)
    low = int(place)
    return _between(values[low], values[min(low + 1, count - 1)], place - low)


@njit
def select_quantile(values: Row, count: int, probability: float) -> float:
    """The quantile of the first ``count`` values in any order, which it partly sorts; NaN of none."""
    if count == 0:
        return math.nan
    place = probability * (count - 1)
    low = int(place)
    _select(values, count, low)
    share = place - low
    if share == 0.0:
        return float(values[low])
    above = values[low + 1]
    for i in range(low + 2, count):
        above = values[i] if values[i] < above else above
    return _between(values[low], above, share)


@njit
def _below(flat: Row, first: Offset, end: Offset, a: float, b: float, c: float, d: float) -> tuple[int, int, int, int]:
    """How many values are below each of four."""
    of_a = of_b = of_c = of_d = 0
    for i in range(end - first):
        value = flat[first + i]
        of_a += value < a
        of_b += value < b
        of_c += value < c
        of_d += value < d
    return of_a, of_b, of_c, of_d


@njit
def quantile_of_ranks(flat: Row, first: Offset, end: Offset, count: int, probability: float) -> float:
    """As ``select_quantile`` of the ``count`` values from ``first`` to ``end`` that are not NaN; they stay as they are.

    Counting how many are below each takes more steps than a selection, but vectors take them, and a processor has
    nothing to guess.  A NaN is below nothing and nothing is below it.
    """
    if count == 0:
        return math.nan
    place = probability * (count - 1)
    k = int(place)
    # The k-th smallest, from 0, is the greatest that has at most k below it.
    low = high = -math.inf
    last = end - ONE
    for i in range(first, end, FOUR):
        a, b, c, d = flat[i], flat[min(i + ONE, last)], flat[min(i + TWO, last)], flat[min(i + THREE, last)]
        of_a, of_b, of_c, of_d = _below(flat, first, end, a, b, c, d)
        for value, below in ((a, of_a), (b, of_b), (c, of_c), (d, of_d)):
            low = value if below <= k and value > low else low
            high = value if below <= k + 1 and value > high else high
    return _between(low, high, place - k)


@njit
def _select(values: Row, count: int, k: int) -> None:
    """Move the k-th smallest to place k, no greater ones before it and no smaller ones behind it.

    Hoare's selection (1961) around the median of three; where that goes wrong too often, a heap sorts the rest, so
    that no input takes more than n log n steps.
    """
    first, last = 0, count - 1
    patience = 2 * int(math.log2(count)) + 2
    while last - first >= FEW:
        if patience == 0:
            _sort_by_heap(values, first, last)
            return
        patience -= 1
        low, high = _partition(values, first, last)
        if k <= high:
            last = high
        elif k >= low:
            first = low
        else:
            return
    _sort_by_insertion(values, first, last)


@njit
def _swap(values: Row, i: int, j: int) -> None:
    values[i], values[j] = values[j], values[i]


@njit
def _partition(values: Row, first: int, last: int) -> tuple[int, int]:
    """Part a range around the median of its ends and its middle; returns where the upper and lower parts begin."""
    middle = (first + last) // 2
    if values[middle] < values[first]:
        _swap(values, first, middle)
    if values[last] < values[first]:
        _swap(values, first, last)
    if values[last] < values[middle]:
        _swap(values, middle, last)
    pivot = values[middle]
    low, high = first, last
    while low <= high:
        while values[low] < pivot:
            low += 1
        while values[high] > pivot:
            high -= 1
        if low <= high:
            _swap(values, low, high)
            low += 1
            high -= 1
    return low, high


@njit
def _sort_by_insertion(values: Row, first: int, last: int) -> None:
    for i in range(first + 1, last + 1):
        value = values[i]
        j = i
        while j > first and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@njit
def _sift(values: Row, first: int, root: int, count: int) -> None:
    while 2 * root + 1 < count:
        child = 2 * root + 1
        if child + 1 < count and values[first + child] < values[first + child + 1]:
            child += 1
        if values[first + root] >= values[first + child]:
            return
        _swap(values, first + root, first + child)
        root = child


@njit
def _sort_by_heap(values: Row, first: int, last: int) -> None:
    count = last - first + 1
    for back in range(1, count // 2 + 1):
        _sift(values, first, count // 2 - back, count)
    for back in range(1, count):
        _swap(values, first, last + 1 - back)
        _sift(values, first, 0, count - back)


@njit
def _place(values: Row, count: int, value: float) -> int:
    """How many of ``count`` sorted values are below ``value``: by halving, and the last of them counted.

    Whether a value is below is anyone's guess, so a processor guesses wrong; counting has nothing to guess.
    """
    low, left = ZERO, np.uint64(count)
    while left > COUNTED:
        half = left >> ONE
        if values[low + half - ONE] < value:
            low += half
        left -= half
    below = 0
    for i in range(left):
        below += 1 if values[low + i] < value else 0
    return int(low) + below


@njit
def _move_up(values: Row, begin: Offset, end: Offset) -> None:
    """Make room at ``begin``."""
    for i in range(end - begin):
        values[end - i] = values[end - i - ONE]


@njit
def _move_down(values: Row, begin: Offset, end: Offset) -> None:
    """Close the gap at ``begin``."""
    for i in range(begin, end):
        values[i] = values[i + ONE]


@njit
def insert(values: Row, count: int, value: float) -> None:
    """Put a value among ``count`` sorted ones."""
    place = _place(values, count, value)
    _move_up(values, np.uint64(place), np.uint64(count))
    values[place] = value


@njit
def remove(values: Row, count: int, value: float) -> None:
    """Take a value that is there from among ``count`` sorted ones."""
    _move_down(values, np.uint64(_place(values, count, value)), np.uint64(count - 1))


@njit
def replace(values: Row, count: int, old: float, new: float) -> None:
    """Put ``new`` in the place of ``old``, which is there, and keep the order: what lies between moves up or down."""
    place, aim = _place(values, count, old), _place(values, count, new)
    if aim > place:
        aim -= 1
        _move_down(values, np.uint64(place), np.uint64(aim))
    else:
        _move_up(values, np.uint64(aim), np.uint64(place))
    values[aim] = new
