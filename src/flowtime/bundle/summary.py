"""What a person wants to know of a run, node by node: the worst queue, the load, what got through, the wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from flowtime.bundle.view import RunView
from flowtime.model import FloatArray, Grid, Wire

__all__ = ["NodeSummary", "Peak", "summarize"]

PROFILE_POINTS = 24


class Peak(Wire, frozen=True, kw_only=True):
    """The largest value of a series, and the first bin (from 0) that has it; ``time`` where the grid has a start."""

    value: float
    bin: int
    time: str | None


class NodeSummary(Wire, frozen=True, kw_only=True):
    """One topology node over the whole horizon; None is undefined or not modeled.

    ``throughputRatio`` is all that was served over all that arrived, at most 1.  ``profile`` draws
    ``profileMetric`` (the queue, where there ever is one, else utilization, else arrivals) with at most
    24 points, each over its stretch of bins: the largest queue, the mean of the others.
    """

    node_id: str
    arrivals: float | None
    served: float | None
    throughput_ratio: float | None
    peak_queue: Peak | None
    mean_utilization: float | None
    max_utilization: float | None
    worst_wait_ms: Peak | None
    warning_count: int
    profile_metric: str | None
    profile: tuple[float | None, ...]


def summarize(view: RunView) -> tuple[NodeSummary, ...]:
    """Return one summary per topology node, in the order of the model; hints are not counted as warnings."""
    blamed = [warning.node_id for warning in view.warnings if warning.severity != "info"]
    return tuple(_node(name, arrays, view.grid, blamed.count(name)) for name, arrays in view.nodes.items())


def _node(name: str, arrays: Mapping[str, FloatArray], grid: Grid, warning_count: int) -> NodeSummary:
    # All that came in, what overflowed from other nodes too.
    arrivals, served = _total(arrays.get("inflow", arrays.get("arrivals"))), _total(arrays.get("served"))
    utilization = _finite(arrays.get("utilization"))
    profile_metric = _telling(arrays)
    return NodeSummary(
        node_id=name,
        arrivals=arrivals,
        served=served,
        throughput_ratio=_ratio(served, arrivals),
        peak_queue=_peak(arrays.get("queueDepth"), grid),
        mean_utilization=float(utilization.mean()) if utilization.size else None,
        max_utilization=float(utilization.max()) if utilization.size else None,
        worst_wait_ms=_peak(arrays.get("queueTimeMs"), grid),
        warning_count=warning_count,
        profile_metric=profile_metric,
        profile=_profile(arrays[profile_metric], profile_metric == "queueDepth") if profile_metric else (),
    )


def _telling(arrays: Mapping[str, FloatArray]) -> str | None:
    """Return the first of queue, utilization and arrivals that is ever above 0, else the first that is there."""
    there = [metric for metric in ("queueDepth", "utilization", "arrivals") if metric in arrays]
    return next((metric for metric in there if (_finite(arrays[metric]) > 0.0).any()), there[0] if there else None)


def _finite(values: FloatArray | None) -> FloatArray:
    if values is None:
        return np.empty(0)
    finite: FloatArray = values[np.isfinite(values)]
    return finite


def _total(values: FloatArray | None) -> float | None:
    return None if values is None else float(_finite(values).sum())


def _ratio(served: float | None, arrivals: float | None) -> float | None:
    if served is None or arrivals is None or arrivals <= 0.0:
        return None
    return min(1.0, max(0.0, served / arrivals))


def _peak(values: FloatArray | None, grid: Grid) -> Peak | None:
    """Return the first largest finite value; None where there is none."""
    if values is None or not np.isfinite(values).any():
        return None
    bin_index = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    return Peak(value=float(values[bin_index]), bin=bin_index, time=_bin_time(grid, bin_index))


def _bin_time(grid: Grid, bin_index: int) -> str | None:
    """Return the start of a bin in UTC, ISO 8601; None where the grid has no start, or the calendar ends before."""
    if grid.start is None:
        return None
    step = timedelta(**{grid.bin_unit: grid.bin_size})
    try:
        moment = datetime.fromisoformat(grid.start) + bin_index * step
    except (ValueError, OverflowError):
        return None
    return moment.isoformat().replace("+00:00", "Z")


def _profile(values: FloatArray, is_stock: bool) -> tuple[float | None, ...]:
    """Return at most 24 numbers, each of the finite values of its stretch of bins: the largest of a stock,
    whose peaks matter, and the mean of a flow, whose single bins do not."""
    stretches = np.array_split(values, min(PROFILE_POINTS, values.size))
    finite = (_finite(stretch) for stretch in stretches)
    return tuple(float(stretch.max() if is_stock else stretch.mean()) if stretch.size else None for stretch in finite)
