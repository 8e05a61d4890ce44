"""The slow obvious engine: a model evaluated bin by bin, straight from its syntax trees.

Every series is asked for its value at a bin and asks others in turn; answers are remembered.  Bins go outermost,
so that whatever looks back finds its answer.  Each kind of thing has a module of its own, ``oracle_<kind>``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from flowtime.model.spec import ConstNode, ExprNode, Node, PmfNode, QueueNode, RouterNode
from oracle_algebra import Algebra, Parts, scaled
from oracle_classes import Classes, class_of
from oracle_expressions import Expressions
from oracle_names import (
    BUFFER_KINDS,
    StationNames,
    bare,
    has_limit,
    is_buffered,
    is_sink,
    owners,
    snake,
    spread_snake,
    station_names,
)
from oracle_profiles import bin_weights
from oracle_retries import Retries
from oracle_routers import Routers
from oracle_station_classes import StationClasses
from oracle_stations import Stations

if TYPE_CHECKING:
    from flowtime.model import Model

__all__ = [
    "BUFFER_KINDS",
    "Evaluation",
    "SameBinCycle",
    "StationNames",
    "bare",
    "evaluate_model",
    "first_difference",
    "is_sink",
    "snake",
    "spread_snake",
    "station_names",
]

Answer = TypeVar("Answer")


class SameBinCycle(Exception):
    """A value that needs itself; ``names`` are the series of the loop."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(" -> ".join(self.names))


