"""Windows over the rows of a buffer: one behind the other here, rolling ones in ``rolling``.

A row is named by the offset of its first bin in ``flat``, so that a caller picks rows without copying them.  NaN is a
missing value; a window of none gives NaN.  Windows are read a few at a time, which stay in the nearest cache, once for
each thing that is asked of them; four running totals side by side hide how long an addition takes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels import aggregates as agg
from flowtime_kernels.jit import njit
from flowtime_kernels.quantiles import FEW_TO_RANK, quantile_of_ranks, select_quantile

__all__ = ["fixed_rows"]

Row = NDArray[np.float64]
Indices = NDArray[np.int64]
Offset = np.uint64

ONE = np.uint64(1)
TWO = np.uint64(2)
THREE = np.uint64(3)
FOUR = np.uint64(4)
# Bins of windows that are worked on at once: read again for the next aggregate, they come from the nearest cache.
TILE = 2048
# Values that are added up one after the other: sums of long windows are sums of such sums.
BLOCK = np.uint64(1024)


@njit
def _known(value: float) -> float:
    return value if value == value else 0.0


@njit
def _block_total(flat: Row, first: Offset, end: Offset) -> float:
    a = b = c = d = 0.0
    i = first
    while i + THREE < end:
        a += _known(flat[i])
        b += _known(flat[i + ONE])
        c += _known(flat[i + TWO])
        d += _known(flat[i + THREE])
        i += FOUR
    while i < end:
        a += _known(flat[i])
        i += ONE
    return (a + b) + (c + d)


@njit
def _total(flat: Row, first: Offset, end: Offset) -> float:
    total = 0.0
    while end - first > BLOCK:
        total += _block_total(flat, first, first + BLOCK)
        first += BLOCK
    return total + _block_total(flat, first, end)


@njit
def _count(flat: Row, first: Offset, end: Offset) -> int:
    count = 0
    for i in range(first, end):
        count += 1 if flat[i] == flat[i] else 0
    return count


@njit
def _lesser(value: float, least: float) -> float:
    return value if value < least else least


@njit
def _greater(value: float, greatest: float) -> float:
    return value if value > greatest else greatest


@njit
def _least(flat: Row, first: Offset, end: Offset) -> float:
    a = b = c = d = math.inf
    i = first
    while i + THREE < end:
        a = _lesser(flat[i], a)
        b = _lesser(flat[i + ONE], b)
        c = _lesser(flat[i + TWO], c)
        d = _lesser(flat[i + THREE], d)
        i += FOUR
    while i < end:
        a = _lesser(flat[i], a)
        i += ONE
    return _lesser(_lesser(a, b), _lesser(c, d))


@njit
def _greatest(flat: Row, first: Offset, end: Offset) -> float:
    a = b = c = d = -math.inf
    i = first
    while i + THREE < end:
        a = _greater(flat[i], a)
        b = _greater(flat[i + ONE], b)
        c = _greater(flat[i + TWO], c)
        d = _greater(flat[i + THREE], d)
        i += FOUR
    while i < end:
        a = _greater(flat[i], a)
        i += ONE
    return _greater(_greater(a, b), _greater(c, d))


@njit
def _deviation(value: float, mean: float) -> float:
    return value - mean if value == value else 0.0


@njit
def _squares(flat: Row, first: Offset, end: Offset, mean: float) -> tuple[float, float]:
    """Sums of the deviations from ``mean``, and of their squares."""
    a = b = c = d = 0.0
    i = first
    while i + ONE < end:
        x, y = _deviation(flat[i], mean), _deviation(flat[i + ONE], mean)
        a += x
        b += y
        c += x * x
        d += y * y
        i += TWO
    if i < end:
        x = _deviation(flat[i], mean)
        a += x
        c += x * x
    return a + b, c + d


@njit
def _spread(flat: Row, first: Offset, end: Offset, mean: float) -> float:
    """Standard deviation, given the mean: with the correction of Chan, Golub and LeVeque (1983) for what it is off."""
    count = _count(flat, first, end)
    if count == 0:
        return math.nan
    total = squares = 0.0
    while first < end:
        stop = min(first + BLOCK, end)
        more, square = _squares(flat, first, stop, mean)
        total += more
        squares += square
        first = stop
    squares -= total * total / count
    # What rounding leaves below nothing is nothing, while NaN, which an infinity leaves, stays.
    return math.sqrt(0.0 if squares < 0.0 else squares / count)


@njit
def _is_empty(flat: Row, first: Offset, end: Offset) -> bool:
    """Whether there is no value at all; one look where there is one, as there mostly is."""
    while first < end:
        if flat[first] == flat[first]:
            return False
        first += ONE
    return True


@njit
def _last(flat: Row, first: Offset, end: Offset) -> float:
    while first < end:
        end -= ONE
        if flat[end] == flat[end]:
            return float(flat[end])
    return math.nan


@njit
def _quantile(flat: Row, first: Offset, end: Offset, probability: float, scratch: Row) -> float:
    if end - first <= FEW_TO_RANK:
        return quantile_of_ranks(flat, first, end, _count(flat, first, end), probability)
    count = 0
    for i in range(first, end):
        scratch[count] = flat[i]
        count += 1 if flat[i] == flat[i] else 0
    return select_quantile(scratch, count, probability)


@njit
def _sums(flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    """Sums of windows; 0 of none."""
    for k in range(first, end):
        out[k] = _total(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1]))


@njit
def _counts(flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    for k in range(first, end):
        out[k] = float(_count(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1])))


@njit
def _means(flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    """Sums and then counts: each loop alone, a processor learns when its windows end."""
    _sums(flat, start, edges, first, end, out)
    for k in range(first, end):
        # 0 / 0 where there is no value.
        out[k] /= float(_count(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1])))


@njit
def _spreads(flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    _means(flat, start, edges, first, end, out)
    for k in range(first, end):
        out[k] = _spread(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1]), out[k])


@njit
def _leasts(flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    for k in range(first, end):
        out[k] = _least(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1]))


@njit
def _greatests(flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    for k in range(first, end):
        out[k] = _greatest(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1]))


@njit
def _lasts(flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    for k in range(first, end):
        out[k] = _last(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1]))


@njit
def _blank(suspect: float, flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    """NaN where there is no value, which ``suspect`` may be due to: the sum, least or greatest of none."""
    for k in range(first, end):
        if out[k] == suspect and _is_empty(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1])):
            out[k] = math.nan


@njit
def _tile(code: int, flat: Row, start: int, edges: Indices, first: int, end: int, out: Row) -> None:
    """One aggregate of the windows from ``first`` to ``end``."""
    if code == agg.SUM:
        _sums(flat, start, edges, first, end, out)
        _blank(0.0, flat, start, edges, first, end, out)
    elif code == agg.MEAN:
        _means(flat, start, edges, first, end, out)
    elif code == agg.MIN:
        _leasts(flat, start, edges, first, end, out)
        _blank(math.inf, flat, start, edges, first, end, out)
    elif code == agg.MAX:
        _greatests(flat, start, edges, first, end, out)
        _blank(-math.inf, flat, start, edges, first, end, out)
    elif code == agg.LAST:
        _lasts(flat, start, edges, first, end, out)
    elif code == agg.COUNT:
        _counts(flat, start, edges, first, end, out)
    else:
        _spreads(flat, start, edges, first, end, out)


@njit
def _quantiles(
    flat: Row, start: int, edges: Indices, first: int, end: int, probability: float, scratch: Row, out: Row
) -> None:
    for k in range(first, end):
        out[k] = _quantile(flat, np.uint64(start + edges[k]), np.uint64(start + edges[k + 1]), probability, scratch)


@njit
def _tile_end(edges: Indices, first: int, end: int) -> int:
    """The windows from ``first`` on that make a tile: one at least."""
    stop = first + 1
    while stop < end and edges[stop + 1] - edges[first] <= TILE:
        stop += 1
    return stop


@njit
def fixed_rows(
    flat: Row, starts: Indices, edges: Indices, codes: Indices, probabilities: Row, part: Indices, scratch: Row,
    out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Aggregate windows that stand one behind the other.

    ``starts`` (series,): offset in ``flat`` of bin 0 of each row; ``edges`` (windows + 1,): window k has the bins from
    edges[k] up to and without edges[k + 1]; ``codes`` and ``probabilities`` (aggregates,); ``part`` (4,): first and
    end series, first and end window to work on; ``scratch`` as long as the longest window where quantiles are asked
    for; ``out`` (aggregates, series, windows).
    """
    for row in range(part[0], part[1]):
        start = starts[row]
        first = part[2]
        while first < part[3]:
            end = _tile_end(edges, first, part[3])
            for j in range(codes.size):
                if codes[j] == agg.QUANTILE:
                    _quantiles(flat, start, edges, first, end, probabilities[j], scratch, out[j, row])
                else:
                    _tile(codes[j], flat, start, edges, first, end, out[j, row])
            first = end
