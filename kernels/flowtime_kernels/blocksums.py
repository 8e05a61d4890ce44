"""Sums and deviations of rolling windows, by blocks as long as a window: the end of one and the start of the next.

(van Herk 1992, for the greatest value.)  The time does not depend on the width.  Still nothing is taken out of a
running total: ends are added up backwards from where their block ends, so they hold what is in the window and no more.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels.jit import njit

__all__ = ["STD_ROWS", "finish_deviations", "squares_of_blocks", "total_of_blocks"]

Row = NDArray[np.float64]
Grid = NDArray[np.float64]
Tally = NDArray[np.int32]
Offset = np.uint64

ZERO = np.uint64(0)
ONE = np.uint64(1)
# Rows of work space for deviations: values; sums and squares of prefixes; sums, squares and sizes of suffixes; how far
# apart the values are that the two are taken from.
PREFIX_SUMS, PREFIX_SQUARES, SUFFIX_SUMS, SUFFIX_SQUARES, SUFFIX_SIZES, APART = 1, 2, 3, 4, 5, 6
STD_ROWS = 7


@njit
def _sum_blocks(row: Row, first: Offset, second: Offset, width: Offset, prefix: Row, suffix: Row) -> None:
    """Sums of two blocks up to and with each value, and of what is behind it; four sums at once hide the waiting."""
    a = b = c = d = 0.0
    first_end, second_end = first + width - ONE, second + width - ONE
    for i in range(width):
        a += row[first + i]
        b += row[second + i]
        prefix[first + i] = a
        prefix[second + i] = b
        suffix[first_end - i] = c
        suffix[second_end - i] = d
        c += row[first_end - i]
        d += row[second_end - i]


@njit
def total_of_blocks(rows: Grid, width: Offset, begin: Offset, end: Offset, out: Row) -> None:
    """Sums from ``begin`` on, where a block starts; ``width`` roundings at most."""
    blocks = (end - begin + width - ONE) // width
    for i in range(end, begin + blocks * width):
        rows[0, i] = 0.0
    for block in range(ZERO, blocks + ONE, np.uint64(2)):
        first = begin - width + block * width
        _sum_blocks(rows[0], first, first + (width if block < blocks else ZERO), width, rows[1], rows[2])
    prefix, suffix = rows[1], rows[2]
    behind = begin - width
    for i in range(end - begin):
        out[i] = suffix[behind + i] + prefix[begin + i]


@njit
def _first_finite(row: Row, begin: Offset, end: Offset) -> float:
    for i in range(begin, end):
        if row[i] - row[i] == 0.0:
            return float(row[i])
    return 0.0


@njit
def _last_finite(row: Row, begin: Offset, end: Offset) -> float:
    while end > begin:
        end -= ONE
        if row[end] - row[end] == 0.0:
            return float(row[end])
    return 0.0


@njit
def _prefix_squares(row: Row, begin: Offset, end: Offset, origin: float, sums: Row, squares: Row) -> None:
    total = square = 0.0
    for i in range(begin, end):
        beyond = row[i] - origin if row[i] == row[i] else 0.0
        total += beyond
        square += beyond * beyond
        sums[i] = total
        squares[i] = square


@njit
def _suffix_squares(row: Row, begin: Offset, end: Offset, origin: float, sums: Row, squares: Row, sizes: Row) -> None:
    total = square = size = 0.0
    for i in range(end - begin):
        at = end - ONE - i
        sums[at] = total
        squares[at] = square
        sizes[at] = size
        is_there = row[at] == row[at]
        beyond = row[at] - origin if is_there else 0.0
        size += 1.0 if is_there else 0.0
        total += beyond
        square += beyond * beyond


@njit
def squares_of_blocks(rows: Grid, width: Offset, begin: Offset, end: Offset) -> None:
    """Sums and squares of what values are beyond one of their own: the first of a prefix, the last of a suffix.

    Since that one is in the window, the squares are at most ``width + 1`` times those beyond the mean: they stay
    near what is sought, however far from 0 the values are.
    """
    at = begin
    while at < end:
        before, stop = at - width, min(at + width, end)
        oldest, newest = _last_finite(rows[0], before, at), _first_finite(rows[0], at, stop)
        _suffix_squares(rows[0], before, at, oldest, rows[SUFFIX_SUMS], rows[SUFFIX_SQUARES], rows[SUFFIX_SIZES])
        _prefix_squares(rows[0], at, stop, newest, rows[PREFIX_SUMS], rows[PREFIX_SQUARES])
        for i in range(at, stop):
            rows[APART, i] = oldest - newest
        at = stop


@njit
def finish_deviations(rows: Grid, counts: Tally, width: Offset, ahead: Offset, count: Offset, out: Row) -> None:
    """Standard deviations of windows of a suffix and a prefix, all taken beyond a value of the window."""
    prefix_sums, prefix_squares, aparts = rows[PREFIX_SUMS], rows[PREFIX_SQUARES], rows[APART]
    suffix_sums, suffix_squares, sizes = rows[SUFFIX_SUMS], rows[SUFFIX_SQUARES], rows[SUFFIX_SIZES]
    behind = ahead - width
    for i in range(count):
        size = np.float64(counts[ahead + i])
        older = sizes[behind + i]
        apart = aparts[ahead + i] if size > older else 0.0
        total = suffix_sums[behind + i]
        square = (prefix_squares[ahead + i] + suffix_squares[behind + i]) + apart * ((total + total) + older * apart)
        total = prefix_sums[ahead + i] + (total + older * apart)
        share = 1.0 / size
        variance = (square - total * (total * share)) * share
        # What rounding leaves below nothing is nothing; NaN stays NaN.
        out[i] = math.sqrt(0.0 if variance < 0.0 else variance)
