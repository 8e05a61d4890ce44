"""Laws of windows: NumPy's results, and that a window's result is its own: no drift, no neighbors, no threads."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flowtime.state.windows import fixed, rolling
from oracle_windows import fixed_windows, known, rolling_windows

Floats = np.ndarray[Any, np.dtype[np.float64]]

NAMES = ("sum", "mean", "min", "max", "last", "count", "std", "q0.5", "q0.95")
UNIT = 2.0**-53
NUMPY: dict[str, Callable[[Floats], Any]] = {
    "sum": np.nansum,
    "mean": np.nanmean,
    "min": np.nanmin,
    "max": np.nanmax,
    "count": lambda window: np.count_nonzero(~np.isnan(window)),
    "std": np.nanstd,
    "q0.5": np.nanmedian,
    "q0.95": lambda window: np.nanquantile(window, 0.95),
}

SAMPLES = st.just(math.nan) | st.integers(-50, 50).map(lambda number: number / 8) | st.floats(-1e9, 1e9)
ROWS = st.integers(1, 700).flatmap(lambda bins: arrays(np.float64, bins, elements=SAMPLES))
WIDTHS = st.integers(1, 12) | st.integers(1, 300)


def by_numpy(name: str, windows: list[list[float]]) -> Floats:
    """One aggregate of each window by NumPy; its sum of none is 0, ours is NaN."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        made = np.array([NUMPY[name](np.array(window)) for window in windows], dtype=np.float64)
    empty = np.array([name == "sum" and not known(window) for window in windows], dtype=np.bool_)
    return np.where(empty, np.nan, made)


def same(found: dict[str, Floats], wanted: dict[str, Floats]) -> list[str]:
    """The aggregates whose values are not the same to the last bit."""
    return [name for name in wanted if not np.array_equal(found[name], wanted[name], equal_nan=True)]


def worst_error(found: Floats, windows: list[list[float]]) -> float:
    """The largest error of sums, in units of rounding and of the absolute values that were added."""
    errors = [0.0]
    for value, window in zip(found.tolist(), windows, strict=True):
        values = known(window)
        scale = math.fsum(map(abs, values)) * UNIT
        errors.append(abs(value - math.fsum(values)) / scale if scale > 0.0 else 0.0)
    return max(errors)


@pytest.mark.parametrize("name", NUMPY)
@settings(max_examples=25)
@given(row=ROWS, width=WIDTHS)
def test_rolling_is_numpy(name: str, row: Floats, width: int) -> None:
    scale = float(np.nanmax(np.abs(row), initial=1.0))
    found = rolling(row[np.newaxis], width, [name])[name][0]
    np.testing.assert_allclose(found, by_numpy(name, rolling_windows(row, width)), rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("name", NUMPY)
@settings(max_examples=25)
@given(row=ROWS, width=WIDTHS)
def test_fixed_is_numpy(name: str, row: Floats, width: int) -> None:
    scale = float(np.nanmax(np.abs(row), initial=1.0))
    edges = [*range(0, row.size, width), row.size]
    found = fixed(row[np.newaxis], width, [name])[name][0]
    np.testing.assert_allclose(found, by_numpy(name, fixed_windows(row, edges)), rtol=1e-9, atol=1e-12 * scale)


@settings(max_examples=50)
@given(row=ROWS, width=WIDTHS, cut=st.integers(1, 700))
def test_a_longer_series_keeps_its_prefix(row: Floats, width: int, cut: int) -> None:
    short = min(cut, row.size)
    whole = rolling(row[np.newaxis], width, NAMES)
    found = {name: whole[name][:, :short] for name in NAMES}
    assert same(found, rolling(row[np.newaxis, :short], width, NAMES)) == []


@settings(max_examples=50)
@given(row=ROWS, width=st.integers(1, 127), before=st.integers(0, 200))
def test_what_is_before_a_window_does_not_matter(row: Floats, width: int, before: int) -> None:
    names = [name for name in NAMES if name != "std"]
    loud = np.full((1, before + width), 1e300)
    whole = rolling(np.hstack([loud, row[np.newaxis]]), width, names)
    quiet = rolling(np.hstack([np.zeros_like(loud), row[np.newaxis]]), width, names)
    first = before + 2 * width - 1
    assert same({n: whole[n][:, first:] for n in names}, {n: quiet[n][:, first:] for n in names}) == []


@pytest.mark.parametrize("call", [fixed, rolling], ids=["fixed", "rolling"])
@pytest.mark.parametrize("width", [1, 7, 16, 50, 51, 127, 128, 500, 5000])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_change_nothing(call: Any, width: int, threads: int) -> None:
    rng = np.random.default_rng(width)
    values = rng.normal(10.0, 3.0, (2, 21_000))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0, 4000:9500] = np.nan
    assert same(call(values, width, NAMES, threads=threads), call(values, width, NAMES, threads=1)) == []


