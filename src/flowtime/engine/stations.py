"""Topology nodes with their bindings resolved to names of series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from flowtime.engine.ir import SeriesInfo
from flowtime.model.bindings import bound_references
from flowtime.model.naming import NodeSeries, Synthesized, has_buffer, is_sink, resolve_reference
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
        "attempts": "entities/bin",
        "failures": "entities/bin",
        "exhaustedFailures": "entities/bin",
        "retryEcho": "entities/bin",
        "retryBudgetRemaining": "entities",
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
    """One topology node: ``series`` maps a part (arrivals, queueDepth ...) to the series that plays it."""

    node: TopologyNode
    index: int
    made: NodeSeries
    series: Mapping[str, str]
    parallelism: float | None
    # Whether what queueDepth names is a stock that the plan computes.
    depth_is_computed: bool

    @property
    def id(self) -> str:
        """The id of the topology node."""
        return self.node.id

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
    stocks = {node.id for node in spec.nodes if isinstance(node, QueueNode)}
    stocks |= {name for name, made in names.series.items() if made.role == "queue"}
    return tuple(_station(node, index, names, stocks) for index, node in enumerate(nodes))


def _station(node: TopologyNode, index: int, names: Synthesized, stocks: set[str]) -> Station:
    semantics = node.semantics
    made = names.nodes[index]
    series = {
        role: name
        for role, text in bound_references(semantics).items()
        if (name := _lookup(text, names, made.queue)) is not None
    }
    implied = {"served": made.served, "queueDepth": made.queue, "loss": made.loss, "overflow": made.overflow}
    series.update({role: name for role, name in implied.items() if name is not None})
    number = semantics.parallelism if isinstance(semantics.parallelism, float | int) else None
    depth = series.get("queueDepth")
    return Station(node, index, made, MappingProxyType(series), number, depth in stocks)


def _lookup(text: str, names: Synthesized, own_queue: str | None) -> str | None:
    found = resolve_reference(text, names, own_queue)
    return found.id if found else None


def describe_series(spec: ModelSpec, names: Synthesized, nodes: tuple[Station, ...]) -> Mapping[str, SeriesInfo]:
    """Say of every series what it is; one bound in several places is described by the first."""
    parts: dict[str, tuple[str, str]] = {}
    for station in nodes:
        for bound, name in station.series.items():
            parts.setdefault(name, (station.id, bound))
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
