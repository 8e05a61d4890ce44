"""The grid and window of a capture against those of a model or run: equal, or resampled where that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle.documents import Resampling
from flowtime.errors import TelemetryError
from flowtime.model.spec import UNIT_SECONDS, BinUnit, FloatArray, Grid
from flowtime.telemetry.manifest import CaptureManifest

__all__ = ["Fit", "fit_grid"]

# Stocks are as they were at the end of a bin, levels hold all through it; all else is an amount in a bin.
_STOCKS = frozenset({"queueDepth", "retryBudgetRemaining"})
_LEVELS = frozenset({"parallelism", "status", "latencyMinutes"})


class Fit(NamedTuple):
    """How a series of a capture comes to the grid of a model.

    ``first`` is the bin of the capture in which the model's window starts, ``bins`` how many of the capture's
    it covers; ``down`` of them make one bin of the model, or one makes ``up`` bins.  Either is 1.
    """

    first: int
    bins: int
    down: int
    up: int
    how: Resampling | None

    def apply(self, values: FloatArray, metric: str) -> FloatArray:
        """Return the values (bins of the capture,) as (bins of the model,).

        ``sum`` adds amounts up (and splits them evenly), takes the last of a stock and the mean of a level;
        ``mean`` takes the mean of everything.  A gap in a bin makes all of the bin a gap.
        """
        kept = values[self.first : self.first + self.bins]
        adds = self.how == "sum" and metric not in _LEVELS | _STOCKS
        if self.up > 1:
            return np.repeat(kept / self.up if adds else kept, self.up)
        if self.down == 1:
            return kept
        folded = kept.reshape(-1, self.down)
        if adds:
            total: FloatArray = folded.sum(axis=1)
            return total
        if self.how == "sum" and metric in _STOCKS:
            last: FloatArray = folded[:, -1]
            return last
        mean: FloatArray = folded.mean(axis=1)
        return mean

    def gaps(self, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which bins of the model hold a gap, (bins of the model,)."""
        kept = gaps[self.first : self.first + self.bins]
        if self.up > 1:
            return np.repeat(kept, self.up)
        return kept if self.down == 1 else np.any(kept.reshape(-1, self.down), axis=1)


def fit_grid(manifest: CaptureManifest, grid: Grid, how: Resampling | None) -> Fit:
    """Return how the capture comes to a model's grid.

    Raises TelemetryError: ``telemetry.grid_mismatch`` where bins differ in number or length and nobody asked
    to resample, ``telemetry.window_mismatch`` where the windows start apart, and with resampling where bins do
    not divide (``telemetry.grid_mismatch``) or the capture does not cover the window (``telemetry.window_short``).
    """
    own, wanted = (
        _bin_seconds(manifest.grid.bin_size, manifest.grid.bin_unit),
        _bin_seconds(grid.bin_size, grid.bin_unit),
    )
    offset = _offset_seconds(manifest.window.start_time_utc, grid.start)
    if how is None:
        _require_equal(manifest, grid, own, wanted, offset)
        return Fit(0, grid.bins, 1, 1, None)
    if max(own, wanted) % min(own, wanted) or offset % own:
        raise TelemetryError(
            f"{_grid_text(manifest.grid)} of the capture do not divide into {_grid_text(grid)} of the model"
            + (f", which start {offset:g} s later" if offset else ""),
            code="telemetry.grid_mismatch",
            hint="give the model bins that are a whole multiple of those of the capture",
        )
    down, up, first = max(1, wanted // own), max(1, own // wanted), int(offset // own)
    bins = -(-grid.bins * down // up)
    if first < 0 or first + bins > manifest.grid.bins or grid.bins % up:
        raise TelemetryError(
            f"the capture has {_window_text(manifest)}, which does not cover {grid.bins:,} bins "
            f"of {grid.bin_size} {grid.bin_unit} from {grid.start or 'its start'}",
            code="telemetry.window_short",
            hint="give the model fewer bins, or capture a longer window",
        )
    changed = down > 1 or up > 1 or bins != manifest.grid.bins
    return Fit(first, bins, down, up, how if changed else None)


def _require_equal(manifest: CaptureManifest, grid: Grid, own: int, wanted: int, offset: float) -> None:
    if own != wanted or manifest.grid.bins != grid.bins:
        raise TelemetryError(
            f"the capture has {_grid_text(manifest.grid)}, and the model {_grid_text(grid)}",
            code="telemetry.grid_mismatch",
            hint="set the grid of the model, or resample with `--resample sum` or `--resample mean`",
        )
    if offset:
        raise TelemetryError(
            f"the capture starts at {manifest.window.start_time_utc}, and the model at {grid.start}",
            code="telemetry.window_mismatch",
            hint="set the start of the model, or let `--resample sum` cut its window out of the capture",
        )


def _bin_seconds(size: int, unit: BinUnit) -> int:
    return size * UNIT_SECONDS[unit]


def _offset_seconds(capture: str | None, model: str | None) -> float:
    """How much later the model starts; 0 where one of them does not say when it does."""
    if capture is None or model is None:
        return 0.0
    return (_moment(model) - _moment(capture)).total_seconds()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TelemetryError(f"{text!r} is no date-time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _grid_text(grid: object) -> str:
    bins, size, unit = (getattr(grid, name) for name in ("bins", "bin_size", "bin_unit"))
    return f"{bins:,} bins of {size} {unit}"


def _window_text(manifest: CaptureManifest) -> str:
    return f"{_grid_text(manifest.grid)} from {manifest.window.start_time_utc or 'its start'}"
