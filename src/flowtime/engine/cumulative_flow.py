"""Cumulative flow: all that has come in and gone out so far, and what is in progress between the two.

The distance between the two curves of such a diagram is the work in progress, read upwards, and about the time
that work spends inside, read sideways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.edge_flows import EdgeInfo
from flowtime.engine.station_view import StationView, station_view, station_views
from flowtime.engine.tolerance import finite_or_zero
from flowtime.model.naming import sends_overflow
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["CumulativeFlow", "node_cumulative_flow", "system_cumulative_flow"]


@dataclass(frozen=True)
class CumulativeFlow:
    """Entities at the end of each bin, float64 (bins,) each: ``arrivals`` and ``departures`` since the start of
    bin 0, and ``in_progress``; ``initial`` were there before.  ``node_id`` is None for the whole system."""

    node_id: str | None
    initial: float
    arrivals: FloatArray
    departures: FloatArray
    in_progress: FloatArray


def node_cumulative_flow(result: Result, node: str) -> CumulativeFlow:
    """Return the cumulative flow of one topology node; raises ParameterError for one that does not exist.

    What arrives is arrivals and overflow of others; what departs is served, lost or overflows.
    """
    view = station_view(result, node)
    arrivals = np.cumsum(_flow(view.inflow, view.bins))
    departures = np.cumsum(_flow(view.served, view.bins) + view.lost + _flow(view.series.get("overflow"), view.bins))
    depth = view.depth
    # Without a queue whatever came and has not left by now never will: that is no work in progress.
    waiting = np.zeros(view.bins) if depth is None else finite_or_zero(depth)
    return CumulativeFlow(node, 0.0 if depth is None else view.station.initial_depth, arrivals, departures, waiting)


def system_cumulative_flow(result: Result) -> CumulativeFlow:
    """Return the cumulative flow of the whole topology.

    Work arrives where more flows into a node than edges and overflow of other nodes bring; it is in progress
    while it waits in a queue or is on its way over an edge with a lag; all other work that arrived has departed.
    """
    views = {view.station.id: view for view in station_views(result)}
    entered = np.zeros(result.grid.bins)
    waiting = np.zeros(result.grid.bins)
    initial = 0.0
    counted: set[str] = set()
    brought = _brought(result, views)
    for view in views.values():
        entered += np.maximum(0.0, _flow(view.inflow, view.bins) - brought.get(view.station.id, 0.0))
        depth, name = view.depth, view.station.series.get("queueDepth", "")
        # One queue may be shown at several nodes.
        if depth is not None and name not in counted:
            counted.add(name)
            waiting += finite_or_zero(depth)
            initial += view.station.initial_depth
    for edge in result.compiled.flow.edges.edges.values():
        waiting += _on_the_way(result, edge, views[edge.source])
    arrivals = np.cumsum(entered)
    return CumulativeFlow(None, initial, arrivals, initial + arrivals - waiting, waiting)


def _flow(values: FloatArray | None, bins: int) -> FloatArray:
    return np.zeros(bins) if values is None else finite_or_zero(values)


def _brought(result: Result, views: Mapping[str, StationView]) -> dict[str, FloatArray]:
    """What edges and the overflow of other nodes bring to each node in each bin."""
    total: dict[str, FloatArray] = {}
    for edge in result.edges.values():
        metric = next((name for name in ("flowVolume", "failuresVolume") if name in edge), None)
        if metric is not None and edge.info.type in ("throughput", "terminal"):
            total[edge.info.target] = total.get(edge.info.target, 0.0) + finite_or_zero(edge[metric])
    for view in views.values():
        node, overflow = view.station.node, view.series.get("overflow")
        if node.wip_overflow is not None and sends_overflow(node):
            total[node.wip_overflow] = total.get(node.wip_overflow, 0.0) + _flow(overflow, view.bins)
    return total


def _on_the_way(result: Result, edge: EdgeInfo, source: StationView) -> FloatArray:
    """What has left the source of an edge with a lag and not yet arrived."""
    if edge.lag == 0 or edge.type != "throughput" or "flowVolume" not in edge.metrics:
        return np.zeros(source.bins)
    arrived = finite_or_zero(result.edges[edge.id]["flowVolume"])
    if edge.share is not None:
        left = _flow(source.served, source.bins) * (edge.share * edge.multiplier)
    else:
        # What the last bins sent is not known before it arrives.
        left = np.concatenate((arrived[edge.lag :], np.zeros(min(edge.lag, source.bins))))
    return np.cumsum(left) - np.cumsum(arrived)
