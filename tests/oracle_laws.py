"""What must hold of any flow, told of series that somebody else computed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.model.spec import RouterNode
from oracle import Evaluation
from oracle_classes import coverage
from oracle_kernels import safe
from oracle_names import computes_served, constraint_names, is_buffered, is_sink

if TYPE_CHECKING:
    from flowtime.engine.result import Result
    from flowtime.model import Model

__all__ = ["as_bytes", "edge_violations", "violations"]

TOLERANCE = 1e-9
# What a series is in a result of either engine.
Row: TypeAlias = Sequence[float] | NDArray[np.float64]


def violations(model: Model, series: Mapping[str, Row]) -> list[str]:
    """The bins in which something is created, lost or held that can not be; for amounts of at least 0.

    Stations that compute what they serve, and those whose author serves no more than there is, keep
    ``inflow + Q[t-1] = served + loss + overflow + Q[t]``, in all and for each class; depths are at least 0; served is
    at most the capacity, what was granted, and what is there; routed parts sum to the whole; overflow arrives.
    """
    laws = _Laws(model, series)
    found: list[str] = []
    for t in range(model.spec.grid.bins):
        for index, station in enumerate(laws.evaluation.stations):
            found += (f"{station.id} at bin {t}: {broken}" for broken in laws.of_station(index, t))
        found += (f"bin {t}: {broken}" for broken in (*laws.of_routers(t), *laws.of_constraints(t)))
    return [*found, *laws.of_coverage()]


def _apart(a: float, b: float, scale: float = 1.0) -> bool:
    return not abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b), abs(scale))


class _Laws:
    """The laws of one result; ``evaluation`` knows its series, so that it computes none of them itself."""

    def __init__(self, model: Model, series: Mapping[str, Row]) -> None:
        self.model = model
        self.series = {name: [float(value) for value in values] for name, values in series.items()}
        self.evaluation = Evaluation(model)
        self.evaluation.remember(self.series)
        self.class_ids = self.evaluation.class_ids
        self.shares = self.evaluation.classes.shares

    # What is read

    def _named(self, name: str | None, t: int, class_id: str | None) -> float:
        """A series, or one class of it; a series that is not there, or has no classes, is 0."""
        if name is None:
            return 0.0
        if class_id is None:
            return self.series[name][t]
        return self.series[f"{name}@{class_id}"][t] if f"{name}@{class_id}" in self.series else 0.0

    def _bound(self, reference: str | None, t: int, index: int | None, class_id: str | None) -> float:
        if class_id is None:
            return self.evaluation.bound(reference, t, index)
        parts = self.evaluation.bound_parts(reference, t, index)
        return 0.0 if parts is None else parts[self.class_ids.index(class_id)]

    def _inflow(self, index: int, t: int, class_id: str | None) -> float:
        name, arrivals = self.evaluation.names[index].inflow, self.evaluation.stations[index].semantics.arrivals
        return self._named(name, t, class_id) if name else self._bound(arrivals, t, index, class_id)

    def _served(self, index: int, t: int, class_id: str | None) -> float:
        names = self.evaluation.names[index]
        own = names.served or names.gated_outflow
        served = self.evaluation.stations[index].semantics.served
        return self._named(own, t, class_id) if own else self._bound(served, t, index, class_id)

    def _before(self, index: int, t: int, class_id: str | None) -> float:
        name = self.evaluation.flows.queue_name(index)
        if name is None or t:
            return self._named(name, t - 1, class_id)
        depth = self.evaluation.initial.get(name, 0.0)
        return depth if class_id is None else depth * self.shares[self.class_ids.index(class_id)]

    def _loss(self, index: int, t: int, class_id: str | None) -> float:
        """What was lost; where no series says it, what errors (and work that was not granted) took."""
        station, names = self.evaluation.stations[index], self.evaluation.names[index]
        if names.loss:
            return self._named(names.loss, t, class_id)
        loss = safe(self._bound(station.semantics.errors, t, index, None))
        if station.constraint_excess == "loss":
            loss += self._named(names.shortfall, t, None)
        whole = self._there(index, t, None)
        lost = min(max(0.0, loss), whole)
        if class_id is None:
            return lost
        if station.semantics.served is not None and station.semantics.errors is not None:
            return safe(self._bound(station.semantics.errors, t, index, class_id))
        return lost * self._there(index, t, class_id) / whole if whole else 0.0

    def _there(self, index: int, t: int, class_id: str | None) -> float:
        return max(0.0, self._before(index, t, class_id) + safe(self._inflow(index, t, class_id)))

    # Stations

    def of_station(self, index: int, t: int) -> Iterator[str]:
        """What a station breaks in a bin."""
        yield from self._arrives(index, t, None)
        if is_sink(self.evaluation.stations[index]):
            return
        if computes_served(self.evaluation.stations[index]):
            yield from self._serves(index, t)
        queue = self.evaluation.flows.queue_name(index)
        if queue is not None and self._named(queue, t, None) < 0.0:
            yield f"{queue} is {self._named(queue, t, None)}"
        for class_id in (None, *(self.class_ids if self.evaluation.station_classes.is_classed(index) else ())):
            yield from self._arrives(index, t, class_id)
            yield from self._conserves(index, t, class_id)

    def _serves(self, index: int, t: int) -> Iterator[str]:
        served, there = self._served(index, t, None), self._there(index, t, None)
        capacity = self.evaluation.flows.gated_capacity(index, t)
        bounds = {"capacity": capacity if capacity > 0.0 else 0.0, "work": there}
        if self.evaluation.names[index].shortfall:
            asked = self.evaluation.flows.demand(index, t)
            bounds["grant"] = asked - self._named(self.evaluation.names[index].shortfall, t, None)
        for what, most in bounds.items():
            if served < 0.0 or served > most + TOLERANCE * max(1.0, most):
                yield f"served {served} with a {what} of {most}"

    def _arrives(self, index: int, t: int, class_id: str | None) -> Iterator[str]:
        """What is sent arrives, beside the arrivals."""
        name = self.evaluation.names[index].inflow
        if name is None:
            return
        arrivals = self._bound(self.evaluation.stations[index].semantics.arrivals, t, index, class_id)
        senders = self.evaluation.flows.senders.get(index, ())
        sent = sum(self._named(self.evaluation.names[sender].overflow, t, class_id) for sender in senders)
        if _apart(self._named(name, t, class_id), arrivals + sent):
            yield f"{name} of class {class_id} is {self._named(name, t, class_id)}, not {arrivals} + {sent}"

    def _conserves(self, index: int, t: int, class_id: str | None) -> Iterator[str]:
        station, names = self.evaluation.stations[index], self.evaluation.names[index]
        before, inflow = self._before(index, t, class_id), self._inflow(index, t, class_id)
        served, loss = self._served(index, t, class_id), self._loss(index, t, class_id)
        is_computed = computes_served(station)
        if not is_computed and not (is_buffered(station) and names.queue and self._is_sound(index, t)):
            return
        if not 0.0 <= inflow < math.inf or not 0.0 <= before < math.inf:
            return
        overflow = self._named(names.overflow, t, class_id)
        left = self._named(names.queue, t, class_id)
        if _apart(before + inflow, served + loss + overflow + left, self._there(index, t, None)):
            yield f"{class_id}: {before} + {inflow} is not {served} + {loss} + {overflow} + {left}"

    def _is_sound(self, index: int, t: int) -> bool:
        """Whether an author takes no more than there is, of any class."""
        if not self.evaluation.station_classes.is_classed(index):
            return self._takes_what_is_there(index, t, None)
        parts = [self._inflow(index, t, class_id) for class_id in self.class_ids]
        left = [self._served(index, t, class_id) for class_id in self.class_ids]
        # What waited behind a gate leaves in the classes of the bin that opens it, which may have none.
        covers = not _apart(sum(parts), self._inflow(index, t, None)) and not _apart(
            sum(left), self._served(index, t, None)
        )
        return covers and all(self._takes_what_is_there(index, t, class_id) for class_id in (None, *self.class_ids))

    def _takes_what_is_there(self, index: int, t: int, class_id: str | None) -> bool:
        served, errors = self._served(index, t, class_id), self.evaluation.stations[index].semantics.errors
        wanted = safe(self._bound(errors, t, index, None))
        loss = self._loss(index, t, class_id)
        there = self._before(index, t, class_id) + self._inflow(index, t, class_id)
        return min(served, wanted, loss, self._inflow(index, t, class_id)) >= 0.0 and served + loss <= there

    # Routers, constraints and classes

    def of_routers(self, t: int) -> Iterator[str]:
        """Targets whose parts are more or less than what their routers were given."""
        routers = [node for node in self.model.spec.nodes if isinstance(node, RouterNode)]
        for group in _sharing_targets(routers):
            targets = {route.target for router in group for route in router.routes}
            for class_id in (None, *self.class_ids):
                if not all(self._is_whole(router, t, class_id) for router in group):
                    continue
                whole = sum(self._bound(router.inputs.queue, t, None, class_id) for router in group)
                parts = sum(self._named(target, t, class_id) for target in targets)
                if _apart(whole, parts):
                    yield f"{', '.join(sorted(targets))} of class {class_id} sum to {parts} of {whole}"

    def _is_whole(self, router: RouterNode, t: int, class_id: str | None) -> bool:
        """Whether a router sends on all that it gets."""
        listed = [name for route in router.routes for name in route.classes]
        has_weights = any(route.weight is not None for route in router.routes)
        if class_id is not None:
            return has_weights or class_id in listed
        total = self._bound(router.inputs.queue, t, None, None)
        taken = sum(self._bound(router.inputs.queue, t, None, name) for name in listed)
        return has_weights and math.isfinite(total) and taken <= total

    def of_constraints(self, t: int) -> Iterator[str]:
        """Constraints that grant more than there is or was asked for."""
        constraints = self.evaluation.flows.allocations.constraints
        for constraint, names in zip(constraints, constraint_names(self.model), strict=True):
            if not names:
                continue
            capacity = self._bound(constraint.semantics.served, t, None, None)
            granted, asked = self._named(names["granted"], t, None), self._named(names["demand"], t, None)
            most = min(asked, max(0.0, safe(capacity)))
            if _apart(granted, most):
                yield f"{constraint.id} grants {granted} of {capacity} where {asked} is asked for"

    def of_coverage(self) -> Iterator[str]:
        """Series of which all arrives in classes, and whose parts do not sum to the whole."""
        for index, station in enumerate(self.evaluation.stations):
            names = self.evaluation.names[index]
            arrivals = names.inflow or station.semantics.arrivals
            if not computes_served(station) or arrivals not in self.series or not self._is_full(arrivals):
                continue
            if any(
                self.series[f"{arrivals}@{c}"][t] < 0.0
                for c in self.class_ids
                for t in range(len(self.series[arrivals]))
            ):
                continue
            made = (names.queue, names.served, names.loss, names.overflow)
            yield from (f"the classes of {name} do not sum to it" for name in made if name and not self._is_full(name))

    def _is_full(self, name: str) -> bool:
        rows = [self.series[f"{name}@{class_id}"] for class_id in self.class_ids if f"{name}@{class_id}" in self.series]
        return coverage(self.series[name], rows) == "full"


def edge_violations(model: Model, result: Result) -> list[str]:
    """Edges whose volume, before the multiplier, is not that of the end it was read off, ``lag`` bins before; and
    nodes whose shares by weight do not sum to 1."""
    laws = _Laws(model, result)
    places = {station.id: index for index, station in enumerate(laws.evaluation.stations)}
    found: list[str] = []
    for edge in result.edges.values():
        if "flowVolume" not in edge.info.metrics or edge.info.multiplier == 0.0:
            continue
        for class_id in (None, *(c for c in laws.class_ids if f"flowVolume@{c}" in edge)):
            flow = [value / edge.info.multiplier for value in edge["flowVolume" + (f"@{class_id}" if class_id else "")]]
            end = _end_of(laws, edge.info.rule, places[edge.info.source], places[edge.info.target], class_id)
            share = edge.info.share
            if end is not None:
                found += _late(
                    edge.info.id, flow, [value * (1.0 if share is None else share) for value in end], edge.info.lag
                )
    return [*found, *_shares(model, result)]


def _shares(model: Model, result: Result) -> Iterator[str]:
    """The shares of the edges out of one node that are measured by weight are those of one whole."""
    for station in model.spec.topology.nodes if model.spec.topology else ():
        rules: dict[bool, list[float]] = {}
        for edge in result.edges.values():
            if (
                edge.info.source == station.id
                and edge.info.rule in ("weights", "equal")
                and edge.info.share is not None
            ):
                rules.setdefault(edge.info.type in ("effort", "dependency"), []).append(edge.info.share)
        for is_effort, shares in rules.items():
            if _apart(sum(shares), 1.0):
                yield f"shares out of {station.id} (effort: {is_effort}) sum to {sum(shares)}"


def _end_of(laws: _Laws, rule: str | None, source: int, target: int, class_id: str | None) -> list[float] | None:
    """What an edge that was read off one end must be; None where it is a share."""
    bins = range(laws.model.spec.grid.bins)
    if rule in ("served", "weights", "equal"):
        return [laws._served(source, t, class_id) for t in bins]
    if rule == "arrivals":
        arrivals = laws.evaluation.stations[target].semantics.arrivals
        return [laws._bound(arrivals, t, target, class_id) for t in bins]
    return None


def _late(edge: str, flow: Row, end: Row, lag: int) -> Iterator[str]:
    """The bins in which a volume is not what its end had ``lag`` bins before."""
    for t in range(lag, len(flow)):
        if not (math.isnan(flow[t]) and math.isnan(end[t - lag])) and _apart(flow[t], end[t - lag]):
            yield f"{edge} at bin {t}: {flow[t]} is not {end[t - lag]}"


def _sharing_targets(routers: Sequence[RouterNode]) -> list[list[RouterNode]]:
    """Routers in groups of which no two send to the same target."""
    groups: list[list[RouterNode]] = []
    for router in routers:
        targets = {route.target for route in router.routes}
        sharing = [g for g in groups if targets & {route.target for other in g for route in other.routes}]
        groups = [group for group in groups if group not in sharing]
        groups.append([router, *(other for group in sharing for other in group)])
    return groups


def as_bytes(series: Mapping[str, Row], bins: int | None = None) -> dict[str, bytes]:
    """The exact values of each series, or of its first bins; every NaN is the same one."""
    arrays = {name: np.array(values[:bins], dtype=np.float64) for name, values in series.items()}
    return {name: np.where(np.isnan(values), np.nan, values).tobytes() for name, values in arrays.items()}
