"""Clocks of places: local time stamps as moments in UTC, hour of summer time and all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from flowtime.errors import TelemetryError
from flowtime.telemetry.loaders.cells import BoolArray, IntArray
from flowtime.telemetry.loaders.moments import read_moment, run_starts

__all__ = ["InUtc", "find_zone", "offset_at", "parse_moment", "to_utc"]

_SECOND: Final = 1_000_000_000
# Clocks have only ever been changed at a quarter of an hour.
_QUARTER: Final = 900 * _SECOND
_EPOCH: Final = datetime(1970, 1, 1)


class InUtc(NamedTuple):
    """Nanoseconds since 1970 in UTC (rows,); where the clock showed a time ``twice`` the first was taken, and
    where it never did the row is ``skipped`` and its time means nothing."""

    nanos: IntArray
    twice: BoolArray
    skipped: BoolArray


def find_zone(name: str) -> tzinfo:
    """Return the time zone of a name such as ``Europe/Berlin``; raises TelemetryError ``telemetry.unknown_zone``."""
    try:
        return UTC if name.upper() in ("UTC", "Z") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TelemetryError(
            f"{name!r} is no time zone that this machine knows",
            code="telemetry.unknown_zone",
            hint="write it as Europe/Berlin; where there is no such data, `pip install tzdata` brings it",
        ) from error


def parse_moment(text: str, zone: tzinfo | None, name: str) -> int:
    """Read one time, ISO 8601, as nanoseconds since 1970 in UTC; ``zone`` (None: UTC) is its own unless it says one.

    Raises TelemetryError ``telemetry.grid_invalid``; ``name`` is what the time is for.
    """
    found = read_moment(text)
    if found is not None:
        nanos, is_zoned = found
        if is_zoned or zone is None:
            return nanos
        local = to_utc(np.array([nanos]), zone)
        if not local.skipped[0]:
            return int(local.nanos[0])
    raise TelemetryError(
        f"{name} {text!r} is no time", code="telemetry.grid_invalid", hint="write it as 2025-01-31T08:00:00Z"
    )


def to_utc(nanos: IntArray, zone: tzinfo) -> InUtc:
    """Return what clocks of ``zone`` showed, nanoseconds since 1970 by them (rows,), in UTC."""
    quarters = nanos // _QUARTER
    starts = run_starts(quarters)
    told = [_offsets(quarter, zone) for quarter in quarters[starts].tolist()]
    lengths = np.diff(np.append(starts, len(nanos)))
    first, twice, skipped = (np.repeat(np.array(column), lengths) for column in zip(*told, strict=True))
    return InUtc(nanos - first * _SECOND, twice, skipped)


def offset_at(nanos: int, zone: tzinfo) -> int:
    """Return by how many nanoseconds clocks of ``zone`` are ahead of UTC at a moment in UTC."""
    offset = (_EPOCH.replace(tzinfo=UTC) + timedelta(seconds=nanos // _SECOND)).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) * _SECOND


def _offsets(quarter: int, zone: tzinfo) -> tuple[int, bool, bool]:
    """Return how many seconds a quarter of an hour by local clocks is ahead of UTC, and whether they showed it
    twice, or never."""
    local = (_EPOCH + timedelta(seconds=quarter * 900)).replace(tzinfo=zone)
    offset, later = local.utcoffset(), local.replace(fold=1).utcoffset()
    if offset is None or later is None:  # zones of zoneinfo always say
        return 0, False, False
    # A fold goes back, so the second time is further behind UTC; a hole goes ahead.
    return int(offset.total_seconds()), later < offset, later > offset
