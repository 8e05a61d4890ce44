"""Flow latency: the time from entering the topology to leaving a node, as operations of the plan.

``flowLatency = own cycle time + (sum of flow * (latency upstream + lag)) / (sum of flow)`` over incoming
throughput, effort and dependency edges (reference: engine.md 6), with the flow over each edge as
``edge_flows`` has it; what comes over an edge with a lag left its source as many bins earlier.  Nodes on a
cycle of edges have none: a partial sum would be a lie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flowtime.engine.builder import FlowBuilder
from flowtime.engine.edge_flows import EdgeColumns
from flowtime.engine.flow_parts import FlowPart
from flowtime.engine.ir import ColumnKind
from flowtime.engine.stations import Station
from flowtime.model.naming import is_sink
from flowtime_kernels import opcodes as op

__all__ = ["lower_flow_latency"]

_CARRIES = ("throughput", "effort", "dependency")


class _Link(NamedTuple):
    id: str
    source: str
    target: str
    lag: int


def lower_flow_latency(
    builder: FlowBuilder,
    nodes: Sequence[Station],
    parts: Sequence[FlowPart],
    edges: EdgeColumns,
    metrics: Mapping[str, int],
    milliseconds: float,
) -> dict[str, int]:
    """Return the column of ``node.flowLatencyMs`` for each node that no cycle of edges reaches, and of
    ``node.flowLatencyMs@class`` for each class; ``milliseconds`` is the length of a bin."""
    links = [
        _Link(edge.id, edge.source, edge.target, edge.lag)
        for edge in edges.edges.values()
        if edge.type in _CARRIES and "flowVolume" in edge.metrics
    ]
    incoming: dict[str, list[_Link]] = {station.id: [] for station in nodes}
    for link in links:
        incoming[link.target].append(link)
    by_id = {station.id: station for station in nodes}
    order = [by_id[name] for name in _downstream_order(incoming)]
    made: dict[str, int] = {}
    for part in parts:
        lowering = _LatencyLowering(builder, part, edges, metrics, milliseconds)
        made.update(lowering.run(order, incoming))
    return made


def _downstream_order(incoming: Mapping[str, Sequence[_Link]]) -> list[str]:
    """Nodes after all that flow into them, those on a cycle or behind one left out (Kahn 1962)."""
    missing = {name: len(links) for name, links in incoming.items()}
    outgoing: dict[str, list[str]] = {name: [] for name in incoming}
    for name, links in incoming.items():
        for link in links:
            outgoing[link.source].append(name)
    order = [name for name, count in missing.items() if count == 0]
    # The list grows while it is read: what it names last has all its sources before it.
    for name in order:
        for target in outgoing[name]:
            missing[target] -= 1
            if missing[target] == 0:
                order.append(target)
    return order


class _LatencyLowering:
    """The flow latency of all nodes, for the whole flow or one class."""

    def __init__(
        self,
        builder: FlowBuilder,
        part: FlowPart,
        edges: EdgeColumns,
        metrics: Mapping[str, int],
        milliseconds: float,
    ) -> None:
        self._builder = builder
        self._part = part
        self._edges = edges
        self._metrics = metrics
        self._milliseconds = milliseconds
        self._latency: dict[str, int] = {}

    def run(self, order: Sequence[Station], incoming: Mapping[str, Sequence[_Link]]) -> dict[str, int]:
        """Return the columns by name; a node that the class does not pass has none."""
        for station in order:
            column = self._of(station, incoming[station.id])
            if column is not None:
                self._latency[station.id] = column
        return {f"{name}.flowLatencyMs{self._part.suffix}": column for name, column in self._latency.items()}

    def _of(self, station: Station, links: Sequence[_Link]) -> int | None:
        builder, owner = self._builder, f"{station.id}.flowLatencyMs"
        name = station.inflow if is_sink(station.node) else station.series.get("served")
        gauge = None if name is None else self._part.columns.get(name)
        if gauge is None and self._part.class_id is not None:
            return None
        own = self._metrics.get(f"{station.id}.cycleTimeMs{self._part.suffix}")
        result = builder.scalar(math.nan) if own is None else own
        upstream = self._upstream(links, owner)
        if upstream is not None:
            result = builder.emit(op.PAIR_SUM, upstream, result, owner=owner)
        if gauge is None:
            return result
        moving = builder.emit(op.LT, builder.scalar(0.0), gauge, owner=owner)
        return builder.emit(op.IF, moving, result, builder.scalar(math.nan), owner=owner)

    def _upstream(self, links: Sequence[_Link], owner: str) -> int | None:
        """The mean latency of what flows in, by flow; None where nothing can."""
        builder = self._builder
        total = weighted = None
        for link in links:
            flow = self._edges.column(link.id, "flowVolume", self._part.class_id)
            if flow is None or link.source not in self._latency:
                continue
            before = self._arriving(link, self._latency[link.source], owner)
            # A source whose latency is undefined tells nothing; the mean is over those that do.
            is_known = builder.emit(op.STEP, before, builder.scalar(0.0), owner=owner)
            counted = builder.emit(op.MUL, flow, is_known, owner=owner)
            product = builder.emit(op.MUL, counted, before, owner=owner)
            part = builder.emit(op.SAFE, product, owner=owner)
            total = counted if total is None else builder.emit(op.ADD, total, counted, owner=owner)
            weighted = part if weighted is None else builder.emit(op.ADD, weighted, part, owner=owner)
        if total is None or weighted is None:
            return None
        return builder.emit(op.RATIO, weighted, total, owner=owner)

    def _arriving(self, link: _Link, latency: int, owner: str) -> int:
        """The latency of what comes over an edge: that of its source when it left, and the time on the way."""
        builder = self._builder
        if link.lag == 0:
            return latency
        if builder.columns[latency].kind is ColumnKind.SCALAR:
            latency = builder.emit(op.COPY, latency, owner=owner)
        left = builder.emit(op.SHIFT, latency, owner=owner, length=link.lag, params=(math.nan,), lag=link.lag)
        return builder.emit(op.ADD, left, builder.scalar(link.lag * self._milliseconds), owner=owner)
