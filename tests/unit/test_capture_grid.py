"""The grid of a capture against that of a model: equal, resampled, or refused by name."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pytest

from flowtime.errors import TelemetryError
from flowtime.model.spec import Grid
from flowtime.telemetry.capture_grid import fit_grid
from flowtime.telemetry.manifest import (
    CaptureGrid,
    CaptureManifest,
    CaptureProvenance,
    CaptureWindow,
    window_minutes,
)

MIDNIGHT = "2025-01-01T00:00:00Z"


def a_manifest(bins: int, size: int = 5, unit: Any = "minutes", start: str | None = MIDNIGHT) -> CaptureManifest:
    """Return the manifest of a capture without files."""
    grid = CaptureGrid(bins=bins, bin_size=size, bin_unit=unit)
    return CaptureManifest(
        window=CaptureWindow(start_time_utc=start, duration_minutes=window_minutes(grid)),
        grid=grid,
        files=(),
        provenance=CaptureProvenance(source="run", captured_at_utc=MIDNIGHT),
    )


def a_grid(bins: int, size: int = 5, unit: Any = "minutes", start: str | None = MIDNIGHT) -> Grid:
    """Return the grid of a model."""
    return Grid(bins=bins, bin_size=size, bin_unit=unit, start=start)


@pytest.mark.parametrize(
    ("manifest", "grid"),
    [
        pytest.param(a_manifest(4), a_grid(4), id="equal"),
        pytest.param(a_manifest(4, 60, "minutes"), a_grid(4, 1, "hours"), id="one length in two units"),
        pytest.param(a_manifest(4, start=None), a_grid(4), id="a capture that does not say when"),
        pytest.param(a_manifest(4), a_grid(4, start=None), id="a model that does not say when"),
    ],
)
@pytest.mark.parametrize("how", [None, "sum", "mean"])
def test_an_equal_grid_changes_nothing(manifest: CaptureManifest, grid: Grid, how: Any) -> None:
    fit = fit_grid(manifest, grid, how)
    assert fit.how is None
    assert fit.apply(np.array([1.0, 2.0, nan, 4.0]), "arrivals").tolist() == pytest.approx([1, 2, nan, 4], nan_ok=True)


@pytest.mark.parametrize(
    ("manifest", "grid", "code"),
    [
        pytest.param(a_manifest(4), a_grid(5), "telemetry.grid_mismatch", id="fewer bins"),
        pytest.param(a_manifest(4), a_grid(4, 10), "telemetry.grid_mismatch", id="shorter bins"),
        pytest.param(a_manifest(4), a_grid(4, 5, "hours"), "telemetry.grid_mismatch", id="another unit"),
        pytest.param(
            a_manifest(4), a_grid(4, start="2025-01-01T00:05:00Z"), "telemetry.window_mismatch", id="another start"
        ),
    ],
)
def test_nothing_is_resampled_that_nobody_asked_for(manifest: CaptureManifest, grid: Grid, code: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        fit_grid(manifest, grid, None)
    assert caught.value.code == code
    assert "--resample" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("manifest", "grid", "code"),
    [
        pytest.param(a_manifest(4), a_grid(2, 7), "telemetry.grid_mismatch", id="bins that do not divide"),
        pytest.param(
            a_manifest(4), a_grid(1, start="2025-01-01T00:02:00Z"), "telemetry.grid_mismatch", id="a start inside a bin"
        ),
        pytest.param(a_manifest(4), a_grid(3, 10), "telemetry.window_short", id="too short"),
        pytest.param(
            a_manifest(4), a_grid(2, start="2024-12-31T23:55:00Z"), "telemetry.window_short", id="begins too late"
        ),
        pytest.param(a_manifest(4, 10), a_grid(3, 5), "telemetry.window_short", id="half a bin of the capture"),
    ],
)
def test_what_can_not_be_resampled_is_refused(manifest: CaptureManifest, grid: Grid, code: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        fit_grid(manifest, grid, "sum")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("grid", "how", "metric", "expected"),
    [
        pytest.param(a_grid(2, 10), "sum", "arrivals", [3.0, 7.0], id="amounts add up"),
        pytest.param(a_grid(2, 10), "mean", "arrivals", [1.5, 3.5], id="the mean of amounts"),
        pytest.param(a_grid(2, 10), "sum", "queueDepth", [2.0, 4.0], id="a stock is as at the end"),
        pytest.param(a_grid(2, 10), "sum", "parallelism", [1.5, 3.5], id="a level is its mean"),
        pytest.param(a_grid(2, 10), "mean", "queueDepth", [1.5, 3.5], id="the mean of a stock"),
        pytest.param(a_grid(8, 150, "seconds"), "sum", "served", [0.5, 0.5, 1, 1, 1.5, 1.5, 2, 2], id="split evenly"),
        pytest.param(a_grid(8, 150, "seconds"), "mean", "served", [1, 1, 2, 2, 3, 3, 4, 4], id="repeated"),
        pytest.param(a_grid(2, start="2025-01-01T00:05:00Z"), "sum", "served", [2.0, 3.0], id="a window cut out"),
    ],
)
def test_series_are_resampled(grid: Grid, how: Any, metric: str, expected: list[float]) -> None:
    fit = fit_grid(a_manifest(4), grid, how)
    assert fit.apply(np.array([1.0, 2.0, 3.0, 4.0]), metric).tolist() == expected
    assert fit.how == how


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        pytest.param(a_grid(4), [False, True, False, False], id="as they are"),
        pytest.param(a_grid(2, 10), [True, False], id="a gap in a bin makes all of it one"),
        pytest.param(a_grid(8, 150, "seconds"), [False, False, True, True, False, False, False, False], id="repeated"),
    ],
)
def test_gaps_go_along(grid: Grid, expected: list[bool]) -> None:
    fit = fit_grid(a_manifest(4), grid, "sum")
    assert fit.gaps(np.array([False, True, False, False])).tolist() == expected