class Evaluation:
    """One evaluation of one model: remembers each value and notices one that needs itself."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes: dict[str, Node] = {node.id: node for node in model.spec.nodes}
        self.queues = {node.id: node for node in model.spec.nodes if isinstance(node, QueueNode)}
        self.stations = list(model.spec.topology.nodes if model.spec.topology else ())
        self.class_ids = [declared.id for declared in model.spec.classes or ()]
        self.names = station_names(model)
        self.owners = owners(model)
        self.all_names = [*self.nodes, *self.owners]
        self.aliases: dict[str, str] = {}
        self.initial: dict[str, float] = {}
        for index, (station, names) in enumerate(zip(self.stations, self.names, strict=True)):
            if names.queue:
                self.aliases.setdefault(f"{spread_snake(station.id)}_queue", names.queue)
            queue = self.queue_name(index)
            if queue and station.initial_condition:
                self.initial[queue] = station.initial_condition.queue_depth
        self.memory: dict[Hashable, object] = {}
        self.asking: dict[Hashable, None] = {}
        self.weights: dict[str, list[float]] = {}
        self.expressions, self.algebra = Expressions(self), Algebra(self)
        self.flows, self.routers, self.retries = Stations(self), Routers(self), Retries(self)
        self.station_classes, self.classes = StationClasses(self), Classes(self)
        self.classes.settle()

    def remember(self, series: Mapping[str, Iterable[float]]) -> None:
        """Take values that somebody else computed for granted; classes of a series are ``name@class``."""
        rows = {name: [float(value) for value in values] for name, values in series.items()}
        for name, values in rows.items():
            for t, value in enumerate(values):
                self.memory["series", name, t] = value
            if self.class_ids and f"{name}@{self.class_ids[0]}" in rows:
                for t, parts in enumerate(zip(*(rows[f"{name}@{c}"] for c in self.class_ids), strict=True)):
                    self.memory["parts", name, t] = parts

    # Names

    def queue_name(self, index: int) -> str | None:
        """The series of a station's queue, its own or a declared one; None where it has none."""
        depth = self.stations[index].semantics.queue_depth
        if self.names[index].queue:
            return self.names[index].queue
        return bare(depth) if depth is not None and bare(depth) in self.nodes else None

    def limiting(self, queue: str) -> int | None:
        """The first station that limits a declared queue."""
        for index, station in enumerate(self.stations):
            if has_limit(station) and is_buffered(station) and self.queue_name(index) == queue:
                return index
        return None

    def resolve(self, name: str, index: int | None = None) -> str:
        """The series that a name means; ``self`` is the queue of the station that says it."""
        if name in self.nodes or name in self.owners:
            return name
        if name == "self" and index is not None:
            return self.queue_name(index) or name
        return self.aliases[name]

    # Values

    def ask(self, what: str, of: Hashable, t: int, compute: Callable[[], Answer]) -> Answer:
        """The remembered answer to a question, or a new one; raises SameBinCycle where it needs itself."""
        key = (what, of, t)
        if key not in self.memory:
            if key in self.asking:
                loop = list(self.asking)[list(self.asking).index(key) :]
                raise SameBinCycle(dict.fromkeys(str(asked[1]) for asked in loop if isinstance(asked, tuple)))
            self.asking[key] = None
            try:
                self.memory[key] = compute()
            finally:
                del self.asking[key]
        return self.memory[key]  # type: ignore[return-value]

    def read(self, name: str, t: int) -> float:
        """The value of a series at a bin; an author's served that is held to a constraint is what was granted."""
        if name in self.flows.granted:
            index = self.flows.granted[name]
            return self.ask("series", name, t, lambda: float(self.flows.really_served(index, t)))
        return self.ask("series", name, t, lambda: float(self._compute(name, t)))

    def _raw(self, name: str, t: int) -> float:
        """The value that the author wrote, whatever was granted of it."""
        if name not in self.flows.granted:
            return self.read(name, t)
        return self.ask("demand", name, t, lambda: float(self._compute(name, t)))

    def _compute(self, name: str, t: int) -> float:
        if name in self.routers.routes:
            return self.routers.value(name, t)
        owner = self.owners.get(name)
        if owner is None:
            return self._declared(self.nodes[name], t)
        if owner.kind == "station":
            return self.flows.read(owner.place, owner.role, t)
        if owner.kind == "constraint":
            return self.flows.allocations.read(owner.place, owner.role, t)
        return self.classes.generated(name)

    def _declared(self, node: Node, t: int) -> float:
        match node:
            case ConstNode(values=float(value) | int(value)):
                return value
            case ConstNode(values=np.ndarray() as values):
                return float(values[t])
            case PmfNode(id=name, pmf=pmf):
                if name not in self.weights:
                    self.weights[name] = bin_weights(node.profile, self.model.spec.grid)
                mean = sum(v * p for v, p in zip(pmf.values, pmf.probabilities, strict=True)) / sum(pmf.probabilities)
                return mean * self.weights[name][t]
            case ExprNode(id=name):
                return self.expressions.value(self.model.expressions[name], t)
            case RouterNode(inputs=inputs):
                return self.bound(inputs.queue, t)
            case QueueNode(id=name):
                return self.flows.declared(name, t)[0]
            case _:
                raise ValueError(f"no value: {node!r}")

    def bound(self, reference: str | None, t: int, index: int | None = None) -> float:
        """The value of what a binding names; nothing bound is 0."""
        return self._one_class(reference, t, index, self.read, self.parts)

    def bound_raw(self, reference: str | None, t: int, index: int | None = None) -> float:
        """The value of what a binding names, before any constraint."""
        return self._one_class(reference, t, index, self._raw, self._raw_parts)

    def _one_class(
        self,
        reference: str | None,
        t: int,
        index: int | None,
        read: Callable[[str, int], float],
        read_parts: Callable[[str, int], Parts | None],
    ) -> float:
        if reference is None:
            return 0.0
        name, class_id = self.resolve(bare(reference), index), class_of(reference)
        if class_id is None:
            return read(name, t)
        parts = read_parts(name, t)
        return 0.0 if parts is None else parts[self.class_ids.index(class_id)]

    # Parts

    def is_classed(self, name: str) -> bool:
        """Whether a series belongs to classes."""
        return name in self.classes.names

    def parts(self, name: str, t: int) -> Parts | None:
        """The parts of a series at a bin, one for each class; None where it is classless."""
        if not self.is_classed(name):
            return None
        return self.ask("parts", name, t, lambda: self._parts(name, t))

    def _parts(self, name: str, t: int) -> Parts:
        parts = self._raw_parts(name, t)
        assert parts is not None
        if name in self.flows.granted and name not in self.classes.mixed:
            return scaled(parts, self._raw(name, t), self.read(name, t))
        return parts

    def _raw_parts(self, name: str, t: int) -> Parts | None:
        """The parts of a series before any constraint."""
        if not self.is_classed(name):
            return None
        if name in self.classes.mixed:
            return self.station_classes.mixture(self.classes.mixed[name], self.read(name, t), t)
        if self.classes.has_traffic(name):
            return self.classes.rates(name) if name in self.owners else self.classes.split(name, self._raw(name, t))
        if name in self.routers.routes:
            return self.routers.parts(name, t)
        owner = self.owners.get(name)
        if owner is not None:
            return self.station_classes.read(owner.place, owner.role, t)
        match self.nodes[name]:
            case ExprNode():
                return self.algebra.parts(self.model.expressions[name], t)
            case RouterNode(inputs=inputs):
                return self.bound_parts(inputs.queue, t)
            case QueueNode() as node:
                return self.station_classes.declared(node, t)
        raise ValueError(f"no parts: {name}")

    def bound_parts(self, reference: str | None, t: int, index: int | None = None) -> Parts | None:
        """The parts of what a binding names; of one class of a series all is in that class."""
        return self._all_in_one(reference, t, index, self.parts)

    def bound_raw_parts(self, reference: str | None, t: int, index: int | None = None) -> Parts | None:
        """The parts of what a binding names, before any constraint."""
        return self._all_in_one(reference, t, index, self._raw_parts)

    def _all_in_one(
        self, reference: str | None, t: int, index: int | None, read: Callable[[str, int], Parts | None]
    ) -> Parts | None:
        if reference is None:
            return None
        name, wanted = self.resolve(bare(reference), index), class_of(reference)
        parts = read(name, t)
        if wanted is None:
            return parts
        if parts is None:
            return (0.0,) * len(self.class_ids)
        return tuple(part if class_id == wanted else 0.0 for class_id, part in zip(self.class_ids, parts, strict=True))


