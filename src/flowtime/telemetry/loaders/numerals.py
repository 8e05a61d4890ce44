"""Columns of numbers: plain decimals many at a time, exactly as ``float`` reads them, all else one by one."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from flowtime.telemetry.loaders.cells import BoolArray, ByteArray, Cells, FloatArray, IntArray, same_length

__all__ = ["Decimals", "NumberColumn", "read_decimals", "read_numbers"]

# What stands for no value, beside nothing at all; NaN is a value, one that says that it is none.
_MISSING = frozenset({"", "null", "none", "na", "n/a", "-"})
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?(?:nan|inf|infinity)", re.IGNORECASE)
# A whole number below 2^53 over a power of ten up to 10^22 is one division of two exact floats: correctly rounded.
_EXACT_DIGITS = 15
_LONGEST = _EXACT_DIGITS + 2
_ZERO, _POINT, _MINUS = ord("0"), ord("."), ord("-")


class NumberColumn(NamedTuple):
    """Values (rows,), NaN where there is none; ``missing`` tells no value from a NaN; ``wrong`` is a row that
    holds no number, -1 where there is none."""

    values: FloatArray
    missing: BoolArray
    wrong: int


class Decimals(NamedTuple):
    """Plain decimals (rows,): ``digits`` without sign and point, how many of them follow the point, ``ok`` where
    a cell is one."""

    digits: IntArray
    places: IntArray
    negative: BoolArray
    ok: BoolArray


def read_numbers(cells: Cells) -> NumberColumn:
    """Read a column of numbers; the first row that holds none ends the reading and is told."""
    count = len(cells.starts)
    values, missing = np.full(count, np.nan), cells.ends == cells.starts
    left = ~missing
    for rows, text in same_length(cells, _LONGEST):
        found = read_decimals(text, _EXACT_DIGITS)
        numbers = found.digits / 10.0**found.places
        np.negative(numbers, out=numbers, where=found.negative)
        values[rows] = np.where(found.ok, numbers, np.nan)
        left[rows] = ~found.ok
    for row in np.flatnonzero(left).tolist():
        number = _number(cells.text(row))
        if number is None:
            return NumberColumn(values, missing, row)
        values[row], missing[row] = number
    return NumberColumn(values, missing, -1)


def read_decimals(text: ByteArray, most_digits: int) -> Decimals:
    """Read cells of one length (rows, length): digits with perhaps a minus before and one point among them."""
    rows, length = text.shape
    negative = text[:, 0] == _MINUS
    digit = text - np.uint8(_ZERO)  # below "0" wraps round to something large
    if (digit < 10).all():
        plain = np.full(rows, length <= most_digits)
        return Decimals(_horner(digit, most_digits), np.zeros(rows, np.int64), negative, plain)
    is_digit, is_point = digit < 10, text == _POINT
    after = np.logical_or.accumulate(is_point, axis=1) & is_digit
    count, points = is_digit.sum(axis=1), is_point.sum(axis=1)
    ok = (count + points + negative == length) & (points <= 1) & (count >= 1) & (count <= most_digits)
    digits = np.zeros(rows, np.int64)
    for column in range(length):
        here = is_digit[:, column]
        digits = np.where(here, digits * 10 + digit[:, column], digits)
    return Decimals(np.where(ok, digits, 0), np.where(ok, after.sum(axis=1), 0), negative, ok)


def _horner(digit: ByteArray, most_digits: int) -> IntArray:
    total = digit[:, 0].astype(np.int64)
    for column in range(1, min(digit.shape[1], most_digits)):
        total *= 10
        total += digit[:, column]
    return total


def _number(text: str) -> tuple[float, bool] | None:
    """Return the value of one cell and whether it is missing; None where it is no number."""
    if text.lower() in _MISSING:
        return math.nan, True
    # float() alone would take 1_000 as well.
    return (float(text), False) if _NUMBER.fullmatch(text) else None
