"""Finds and fills gaps in series: bins without a value, NaN, infinities, negative values, rows in the wrong place.

In memory a missing value is NaN; a mask tells it from a NaN that was written as such.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.tolerance import bin_ranges
from flowtime.errors import ParameterError
from flowtime.model.spec import FloatArray
from flowtime.telemetry.gap_kernels import filled_copy, list_runs, load_gap_kernels

__all__ = ["Filled", "Filling", "Finding", "Placed", "detect", "fill", "place_bins"]

Filling: TypeAlias = Literal["none", "zero", "forward", "linear", "seasonal"]
Severity: TypeAlias = Literal["info", "warning", "error"]
Flags: TypeAlias = NDArray[np.bool_]

# What the kernels call GAP, NOT_A_NUMBER, INFINITE and NEGATIVE: code and what the bins do.
_FAULTS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        1: ("data_gap", "{} without a value"),
        2: ("nan_detected", "{} with NaN"),
        3: ("infinite_value", "{} with an infinite value"),
        4: ("negative_value", "{} below 0"),
    }
)
_FILLINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "zero": ("zero_fill", "filled with 0"),
        "forward": ("forward_fill", "filled with the last value before"),
        "linear": ("linear_fill", "filled along a line between its neighbors"),
        "seasonal": ("seasonal_fill", "filled with the same bin of an earlier period"),
    }
)


class Finding(NamedTuple):
    """Something about one row: ``bins`` are inclusive ranges, ``bin_count`` how many bins (or rows) it is about."""

    code: str
    message: str
    severity: Severity
    row: int
    bins: tuple[tuple[int, int], ...]
    bin_count: int


class Filled(NamedTuple):
    """The filled copy (series, bins) and what was filled: a finding for each row and code, ``zero_fill``,
    ``forward_fill``, ``linear_fill`` or ``seasonal_fill`` of missing bins and ``nan_fill`` of written NaNs."""

    values: FloatArray
    findings: tuple[Finding, ...]


class Placed(NamedTuple):
    """A row (bins,) put together from lines in any order, which of its bins no line had, and what was wrong."""

    values: FloatArray
    missing: Flags
    findings: tuple[Finding, ...]


def detect(values: FloatArray, *, missing: Flags | None = None, signed: Flags | None = None) -> tuple[Finding, ...]:
    """Return ``data_gap``, ``nan_detected``, ``infinite_value`` and ``negative_value`` of every row of (series, bins).

    With a mask of ``missing`` bins a NaN outside it is ``nan_detected``; without one every NaN is missing.
    ``signed`` (series,) marks rows that may be negative.  In the order of rows, then of those codes.  Raises
    ParameterError ``parameter.shape``.
    """
    table = _table(values)
    runs = list_runs(table, _mask(missing, table), signed=signed)
    return tuple(_found(runs, {kind: (code, text, "warning") for kind, (code, text) in _FAULTS.items()}))


def fill(
    values: FloatArray,
    how: Filling,
    *,
    missing: Flags | None = None,
    limit: int | None = None,
    period: int | None = None,
) -> Filled:
    """Return a copy of (series, bins) with its NaNs filled; no other value is touched.

    ``zero``: 0.  ``forward``: the last value before.  ``linear``: a line between the finite values before and after.
    ``seasonal``: what the same bin of the nearest earlier period that has one, ``period`` bins each, says.
    A gap of more than ``limit`` bins is left whole, and so is what these rules have nothing to take from: those bins
    stay NaN.  Raises ParameterError: ``parameter.shape``, ``parameter.value``.
    """
    table = _table(values)
    mask = _mask(missing, table)
    _check_sizes(how, limit, period)
    if how == "none":
        return Filled(table.copy(), ())
    filled = filled_copy(table, how, period=period or 1)
    if limit is not None:
        load_gap_kernels().reopen(table, limit, filled)
    runs = list_runs(table, mask, out=filled)
    code, done = _FILLINGS[how]
    kinds: dict[int, tuple[str, str, Severity]] = {
        1: (code, f"{{}} without a value, {done}", "info"),
        2: ("nan_fill", f"{{}} with NaN, {done}", "info"),
    }
    return Filled(filled, tuple(_found(runs, kinds)))


def place_bins(indices: NDArray[np.int64], values: FloatArray, bins: int) -> Placed:
    """Put ``values`` (n,) by their bin ``indices`` (n,) into a row (bins,); bins without one are NaN.

    Findings (of row 0): ``duplicate_bin``, of which the first line counts, ``bin_out_of_range``, which are left out,
    and ``length_mismatch`` where there are not as many lines as bins.
    """
    is_inside = (indices >= 0) & (indices < bins)
    inside = indices[is_inside]
    row = np.full(bins, np.nan)
    # Backwards, since of several assignments to one place the last one stays.
    row[inside[::-1]] = values[is_inside][::-1]
    times = np.bincount(inside, minlength=bins)
    findings: list[Finding] = []
    outside = indices.size - inside.size
    if outside:
        first = int(indices[~is_inside][0])
        text = f"{_count(outside, 'line')} for bins outside the grid, such as bin {first}"
        findings.append(Finding("bin_out_of_range", text, "error", 0, (), outside))
    if indices.size != bins:
        text = f"{_count(indices.size, 'line')} for {_count(bins, 'bin')}"
        findings.append(Finding("length_mismatch", text, "warning", 0, (), abs(indices.size - bins)))
    repeated = times > 1
    if ranges := bin_ranges(repeated):
        count = int(np.count_nonzero(repeated))
        text = f"{_count(count, 'bin')} with more than one value, of which the first counts"
        findings.append(Finding("duplicate_bin", text, "error", 0, ranges, count))
    return Placed(row, times == 0, tuple(findings))


def _found(runs: NDArray[np.int64], kinds: Mapping[int, tuple[str, str, Severity]]) -> Iterator[Finding]:
    """Yield a finding for each row and kind of the ``runs`` (n, 4)."""
    rows = runs[np.lexsort((runs[:, 1], runs[:, 3], runs[:, 0]))].tolist()
    for (row, kind), group in groupby(rows, key=operator.itemgetter(0, 3)):
        ranges = tuple((first, last) for _, first, last, _ in group)
        bins = sum(last - first + 1 for first, last in ranges)
        code, text, severity = kinds[kind]
        yield Finding(code, text.format(_count(bins, "bin")), severity, row, ranges, bins)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _table(values: FloatArray) -> FloatArray:
    if values.ndim != 2:
        raise ParameterError(f"series come as (series, bins), not {values.shape}", code="parameter.shape")
    return np.ascontiguousarray(values, dtype=np.float64)


def _mask(missing: Flags | None, values: FloatArray) -> Flags | None:
    if missing is None:
        return None
    if missing.shape != values.shape:
        text = f"the mask of missing bins is {missing.shape}, the values are {values.shape}"
        raise ParameterError(text, code="parameter.shape")
    return np.ascontiguousarray(missing, dtype=np.bool_)


def _check_sizes(how: str, limit: int | None, period: int | None) -> None:
    if how not in ("none", *_FILLINGS):
        raise ParameterError(f"there is no filling {how!r}", code="parameter.value", hint=", ".join(_FILLINGS))
    if limit is not None and limit < 1:
        raise ParameterError("the longest gap to fill has at least 1 bin", code="parameter.value")
    if how == "seasonal" and (period is None or period < 1):
        hint = "give the bins of a day or a week as the period"
        raise ParameterError("a seasonal filling needs a period of at least 1 bin", code="parameter.value", hint=hint)
