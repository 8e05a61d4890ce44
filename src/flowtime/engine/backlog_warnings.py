"""Hints on how work piles up: growth, overload, age, and rates that are not steady (engine.md 8.2).

All of severity info: a model may well be about these.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from flowtime.engine.run_warning import RunWarning
from flowtime.engine.station_view import StationView
from flowtime.engine.tolerance import exceeds, long_runs
from flowtime.model.spec import FloatArray

__all__ = ["STATIONARITY_TOLERANCE", "backlog_warnings"]

# Of the larger mean: how far the two halves of the horizon may be apart.
STATIONARITY_TOLERANCE: Final = 0.25
# Bins in a row before something is a trend.
_STREAK: Final = 3


def backlog_warnings(view: StationView) -> Iterator[RunWarning]:
    """Yield what the queue of a node tells of its load."""
    depth, earlier = view.depth, view.depth_before
    if view.station.node.kind == "dlq":
        return
    yield from _overload(view)
    if depth is None or earlier is None:
        return
    yield from _stationarity(view)
    rising = long_runs(exceeds(depth, earlier), _STREAK)
    message = f"the queue grows for {_STREAK} bins or more"
    yield from view.subject.where("backlog_growth_streak", message, rising, depth, "info")
    yield from _age(view, depth)


def _overload(view: StationView) -> Iterator[RunWarning]:
    inflow, capacity = view.inflow, view.capacity
    if inflow is None or capacity is None:
        return
    over = long_runs(exceeds(inflow, capacity) & (capacity > 0.0), _STREAK)
    ratio = np.divide(inflow, capacity, out=np.zeros(view.bins), where=capacity > 0.0)
    message = f"more arrives than capacity for {_STREAK} bins or more"
    yield from view.subject.where("backlog_overload_ratio", message, over, ratio, "info")


def _age(view: StationView, depth: FloatArray) -> Iterator[RunWarning]:
    limit, served = view.station.node.semantics.sla_min, view.served
    if limit is None or limit <= 0.0 or served is None:
        return
    minutes = np.divide(depth, served, out=np.full(view.bins, np.nan), where=served > 0.0) * view.bin_minutes
    late = long_runs(exceeds(minutes, limit), _STREAK)
    message = f"work waits longer than the {limit:g} min wanted for {_STREAK} bins or more"
    yield from view.subject.where("backlog_age_risk", message, late, minutes, "info")


def _stationarity(view: StationView) -> Iterator[RunWarning]:
    inflow = view.inflow
    if inflow is None or view.served is None:
        return
    first, second = (half[np.isfinite(half)] for half in np.array_split(inflow, 2))
    if not first.size or not second.size:
        return
    means = float(first.mean()), float(second.mean())
    larger = max(abs(mean) for mean in means)
    if abs(means[0] - means[1]) > STATIONARITY_TOLERANCE * larger:
        message = (
            f"{means[0]:g} arrive per bin in the first half and {means[1]:g} in the second: "
            "Little's law over the whole horizon says little"
        )
        yield view.subject.note("littles-law-non-stationary", message)
