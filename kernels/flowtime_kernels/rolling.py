"""Rolling windows over the rows of a buffer, each folded anew from its own values.

Nothing is ever taken out of a running total, so nothing drifts, an infinity ends with its window, and what a window
gives depends neither on what was before it nor on chunks and threads, to the last bit.  NaN is a missing value.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import aggregates as agg
from flowtime_kernels import levels
from flowtime_kernels.blocksums import STD_ROWS, SUM_ROWS, finish_deviations, squares_of_blocks, total_of_blocks
from flowtime_kernels.jit import njit
from flowtime_kernels.levels import LANES, ROWS
from flowtime_kernels.quantiles import insert, quantile_of_sorted, remove, replace

__all__ = ["BLOCKS", "LANES", "ROWS", "STD_ROWS", "SUM_ROWS", "rolling_rows"]

Row = NDArray[np.float64]
Grid = NDArray[np.float64]
Tally = NDArray[np.int32]
Space = tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int32]]
Indices = NDArray[np.int64]
Offset = np.uint64

ZERO = np.uint64(0)
ONE = np.uint64(1)
WIDE = np.uint64(LANES)
# From this width on sums by blocks are quicker than sums by levels.
BLOCKS = 16
# Bins that are added up by blocks before they are worked on further: they stay in the second cache.
STRETCH = np.uint64(1 << 15)


@njit
def _copy(row: Row, count: Offset, out: Row) -> None:
    for i in range(count):
        out[i] = row[i]


@njit
def _divide(counts: Tally, begin: Offset, count: Offset, out: Row) -> None:
    for i in range(count):
        # 0 / 0 where there is no value.
        out[i] /= float(counts[begin + i])


@njit
def _blank(counts: Tally, begin: Offset, count: Offset, out: Row) -> None:
    for i in range(count):
        out[i] = out[i] if counts[begin + i] > 0 else math.nan


@njit
def _emit_counts(counts: Tally, begin: Offset, count: Offset, out: Row) -> None:
    for i in range(count):
        out[i] = float(counts[begin + i])


@njit
def _last(flat: Row, first: Offset, ahead: Offset, width: Offset, count: Offset, out: Row) -> None:
    """The newest value of each window; ``ahead`` bins before the first one are looked at too."""
    value = math.nan
    age = ZERO
    for i in range(ahead):
        is_there = flat[first + i] == flat[first + i]
        value = flat[first + i] if is_there else value
        age = ZERO if is_there else age + ONE
    for i in range(count):
        sample = flat[first + ahead + i]
        is_there = sample == sample
        value = sample if is_there else value
        age = ZERO if is_there else age + ONE
        out[i] = value if age < width else math.nan


@njit
def _slide(flat: Row, place: Offset, width: Offset, age: int, held: int, values: Row) -> int:
    """Move the sorted window by one bin, to ``place``; ``age``: bins it has seen.  Returns how many values it holds."""
    new = flat[place]
    old = flat[place - width] if age >= int(width) else math.nan
    if old == old and new == new:
        replace(values, held, old, new)
    elif old == old:
        remove(values, held, old)
        held -= 1
    elif new == new:
        insert(values, held, new)
        held += 1
    return held


@njit
def _quantiles(
    flat: Row, start: Offset, width: Offset, first: Offset, end: Offset, codes: Indices, probabilities: Row,
    values: Row, out: NDArray[np.float64], row: int,
) -> None:  # fmt: skip
    """All quantiles of one row, over one window that is kept in order."""
    ahead = min(width - ONE, first)
    held = 0
    for i in range(end - first + ahead):
        bin_index = first - ahead + i
        held = _slide(flat, start + bin_index, width, i, held, values)
        if i >= ahead:
            for j in range(codes.size):
                if codes[j] == agg.QUANTILE:
                    out[j, row, bin_index] = quantile_of_sorted(values, held, probabilities[j])


@njit
def _may_be_empty(flat: Row, first: Offset, end: Offset, width: Offset) -> bool:
    """Whether a window within these bins might hold no value.

    Each holds one of the stretches of half its width whole, and most of these show a value at the first look.
    """
    half = (width + ONE) >> ONE
    at = first
    while at + half <= end:
        i = at
        at += half
        while i < at and flat[i] != flat[i]:
            i += ONE
        if i == at:
            return True
    return False


@njit
def _wants_counts(codes: Indices) -> bool:
    found = False
    for code in codes:
        found = found or code in (agg.MEAN, agg.COUNT, agg.STD)
    return found


@njit
def _fold(code: int, flat: Row, first: Offset, pad: Offset, width: Offset, ahead: Offset, rows: Grid, out: Row) -> None:
    """Sums, least or greatest values into ``out``, all its bins; ``pad`` of the bins ahead lie before the series."""
    count = np.uint64(out.size)
    end = ahead + count
    if code == agg.SUM:
        # Wide ones are in `out` already.
        if width < BLOCKS:
            levels.fill(flat, first, end - pad, pad, 0.0, rows[0])
            levels.finish_total(rows[levels.total(rows, width, end)], rows[0], width, ahead, count, out)
    else:
        sign = 1.0 if code == agg.MIN else -1.0
        levels.fill(flat, first, end - pad, pad, math.inf * sign, rows[0])
        if code == agg.MAX:
            levels.negate(rows[0], end)
        levels.finish_least(rows[levels.least(rows, width, end)], width, ahead, count, sign, out)


@njit
def _chunk(
    flat: Row, start: Offset, width: Offset, begin: Offset, count: Offset, codes: Indices, space: Space,
    out: NDArray[np.float64], row: int,
) -> None:  # fmt: skip
    """All aggregates but quantiles of ``count`` bins from ``begin`` on, of one row of ``out``."""
    work, marks, tally = space
    stop = begin + count
    ahead = levels.begin_of(width) + WIDE
    pad = ahead - min(begin, ahead)
    first, end = start + begin + pad - ahead, ahead + count
    counts = -1
    if pad > ZERO or _wants_counts(codes) or _may_be_empty(flat, start + begin + ONE - width, first + end - pad, width):
        levels.mark(flat, first, end - pad, pad, marks[0])
        counts = levels.count_values(marks, tally, width, end)
    for j in range(codes.size):
        code = codes[j]
        target = out[j, row, begin:stop]
        if code == agg.LAST:
            _last(flat, first, ahead - pad, width, count, target)
        elif code == agg.COUNT:
            _emit_counts(tally[counts], ahead, count, target)
        elif code == agg.STD:
            levels.fill(flat, first, end - pad, pad, math.nan, work[0])
            squares_of_blocks(work, width, ahead, end)
            finish_deviations(work, tally[counts], width, ahead, count, target)
        elif code == agg.MEAN and j > 0 and codes[j - 1] == agg.SUM:
            _copy(out[j - 1, row, begin:stop], count, target)
            _divide(tally[counts], ahead, count, target)
        elif code == agg.MEAN:
            _fold(agg.SUM, flat, first, pad, width, ahead, work, target)
            _divide(tally[counts], ahead, count, target)
        elif code != agg.QUANTILE:
            _fold(code, flat, first, pad, width, ahead, work, target)
            if counts >= 0:
                _blank(tally[counts], ahead, count, target)


@njit
def _totals(
    flat: Row, start: Offset, width: Offset, begin: Offset, end: Offset, codes: Indices, rows: Grid,
    out: NDArray[np.float64], row: int,
) -> None:  # fmt: skip
    """Sums for all that needs them, where windows are so wide that they are added up by blocks."""
    for j in range(codes.size):
        if codes[j] == agg.SUM or (codes[j] == agg.MEAN and (j == 0 or codes[j - 1] != agg.SUM)):
            total_of_blocks(flat, start, width, begin, end, rows, out[j, row])


@njit
def rolling_rows(
    flat: Row, starts: Indices, part: Indices, codes: Indices, probabilities: Row, work: Grid,
    marks: NDArray[np.uint8], tally: NDArray[np.int32], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Aggregate the window that ends with each bin.

    ``starts`` (series,): offset in ``flat`` of bin 0 of each row; ``part`` (6,): first and end series, first and end
    bin to work on, width of a window, bins of a chunk; ``codes`` and ``probabilities`` (aggregates,), a mean best
    right behind its sum; ``work`` (SUM_ROWS, or STD_ROWS with a standard deviation, width + 2 LANES + bins of a chunk),
    ``marks`` and ``tally`` (ROWS, the same) are work space; ``out`` (aggregates, series, bins).  From BLOCKS on a chunk
    is a whole number of windows wide.
    """
    width, size = np.uint64(part[4]), np.uint64(part[5])
    first, end = np.uint64(part[2]), np.uint64(part[3])
    has_quantiles = False
    has_others = False
    for code in codes:
        has_quantiles = has_quantiles or code == agg.QUANTILE
        has_others = has_others or code != agg.QUANTILE
    for row in range(part[0], part[1]):
        start = np.uint64(starts[row])
        begin = done = first
        while begin < end and has_others:
            if begin >= done and width >= BLOCKS:
                stop = min(done + size * max(ONE, STRETCH // size), end)
                _totals(flat, start, width, done, stop, codes, work, out, row)
                done = stop
            count = min(size, (done if width >= BLOCKS else end) - begin)
            _chunk(flat, start, width, begin, count, codes, (work, marks, tally), out, row)
            begin += count
        if has_quantiles:
            _quantiles(flat, start, width, first, end, codes, probabilities, work[0], out, row)
