"""Volumes over the edges of the topology, as operations of the plan.

``flowVolume``: what moves over the edge, found as ``edge_rules`` says, times the multiplier and late by the
lag.  ``attemptsVolume`` and ``failuresVolume``: attempts or failures of the source, times the multiplier (else
the weight) and late by the lag; ``retryRate`` is their ratio.  ``retryVolume``: of a flow edge, its share of the
retry echo of its target; of an effort edge, attempts beyond the flow.  Bins before the lag has passed have 0.
Each has a part a class where its series have (reference: engine.md 7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from flowtime.engine.builder import FlowBuilder
from flowtime.engine.edge_rules import EdgeLink, EdgeQuality, EdgeRule, Measured, edge_links, measure_edges
from flowtime.engine.flow_parts import FlowPart, flow_parts
from flowtime.engine.ir import ColumnKind
from flowtime.engine.stations import Station
from flowtime.model.naming import ALL_CLASSES, split_reference
from flowtime.model.spec import ModelSpec, RouterNode
from flowtime_kernels import opcodes as op

__all__ = ["EDGE_UNITS", "EdgeColumns", "EdgeInfo", "edge_series_name", "lower_edges"]

EDGE_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "flowVolume": "entities/bin",
        "attemptsVolume": "entities/bin",
        "failuresVolume": "entities/bin",
        "retryVolume": "entities/bin",
        "retryRate": "ratio",
    }
)


class EdgeInfo(NamedTuple):
    """One edge: its ends (topology node ids), what goes over it and how that was found (``rule``, where flow does).

    ``share`` is the part of what the source serves that the flow is before multiplier and lag, where it is a
    fixed one; ``metrics`` are the volumes that the edge has.
    """

    id: str
    source: str
    target: str
    type: str
    measure: str | None
    multiplier: float
    lag: int
    quality: EdgeQuality
    rule: EdgeRule | None
    share: float | None
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class EdgeColumns:
    """The volumes of all edges: ``columns`` maps ``edge_<id>_<metric>`` and ``edge_<id>_<metric>@<class>``
    to columns; ``edges`` has one entry an edge, by id, in the order of the file."""

    edges: Mapping[str, EdgeInfo]
    columns: Mapping[str, int]

    @property
    def quality(self) -> Mapping[str, EdgeQuality]:
        """How far the flow of each edge can be relied on, by edge id."""
        return {name: edge.quality for name, edge in self.edges.items()}

    def column(self, edge: str, metric: str, class_id: str | None = None) -> int | None:
        """Return the column of a volume, or None where the edge has none."""
        return self.columns.get(edge_series_name(edge, metric, class_id))


def edge_series_name(edge: str, metric: str, class_id: str | None = None) -> str:
    """Name the series of a volume of an edge, or the part of a class in it."""
    return f"edge_{edge}_{metric}" + ("" if class_id is None else f"@{class_id}")


def lower_edges(
    builder: FlowBuilder,
    stations: Sequence[Station],
    columns: Mapping[str, int],
    classes: Mapping[str, Sequence[int]],
    class_ids: Sequence[str],
    spec: ModelSpec,
) -> EdgeColumns:
    """Add the operations of every volume over an edge; return where they are and what they are worth."""
    links = edge_links(spec, stations)
    if not links:
        return EdgeColumns(MappingProxyType({}), MappingProxyType({}))
    routers = tuple(node for node in spec.nodes if isinstance(node, RouterNode))
    parts = flow_parts(columns, classes, class_ids, builder.scalar(0.0))
    return _EdgeLowering(builder, links, measure_edges(links, routers), routers, parts).run()


class _EdgeLowering:
    """One pass over the edges, for the whole flow first and then class by class."""

    def __init__(
        self,
        builder: FlowBuilder,
        links: Sequence[EdgeLink],
        measured: Mapping[int, Measured],
        routers: Sequence[RouterNode],
        parts: Sequence[FlowPart],
    ) -> None:
        self._builder = builder
        self._links = links
        self._measured = measured
        self._parts = parts
        feeders: dict[str, set[str]] = {}
        for router in routers:
            for route in router.routes:
                feeders.setdefault(route.target, set()).add(router.id)
        self._feeders = feeders
        self._made: dict[str, int] = {}
        # Of the whole flow: which part of the retries of its target comes over an edge.
        self._retry_shares: dict[int, int | None] = {}

    def run(self) -> EdgeColumns:
        """Return the volumes of all edges."""
        for part in self._parts:
            flows = self._flows(part)
            for index, link in enumerate(self._links):
                if index in flows:
                    self._keep(link, "flowVolume", part, flows[index])
                self._counts(link, part, flows.get(index))
            self._retries(part, flows)
        edges = {link.id: self._info(index, link) for index, link in enumerate(self._links)}
        return EdgeColumns(MappingProxyType(edges), MappingProxyType(self._made))

    def _info(self, index: int, link: EdgeLink) -> EdgeInfo:
        metrics = tuple(metric for metric in EDGE_UNITS if edge_series_name(link.id, metric) in self._made)
        found = self._measured.get(index) if "flowVolume" in metrics else None
        quality = found.quality if found else "exact" if metrics else "missing"
        if quality == "exact" and self._lacks_a_class(link, metrics):
            quality = "partialClass"
        is_share = found is not None and found.rule in ("served", "weights", "equal") and not found.before
        return EdgeInfo(
            id=link.id,
            source=link.source.id,
            target=link.target.id,
            type=link.edge.type,
            measure=link.measure,
            multiplier=link.edge.multiplier,
            lag=link.edge.lag,
            quality=quality,
            rule=found.rule if found else None,
            share=found.share if found and is_share else None,
            metrics=metrics,
        )

    def _lacks_a_class(self, link: EdgeLink, metrics: Sequence[str]) -> bool:
        return any(
            edge_series_name(link.id, metric, part.class_id) not in self._made
            for part in self._parts[1:]
            for metric in metrics
        )

    # --- flow -------------------------------------------------------------------------------------------------

    def _flows(self, part: FlowPart) -> dict[int, int]:
        """The flow column of each edge that has one; those that share a rest come after what they leave."""
        flows: dict[int, int] = {}
        for index in sorted(self._measured, key=lambda i: bool(self._measured[i].before)):
            column = self._flow(index, part, flows)
            if column is not None:
                flows[index] = column
        return flows

    def _flow(self, index: int, part: FlowPart, flows: Mapping[int, int]) -> int | None:
        link, measured = self._links[index], self._measured[index]
        if measured.rule == "routed":
            return self._routed(link, measured.routers, part)
        if measured.rule == "arrivals":
            return part.columns.get(link.target.series["arrivals"])
        served = part.columns.get(link.source.series.get("served", ""))
        if served is None or any(i not in flows for i in measured.before):
            return None
        if measured.before:
            owner = f"{link.source.id} rest of served"
            for i in measured.before:
                served = self._builder.emit(op.SUB, served, flows[i], owner=owner)
            served = self._builder.emit(op.MAX, served, self._builder.scalar(0.0), owner=owner)
        return self._travel(link, "flowVolume", served, measured.share * link.edge.multiplier)

    def _travel(self, link: EdgeLink, metric: str, column: int, factor: float) -> int:
        """A column times a factor, late by the lag of the edge."""
        builder, owner = self._builder, edge_series_name(link.id, metric)
        if factor != 1.0:
            column = builder.emit(op.MUL, column, builder.scalar(factor), owner=owner)
        lag = link.edge.lag
        if lag == 0:
            return column
        if builder.columns[column].kind is ColumnKind.SCALAR:
            # What is late needs bins in which it is not there yet.
            column = builder.emit(op.COPY, column, owner=owner)
        return builder.emit(op.SHIFT, column, owner=owner, length=lag, params=(0.0,), lag=lag)

    def _routed(self, link: EdgeLink, routers: Sequence[RouterNode], part: FlowPart) -> int | None:
        target = link.target.series["arrivals"]
        if self._feeders[target] == {router.id for router in routers}:
            return part.columns.get(target)
        # Other routers feed the target too: what these send is worked out anew.
        total: int | None = None
        for router in routers:
            sent = self._sent(router, target, part)
            if sent is None:
                return None
            total = sent if total is None else self._builder.emit(op.ADD, total, sent, owner=target)
        return total

    def _sent(self, router: RouterNode, target: str, part: FlowPart) -> int | None:
        """What one router sends to one target: its classes, then its share of what no route takes by class."""
        name = _series_name(router.inputs.queue)
        whole = part.columns.get(name)
        by_class = {p.class_id: p.columns[name] for p in self._parts[1:] if name in p.columns}
        listed = [class_id for route in router.routes for class_id in route.classes]
        if whole is None or not by_class.keys() >= set(listed):
            return None
        taken = [class_id for route in router.routes if route.target == target for class_id in route.classes]
        share = _weight_share(router, target)
        if part.class_id is None:
            every, own = ([by_class[class_id] for class_id in ids] for ids in (listed, taken))
            return self._sent_in_all(whole, every, own, share, target)
        factor = float(taken.count(part.class_id)) + (0.0 if part.class_id in listed else share)
        return self._builder.emit(op.MUL, whole, self._builder.scalar(factor), owner=target)

    def _sent_in_all(self, whole: int, listed: Sequence[int], taken: Sequence[int], share: float, owner: str) -> int:
        builder, rest = self._builder, whole
        for column in listed:
            rest = builder.emit(op.SUB, rest, column, owner=owner)
        rest = builder.emit(op.MAX, rest, builder.scalar(0.0), owner=owner) if listed else rest
        sent = builder.emit(op.MUL, rest, builder.scalar(share), owner=owner)
        for column in taken:
            sent = builder.emit(op.ADD, sent, column, owner=owner)
        return sent

    # --- attempts, failures, retries ----------------------------------------------------------------------------

    def _counts(self, link: EdgeLink, part: FlowPart, flow: int | None) -> None:
        attempts, failures = self._counted(link, part)
        if attempts is not None:
            attempts = self._travel(link, "attemptsVolume", attempts, link.factor)
            self._keep(link, "attemptsVolume", part, attempts)
        if failures is not None:
            failures = self._travel(link, "failuresVolume", failures, link.factor)
            self._keep(link, "failuresVolume", part, failures)
        if attempts is not None and failures is not None:
            rate = self._builder.emit(op.RATIO, failures, attempts, owner=edge_series_name(link.id, "retryRate"))
            self._keep(link, "retryRate", part, rate)
        if attempts is not None and flow is not None:
            owner = edge_series_name(link.id, "retryVolume")
            beyond = self._builder.emit(op.SUB, attempts, flow, owner=owner)
            again = self._builder.emit(op.MAX, beyond, self._builder.scalar(0.0), owner=owner)
            self._keep(link, "retryVolume", part, again)

    def _counted(self, link: EdgeLink, part: FlowPart) -> tuple[int | None, int | None]:
        """The attempts and failures of the source that an edge stands for."""
        counts_both = link.counts_attempts or link.measure in ("failures", "exhaustedFailures")
        attempts = self._attempts(link.source, part) if counts_both else None
        if attempts is None and link.counts_attempts and link.measure == "load":
            attempts = self._role(link.source, part, "inflow", "arrivals")
        failures = self._failures(link, part) if counts_both or link.counts_failures else None
        return attempts, failures

    def _attempts(self, source: Station, part: FlowPart) -> int | None:
        bound = self._role(source, part, "attempts")
        served = self._role(source, part, "served")
        failed = self._role(source, part, "failures", "loss", "errors")
        if bound is not None or served is None or failed is None or not source.has_service:
            return bound
        # As the metric of the node has it, whose column this is.
        return self._builder.emit(op.ADD, served, failed, owner=f"{source.id}.attempts")

    def _failures(self, link: EdgeLink, part: FlowPart) -> int | None:
        if link.measure == "exhaustedFailures":
            return self._role(link.source, part, "exhaustedFailures")
        if link.measure == "errors":
            return self._role(link.source, part, "loss", "errors")
        return self._role(link.source, part, "failures", "loss", "errors")

    def _role(self, station: Station, part: FlowPart, *roles: str) -> int | None:
        """The column of the first of these parts that the station has, if that has the class."""
        name = next((station.series[role] for role in roles if role in station.series), None)
        return None if name is None else part.columns.get(name)

    def _retries(self, part: FlowPart, flows: Mapping[int, int]) -> None:
        """Split the retry echo of a target over the flow edges that lead to it, as the whole flow goes."""
        if part.class_id is None:
            incoming: dict[str, list[int]] = {}
            for index in sorted(flows):
                link = self._links[index]
                if link.edge.type == "throughput" and "retryEcho" in link.target.series:
                    incoming.setdefault(link.target.id, []).append(index)
            for group in incoming.values():
                self._retry_shares.update(self._shares(group, flows))
        for index, share in self._retry_shares.items():
            link = self._links[index]
            echo = self._role(link.target, part, "retryEcho")
            if echo is not None:
                owner = edge_series_name(link.id, "retryVolume")
                column = echo if share is None else self._builder.emit(op.MUL, echo, share, owner=owner)
                self._keep(link, "retryVolume", part, column)

    def _shares(self, group: Sequence[int], flows: Mapping[int, int]) -> dict[int, int | None]:
        """The share of each edge in the flow of all, equal where nothing flows; None for the only one."""
        if len(group) == 1:
            return {group[0]: None}
        builder, owner = self._builder, f"{self._links[group[0]].target.id} retries by edge"
        total = flows[group[0]]
        for index in group[1:]:
            total = builder.emit(op.ADD, total, flows[index], owner=owner)
        moves = builder.emit(op.LT, builder.scalar(0.0), total, owner=owner)
        equal = builder.scalar(1.0 / len(group))
        shares: dict[int, int | None] = {}
        for index in group:
            ratio = builder.emit(op.RATIO, flows[index], total, owner=owner)
            shares[index] = builder.emit(op.IF, moves, ratio, equal, owner=owner)
        return shares

    def _keep(self, link: EdgeLink, metric: str, part: FlowPart, column: int) -> None:
        self._made[edge_series_name(link.id, metric, part.class_id)] = column


def _series_name(reference: str) -> str:
    """The name of the series that a reference means; a file has none."""
    parts = split_reference(reference)
    is_whole = parts.class_id is None or parts.class_id in ALL_CLASSES
    return (parts.id or "") if is_whole else f"{parts.id}@{parts.class_id}"


def _weight_share(router: RouterNode, target: str) -> float:
    """The share of a target in what a router sends by weight."""
    weights = [(route.target, route.weight) for route in router.routes if route.weight is not None]
    whole = sum(weight for _, weight in weights)
    return sum(weight for to, weight in weights if to == target) / whole if whole > 0.0 else 0.0
