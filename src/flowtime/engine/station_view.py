"""What is known of one topology node of a result: its series by part, and what holds its work back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.gates import gated, open_bins, queue_schedules, station_schedule
from flowtime.engine.metrics import bin_milliseconds
from flowtime.engine.overrides import unknown_name
from flowtime.engine.run_warning import Subject
from flowtime.engine.stations import Station
from flowtime.engine.tolerance import BoolArray, before, finite_or_zero
from flowtime.model.naming import split_reference
from flowtime.model.spec import DispatchSchedule, FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["StationView", "station_view", "station_views"]


@dataclass(frozen=True)
class StationView:
    """One topology node: ``series`` maps a part to its values (bins,), as far as they were kept.

    ``schedule`` is what gates its outflow, if anything does; ``gate_capacity`` what an open gate lets through.
    """

    station: Station
    series: Mapping[str, FloatArray]
    bins: int
    bin_minutes: float
    schedule: DispatchSchedule | None = None
    gate_capacity: FloatArray | None = None

    @property
    def subject(self) -> Subject:
        """The node as the subject of a warning."""
        return Subject(node_id=self.station.id)

    @property
    def inflow(self) -> FloatArray | None:
        """What comes in, (bins,): arrivals, and overflow of other nodes."""
        return self.series.get("inflow", self.series.get("arrivals"))

    @property
    def depth(self) -> FloatArray | None:
        """What waits at the end of each bin, (bins,); None where nothing can."""
        return self.series.get("queueDepth") if self.station.has_queue else None

    @property
    def depth_before(self) -> FloatArray | None:
        """What waits at the start of each bin, (bins,)."""
        return None if self.depth is None else before(self.depth, self.station.initial_depth)

    @property
    def capacity(self) -> FloatArray | None:
        """Capacity times parallelism, (bins,); None where none is bound."""
        return self.station.effective_capacity(self.series)

    @property
    def served(self) -> FloatArray | None:
        """What is really served, (bins,)."""
        served = self.series.get("served")
        if served is None or not self.is_gated_at_its_queue or self.schedule is None:
            return served
        return gated(served, self.schedule, self.gate_capacity)

    @property
    def lost(self) -> FloatArray:
        """What is lost, (bins,): as computed, else the errors that are bound, else nothing."""
        found = self.series.get("loss", self.series.get("errors"))
        return np.zeros(self.bins) if found is None else finite_or_zero(found)

    @property
    def is_gated_at_its_queue(self) -> bool:
        """Whether the schedule is that of a declared queue, so that ``served`` does not know of it."""
        return self.schedule is not None and self.station.node.dispatch_schedule is None

    @property
    def accumulates(self) -> bool:
        """Whether the gate lets through later what it held back."""
        return self.schedule is not None and self.schedule.accumulate

    @property
    def gate_is_open(self) -> BoolArray:
        """The bins in which nothing or an open gate is in the way, (bins,)."""
        if self.schedule is None:
            return np.ones(self.bins, dtype=np.bool_)
        return open_bins(self.schedule, self.bins)

    def lacks(self, role: str) -> bool:
        """Whether a part is not bound, or bound to a series without a single number."""
        if role not in self.station.series:
            return True
        values = self.series.get(role)
        if values is None:
            return False
        # A closed gate lets 0 through, whatever it holds back.
        looked_at = values[self.gate_is_open] if role == "served" else values
        return looked_at.size > 0 and bool(np.isnan(looked_at).all())

    def lacks_values(self, role: str) -> bool:
        """Whether a part is bound to a series without a single number."""
        return role in self.station.series and self.lacks(role)


def station_view(result: Result, node: str) -> StationView:
    """Return the view of one topology node; raises ParameterError ``parameter.unknown_node`` if there is none."""
    stations = {station.id: station for station in result.compiled.stations}
    if node not in stations:
        raise unknown_name("topology node", node, tuple(stations), code="parameter.unknown_node")
    return _view(result, stations[node], queue_schedules(result.compiled.model.spec))


def station_views(result: Result) -> tuple[StationView, ...]:
    """Return the views of all topology nodes in the order of the model."""
    schedules = queue_schedules(result.compiled.model.spec)
    return tuple(_view(result, station, schedules) for station in result.compiled.stations)


def _view(result: Result, station: Station, schedules: Mapping[str, DispatchSchedule]) -> StationView:
    series = {role: result[name] for role, name in station.series.items() if name in result}
    schedule = station_schedule(station, schedules)
    capacity = None
    if schedule is not None and schedule.capacity_series is not None:
        name = schedule.capacity_series.strip().removeprefix("series:")
        name = name if name in result else split_reference(name).id or name
        capacity = result.get(name)
    grid = result.grid
    return StationView(station, series, grid.bins, bin_milliseconds(grid) / 60_000.0, schedule, capacity)
