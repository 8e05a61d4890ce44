"""Classes of the oracle: what traffic declares, which series belong to classes, and how well they are covered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from flowtime.model.expression import references
from flowtime.model.spec import ExprNode, QueueNode, RouterNode, TrafficArrival
from oracle_algebra import Parts, is_classed_tree
from oracle_names import bare

if TYPE_CHECKING:
    from oracle import Evaluation

__all__ = ["Classes", "class_of", "coverage", "rate_of"]


def rate_of(arrival: TrafficArrival) -> float:
    """The rate of an entry of traffic; 1 where none is given."""
    pattern = arrival.pattern
    if pattern.rate_per_bin is not None:
        return pattern.rate_per_bin
    return 1.0 if pattern.rate is None else pattern.rate


def class_of(reference: str) -> str | None:
    """The class in ``id@class``; ``*`` and ``DEFAULT`` are all of them, so none."""
    class_id = reference.partition("@")[2].strip()
    return None if class_id in ("", "*", "DEFAULT") else class_id


def coverage(total: Sequence[float], parts: Iterable[Sequence[float]]) -> str:
    """``full`` where the parts sum to the total in every bin, ``partial`` where some are there, else ``missing``."""
    rows = [list(part) for part in parts]
    sums = [sum(row[t] for row in rows) for t in range(len(total))]
    if rows and all(_agree(a, b) for a, b in zip(sums, total, strict=True)):
        return "full"
    return "partial" if any(value != 0.0 for row in rows for value in row) else "missing"


def _agree(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))


class Classes:
    """What one evaluation knows of classes; ``shares`` are the declared rates of all classes, summing to 1."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        traffic = evaluation.model.spec.traffic
        self.arrivals: Sequence[TrafficArrival] = traffic.arrivals if traffic else ()
        ids = evaluation.class_ids
        rates = [sum((rate_of(a) for a in self.arrivals if a.class_id == class_id), 0.0) for class_id in ids]
        self.shares: Parts = tuple(rate / sum(rates) if sum(rates) else 1 / len(ids) for rate in rates)
        # Names that belong to classes, and those among them that a station gives its mixture to.
        self.names: frozenset[str] = frozenset()
        self.mixed: dict[str, int] = {}

    # Traffic

    def rates(self, name: str) -> Parts:
        """The rates declared at a node, by class."""
        here = [arrival for arrival in self.arrivals if arrival.node_id == name]
        return tuple(
            sum((rate_of(arrival) for arrival in here if arrival.class_id == class_id), 0.0)
            for class_id in self.evaluation.class_ids
        )

    def generated(self, name: str) -> float:
        """What traffic generates in a bin at a node that nobody declares."""
        if self.evaluation.class_ids:
            return sum(self.rates(name))
        return sum(rate_of(arrival) for arrival in self.arrivals if arrival.node_id == name)

    def split(self, name: str, total: float) -> Parts:
        """The parts of a declared node with traffic."""
        rates = self.rates(name)
        return tuple(total * (rate / sum(rates) if sum(rates) else 0.0) for rate in rates)

    def has_traffic(self, name: str) -> bool:
        """Whether classes arrive at a node."""
        return bool(self.evaluation.class_ids) and any(arrival.node_id == name for arrival in self.arrivals)

    # What belongs to classes

    def settle(self) -> None:
        """Find the names that belong to classes: the least set that follows from traffic."""
        if not self.evaluation.class_ids:
            return
        bound = self._bound_names()
        self.names = self._closure({})
        candidates = {name: index for name, index in bound if name not in self.names}
        self.names = self._closure(self._first_binders(bound, candidates))
        for name in candidates:
            if name in self.names:
                others = {other: index for other, index in candidates.items() if other != name}
                # It takes the mixture of a station only where nothing that it reads tells its classes.
                if name not in self._closure(self._first_binders(bound, others)):
                    self.mixed[name] = self._binder(bound, name)

    def _bound_names(self) -> list[tuple[str, int]]:
        """The author's served and errors of each station, which may take its mixture."""
        found = []
        for index, station in enumerate(self.evaluation.stations):
            for reference in (station.semantics.served, station.semantics.errors):
                if reference is None or class_of(reference) is not None:
                    continue
                name = self.evaluation.resolve(bare(reference), index)
                # What the station's own work is made of can not get its classes from that work.
                if name not in self._made_of(self._flows_in(index)):
                    found.append((name, index))
        return found

    def _flows_in(self, index: int) -> list[str]:
        """The names of what flows into a station."""
        arrivals = self.evaluation.stations[index].semantics.arrivals
        names = [self.evaluation.resolve(bare(arrivals), index)] if arrivals is not None else []
        senders = self.evaluation.flows.senders.get(index, ())
        return [*names, *(name for sender in senders if (name := self.evaluation.names[sender].overflow))]

    def _made_of(self, names: Iterable[str]) -> set[str]:
        """These names and all that they follow from, whichever bins they look at."""
        found: set[str] = set()
        fresh = list(names)
        while fresh:
            name = fresh.pop()
            if name not in found:
                found.add(name)
                fresh.extend(self._sources(name))
        return found

    def _sources(self, name: str) -> list[str]:
        """The names that could give a name its classes."""
        evaluation = self.evaluation
        if self.has_traffic(name):
            return []
        if name in evaluation.routers.routes:
            return [evaluation.resolve(bare(router.inputs.queue)) for router, _ in evaluation.routers.routes[name]]
        owner = evaluation.owners.get(name)
        if owner is not None:
            return self._sources_of_role(owner.place, owner.role) if owner.kind == "station" else []
        match evaluation.nodes[name]:
            case ExprNode():
                return [evaluation.resolve(read.id) for read in references(evaluation.model.expressions[name])]
            case RouterNode(inputs=inputs):
                return [evaluation.resolve(bare(inputs.queue))]
            case QueueNode(inflow=inflow):
                return [evaluation.resolve(bare(inflow))]
            case _:
                return []

    def _sources_of_role(self, index: int, role: str) -> list[str]:
        if role in ("retry_echo", "attempts", "exhausted_failures"):
            source = self.evaluation.retries.source(index)
            return [] if source is None else [self.evaluation.resolve(bare(source), index)]
        return self._flows_in(index)

    def _first_binders(self, bound: list[tuple[str, int]], wanted: Iterable[str]) -> Mapping[str, list[int]]:
        return {name: [index for other, index in bound if other == name] for name in wanted}

    def _binder(self, bound: list[tuple[str, int]], name: str) -> int:
        stations = self.evaluation.station_classes
        return next(index for other, index in bound if other == name and stations.is_inflow_classed(index))

    def _closure(self, mixable: Mapping[str, list[int]]) -> frozenset[str]:
        """The least set of classed names, those in ``mixable`` taking the classes of a station too."""
        before, self.names = self.names, frozenset()
        while True:
            found = frozenset(name for name in self.evaluation.all_names if self._follows(name, mixable))
            if found == self.names:
                break
            self.names = found
        self.names = before
        return found

    def _follows(self, name: str, mixable: Mapping[str, list[int]]) -> bool:
        """Whether a name is classed, given which are so far."""
        stations = self.evaluation.station_classes
        if any(stations.is_inflow_classed(index) for index in mixable.get(name, ())):
            return True
        if self.has_traffic(name):
            return True
        if name in self.evaluation.routers.routes:
            return self.evaluation.routers.is_classed(name)
        owner = self.evaluation.owners.get(name)
        if owner is not None:
            return owner.kind == "station" and self._is_role_classed(owner.place, owner.role)
        match self.evaluation.nodes[name]:
            case ExprNode():
                return is_classed_tree(self.evaluation.model.expressions[name], self._is_name_classed)
            case RouterNode(inputs=inputs):
                return self.is_bound_classed(inputs.queue)
            case QueueNode(inflow=inflow):
                return self.is_bound_classed(inflow)
            case _:
                return False

    def _is_name_classed(self, name: str) -> bool:
        return self.evaluation.resolve(name) in self.names

    def _is_role_classed(self, index: int, role: str) -> bool:
        stations = self.evaluation.station_classes
        if role == "inflow":
            return stations.is_inflow_classed(index)
        if role in ("queue", "served", "loss", "overflow", "gated_outflow"):
            return stations.is_classed(index)
        if role in ("retry_echo", "attempts", "exhausted_failures"):
            return self.is_bound_classed(self.evaluation.retries.source(index), index)
        return False

    def is_bound_classed(self, reference: str | None, index: int | None = None) -> bool:
        """Whether what a binding names belongs to classes; one class of a series always does."""
        if reference is None or not self.evaluation.class_ids:
            return False
        if class_of(reference) is not None:
            return True
        return self.evaluation.resolve(bare(reference), index) in self.names

    def takes_mixture(self, reference: str, index: int | None = None) -> bool:
        """Whether what a binding names has no classes of its own, but those that a station gives it, or none."""
        if class_of(reference) is not None:
            return False
        name = self.evaluation.resolve(bare(reference), index)
        return name not in self.names or name in self.mixed
