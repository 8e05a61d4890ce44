"""What the numbers of a node mean: its color, whether a closed gate holds work, and how objectives are met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from flowtime.engine.stations import Station
from flowtime.model.spec import DispatchSchedule, FloatArray
from flowtime.state.block import Span
from flowtime.state.documents import SlaKind, SlaStatus
from flowtime.state.figures import Figures
from flowtime.state.places import ABSENT, BoolTable, Places

__all__ = ["Color", "Objective", "node_color", "objectives", "opens", "paused", "point_status", "window_status"]

Color: TypeAlias = Literal["gray", "green", "yellow", "red", "dlq"]

_BUSY: Final = 0.7
_FULL: Final = 0.9
# Of the wait wanted: above it a queue is red.
_LATE: Final = 1.5


@dataclass(frozen=True)
class Objective:
    """An objective of a node and how it is met, (points,); NaN where nothing can be said.

    ``idle`` says where that is so because nothing happened.
    """

    kind: SlaKind
    threshold: float | None
    values: FloatArray
    idle: BoolTable


def node_color(station: Station, utilization: float | None, latency_minutes: float | None) -> Color:
    """The color of a node in one bin: a service by utilization, a queue by its wait against ``slaMin``."""
    kind = station.node.kind
    if kind == "dlq":
        return "dlq"
    if kind == "queue":
        wanted = station.node.semantics.sla_min
        if wanted is None or wanted <= 0.0 or latency_minutes is None:
            return "gray"
        return _graded(latency_minutes / wanted, 1.0, _LATE, inclusive=True)
    if utilization is None or not station.has_service:
        return "gray"
    return _graded(utilization, _BUSY, _FULL, inclusive=False)


def _graded(value: float, green: float, yellow: float, *, inclusive: bool) -> Color:
    if value < green or (inclusive and value == green):
        return "green"
    return "yellow" if value < yellow or (inclusive and value == yellow) else "red"


def opens(schedule: DispatchSchedule, span: Span) -> BoolTable:
    """Whether the gate opens in each point, (context + points,)."""
    phase = schedule.phase_offset % schedule.period_bins
    ends = np.minimum(span.firsts + span.width, span.end)
    # How often the gate has opened before a bin.
    before, after = (np.maximum(0, -(-(bins - phase) // schedule.period_bins)) for bins in (span.firsts, ends))
    result: BoolTable = after > before
    return result


def paused(places: Places, figures: Figures, node: int) -> BoolTable | None:
    """Where work waits behind a closed gate, (points,); None for a node without a gate or a queue."""
    schedule = places.schedules[node]
    if schedule is None or "queue" not in figures.values or "served" not in figures.values:
        return None
    closed = ~opens(schedule, figures.span)[figures.span.context :]
    waits = figures.values["queue"][node, 0] > 0.0
    result: BoolTable = closed & waits & (figures.values["served"][node, 0] == 0.0)
    return result


def objectives(places: Places, figures: Figures, node: int) -> tuple[Objective, ...]:
    """Return how the objectives of a node are met.

    ``completion`` is served over arrivals, between openings of a gate that of the last one; ``backlogAge`` the
    wait in minutes against ``slaMin``; ``scheduleAdherence`` 1 where an open gate let through something, or there
    was nothing to let through, and 0 where not.
    """
    station, values, schedule = places.stations[node], figures.values, places.schedules[node]
    found = []
    if places.has["throughputRatio"][node, 0]:
        share = figures.series("throughputRatio", node)
        if schedule is not None:
            share = _carried(figures, schedule, node)
        found.append(Objective("completion", None, share, _coming(places, figures, node) == 0.0))
    wanted = station.node.semantics.sla_min
    if wanted is not None and wanted > 0.0 and places.has["latencyMinutes"][node, 0]:
        waits = values["latencyMinutes"][node, 0]
        age = np.where(values["queue"][node, 0] == 0.0, 0.0, waits)
        found.append(Objective("backlogAge", wanted, age, np.zeros(age.shape, dtype=np.bool_)))
    if schedule is not None and "served" in values:
        kept = _adherence(places, figures, node)
        is_open = opens(schedule, figures.span)[figures.span.context :]
        found.append(Objective("scheduleAdherence", None, np.where(is_open, kept, np.nan), ~is_open))
    return tuple(found)


def _carried(figures: Figures, schedule: DispatchSchedule, node: int) -> FloatArray:
    """The share that got through at the last opening up to each point."""
    share = figures.exact["throughputRatio"][node, 0]
    places = np.where(opens(schedule, figures.span), np.arange(share.size), -1)
    last = np.maximum.accumulate(places)
    carried = np.where(last >= 0, np.round(share[np.maximum(last, 0)], 6), np.nan)
    return np.ascontiguousarray(carried[figures.span.context :])


def _adherence(places: Places, figures: Figures, node: int) -> FloatArray:
    waits = places.has["queueTimeMs"][node, 0]
    left = figures.series("queue", node) if waits else _coming(places, figures, node)
    kept: FloatArray = np.where((figures.series("served", node) > 0.0) | (left == 0.0), 1.0, 0.0)
    return kept


def _coming(places: Places, figures: Figures, node: int) -> FloatArray:
    """What comes in, (points,): arrivals, and what overflows from other nodes; NaN where neither is known."""
    for name in ("inflow", "arrivals"):
        if places.table(name)[node, 0] != ABSENT:
            return figures.series(name, node)
    return np.full(figures.span.points, np.nan)


def point_status(objective: Objective, point: int) -> SlaStatus:
    """How an objective is met in one point."""
    value = float(objective.values[point])
    if value != value:
        return "noEvents" if objective.idle[point] else "unavailable"
    return "breached" if _is_breached(objective, objective.values[point : point + 1]) else "ok"


def window_status(objective: Objective) -> SlaStatus:
    """How an objective is met over a window: breached once is breached."""
    if _is_breached(objective, objective.values):
        return "breached"
    if not np.isnan(objective.values).all():
        return "ok"
    return "noEvents" if bool(objective.idle.all()) else "unavailable"


def _is_breached(objective: Objective, values: FloatArray) -> bool:
    if objective.kind == "backlogAge" and objective.threshold is not None:
        return bool((values > objective.threshold).any())
    return objective.kind == "scheduleAdherence" and bool((values == 0.0).any())