def evaluate_model(model: Model) -> dict[str, list[float]]:
    """Every declared and synthesized series of a model, bin by bin, and the classes of each as ``name@class``.

    Raises ``SameBinCycle`` where a value needs itself.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20_000))
    try:
        return _evaluated(Evaluation(model))
    finally:
        sys.setrecursionlimit(limit)


def _evaluated(evaluation: Evaluation) -> dict[str, list[float]]:
    names, classed = evaluation.all_names, [name for name in evaluation.all_names if evaluation.is_classed(name)]
    series: dict[str, list[float]] = {name: [] for name in names}
    series |= {f"{name}@{class_id}": [] for name in classed for class_id in evaluation.class_ids}
    for t in range(evaluation.model.spec.grid.bins):
        for name in names:
            series[name].append(evaluation.read(name, t))
        for name in classed:
            for class_id, part in zip(evaluation.class_ids, evaluation.parts(name, t) or (), strict=True):
                series[f"{name}@{class_id}"].append(part)
    return series


# Comparison


def first_difference(
    expected: Mapping[str, Iterable[float]],
    actual: Mapping[str, Iterable[float]],
    *,
    rtol: float = 1e-12,
    atol: float = 1e-12,
) -> str | None:
    """Say at which bin, and in which series, two results part first; None where they agree."""
    worst: tuple[int, str, str] | None = None
    for name, values in expected.items():
        if name not in actual:
            return f"{name} is missing; there are {', '.join(actual)}"
        ours, theirs = [float(value) for value in values], [float(value) for value in actual[name]]
        if len(ours) != len(theirs):
            return f"{name} has {len(theirs)} bins and not {len(ours)}"
        apart = [t for t, pair in enumerate(zip(ours, theirs, strict=True)) if not _close(*pair, rtol, atol)]
        if apart and (worst is None or apart[0] < worst[0]):
            worst = apart[0], name, f"{theirs[apart[0]]!r} and not {ours[apart[0]]!r}"
    return None if worst is None else f"first at bin {worst[0]}: {worst[1]} is {worst[2]}"


def _close(a: float, b: float, rtol: float, atol: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= atol + rtol * abs(a)
