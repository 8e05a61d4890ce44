"""Time-of-day profiles: how a day or a week is shaped, and what that makes of each bin of a grid.

A profile is a step-wise constant rate over the 24 hours of a day or the 168 of a week, and a bin takes
its mean over the time that the bin covers.  Built-in tables and names stand here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowtime.model.dates import utc_moment
from flowtime.model.spec import UNIT_SECONDS, FloatArray, Grid, ProfileSpec

__all__ = ["BUILTIN_PROFILES", "DAYS_OF_WEEK", "HOURS_OF_CLOCKS", "profile_weights"]

DAYS_OF_WEEK: Final = 7
_HOURS_OF_DAY = 24
_HOURS_OF_WEEK = _HOURS_OF_DAY * DAYS_OF_WEEK
HOURS_OF_CLOCKS: Final = (_HOURS_OF_DAY, _HOURS_OF_WEEK)

# In microseconds, the finest that a start can tell, so that places on the clock are whole numbers.
_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_WEEK = _HOURS_OF_WEEK * _HOUR
_SOME_MONDAY = datetime(2024, 1, 1)

# Hourly values from midnight on, as the published tables have them; only their proportions matter.
# fmt: off
BUILTIN_PROFILES: Mapping[str, tuple[float, ...]] = MappingProxyType({
    "weekday-office": (
        0.18, 0.16, 0.15, 0.15, 0.2, 0.3, 0.45, 0.7, 0.95, 1.15, 1.25, 1.3,
        1.25, 1.15, 1.05, 1.0, 0.95, 0.85, 0.65, 0.5, 0.38, 0.3, 0.25, 0.2,
    ),
    "three-shift": (
        0.9, 0.9, 0.9, 0.92, 0.95, 0.98, 1.0, 1.03, 1.06, 1.1, 1.12, 1.15,
        1.12, 1.08, 1.05, 1.02, 1.0, 0.98, 0.96, 0.94, 0.92, 0.9, 0.9, 0.9,
    ),
    "hub-rush-hour": (
        0.2, 0.18, 0.17, 0.17, 0.2, 0.35, 0.7, 1.2, 1.4, 1.25, 1.0, 0.85,
        0.8, 0.85, 0.95, 1.1, 1.35, 1.5, 1.35, 1.0, 0.65, 0.4, 0.3, 0.22,
    ),
})
# fmt: on


def profile_weights(profile: ProfileSpec, grid: Grid) -> FloatArray:
    """Return the weight of each bin (bins,): 1 on average over whole days (a week, for 168 weights).

    ``days`` multiply on top and nothing brings the mean back to 1: their author says how much a day has.
    The clock starts at ``grid.start``, in UTC, or on a Monday at midnight; bins that have inline weights of
    their own need none.  The profile must have passed the checks of the model.
    """
    inline = profile.weights if profile.kind == "inline" else None
    if inline is not None and inline.size == grid.bins:
        weights = _scaled(inline)
        if profile.days is not None:
            weights *= _averages(np.repeat(np.array(profile.days), _HOURS_OF_DAY), grid)
        return weights
    table = _scaled(np.array(BUILTIN_PROFILES[profile.name or ""]) if inline is None else inline)
    if profile.days is not None:
        table = np.resize(table, _HOURS_OF_WEEK) * np.repeat(np.array(profile.days), _HOURS_OF_DAY)
    return _averages(table, grid)


def _scaled(values: FloatArray) -> FloatArray:
    # fsum, so that weights written in another order or unit give the same numbers.
    return values / (math.fsum(values) / values.size)


def _averages(rates: FloatArray, grid: Grid) -> FloatArray:
    """Mean of the hourly ``rates`` (24 or 168, repeating) over each bin of the grid (bins,)."""
    size = grid.bin_size * UNIT_SECONDS[grid.bin_unit] * _SECOND
    period = rates.size * _HOUR
    # Bins come back to the same place on the clock: no more than one round of them has to be computed.
    round_bins = min(grid.bins, period // math.gcd(size, period))
    first = (_offset(grid) + np.arange(round_bins) * (size % period)) % period
    begin, end = first // _HOUR, (first + (size - 1)) // _HOUR
    weights = rates[begin]
    split = np.flatnonzero(begin != end)
    if split.size:
        weights[split] = _mean_of_hours(rates, first[split], size)
    return np.tile(weights, -(-grid.bins // round_bins))[: grid.bins]


def _mean_of_hours(rates: FloatArray, first: NDArray[np.int64], size: int) -> FloatArray:
    """Mean over ``size`` microseconds from each of ``first`` (n,), which reach into another hour (n,)."""
    whole_periods, rest = divmod(size, rates.size * _HOUR)
    last = first + rest
    begin, end = first // _HOUR, last // _HOUR
    # Two rounds, since a bin may go past the end of one; sums[i] is that of the hours before i.
    twice: FloatArray = np.concatenate((rates, rates))
    sums: FloatArray = np.concatenate(([0.0], np.cumsum(twice)))
    # The hours in between first: where there are none, no rounding of sums enters a short bin.
    total = (sums[end] - sums[begin + 1]) + whole_periods * sums[rates.size]
    total += rates[begin] * (((begin + 1) * _HOUR - first) / _HOUR)
    total += twice[end] * ((last - end * _HOUR) / _HOUR)
    mean: FloatArray = total / (size / _HOUR)
    return mean


def _offset(grid: Grid) -> int:
    """Microseconds from a Monday at midnight to the start of the grid, less than a week."""
    moment = None if grid.start is None else utc_moment(grid.start)
    return 0 if moment is None else (moment - _SOME_MONDAY) // timedelta(microseconds=1) % _WEEK
