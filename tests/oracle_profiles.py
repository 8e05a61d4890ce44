"""Profiles of the oracle: the weight of each bin, from the hours of the day or the week that it covers."""

from __future__ import annotations

import datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from flowtime.model.spec import Grid, ProfileSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["UNIT_SECONDS", "bin_weights"]

UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}
HOUR = 3_600
# Hourly, from midnight.
BUILTIN = {
    "weekday-office": ".18 .16 .15 .15 .2 .3 .45 .7 .95 1.15 1.25 1.3 1.25 1.15 1.05 1 .95 .85 .65 .5 .38 .3 .25 .2",
    "three-shift": ".9 .9 .9 .92 .95 .98 1 1.03 1.06 1.1 1.12 1.15 1.12 1.08 1.05 1.02 1 .98 .96 .94 .92 .9 .9 .9",
    "hub-rush-hour": ".2 .18 .17 .17 .2 .35 .7 1.2 1.4 1.25 1 .85 .8 .85 .95 1.1 1.35 1.5 1.35 1 .65 .4 .3 .22",
}


def bin_weights(profile: ProfileSpec | None, grid: Grid) -> list[float]:
    """One factor for each bin of the grid; all 1 without a profile."""
    if profile is None:
        return [1.0] * grid.bins
    if profile.kind == "builtin":
        table = [float(text) for text in BUILTIN[str(profile.name)].split()]
    else:
        table = [float(weight) for weight in ([] if profile.weights is None else profile.weights)]
        if len(table) == grid.bins:
            return [weight / (sum(table) / len(table)) for weight in table]
    mean = sum(table) / len(table)
    length = grid.bin_size * UNIT_SECONDS[grid.bin_unit]
    start = _since_monday(grid.start)
    return [_mean_over(table, profile.days, start + t * length, length) / mean for t in range(grid.bins)]


def _since_monday(start: str | None) -> Fraction:
    """Seconds of a moment since the midnight at the start of its week; 0 where there is none."""
    if start is None:
        return Fraction(0)
    moment = datetime.datetime.fromisoformat(start.replace("Z", "+00:00")).astimezone(datetime.UTC)
    seconds = ((moment.weekday() * 24 + moment.hour) * 60 + moment.minute) * 60 + moment.second
    return Fraction(seconds) + Fraction(moment.microsecond, 1_000_000)


def _mean_over(table: Sequence[float], days: Sequence[float] | None, start: Fraction, length: int) -> float:
    """The mean of a table of hours, times the factor of the day, over ``length`` seconds from ``start``."""
    total, moment, end = 0.0, start, start + length
    while moment < end:
        hour = moment // HOUR
        until = min(end, Fraction((hour + 1) * HOUR))
        factor = 1.0 if days is None else days[hour // 24 % 7]
        total += table[hour % len(table)] * factor * float(until - moment)
        moment = until
    return total / length
