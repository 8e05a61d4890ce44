"""Flow latency: the time from entering the topology to leaving a node, as operations of the plan.

``flowLatency = own cycle time + (sum of flow * latency upstream) / (sum of flow)`` over incoming
throughput, effort and dependency edges (reference: engine.md 6); the flow of an edge is its share, by
weight, of what its source served.  Nodes on a cycle of edges have none: a partial sum would be a lie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flowtime.engine.builder import FlowBuilder
from flowtime.engine.stations import Station
from flowtime.model.naming import is_sink, split_endpoint
from flowtime.model.spec import Edge
from flowtime_kernels import opcodes as op

__all__ = ["lower_flow_latency"]

_CARRIES = ("throughput", "effort", "dependency")


class _Link(NamedTuple):
    source: str
    target: str
    share: float


def lower_flow_latency(
    builder: FlowBuilder,
    nodes: Sequence[Station],
    columns: Mapping[str, int],
    edges: Sequence[Edge],
    metrics: Mapping[str, int],
) -> dict[str, int]:
    """Return the column of ``node.flowLatencyMs`` for each node that no cycle of edges reaches."""
    stations = {station.id: station for station in nodes}
    links = _links(edges, stations)
    incoming: dict[str, list[_Link]] = {name: [] for name in stations}
    for link in links:
        incoming[link.target].append(link)
    latency: dict[str, int] = {}
    for name in _downstream_order(incoming):
        own = metrics.get(f"{name}.cycleTimeMs")
        latency[name] = _latency(builder, stations[name], columns, incoming[name], latency, own, stations)
    return {f"{name}.flowLatencyMs": column for name, column in latency.items()}


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


def _links(edges: Sequence[Edge], stations: Mapping[str, Station]) -> list[_Link]:
    ends = []
    totals: dict[tuple[str, str], float] = {}
    for edge in edges:
        source, target = split_endpoint(edge.source, stations), split_endpoint(edge.target, stations)
        carries = edge.type in _CARRIES and edge.measure in (None, "served")
        if not carries or source is None or target is None or "served" not in stations[source[0]].series:
            continue
        if source[1] not in (None, "out"):
            continue
        weight = edge.weight if edge.weight > 0.0 else 1.0
        ends.append((source[0], target[0], edge.type, weight))
        totals[source[0], edge.type] = totals.get((source[0], edge.type), 0.0) + weight
    return [_Link(source, target, weight / totals[source, kind]) for source, target, kind, weight in ends]


def _latency(
    builder: FlowBuilder,
    station: Station,
    columns: Mapping[str, int],
    links: Sequence[_Link],
    latency: Mapping[str, int],
    own: int | None,
    stations: Mapping[str, Station],
) -> int:
    owner = f"{station.id}.flowLatencyMs"
    zero = builder.scalar(0.0)
    total = weighted = None
    for link in links:
        served = columns[stations[link.source].series["served"]]
        flow = builder.emit(op.MUL, served, builder.scalar(link.share), owner=owner)
        # A source whose latency is undefined tells nothing; the mean is over those that do.
        is_known = builder.emit(op.STEP, latency[link.source], zero, owner=owner)
        counted = builder.emit(op.MUL, flow, is_known, owner=owner)
        product = builder.emit(op.MUL, counted, latency[link.source], owner=owner)
        part = builder.emit(op.SAFE, product, owner=owner)
        total = counted if total is None else builder.emit(op.ADD, total, counted, owner=owner)
        weighted = part if weighted is None else builder.emit(op.ADD, weighted, part, owner=owner)
    result = builder.scalar(math.nan) if own is None else own
    if total is not None and weighted is not None:
        upstream = builder.emit(op.RATIO, weighted, total, owner=owner)
        result = builder.emit(op.PAIR_SUM, upstream, result, owner=owner)
    gauge = station.series.get("arrivals" if is_sink(station.node) else "served")
    if gauge is None:
        return result
    moving = builder.emit(op.LT, zero, columns[gauge], owner=owner)
    return builder.emit(op.IF, moving, result, builder.scalar(math.nan), owner=owner)
