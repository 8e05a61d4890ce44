"""Topology nodes with their bindings resolved to names of series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from flowtime.engine.ir import SeriesInfo
from flowtime.model.bindings import bound_references
from flowtime.model.naming import (
    ALL_CLASSES,
    NodeSeries,
    Synthesized,
    has_buffer,
    is_sink,
    resolve_reference,
    split_reference,
)
from flowtime.model.spec import FloatArray, ModelSpec, QueueNode, TopologyNode

__all__ = ["ROLE_UNITS", "Station", "describe_series", "stations"]

# What the values of each part are measured in.
ROLE_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "arrivals": "entities/bin",
        "served": "entities/bin",
        "errors": "entities/bin",
        "loss": "entities/bin",
        "overflow": "entities/bin",
        "inflow": "entities/bin",
        "shortfall": "entities/bin",
        "demand": "entities/bin",
        "granted": "entities/bin",
        "status": "flag",
        "attempts": "entities/bin",
        "failures": "entities/bin",
        "exhaustedFailures": "entities/bin",
        "retryEcho": "entities/bin",
        "retryBudget": "entities/bin",
        "retryBudgetRemaining": "entities/bin",
        "externalDemand": "entities/bin",
        "queueDepth": "entities",
        "capacity": "entities/bin",
        "parallelism": "servers",
        "processingTimeMsSum": "ms/bin",
        "servedCount": "entities/bin",
    }
)


@dataclass(frozen=True)
class Station:
    """One topology node: ``series`` maps a part (arrivals, queueDepth ...) to the series that plays it.

    ``served`` is what the node really serves, gates and constraints counted; ``references`` are the texts
    that the author bound.
    """

    node: TopologyNode
    index: int
    made: NodeSeries
    series: Mapping[str, str]
    references: Mapping[str, str]
    parallelism: float | None
    # Whether what queueDepth names is a stock that the plan computes.
    depth_is_computed: bool
    # The series that the author bound as served, which a gate or constraint may hold back.
    asked: str | None

    @property
    def id(self) -> str:
        """The id of the topology node."""
        return self.node.id

    @property
    def inflow(self) -> str | None:
        """The series of all that flows in: arrivals, and what overflows from other nodes."""
        return self.series.get("inflow", self.series.get("arrivals"))

    def bound(self, role: str) -> str | None:
        """The series that the author bound to a part as a whole; None for one class of it, or a file."""
        text = self.references.get(role)
        parts = None if text is None else split_reference(text)
        if text is None or parts is None or parts.id is None:
            return None
        if parts.class_id is not None and "@" in self.series.get(role, ""):
            return None
        return self.asked if role == "served" else self.series.get(role)

    @property
    def has_queue(self) -> bool:
        """Whether work waits at the node: a buffer, or one whose depth is another node's queue (engine.md 1.4)."""
        return has_buffer(self.node) or self.depth_is_computed

    @property
    def has_service(self) -> bool:
        """Whether the node does the work itself, so that it has a service time."""
        return self.node.kind in ("service", "serviceWithBuffer") and not is_sink(self.node)

    def effective_capacity(self, series: Mapping[str, FloatArray]) -> FloatArray | None:
        """Capacity times parallelism of the values in ``series`` (by part), or None where no capacity is there.

        As the plan has it (``metrics.effective_capacity``): parallelism that is not positive and finite counts 1.
        """
        capacity = series.get("capacity")
        if capacity is None:
            return None
        servers = np.asarray(series.get("parallelism", 1.0 if self.parallelism is None else self.parallelism))
        effective: FloatArray = capacity * np.where(np.isfinite(servers) & (servers > 0.0), servers, 1.0)
        return effective

    @property
    def initial_depth(self) -> float:
        """The queue depth before bin 0."""
        return self.node.initial_condition.queue_depth if self.node.initial_condition else 0.0


def stations(spec: ModelSpec, names: Synthesized) -> tuple[Station, ...]:
    """Return the topology nodes of a valid model in the order of the file."""
    nodes = spec.topology.nodes if spec.topology else ()
    has_classes = spec.classes is not None
    stocks = {node.id for node in spec.nodes if isinstance(node, QueueNode)}
    stocks |= {name for name, made in names.series.items() if made.role == "queue"}
    return tuple(_station(node, index, names, stocks, has_classes) for index, node in enumerate(nodes))


def _station(node: TopologyNode, index: int, names: Synthesized, stocks: set[str], has_classes: bool) -> Station:
    semantics = node.semantics
    made = names.nodes[index]
    references = bound_references(semantics)
    series = {
        role: name
        for role, text in references.items()
        if (name := _lookup(text, names, made.queue, has_classes)) is not None
    }
    asked = series.get("served")
    implied = {
        "served": made.served or made.gated_outflow,
        "queueDepth": made.queue,
        "loss": made.loss,
        "overflow": made.overflow,
        "inflow": made.inflow,
        "shortfall": made.shortfall,
    }
    series.update({role: name for role, name in implied.items() if name is not None})
    number = semantics.parallelism if isinstance(semantics.parallelism, float | int) else None
    depth = series.get("queueDepth")
    views = MappingProxyType(series), MappingProxyType(references)
    return Station(node, index, made, *views, number, depth in stocks, asked)


def _lookup(text: str, names: Synthesized, own_queue: str | None, has_classes: bool) -> str | None:
    found = resolve_reference(text, names, own_queue)
    if found is None or found.id is None:
        return None
    is_part = has_classes and found.class_id is not None and found.class_id not in ALL_CLASSES
    return f"{found.id}@{found.class_id}" if is_part else found.id


def describe_series(spec: ModelSpec, names: Synthesized, nodes: tuple[Station, ...]) -> Mapping[str, SeriesInfo]:
    """Say of every series what it is; one bound in several places is described by the first."""
    parts: dict[str, tuple[str | None, str]] = {}
    for station in nodes:
        for bound, name in station.series.items():
            parts.setdefault(name, (station.id, bound))
    # A series is first of all what the node computes; what is bound in several places, the first part it plays.
    shared = {name: synthesized.role for name, synthesized in names.series.items() if synthesized.is_constraint}
    parts.update({name: (None, role) for name, role in shared.items()})
    kinds = {node.id: type(node).__struct_config__.tag for node in spec.nodes}
    info: dict[str, SeriesInfo] = {}
    for name in names.names:
        station_id, part = parts.get(name, (None, None))
        made = names.series.get(name)
        kind = made.role if made else _kind(str(kinds[name]))
        role = "queueDepth" if part is None and kind == "queue" else part
        unit = ROLE_UNITS.get(role, "unspecified") if role else "unspecified"
        info[name] = SeriesInfo(name, kind, unit, station_id, role, made is not None)
    return MappingProxyType(info)


def _kind(tag: str) -> str:
    return "queue" if tag == "serviceWithBuffer" else tag
