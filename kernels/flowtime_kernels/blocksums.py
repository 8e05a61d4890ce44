"""Sums and deviations of rolling windows, by blocks as long as a window: the end of one and the start of the next.

(van Herk 1992, for the greatest value.)  The time does not depend on the width.  Still nothing is taken out of a
running total: ends are added up backwards from where their block ends, so they hold what is in the window and no more.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels.jit import njit

__all__ = ["STD_ROWS", "SUM_ROWS", "finish_deviations", "squares_of_blocks", "total_of_blocks"]

Row = NDArray[np.float64]
Grid = NDArray[np.float64]
Tally = NDArray[np.int32]
Offset = np.uint64

ZERO = np.uint64(0)
ONE = np.uint64(1)
TWO = np.uint64(2)
THREE = np.uint64(3)
FOUR = np.uint64(4)
# Blocks whose sums are made side by side, and rows of work space for that.
SUM_ROWS = 4
# Rows of work space for deviations: values; sums and squares of prefixes; sums, squares and sizes of suffixes; how far
# apart the values are that the two are taken from.
PREFIX_SUMS, PREFIX_SQUARES, SUFFIX_SUMS, SUFFIX_SQUARES, SUFFIX_SIZES, APART = 1, 2, 3, 4, 5, 6
STD_ROWS = 7


@njit
def _known(value: float) -> float:
    return value if value == value else 0.0


@njit
def _suffix_before(flat: Row, start: Offset, place: Offset, width: Offset, suffix: Row) -> None:
    """Sums of what is behind each value of the block that ends before ``place``; 0 before the series."""
    total = 0.0
    for i in range(width):
        suffix[width - ONE - i] = total
        if place > ZERO:
            total += _known(flat[start + place - ONE - i])


@njit
def _prefixes(flat: Row, start: Offset, place: Offset, apart: Offset, width: Offset, rows: Grid, out: Row) -> None:
    """Sums of the windows that end in four blocks, from ``place`` on and ``apart`` from each other.

    Four sums at once hide how long an addition takes.
    """
    second, third, fourth = place + apart, place + TWO * apart, place + THREE * apart
    a = b = c = d = 0.0
    for i in range(width):
        a += _known(flat[start + place + i])
        b += _known(flat[start + second + i])
        c += _known(flat[start + third + i])
        d += _known(flat[start + fourth + i])
        out[place + i] = rows[0, i] + a
        out[second + i] = rows[1, i] + b
        out[third + i] = rows[2, i] + c
        out[fourth + i] = rows[3, i] + d


@njit
def _suffixes(flat: Row, start: Offset, place: Offset, apart: Offset, width: Offset, rows: Grid) -> None:
    """Sums of what is behind each value of these blocks, for the ones that follow them."""
    last = width - ONE
    first = start + place + last
    second, third, fourth = first + apart, first + TWO * apart, first + THREE * apart
    a = b = c = d = 0.0
    for i in range(width):
        rows[0, last - i] = a
        rows[1, last - i] = b
        rows[2, last - i] = c
        rows[3, last - i] = d
        a += _known(flat[first - i])
        b += _known(flat[second - i])
        c += _known(flat[third - i])
        d += _known(flat[fourth - i])


@njit
def _one_block(flat: Row, start: Offset, first: Offset, count: Offset, suffix: Row, out: Row) -> None:
    total = 0.0
    for i in range(count):
        total += _known(flat[start + first + i])
        out[first + i] = suffix[i] + total


@njit
def total_of_blocks(flat: Row, start: Offset, width: Offset, begin: Offset, end: Offset, rows: Grid, out: Row) -> None:
    """Sums of the windows from ``begin``, where a block starts, to ``end``; ``width`` roundings at most.

    ``out`` (bins,); ``rows`` (SUM_ROWS, width or more) are work space.
    """
    steps = (end - begin) // width // FOUR
    place, apart = begin, steps * width
    if steps > ZERO:
        for k in range(SUM_ROWS):
            _suffix_before(flat, start, place + np.uint64(k) * apart, width, rows[k])
    for step in range(steps):
        _prefixes(flat, start, place, apart, width, rows, out)
        place += width
        if step + ONE < steps:
            _suffixes(flat, start, place - width, apart, width, rows)
    place = begin + FOUR * apart
    # Three more blocks at most, and what is left of the last one.
    while place < end:
        count = min(width, end - place)
        _suffix_before(flat, start, place, width, rows[0])
        _one_block(flat, start, place, count, rows[0], out)
        place += count


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
