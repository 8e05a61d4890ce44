"""Weights of profiles: against the tables themselves, the slow twin, and what people expect of a week."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from flowtime.model.profiles import BUILTIN_PROFILES, profile_weights
from flowtime.model.spec import BinUnit, FloatArray, Grid, ProfileSpec
from oracle_profiles import bin_weights

MONDAY, WEDNESDAY = "2025-01-06", "2025-01-08"
OFFICE = ProfileSpec(name="weekday-office")
WEEKEND = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.25)
RAMP = np.arange(1.0, 25.0)
WEEK_RAMP = np.arange(1.0, 169.0)


def grid(bins: int, size: int, unit: BinUnit, start: str | None = None) -> Grid:
    """A grid of so many bins of so many units."""
    return Grid(bins=bins, bin_size=size, bin_unit=unit, start=start)


def table(name: str) -> FloatArray:
    """A built-in table over its mean (24,)."""
    values = np.array(BUILTIN_PROFILES[name])
    return values / (math.fsum(BUILTIN_PROFILES[name]) / 24.0)


def inline(weights: FloatArray, days: tuple[float, ...] | None = None) -> ProfileSpec:
    """A profile of our own."""
    return ProfileSpec(kind="inline", weights=weights, days=days)


# --- the tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mean", "first"),
    [
        pytest.param("weekday-office", 0.644583, 0.18, id="weekday-office"),
        pytest.param("three-shift", 0.990833, 0.9, id="three-shift"),
        pytest.param("hub-rush-hour", 0.755833, 0.2, id="hub-rush-hour"),
    ],
)
def test_tables_have_their_published_means(name: str, mean: float, first: float) -> None:
    assert len(BUILTIN_PROFILES[name]) == 24
    assert sum(BUILTIN_PROFILES[name]) / 24.0 == pytest.approx(mean, abs=5e-7)
    assert profile_weights(ProfileSpec(name=name), grid(24, 1, "hours"))[0] == pytest.approx(first / mean, rel=1e-6)


@pytest.mark.parametrize("name", list(BUILTIN_PROFILES))
def test_bins_within_an_hour_have_its_weight_exactly(name: str) -> None:
    profile = ProfileSpec(name=name)
    assert profile_weights(profile, grid(24, 1, "hours")).tolist() == table(name).tolist()
    assert profile_weights(profile, grid(288, 5, "minutes")).tolist() == np.repeat(table(name), 12).tolist()
    assert profile_weights(profile, grid(86_400, 1, "seconds")).tolist() == np.repeat(table(name), 3600).tolist()


def test_two_days_are_a_day_twice() -> None:
    weights = profile_weights(OFFICE, grid(48, 1, "hours", f"{WEDNESDAY}T00:00:00Z"))
    assert weights.tolist() == np.tile(table("weekday-office"), 2).tolist()


def test_a_grid_that_starts_at_eight_has_the_weight_of_eight_first() -> None:
    weights = profile_weights(OFFICE, grid(24, 1, "hours", f"{MONDAY}T08:00:00Z"))
    assert weights.tolist() == np.roll(table("weekday-office"), -8).tolist()


def test_the_clock_is_in_utc() -> None:
    there = profile_weights(OFFICE, grid(24, 1, "hours", f"{MONDAY}T10:00:00+02:00"))
    assert there.tolist() == profile_weights(OFFICE, grid(24, 1, "hours", f"{MONDAY}T08:00:00Z")).tolist()


# --- bins of any length, against the clock --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bins", "size", "unit"),
    [
        pytest.param(48, 30, "minutes", id="half-hours"),
        pytest.param(12, 2, "hours", id="two-hours"),
        pytest.param(40, 45, "minutes", id="three-quarters"),
        pytest.param(60, 7, "minutes", id="seven-minutes"),
        pytest.param(10, 7, "hours", id="seven-hours"),
        pytest.param(9, 1, "days", id="days"),
        pytest.param(5, 36, "hours", id="day-and-a-half"),
        pytest.param(4, 1, "weeks", id="weeks"),
        pytest.param(3, 100, "hours", id="hundred-hours"),
        pytest.param(3, 1000, "hours", id="thousand-hours"),
    ],
)
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(None, id="no-start"),
        pytest.param(f"{MONDAY}T00:00:00Z", id="monday"),
        pytest.param(f"{MONDAY}T08:20:00Z", id="twenty-past-eight"),
        pytest.param(f"{WEDNESDAY}T23:59:59.75Z", id="wednesday-night"),
    ],
)
def test_weights_are_means_over_the_clock(bins: int, size: int, unit: BinUnit, start: str | None) -> None:
    bins_of_it = grid(bins, size, unit, start)
    for profile in (OFFICE, ProfileSpec(name="weekday-office", days=WEEKEND)):
        assert profile_weights(profile, bins_of_it).tolist() == pytest.approx(
            bin_weights(profile, bins_of_it), rel=1e-13
        )


def test_parts_of_a_second_count() -> None:
    # From half a second before nine: half of each weight.
    weights = profile_weights(inline(RAMP), grid(2, 1, "seconds", f"{MONDAY}T08:59:59.500000Z")) * 12.5
    assert weights.tolist() == pytest.approx([9.5, 10.0], rel=1e-14)


# --- days -----------------------------------------------------------------------------------------------------


def test_days_are_factors_and_nothing_is_scaled_back() -> None:
    profile = ProfileSpec(name="weekday-office", days=WEEKEND)
    assert profile_weights(profile, grid(7, 1, "days")).tolist() == pytest.approx(WEEKEND, rel=1e-14)
    assert profile_weights(profile, grid(2, 1, "weeks")).tolist() == pytest.approx([5.75 / 7] * 2, rel=1e-14)


def test_a_saturday_is_known_by_its_date() -> None:
    profile = ProfileSpec(name="three-shift", days=WEEKEND)
    weights = profile_weights(profile, grid(48, 1, "hours", "2025-01-11T00:00:00Z"))
    assert weights[:24] == pytest.approx(table("three-shift") * 0.5, rel=1e-14)
    assert weights[24:] == pytest.approx(table("three-shift") * 0.25, rel=1e-14)


def test_a_start_long_ago_is_on_its_weekday() -> None:
    # 1900-01-01 was a Monday.
    days = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    profile = ProfileSpec(name="three-shift", days=days)
    assert profile_weights(profile, grid(3, 1, "days", "1900-01-02")).tolist() == pytest.approx(days[1:4], rel=1e-14)


# --- weights of one's own -------------------------------------------------------------------------------------


def test_inline_hours_of_a_day() -> None:
    weights = profile_weights(inline(RAMP), grid(30, 1, "hours"))
    assert weights.tolist() == np.resize(RAMP / 12.5, 30).tolist()


def test_inline_hours_of_a_week_from_monday() -> None:
    weights = profile_weights(inline(WEEK_RAMP), grid(200, 1, "hours", f"{WEDNESDAY}T00:00:00Z"))
    assert weights.tolist() == np.resize(np.roll(WEEK_RAMP / 84.5, -48), 200).tolist()


def test_inline_hours_of_a_week_times_days() -> None:
    weights = profile_weights(inline(WEEK_RAMP, WEEKEND), grid(168, 1, "hours"))
    assert weights.tolist() == (WEEK_RAMP / 84.5 * np.repeat(WEEKEND, 24)).tolist()


def test_one_weight_a_bin_needs_no_clock() -> None:
    profile = inline(np.array([1.0, 2.0, 6.0]))
    for start in (None, f"{WEDNESDAY}T13:00:00Z"):
        assert profile_weights(profile, grid(3, 7, "hours", start)).tolist() == pytest.approx([1 / 3, 2 / 3, 2.0])


@pytest.mark.parametrize(("bins", "weights"), [(24, RAMP), (168, WEEK_RAMP)], ids=["24", "168"])
def test_one_weight_a_bin_comes_before_hours(bins: int, weights: FloatArray) -> None:
    found = profile_weights(inline(weights), grid(bins, 5, "minutes", f"{MONDAY}T08:00:00Z"))
    assert found.tolist() == (weights / weights.mean()).tolist()


def test_one_weight_a_bin_times_days() -> None:
    found = profile_weights(inline(np.ones(4), WEEKEND), grid(4, 1, "days", "2025-01-10T00:00:00Z"))
    assert found.tolist() == [1.0, 0.5, 0.25, 1.0]


def test_weights_of_the_profile_stay_as_they_were() -> None:
    weights = np.array([1.0, 2.0, 6.0])
    weights.flags.writeable = False
    profile_weights(inline(weights, WEEKEND), grid(3, 1, "days"))
    assert weights.tolist() == [1.0, 2.0, 6.0]


# --- laws and speed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 60, 90, 100, 1000])
@pytest.mark.parametrize("name", list(BUILTIN_PROFILES))
def test_whole_weeks_average_to_one(size: int, name: str) -> None:
    weights = profile_weights(ProfileSpec(name=name), grid(10080, size, "minutes", f"{MONDAY}T03:17:00Z"))
    assert weights.mean() == pytest.approx(1.0, rel=1e-12)


def test_a_longer_grid_begins_like_a_shorter_one() -> None:
    long, short = (profile_weights(OFFICE, grid(bins, 7, "hours", f"{MONDAY}T03:17:05Z")) for bins in (500, 100))
    assert long[:100].tolist() == short.tolist()


@pytest.mark.parametrize("unit", ["seconds", "minutes", "weeks"])
def test_ten_million_bins_take_no_time(unit: BinUnit) -> None:
    begin = time.perf_counter()
    weights = profile_weights(ProfileSpec(name="weekday-office", days=WEEKEND), grid(10_000_000, 7, unit))
    # Measured: 0.02 s.
    assert time.perf_counter() - begin < 2.0
    assert weights.shape == (10_000_000,)
