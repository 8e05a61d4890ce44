"""Sums, least values and counts of rolling windows, by levels of ever wider ones.

A window of ``2 n`` is two of ``n`` side by side, one of ``2 n + 1`` has an older value besides: the binary digits of
the width say how to get there from 1, and each level is one pass of vectors over a chunk of bins that stays in the
cache.  So a sum is a tree over the values of its own window, and has as few roundings as the tree is deep.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels.jit import njit

__all__ = [
    "LANES",
    "ROWS",
    "begin_of",
    "count_values",
    "fill",
    "finish_least",
    "finish_total",
    "least",
    "mark",
    "negate",
    "total",
]

Row = NDArray[np.float64]
Grid = NDArray[np.float64]
Marks = NDArray[np.uint8]
Tally = NDArray[np.int32]
Offset = np.uint64

ZERO = np.uint64(0)
ONE = np.uint64(1)
# Values in a cache line.  Rows of work space begin with one, and so should what is computed in them.
LANES = 8
WIDE = np.uint64(LANES)
# The greatest count that a byte holds.
MOST = np.uint64(255)
# Rows of work space: single values first, then two in which levels take turns.
ROWS = 3


@njit
def begin_of(width: Offset) -> Offset:
    """From where on there are ``width`` values, or a little before, where vectors do not straddle two cache lines.

    What is computed before there are so many is not used; LANES bins more ahead keep it within the row.
    """
    return (width - ONE) // WIDE * WIDE + WIDE


@njit
def fill(flat: Row, first: Offset, count: Offset, pad: Offset, missing: float, row: Row) -> None:
    """What is before the series, and NaN, becomes ``missing``."""
    for i in range(pad):
        row[i] = missing
    for i in range(count):
        row[pad + i] = flat[first + i] if flat[first + i] == flat[first + i] else missing


@njit
def negate(row: Row, count: Offset) -> None:
    for i in range(count):
        row[i] = -row[i]


@njit
def mark(flat: Row, first: Offset, count: Offset, pad: Offset, row: Marks) -> None:
    """1 where there is a value, else 0."""
    for i in range(pad):
        row[i] = 0
    for i in range(count):
        row[pad + i] = 1 if flat[first + i] == flat[first + i] else 0


@njit
def _halvings(width: Offset) -> Offset:
    """How often a width can be halved until it is 1."""
    count = ZERO
    while width >> count > ONE:
        count += ONE
    return count


@njit
def _widen(row: Row, single: Row, width: Offset, end: Offset, out: Row) -> None:
    """Sums of ``width`` values from sums of half of them; ``single``: the values."""
    half = width >> ONE
    begin, oldest = begin_of(width), half + half
    if width & ONE:
        for i in range(begin, end):
            out[i] = (row[i] + row[i - half]) + single[i - oldest]
    else:
        for i in range(begin, end):
            out[i] = row[i] + row[i - half]


@njit
def total(rows: Grid, width: Offset, end: Offset) -> int:
    """Sums of half of ``width`` values, rounded down, of row 0, as far as there are so many; returns their row."""
    levels = _halvings(width)
    at = 0
    for level in range(ONE, levels):
        to = 2 if at == 1 else 1
        _widen(rows[at], rows[0], width >> (levels - level), end, rows[to])
        at = to
    return at


@njit
def finish_total(row: Row, single: Row, width: Offset, begin: Offset, count: Offset, out: Row) -> None:
    """The last step of sums, for ``count`` bins from ``begin`` on."""
    near, oldest = begin - (width >> ONE), begin + ONE - width
    if width == ONE:
        for i in range(count):
            out[i] = row[begin + i]
    elif width & ONE:
        for i in range(count):
            out[i] = (row[begin + i] + row[near + i]) + single[oldest + i]
    else:
        for i in range(count):
            out[i] = row[begin + i] + row[near + i]


@njit
def _copy_counts(row: Marks, begin: Offset, end: Offset, out: Tally) -> None:
    for i in range(begin, end):
        out[i] = row[i]


@njit
def count_values(marks: NDArray[np.uint8], tally: NDArray[np.int32], width: Offset, end: Offset) -> int:
    """As ``total``, how many values there are, into a row of ``tally``; bytes as long as they hold it."""
    levels = _halvings(width)
    level, at = ZERO, 0
    while level < levels and width >> (levels - ONE - level) <= MOST:
        to = 2 if at == 1 else 1
        _widen(marks[at], marks[0], width >> (levels - ONE - level), end, marks[to])
        at = to
        level += ONE
    _copy_counts(marks[at], ZERO, end, tally[1])
    if level == levels:
        return 1
    _copy_counts(marks[0], ZERO, end, tally[0])
    at = 1
    while level < levels:
        to = 2 if at == 1 else 1
        _widen(tally[at], tally[0], width >> (levels - ONE - level), end, tally[to])
        at = to
        level += ONE
    return at


@njit
def _lesser(a: float, b: float) -> float:
    return a if a < b else b


@njit
def _widen_least(row: Row, width: Offset, end: Offset, out: Row) -> None:
    apart = width >> ONE
    for i in range(begin_of(width), end):
        out[i] = _lesser(row[i], row[i - apart])


@njit
def least(rows: Grid, width: Offset, end: Offset) -> int:
    """The least of half of ``width`` values, rounded up: the halves of an odd width overlap by one."""
    levels = _halvings(width - ONE) + ONE if width > ONE else ZERO
    at = 0
    for level in range(ONE, levels):
        to = 2 if at == 1 else 1
        _widen_least(rows[at], ((width - ONE) >> (levels - level)) + ONE, end, rows[to])
        at = to
    return at


@njit
def finish_least(row: Row, width: Offset, begin: Offset, count: Offset, sign: float, out: Row) -> None:
    near = begin - (width >> ONE)
    for i in range(count):
        out[i] = _lesser(row[begin + i], row[near + i]) * sign
