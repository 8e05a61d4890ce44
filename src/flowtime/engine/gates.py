"""When the gate of a dispatch schedule is open, and which schedule holds back what a station serves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flowtime.engine.stations import Station
from flowtime.engine.tolerance import BoolArray, finite_or_zero
from flowtime.model.spec import DispatchSchedule, FloatArray, ModelSpec, QueueNode

__all__ = ["gated", "open_bins", "queue_schedules", "station_schedule"]


def open_bins(schedule: DispatchSchedule, bins: int) -> BoolArray:
    """Return the bins in which the gate is open, (bins,): every ``period_bins`` from ``phase_offset``."""
    phase = schedule.phase_offset % schedule.period_bins
    is_open: BoolArray = (np.arange(bins) - phase) % schedule.period_bins == 0
    is_open[:phase] = False
    return is_open


def gated(values: FloatArray, schedule: DispatchSchedule, capacity: FloatArray | None) -> FloatArray:
    """Return what a gate that holds nothing back for later lets through of ``values``.  All (bins,)."""
    is_open = open_bins(schedule, values.size)
    known = finite_or_zero(values)
    if capacity is not None:
        known = np.where(np.isfinite(capacity), np.minimum(known, np.maximum(0.0, capacity)), known)
    through: FloatArray = np.where(is_open, known, 0.0)
    return through


def queue_schedules(spec: ModelSpec) -> Mapping[str, DispatchSchedule]:
    """The schedules that the queues among ``nodes[]`` have of their own, by series id."""
    nodes = (node for node in spec.nodes if isinstance(node, QueueNode))
    return {node.id: node.dispatch_schedule for node in nodes if node.dispatch_schedule is not None}


def station_schedule(station: Station, queues: Mapping[str, DispatchSchedule]) -> DispatchSchedule | None:
    """The schedule of a topology node: its own, or that of the declared queue that it binds as its depth."""
    return station.node.dispatch_schedule or queues.get(station.series.get("queueDepth", ""))
