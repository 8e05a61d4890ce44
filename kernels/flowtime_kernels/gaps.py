"""Gaps in series: finding, filling and making them, over a buffer (series, bins) with NaN for what is not known.

Filling kernels write the bins from ``first`` up to ``stop`` and read the known values outside by themselves, so that
threads may share the bins of a row and the bytes do not depend on how many there are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels.jit import njit

__all__ = [
    "GAP",
    "INFINITE",
    "KNOWN",
    "NEGATIVE",
    "NOT_A_NUMBER",
    "count_faults",
    "fill_forward",
    "fill_linear",
    "fill_seasonal",
    "fill_zero",
    "find_faults",
    "find_filled",
    "hold",
    "reopen",
    "replace",
    "scale",
    "shift",
]

Buffer = NDArray[np.float64]
Row = NDArray[np.float64]
Flags = NDArray[np.bool_]
Marks = NDArray[np.bool_]
Indices = NDArray[np.int64]

# What a bin is; the last column of a run says it.
KNOWN, GAP, NOT_A_NUMBER, INFINITE, NEGATIVE = range(5)

# Bins that are looked at together: few enough that marks and edges stay in the first cache.
CHUNK = 1024

# The least finite number: in a row that may be negative, minus infinity is a fault still.
LOWEST = -1.7976931348623157e308


@njit
def fill_zero(values: Buffer, first: int, stop: int, out: Buffer) -> None:
    """``out`` (series, bins) is ``values`` with 0 for NaN."""
    for row in range(values.shape[0]):
        # Slices counted from 0: a loop from ``first`` might begin below 0, and became gathers and scatters, four
        # times as slow.
        source = values[row, first:stop]
        target = out[row, first:stop]
        for i in range(source.size):
            target[i] = _known_or(source[i], 0.0)


@njit
def _known_or(x: float, other: float) -> float:
    return x if x == x else other


@njit
def fill_forward(values: Buffer, first: int, stop: int, out: Buffer) -> None:
    """``out`` is ``values`` with the nearest earlier known value for NaN; NaN where there is none."""
    for row in range(values.shape[0]):
        source = values[row]
        target = out[row, first:stop]
        before = _last_known(source, first)
        carry = source[before] if before >= 0 else math.nan
        part = source[first:stop]
        for i in range(part.size):
            carry = _known_or(part[i], carry)
            target[i] = carry


@njit
def fill_linear(values: Buffer, first: int, stop: int, out: Buffer) -> None:
    """``out`` is ``values`` with a straight line from the known value before a gap to the one after it.

    NaN stays where one of the two is missing or infinite.
    """
    for row in range(values.shape[0]):
        source = values[row]
        target = out[row]
        t = first
        while t < stop:
            x = source[t]
            if x == x:
                target[t] = x
                t += 1
            else:
                after = _next_known(source, t)
                end = min(after, stop)
                _draw_line(source, _last_known(source, t), after, t, end, target)
                t = end


@njit
def _last_known(source: Row, t: int) -> int:
    """The last bin before ``t`` with a value, -1 where there is none."""
    t -= 1
    while t >= 0 and source[t] != source[t]:
        t -= 1
    return t


@njit
def _next_known(source: Row, t: int) -> int:
    """The first bin after ``t`` with a value, the number of bins where there is none."""
    t += 1
    while t < source.size and source[t] != source[t]:
        t += 1
    return t


@njit
def _draw_line(source: Row, before: int, after: int, first: int, stop: int, target: Row) -> None:
    """Fill ``target`` from ``first`` to ``stop``, part of the gap between the bins ``before`` and ``after``."""
    low = source[before] if before >= 0 else math.nan
    high = source[after] if after < source.size else math.nan
    rise = high - low
    if not abs(rise) < math.inf:
        for t in range(first, stop):
            target[t] = math.nan
        return
    step = 1.0 / (after - before)
    for t in range(first, stop):
        # Held between the two ends, which rounding could overstep.
        y = low + rise * ((t - before) * step)
        target[t] = max(min(low, high), min(max(low, high), y))


@njit
def fill_seasonal(values: Buffer, period: int, out: Buffer) -> None:
    """``out`` is ``values`` with the known value a whole number of ``period`` bins earlier, the nearest, for NaN."""
    bins = values.shape[1]
    for row in range(values.shape[0]):
        for t in range(min(period, bins)):
            out[row, t] = values[row, t]
        for begin in range(period, bins, period):
            length = min(period, bins - begin)
            # Three slices of one length, so that the loop becomes vector instructions.
            source = values[row, begin : begin + length]
            earlier = out[row, begin - period : begin - period + length]
            target = out[row, begin : begin + length]
            for i in range(length):
                target[i] = _known_or(source[i], earlier[i])


@njit
def reopen(values: Buffer, limit: int, out: Buffer) -> None:
    """Put NaN back into ``out`` where ``values`` has more than ``limit`` NaNs in a row."""
    bins = values.shape[1]
    for row in range(values.shape[0]):
        source = values[row]
        target = out[row]
        length = 0
        for t in range(bins):
            x = source[t]
            if x == x:
                length = 0
                continue
            length += 1
            if length > limit + 1:
                target[t] = math.nan
            elif length == limit + 1:
                for i in range(t - limit, t + 1):
                    target[i] = math.nan


@njit
def count_faults(values: Buffer, counts: Indices) -> None:
    """``counts`` (series, 3): how many NaN, infinite and finite negative values each row has."""
    for row in range(values.shape[0]):
        source = values[row]
        unknown = 0
        infinite = 0
        below = 0
        for t in range(source.size):
            x = source[t]
            unknown += x != x
            infinite += abs(x) == math.inf
            below += x < 0.0
        counts[row, 0] = unknown
        counts[row, 1] = infinite
        counts[row, 2] = below


@njit
def find_faults(
    values: Buffer, missing: Flags, signed: Marks, marks: Flags, edges: Indices, runs: Indices, found: Indices
) -> None:
    """List the runs of bins with one fault: ``runs`` (n, 4) gets row, first and last bin, and what they are.

    ``missing`` (series, bins) tells a bin without a value from a written NaN; with no rows all are missing.
    ``signed`` (series,) rows may be negative.  ``found`` (1,) is the number of runs; ``runs`` needs a row for
    each faulty bin at most.  ``marks`` (2, CHUNK) and ``edges`` (CHUNK + 1,) are work space.
    """
    count = 0
    for row in range(values.shape[0]):
        source = values[row]
        least = LOWEST if signed[row] else 0.0
        for begin in range(0, source.size, CHUNK):
            pairs = _fault_edges(source[begin : begin + CHUNK], least, marks, edges)
            for i in range(0, pairs, 2):
                first, stop = begin + edges[i], begin + edges[i + 1]
                count = _list_faults(source, missing, row, first, stop, signed[row], runs, count)
    found[0] = count


@njit
def find_filled(
    values: Buffer, missing: Flags, out: Buffer, marks: Flags, edges: Indices, runs: Indices, found: Indices
) -> None:
    """List the runs that are NaN in ``values`` and not in ``out``, as ``find_faults`` does."""
    count = 0
    for row in range(values.shape[0]):
        source = values[row]
        target = out[row]
        for begin in range(0, source.size, CHUNK):
            pairs = _fault_edges(source[begin : begin + CHUNK], LOWEST, marks, edges)
            for i in range(0, pairs, 2):
                first, stop = begin + edges[i], begin + edges[i + 1]
                count = _list_filled(source, target, missing, row, first, stop, runs, count)
    found[0] = count


@njit
def _list_faults(
    source: Row, missing: Flags, row: int, first: int, stop: int, is_signed: bool, runs: Indices, count: int
) -> int:
    for t in range(first, stop):
        code = _fault(source[t], missing.size == 0 or missing[row, t], is_signed)
        count = _listed(runs, count, row, t, code)
    return count


@njit
def _list_filled(
    source: Row, target: Row, missing: Flags, row: int, first: int, stop: int, runs: Indices, count: int
) -> int:
    for t in range(first, stop):
        code = KNOWN
        if source[t] != source[t] and target[t] == target[t]:
            code = GAP if missing.size == 0 or missing[row, t] else NOT_A_NUMBER
        count = _listed(runs, count, row, t, code)
    return count


@njit
def _fault_edges(part: Row, least: float, marks: Flags, edges: Indices) -> int:
    """Fill ``edges`` with where runs of faults in a chunk begin and end (the bin after); return how many that are.

    Vector instructions mark faults and then edges; a loop without a branch lists those, since nobody can guess where
    they are.
    """
    is_clean = True
    faults = marks[0]
    for i in range(part.size):
        is_faulty = not ((part[i] >= least) & (part[i] < math.inf))
        faults[i] = is_faulty
        is_clean &= not is_faulty
    if is_clean:
        return 0
    flips = marks[1]
    flips[0] = faults[0]
    for i in range(1, part.size):
        flips[i] = faults[i] != faults[i - 1]
    count = 0
    for i in range(part.size):
        edges[count] = i
        count += flips[i]
    edges[count] = part.size
    # A run that reaches the end of the chunk ends there.
    return count + 1 if faults[part.size - 1] else count


@njit
def _fault(x: float, is_missing: bool, is_signed: bool) -> int:
    if x != x:
        return GAP if is_missing else NOT_A_NUMBER
    if abs(x) == math.inf:
        return INFINITE
    return KNOWN if is_signed else NEGATIVE


@njit
def _listed(runs: Indices, count: int, row: int, t: int, code: int) -> int:
    """Make the last run longer, or begin one; return how many there are."""
    if code == KNOWN:
        return count
    last = count - 1
    if count and runs[last, 2] == t - 1 and runs[last, 0] == row and runs[last, 3] == code:
        runs[last, 2] = t
        return count
    runs[count, 0] = row
    runs[count, 1] = t
    runs[count, 2] = t
    runs[count, 3] = code
    return count + 1


@njit
def replace(values: Buffer, rows: Indices, touched: Flags, number: float) -> None:
    """Put ``number`` into the ``touched`` (k, bins) bins of some ``rows`` (k,)."""
    for i in range(rows.size):
        target = values[rows[i]]
        marks = touched[i]
        for t in range(target.size):
            target[t] = _chosen(marks[t], number, target[t])


@njit
def scale(values: Buffer, rows: Indices, touched: Flags, factor: float, add: float) -> None:
    """Multiply the touched bins by ``factor`` and then ``add``."""
    for i in range(rows.size):
        target = values[rows[i]]
        marks = touched[i]
        for t in range(target.size):
            target[t] = _chosen(marks[t], target[t] * factor + add, target[t])


@njit
def hold(values: Buffer, rows: Indices, touched: Flags) -> None:
    """Repeat the value before each run of touched bins in it; a run at the start repeats its first."""
    for i in range(rows.size):
        target = values[rows[i]]
        marks = touched[i]
        last = target[0]
        for t in range(target.size):
            last = _chosen(marks[t], last, target[t])
            target[t] = last


@njit
def shift(source: Buffer, rows: Indices, touched: Flags, by: int, values: Buffer) -> None:
    """Put what ``source`` (k, bins) has ``by`` bins earlier into the touched bins of some ``rows`` of ``values``.

    NaN where that is outside the horizon.
    """
    for i in range(rows.size):
        bins = values.shape[1]
        target = values[rows[i]]
        marks = touched[i]
        first = min(max(by, 0), bins)
        stop = max(min(bins, bins + by), first)
        _blank(target[:first], marks[:first])
        _take(source[i, first - by : stop - by], target[first:stop], marks[first:stop])
        _blank(target[stop:], marks[stop:])


@njit
def _blank(target: Row, marks: Marks) -> None:
    for t in range(target.size):
        target[t] = _chosen(marks[t], math.nan, target[t])


@njit
def _take(source: Row, target: Row, marks: Marks) -> None:
    for t in range(target.size):
        target[t] = _chosen(marks[t], source[t], target[t])


@njit
def _chosen(is_chosen: bool, yes: float, no: float) -> float:
    return yes if is_chosen else no
