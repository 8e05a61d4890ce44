"""Where the volume over each edge of the topology comes from.

The flow that is really computed is the authority, so an edge is measured where that flow can be read off:
at the router that owns it, at its source, or at its target.  Only where neither tells what goes over which of
several edges do weights decide, and the result is called approximate (reference: engine.md 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from flowtime.engine.stations import Station
from flowtime.model.naming import split_endpoint, split_reference
from flowtime.model.spec import Edge, ModelSpec, RouterNode

__all__ = ["EdgeLink", "EdgeQuality", "EdgeRule", "Measured", "edge_links", "effective_weight", "measure_edges"]

EdgeQuality: TypeAlias = Literal["exact", "approx", "partialClass", "missing"]
# routed: what a router sends to the target.  served, arrivals: all that the source serves, all that arrives at
# the target.  weights, equal: a share of what the source serves.  rest: what its other edges leave of it.
EdgeRule: TypeAlias = Literal["routed", "served", "arrivals", "weights", "equal", "rest"]

_FAILURES = ("errors", "failures", "exhaustedFailures")
_MEASURES = ("served", "attempts", "load", *_FAILURES)
_EFFORT = ("effort", "dependency")


class EdgeLink(NamedTuple):
    """One edge with its ends looked up; ``measure`` is None where the port means no part of a node."""

    id: str
    edge: Edge
    source: Station
    target: Station
    measure: str | None

    @property
    def is_effort(self) -> bool:
        """Whether the edge stands for calls rather than for work that moves on."""
        return self.edge.type in _EFFORT

    @property
    def carries_flow(self) -> bool:
        """Whether what the source serves, or a share of it, goes over the edge."""
        if self.edge.type == "topology":
            return False
        return self.measure == "served" or (self.is_effort and self.measure in ("attempts", "load"))

    @property
    def counts_attempts(self) -> bool:
        """Whether attempts of the source go over the edge."""
        return self.is_effort and self.measure in ("attempts", "load")

    @property
    def counts_failures(self) -> bool:
        """Whether failures of the source go over the edge."""
        return self.measure in _FAILURES

    @property
    def factor(self) -> float:
        """How much one attempt or failure counts for: the multiplier, or else the weight."""
        return self.edge.multiplier if self.edge.multiplier != 1.0 else self.edge.weight


class Measured(NamedTuple):
    """How the flow of an edge is found; ``share`` is its part of what the source serves (or of the rest)."""

    rule: EdgeRule
    quality: EdgeQuality
    share: float = 1.0
    # Edges (by index) whose flow is taken off what the source serves before the rest is shared.
    before: tuple[int, ...] = ()
    routers: tuple[RouterNode, ...] = ()


def edge_links(spec: ModelSpec, stations: Sequence[Station]) -> tuple[EdgeLink, ...]:
    """Return the edges of a valid model in the order of the file, named ``from->to`` where they have no id."""
    by_id = {station.id: station for station in stations}
    found: list[EdgeLink] = []
    taken: Counter[str] = Counter()
    for edge in spec.topology.edges if spec.topology else ():
        source, target = split_endpoint(edge.source, by_id), split_endpoint(edge.target, by_id)
        if source is None or target is None:
            continue
        name = edge.id or f"{edge.source}->{edge.target}"
        taken[name] += 1
        # Two edges between the same ends are told apart by number.
        name = name if taken[name] == 1 else f"{name}#{taken[name]}"
        found.append(EdgeLink(name, edge, by_id[source[0]], by_id[target[0]], _measure(edge, source[1])))
    return tuple(found)


def effective_weight(edge: Edge) -> float:
    """The weight of an edge among its siblings; one that is not positive counts 1."""
    return edge.weight if edge.weight > 0.0 else 1.0


def measure_edges(links: Sequence[EdgeLink], routers: Sequence[RouterNode]) -> Mapping[int, Measured]:
    """Say of each edge (by index) that carries flow how that is found.

    Siblings are the edges of one type from one node: together they carry what it serves.
    """
    siblings: dict[tuple[str, str], list[int]] = {}
    for index, link in enumerate(links):
        if link.carries_flow:
            siblings.setdefault((link.source.id, link.edge.type), []).append(index)
    incoming = Counter(link.target.id for link in links if link.edge.type != "topology")
    owners = _owners(links, routers)
    measured: dict[int, Measured] = {}
    for group in siblings.values():
        measured.update(_measure_group(links, group, incoming, owners))
    return measured


def _measure(edge: Edge, port: str | None) -> str | None:
    if edge.measure is not None:
        return edge.measure
    if port in (None, "out"):
        return "served"
    return port if port in _MEASURES else None


def _measure_group(
    links: Sequence[EdgeLink],
    group: Sequence[int],
    incoming: Mapping[str, int],
    owners: Mapping[int, tuple[RouterNode, ...]],
) -> dict[int, Measured]:
    found = {i: Measured("routed", "exact", routers=owners[i]) for i in group if i in owners}
    open_edges = [i for i in group if i not in found]
    weights = [effective_weight(links[i].edge) for i in open_edges]
    is_only = len(open_edges) == 1
    if any(links[i].edge.weight != 1.0 for i in open_edges):
        whole = sum(weights)
        quality: EdgeQuality = "exact" if is_only else "approx"
        before = tuple(found)
        shares = zip(open_edges, weights, strict=True)
        return found | {i: Measured("weights", quality, weight / whole, before) for i, weight in shares}
    if is_only and not found:
        return {open_edges[0]: Measured("served", "exact")}
    if not open_edges:
        return found
    return found | _measure_at_targets(links, open_edges, tuple(found), incoming)


def _measure_at_targets(
    links: Sequence[EdgeLink], open_edges: Sequence[int], routed: tuple[int, ...], incoming: Mapping[str, int]
) -> dict[int, Measured]:
    """Equal siblings: what arrives at a target that has no other edge came over this one."""
    alone = tuple(i for i in open_edges if incoming[links[i].target.id] == 1)
    others = [i for i in open_edges if i not in alone]
    found = {i: Measured("arrivals", "exact") for i in alone}
    before = (*routed, *alone)
    # What left the source can be told from what arrived only where nothing changed on the way.
    is_told = all(links[i].edge.lag == 0 and links[i].edge.multiplier == 1.0 for i in before)
    if others and not is_told:
        return {i: Measured("equal", "approx", 1.0 / len(open_edges)) for i in open_edges}
    rule: EdgeRule = "rest" if before else "equal"
    quality: EdgeQuality = "exact" if len(others) == 1 else "approx"
    return found | {i: Measured(rule, quality, 1.0 / len(others), before) for i in others}


def _owners(links: Sequence[EdgeLink], routers: Sequence[RouterNode]) -> dict[int, tuple[RouterNode, ...]]:
    """The routers that feed the target of an edge from what its source serves."""
    by_target: dict[str, dict[str, RouterNode]] = {}
    for router in routers:
        for route in router.routes:
            by_target.setdefault(route.target, {})[router.id] = router
    found: dict[int, tuple[RouterNode, ...]] = {}
    for index, link in enumerate(links):
        feeding = tuple(by_target.get(link.target.series.get("arrivals", ""), {}).values())
        own = tuple(router for router in feeding if _is_fed_by(router, link.source))
        if own and link.carries_flow and not link.is_effort:
            found[index] = own
    return found


def _is_fed_by(router: RouterNode, source: Station) -> bool:
    served = source.node.semantics.served
    outflow = {source.series.get("served"), split_reference(served).id if served else None}
    if source.node.kind == "router":
        # A router of the topology hands on what arrives; the series may be bound as either.
        outflow.add(source.series.get("arrivals"))
    return source.id == router.id or router.id in outflow or split_reference(router.inputs.queue).id in outflow
