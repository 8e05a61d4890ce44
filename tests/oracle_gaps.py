"""Slow twins of what finds, fills and makes gaps: one bin at a time, each from the words of the documentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

__all__ = ["FILLINGS", "fault_runs", "fill_row", "gap_bins", "hold_row", "shift_row"]

NAN = math.nan


def fill_row(row: Sequence[float], how: str, limit: int | None = None, period: int = 1) -> list[float]:
    """The row with the gaps of at most ``limit`` bins filled, as far as there is something to fill them with."""
    filled = list(row)
    for gap in gap_bins(row):
        if limit is None or len(gap) <= limit:
            for t in gap:
                filled[t] = FILLINGS[how](row, t, period)
    return filled


def gap_bins(row: Sequence[float]) -> list[list[int]]:
    """The bins of each gap."""
    runs = groupby(range(len(row)), key=lambda t: math.isnan(row[t]))
    return [list(bins) for is_gap, bins in runs if is_gap]


def _zero(_row: Sequence[float], _t: int, _period: int) -> float:
    return 0.0


def _forward(row: Sequence[float], t: int, _period: int) -> float:
    return _first_known(row, range(t - 1, -1, -1))[1]


def _seasonal(row: Sequence[float], t: int, period: int) -> float:
    return _first_known(row, range(t - period, -1, -period))[1]


def _linear(row: Sequence[float], t: int, _period: int) -> float:
    before, low = _first_known(row, range(t - 1, -1, -1))
    after, high = _first_known(row, range(t + 1, len(row)))
    if not math.isfinite(low) or not math.isfinite(high):
        return NAN
    return low + (high - low) * (t - before) / (after - before)


def _first_known(row: Sequence[float], bins: range) -> tuple[int, float]:
    return next(((t, row[t]) for t in bins if not math.isnan(row[t])), (-1, NAN))


FILLINGS: Mapping[str, Callable[[Sequence[float], int, int], float]] = MappingProxyType(
    {"zero": _zero, "forward": _forward, "linear": _linear, "seasonal": _seasonal}
)


def fault_runs(row: Sequence[float], missing: Sequence[bool], *, signed: bool) -> list[tuple[str, int, int]]:
    """The runs of bins with one fault: its code, the first and the last bin."""
    codes = [_code(x, is_missing, signed) for x, is_missing in zip(row, missing, strict=True)]
    return list(_runs(codes))


def _runs(codes: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    for code, bins in groupby(range(len(codes)), key=codes.__getitem__):
        first, *rest = bins
        if code:
            yield code, first, rest[-1] if rest else first


def _code(x: float, is_missing: bool, signed: bool) -> str:
    if math.isnan(x):
        return "data_gap" if is_missing else "nan_detected"
    if math.isinf(x):
        return "infinite_value"
    return "negative_value" if x < 0 and not signed else ""


def hold_row(row: Sequence[float], touched: Sequence[bool]) -> list[float]:
    """The row with the value before each run of touched bins in it."""
    held = list(row)
    for t in range(1, len(row)):
        if touched[t]:
            held[t] = held[t - 1]
    return held


def shift_row(row: Sequence[float], touched: Sequence[bool], by: int) -> list[float]:
    """The row with what was ``by`` bins earlier in the touched bins."""
    inside = range(len(row))
    return [(row[t - by] if t - by in inside else NAN) if touched[t] else row[t] for t in inside]