@settings(max_examples=50)
@given(row=ROWS, width=WIDTHS, chosen=st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_what_else_is_asked_for_changes_nothing(row: Floats, width: int, chosen: list[str]) -> None:
    values = np.vstack([row, row[::-1]])
    rolled, stood = rolling(values, width, NAMES), fixed(values, width, NAMES)
    assert same(rolling(values, width, chosen), {name: rolled[name] for name in chosen}) == []
    assert same(fixed(values, width, chosen), {name: stood[name] for name in chosen}) == []


@pytest.mark.parametrize("width", [2, 3, 7, 12, 15])
@settings(max_examples=20)
@given(row=ROWS)
@example(row=np.tile([1e16, 1.0, -1e16, 3.0, 1e-9], 60))
def test_rolling_sums_keep_their_bound(row: Floats, width: int) -> None:
    found = rolling(row[np.newaxis], width, ["sum"])["sum"][0]
    assert worst_error(found, rolling_windows(row, width)) <= 2 * math.log2(width) + 1


@pytest.mark.parametrize("width", [16, 31, 50, 64, 127])
@settings(max_examples=20)
@given(row=ROWS)
@example(row=np.tile([1e16, 1.0, -1e16, 3.0, 1e-9], 60))
def test_rolling_sums_by_blocks_keep_their_bound(row: Floats, width: int) -> None:
    found = rolling(row[np.newaxis], width, ["sum"])["sum"][0]
    assert worst_error(found, rolling_windows(row, width)) <= width + 1


@pytest.mark.parametrize("width", [16, 31, 50, 128, 500, 3000])
def test_rolling_sums_of_wide_windows_keep_their_bound(width: int) -> None:
    rng = np.random.default_rng(width)
    row = rng.normal(0.0, 1.0, 6000) * 10.0 ** rng.integers(-8, 8, 6000)
    found = rolling(row[np.newaxis], width, ["sum"])["sum"][0]
    assert worst_error(found, rolling_windows(row.tolist(), width)) <= width + 1


def test_rolling_sums_do_not_drift() -> None:
    # A running total of these is off by 2 after the first thousand bins and never recovers.
    row = np.full(200_000, 0.1)
    row[::1000] = 1e16
    found = rolling(row[np.newaxis], 50, ["sum"])["sum"][0]
    quiet = np.arange(row.size) % 1000 >= 50
    np.testing.assert_allclose(found[quiet], math.fsum([0.1] * 50), rtol=1e-15)


def test_sums_of_long_windows_keep_their_bound() -> None:
    row = np.random.default_rng(3).normal(0.0, 1.0, 1_000_000)
    found = fixed(row[np.newaxis], row.size, ["sum"])["sum"][0]
    assert worst_error(found, [row.tolist()]) <= 256 + row.size / 1024


@pytest.mark.parametrize("call", [fixed, rolling], ids=["fixed", "rolling"])
def test_deviations_far_from_0(call: Any) -> None:
    noise = np.random.default_rng(5).normal(0.0, 1.0, (1, 5000)).round(3)
    found = call(noise + 2.0**40, 500, ["std"])["std"][:, 1:]
    np.testing.assert_allclose(found, call(noise, 500, ["std"])["std"][:, 1:], rtol=1e-3)


@settings(max_examples=30)
@given(value=st.floats(-1e100, 1e100), width=WIDTHS)
def test_constants_do_not_deviate(value: float, width: int) -> None:
    found = rolling(np.full((1, 400), value), width, ["std"])["std"]
    assert found.max() == 0.0
