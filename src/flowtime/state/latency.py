"""How long work has been in the topology when it leaves a node; see ``engine.flow_latency`` for the meaning.

``flowLatency = own cycle time + (sum of flow * (latency upstream + lag)) / (sum of flow)``, on the values of a
block.  Nodes on a cycle of edges, and those behind one, have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from flowtime.engine.edge_rules import EdgeLink
from flowtime.engine.tolerance import finite_or_zero
from flowtime.model.spec import FloatArray
from flowtime.state.arithmetic import pair_sum, ratio
from flowtime.state.block import Block
from flowtime.state.places import ABSENT, BoolTable, Places, RowTable

__all__ = ["FlowOrder", "find_flow_order", "flow_latency"]

_CARRIES = ("throughput", "effort", "dependency")


@dataclass(frozen=True)
class _Link:
    """What one edge brings: ``rows`` are those of its flow by part, ``known`` where source and flow are there
    (``is_whole``: everywhere)."""

    source: int
    lag: int
    rows: RowTable
    known: BoolTable
    is_whole: bool


@dataclass(frozen=True)
class FlowOrder:
    """Nodes after all that flow into them, each with what comes in; ``has`` says of (nodes, parts) who has a
    flow latency, ``lag`` how many bins back the longest way through edges with lags reaches."""

    steps: tuple[tuple[int, tuple[_Link, ...]], ...]
    has: BoolTable
    lag: int


def find_flow_order(places: Places, edges: Sequence[tuple[EdgeLink, RowTable]]) -> FlowOrder:
    """Return the order of the nodes; ``edges`` are all edges with the rows of their flow by part (Kahn 1962)."""
    index = {station.id: place for place, station in enumerate(places.stations)}
    carrying = [(link, rows) for link, rows in edges if link.edge.type in _CARRIES and rows[0] != ABSENT]
    order = _downstream(len(index), [(index[link.source.id], index[link.target.id]) for link, _ in carrying])
    has = np.zeros(places.shape, dtype=np.bool_)
    back = np.zeros(len(index), dtype=np.int64)
    steps = []
    for place in order if edges else ():
        links = []
        for link, rows in carrying:
            source = index[link.source.id]
            if index[link.target.id] == place:
                lag = link.edge.lag
                back[place] = max(back[place], back[source] + lag)
                known = (rows != ABSENT) & has[source]
                links.append(_Link(source, lag, rows, known, bool(known.all())))
        has[place] = places.gauge[place] != ABSENT
        has[place, 0] = True
        steps.append((place, tuple(links)))
    return FlowOrder(tuple(steps), has, int(back.max(initial=0)))


def _downstream(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    outgoing: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for source, target in links:
        outgoing[source].append(target)
        missing[target] += 1
    order = [place for place in range(count) if missing[place] == 0]
    # The list grows while it is read: what it names last has all its sources before it.
    for place in order:
        for target in outgoing[place]:
            missing[target] -= 1
            if missing[target] == 0:
                order.append(target)
    return order


def flow_latency(order: FlowOrder, places: Places, block: Block, cycle: FloatArray, milliseconds: float) -> FloatArray:
    """Return the flow latency in ms; ``cycle`` is the cycle time of (nodes, parts, points), ``milliseconds`` the
    length of a bin.  NaN where nothing moves, and for nodes that have none."""
    latency = np.full(cycle.shape, np.nan)
    gauge = block.mean(places.gauge)
    still = (places.gauge != ABSENT)[:, :, None] & ~(gauge > 0.0)
    for place, links in order.steps:
        found = cycle[place]
        if links:
            found = pair_sum(_upstream(links, block, latency, milliseconds), found)
        latency[place] = np.where(still[place], np.nan, found)
    return latency


def _upstream(links: Sequence[_Link], block: Block, latency: FloatArray, milliseconds: float) -> FloatArray:
    """The mean latency of what flows in, by flow; (parts, points)."""
    total: FloatArray | None = None
    weighted = latency[0]
    for link in links:
        before = _arriving(latency[link.source], link.lag, block.span.width, milliseconds)
        # A source whose latency is undefined tells nothing; the mean is over those that do.
        counted = block.mean(link.rows) * (before >= 0.0)
        product = finite_or_zero(counted * before)
        if not link.is_whole:
            known = link.known[:, None]
            counted, product = np.where(known, counted, 0.0), np.where(known, product, 0.0)
        total, weighted = (counted, product) if total is None else (total + counted, weighted + product)
    return np.full(weighted.shape, np.nan) if total is None else ratio(weighted, total)


def _arriving(latency: FloatArray, lag: int, width: int, milliseconds: float) -> FloatArray:
    """The latency of what comes over an edge: that of its source when it left, and the time on the way."""
    if lag == 0:
        return latency
    late = np.full(latency.shape, np.nan)
    # To the nearest point: where one stands for many bins, most of what arrives left within the same one.
    points = min((lag + width // 2) // width, latency.shape[1])
    late[:, points:] = latency[:, : latency.shape[1] - points] + lag * milliseconds
    return late
