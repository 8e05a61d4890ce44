"""The slow obvious twins of what is derived from flows: one node, one edge and one bin at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["DrawnEdge", "bound_bins", "cumulated", "drain_bins", "edge_flows", "retry_volumes", "stuck_bins"]


class DrawnEdge(NamedTuple):
    """A throughput edge without ports."""

    id: str
    source: str
    target: str
    weight: float = 1.0
    multiplier: float = 1.0
    lag: int = 0

    def text(self) -> str:
        """The edge as a flow mapping of YAML."""
        ends = f"id: {self.id}, from: {self.source}, to: {self.target}"
        return f"{{{ends}, weight: {self.weight}, multiplier: {self.multiplier}, lag: {self.lag}}}"


Flows = Mapping[str, Sequence[float]]


def edge_flows(edges: Sequence[DrawnEdge], served: Flows, arrivals: Flows) -> dict[str, list[float]]:
    """What goes over each edge, with no router anywhere."""
    return {
        edge.id: [_flow(edge, edges, served, arrivals, t) for t in range(len(served[edge.source]))] for edge in edges
    }


def _flow(edge: DrawnEdge, edges: Sequence[DrawnEdge], served: Flows, arrivals: Flows, t: int) -> float:
    siblings = [other for other in edges if other.source == edge.source]
    out = served[edge.source]
    if any(other.weight != 1.0 for other in siblings):
        weights = {other.id: other.weight if other.weight > 0.0 else 1.0 for other in siblings}
        return _late(out, edge, t, weights[edge.id] / sum(weights.values()))
    alone = [other for other in siblings if [e.target for e in edges].count(other.target) == 1]
    if len(siblings) == 1:
        return _late(out, edge, t, 1.0)
    if len(alone) == len(siblings):
        return arrivals[edge.target][t]
    if any(other.lag or other.multiplier != 1.0 for other in alone):
        return _late(out, edge, t, 1.0 / len(siblings))
    if edge in alone:
        return arrivals[edge.target][t]
    if not alone:
        return _late(out, edge, t, 1.0 / len(siblings))
    rest = [max(0.0, out[i] - sum(arrivals[other.target][i] for other in alone)) for i in range(len(out))]
    return _late(rest, edge, t, 1.0 / (len(siblings) - len(alone)))


def _late(out: Sequence[float], edge: DrawnEdge, t: int, share: float) -> float:
    return out[t - edge.lag] * share * edge.multiplier if t >= edge.lag else 0.0


def retry_volumes(
    edges: Sequence[DrawnEdge], flows: Flows, target: str, echo: Sequence[float]
) -> dict[str, list[float]]:
    """The echo of a node split over the edges that lead to it."""
    incoming = [edge.id for edge in edges if edge.target == target]
    volumes: dict[str, list[float]] = {name: [] for name in incoming}
    for t, value in enumerate(echo):
        total = sum(flows[name][t] for name in incoming)
        for name in incoming:
            share = flows[name][t] / total if total > 0.0 else 1.0 / len(incoming)
            volumes[name].append(value * share)
    return volumes


def drain_bins(depth: Sequence[float]) -> list[float]:
    """Bins from each one until nothing waits."""
    waits = [next((s - t for s in range(t, len(depth)) if depth[s] <= 1e-9), math.inf) for t in range(len(depth))]
    return [float(wait) for wait in waits]


def stuck_bins(
    depth: Sequence[float], capacity: Sequence[float], served: Sequence[float]
) -> tuple[list[bool], list[bool]]:
    """Where a node without gates and limits is blocked (work and no capacity), and where starved."""
    blocked = [q > 1e-9 and not c > 0.0 for q, c in zip(depth, capacity, strict=True)]
    starved = [c - s > 1e-9 * (1.0 + c) and q <= 1e-9 for q, c, s in zip(depth, capacity, served, strict=True)]
    return blocked, starved


def bound_bins(capacity: Sequence[float], served: Sequence[float]) -> list[bool]:
    """Where a node of known capacity works at its limit."""
    return [c > 0.0 and s / c >= 0.95 for c, s in zip(capacity, served, strict=True)]


def cumulated(values: Sequence[float]) -> list[float]:
    """Running sums."""
    total, sums = 0.0, []
    for value in values:
        total += value
        sums.append(total)
    return sums
