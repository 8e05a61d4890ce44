"""Columns of time stamps: ISO 8601 and counts since 1970, many at a time, as nanoseconds since 1970 in UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from flowtime.telemetry.loaders.cells import BoolArray, ByteArray, Cells, IntArray, same_length
from flowtime.telemetry.loaders.numerals import read_decimals

__all__ = ["Moments", "TimeUnit", "moment_text", "read_moment", "read_moments", "run_starts"]

TimeUnit: TypeAlias = Literal["auto", "s", "ms", "us", "ns"]

# Digits of a second beyond those of a unit.
_DECIMALS: Final = {"s": 9, "ms": 6, "us": 3, "ns": 0}
# A count whose unit nobody told is one of these, from 2001 to 2286; other lengths may as well be 20231116.
_UNIT_BY_DIGITS: Final = {10: "s", 13: "ms", 16: "us", 19: "ns"}
_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
_LONGEST: Final = 35
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Years all of whose nanoseconds fit into 64 bits.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
_MOST_NANOS: Final = 9.2e18
_MOST_DIGITS: Final = 19
_ISO = re.compile(
    rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,](?P<fraction>\d{1,9}))?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?"
)
_FRACTION = re.compile(r"[.,](\d{1,9})\d*")


class Moments(NamedTuple):
    """Nanoseconds since 1970 (rows,), as if in UTC where ``zoned`` is false; ``wrong`` is a row that holds no
    time, -1 where there is none."""

    nanos: IntArray
    zoned: BoolArray
    wrong: int


def read_moments(cells: Cells, unit: TimeUnit = "auto") -> Moments:
    """Read a column of time stamps; the first row that holds none ends the reading and is told.

    Digits alone are a count since 1970 of ``unit``, which is told apart by 10, 13, 16 or 19 digits for ``auto``.
    """
    count = len(cells.starts)
    nanos, zoned, left = np.zeros(count, np.int64), np.zeros(count, np.bool_), np.ones(count, np.bool_)
    for rows, text in same_length(cells, _LONGEST):
        found = _read_iso(text) if _ISO.fullmatch(text[0].tobytes()) else _read_counts(text, unit)
        nanos[rows], zoned[rows], left[rows] = found.nanos, found.zoned, ~found.ok
    for row in np.flatnonzero(left).tolist():
        moment = read_moment(cells.text(row), unit)
        if moment is None:
            return Moments(nanos, zoned, row)
        nanos[row], zoned[row] = moment
    return Moments(nanos, zoned, -1)


def read_moment(text: str, unit: TimeUnit = "auto") -> tuple[int, bool] | None:
    """Return the nanoseconds of one time stamp and whether it says its zone; None where it is none."""
    plain = np.frombuffer(text.encode("utf-8", errors="replace"), dtype=np.uint8).reshape(1, -1)
    if plain.size:
        found = _read_counts(plain, unit)
        if found.ok[0]:
            return int(found.nanos[0]), True
    fraction = _FRACTION.search(text)
    bare = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    if bare.isdigit():
        return None  # fromisoformat would read 20231116
    try:
        moment = datetime.fromisoformat(bare)
    except ValueError:
        return None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None
    is_zoned = moment.tzinfo is not None
    since = (moment if is_zoned else moment.replace(tzinfo=UTC)) - _EPOCH
    parts = 0 if fraction is None else int(fraction[1].ljust(9, "0"))
    return (since.days * 86_400 + since.seconds) * _SECOND + parts, is_zoned


def moment_text(nanos: int) -> str:
    """Return nanoseconds since 1970 in UTC as ISO 8601, to the microsecond: ``2025-01-01T00:00:00Z``."""
    return (_EPOCH + timedelta(microseconds=nanos // 1000)).replace(tzinfo=None).isoformat() + "Z"


def run_starts(values: IntArray) -> IntArray:
    """Return where runs of equal values begin, (runs,): a log repeats its dates, which are then worked out once."""
    return np.concatenate((np.zeros(1, np.int64), np.flatnonzero(np.diff(values)) + 1))


class _Found(NamedTuple):
    nanos: IntArray
    zoned: BoolArray
    ok: BoolArray


def _read_counts(text: ByteArray, unit: TimeUnit) -> _Found:
    """Read cells of one length as counts since 1970."""
    found = read_decimals(text, _MOST_DIGITS)
    before_point = text.shape[1] - found.negative - found.places - (found.places > 0)
    nanos, ok = np.zeros(len(text), np.int64), np.zeros(len(text), np.bool_)
    for digits, name in _UNIT_BY_DIGITS.items():
        is_unit = before_point == digits if unit == "auto" else np.full(len(text), unit == name)
        # 19 digits may be more than 64 bits hold, which shows as a number below 0.
        here = np.flatnonzero(found.ok & (found.digits >= 0) & is_unit)
        shift = _DECIMALS[name] - found.places[here]
        count = found.digits[here] // 10 ** np.maximum(-shift, 0)  # what is finer than a nanosecond is cut off
        shift = np.maximum(shift, 0)
        ok[here] = count < _MOST_NANOS / 10.0**shift
        nanos[here] = np.where(ok[here], count, 0) * 10**shift
    np.negative(nanos, out=nanos, where=found.negative)
    return _Found(nanos, np.ones(len(text), np.bool_), ok)


def _read_iso(text: ByteArray) -> _Found:
    """Read cells of one length that are built like the first of them, which is ISO 8601."""
    pattern = text[0].tobytes()
    match = _ISO.fullmatch(pattern)
    digits = [place for place, byte in enumerate(pattern) if chr(byte).isdigit()]
    marks = [place for place in range(len(pattern)) if place not in digits]
    sign = match.start("zone") if match and match["zone"] not in (None, b"Z") else -1
    digit = text - np.uint8(ord("0"))
    ok = np.ones(len(text), np.bool_)
    for place in digits:
        ok &= digit[:, place] < 10
    for place in marks:
        here = text[:, place]
        ok &= (here == ord("+")) | (here == ord("-")) if place == sign else here == pattern[place]
    days, fits = _days(_field(digit, (0, 1, 2, 3)), _field(digit, (5, 6)), _field(digit, (8, 9)))
    seconds, whole = _clock(digit)
    nanos = days * _DAY + seconds * _SECOND
    if match and match["fraction"]:
        first, last = match.span("fraction")
        nanos += _field(digit, range(first, last)) * 10 ** (9 - (last - first))
    if sign >= 0:
        offset = _field(digit, (sign + 1, sign + 2)) * 3600 + _field(digit, (sign + 4, sign + 5)) * 60
        nanos -= np.where(text[:, sign] == ord("-"), -offset, offset) * _SECOND
    is_zoned = match is not None and match["zone"] is not None
    return _Found(nanos, np.full(len(text), is_zoned), ok & fits & whole)


def _field(digit: ByteArray, places: Sequence[int]) -> IntArray:
    total = digit[:, places[0]].astype(np.int64)
    for place in places[1:]:
        total *= 10
        total += digit[:, place]
    return total


def _clock(digit: ByteArray) -> tuple[IntArray, BoolArray]:
    """Return the seconds of the day that follow a date, and where they are some."""
    rows, length = digit.shape
    if length < 16:
        return np.zeros(rows, np.int64), np.ones(rows, np.bool_)
    hour, minute = _field(digit, (11, 12)), _field(digit, (14, 15))
    ok = (hour < 24) & (minute < 60)
    seconds = hour * 3600 + minute * 60
    if length >= 19 and digit[0, 16] == np.uint8((ord(":") - ord("0")) % 256):
        second = _field(digit, (17, 18))
        return seconds + second, ok & (second < 60)
    return seconds, ok


def _days(year: IntArray, month: IntArray, day: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the days from 1970 to a date, and where there is such a date."""
    starts = run_starts((year * 100 + month) * 100 + day)
    years, months, days = year[starts], month[starts], day[starts]
    fits = (years >= _FIRST_YEAR) & (years <= _LAST_YEAR) & (months >= 1) & (months <= 12) & (days >= 1)
    index = np.where(fits, (years - 1970) * 12 + months - 1, 0)
    first = index.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (index + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    fits &= days <= after - first
    lengths = np.diff(np.append(starts, len(year)))
    return np.repeat(np.where(fits, first + days - 1, 0), lengths), np.repeat(fits, lengths)
