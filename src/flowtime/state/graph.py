"""How the nodes of a run hang together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from flowtime.engine.stations import Station
from flowtime.model.expression.references import references
from flowtime.model.naming import split_reference
from flowtime.model.spec import Node, QueueNode, RouterNode, TopologyNode
from flowtime.state.documents import Category
from flowtime.state.open_run import OpenRun
from flowtime.state.overview import GraphAnswer, GraphEdge, GraphNode, GraphUi
from flowtime.state.window import WindowMode

__all__ = ["read_graph"]

Feed: TypeAlias = tuple[str, str, str, int]

_HIDDEN: Final = ("graph.hidden", "ui.hidden")
_CATEGORY_OF_KIND: Final[dict[str, Category]] = {
    "const": "constant",
    "pmf": "constant",
    "expr": "expression",
    "router": "router",
    "serviceWithBuffer": "queue",
}


def read_graph(run: OpenRun, *, mode: WindowMode = "operational") -> GraphAnswer:
    """Return the nodes and edges of the topology.

    With ``mode="full"`` also the declared series, but those whose metadata hide them, and which of them feeds
    which part of a node (``dep:series->node:part``) or which expression (``dep:series->series:expr``).
    """
    ui = _places(run)
    nodes = [_node(run, index, station, ui[index]) for index, station in enumerate(run.places.stations)]
    edges = list(_edges(run))
    if mode == "full":
        nodes += _declared(run)
        edges += _dependencies(run, {node.id for node in nodes[len(run.places.stations) :]})
    return GraphAnswer(run_id=run.bundle.run.run_id, nodes=tuple(nodes), edges=tuple(edges))


def _node(run: OpenRun, index: int, station: Station, ui: GraphUi) -> GraphNode:
    node = station.node
    return GraphNode(
        id=station.id,
        kind=node.kind,
        category=run.facts[index].category,
        analytical=run.facts[index].analytical,
        node_role=node.node_role,
        group=node.group,
        semantics={role: f"series:{name}" for role, name in station.series.items()},
        aliases=node.semantics.aliases,
        constraints=node.constraints,
        dispatch_schedule=run.facts[index].dispatch,
        ui=ui,
    )


def _places(run: OpenRun) -> list[GraphUi]:
    """Where each node goes: the author's place, its layer (the longest way from a start; null on a cycle of edges,
    or behind one), and its order within the layer."""
    index = {station.id: place for place, station in enumerate(run.places.stations)}
    incoming: dict[int, list[int]] = {place: [] for place in index.values()}
    for edge in run.edges:
        incoming[index[edge.link.target.id]].append(index[edge.link.source.id])
    layers = _layers(incoming)
    taken: dict[int, int] = {}
    found = []
    for place, station in enumerate(run.places.stations):
        layer = layers.get(place)
        order = None if layer is None else taken.get(layer, 0)
        if layer is not None:
            taken[layer] = taken.get(layer, 0) + 1
        found.append(_ui(station.node, layer, order))
    return found


def _layers(incoming: dict[int, list[int]]) -> dict[int, int]:
    """The longest way to each node, as far as no cycle is in it."""
    layers: dict[int, int] = {}
    open_nodes = set(incoming)
    while ready := [place for place in open_nodes if all(source in layers for source in incoming[place])]:
        for place in ready:
            layers[place] = max((layers[source] + 1 for source in incoming[place]), default=0)
        open_nodes.difference_update(ready)
    return layers


def _ui(node: TopologyNode, layer: int | None, order: int | None) -> GraphUi:
    hints = node.ui
    return GraphUi(x=hints.x if hints else None, y=hints.y if hints else None, layer=layer, order=order)


def _edges(run: OpenRun) -> Iterator[GraphEdge]:
    for edge in run.edges:
        link = edge.link
        yield GraphEdge(
            id=edge.id,
            source=_port(link.edge.source, link.source.id, "out"),
            target=_port(link.edge.target, link.target.id, "in"),
            weight=link.edge.weight,
            edge_type=link.edge.type,
            field=link.measure,
            multiplier=link.edge.multiplier,
            lag=link.edge.lag,
        )


def _port(written: str, node: str, usual: str) -> str:
    return f"{node}:{usual}" if written == node else written


def _declared(run: OpenRun) -> Iterator[GraphNode]:
    for node in run.model.spec.nodes:
        if not any(node.metadata.get(key, "").lower() == "true" for key in _HIDDEN):
            kind = str(type(node).__struct_config__.tag)
            nowhere = GraphUi(x=None, y=None, layer=None, order=None)
            yield GraphNode(id=node.id, kind=kind, category=_CATEGORY_OF_KIND[kind], ui=nowhere)


def _dependencies(run: OpenRun, shown: set[str]) -> Iterator[GraphEdge]:
    """Yield what feeds what, once each."""
    for name, target, field, lag in dict.fromkeys(_feeds(run)):
        if name in shown:
            yield GraphEdge(
                id=f"dep:{name}->{target}:{field}",
                source=f"{name}:out",
                target=f"{target}:in",
                weight=1.0,
                edge_type="dependency",
                field=field,
                multiplier=None,
                lag=lag,
            )


def _feeds(run: OpenRun) -> Iterator[Feed]:
    """Yield (series, what it feeds, as which part, how many bins later)."""
    yield from _feeds_of_expressions(run)
    for node in run.model.spec.nodes:
        yield from _feeds_of_node(node)
    for station in run.places.stations:
        for role, name in station.series.items():
            yield name.partition("@")[0], station.id, role, 0


def _feeds_of_expressions(run: OpenRun) -> Iterator[Feed]:
    for name, expression in run.model.expressions.items():
        lags: dict[str, int] = {}
        for reference in references(expression):
            source = run.model.names.resolve(reference.id) or reference.id
            lags[source] = min(lags.get(source, reference.lag), reference.lag)
        yield from ((source, name, "expr", lag) for source, lag in lags.items())


def _feeds_of_node(node: Node) -> Iterator[Feed]:
    texts: dict[str, str | None] = {}
    if isinstance(node, RouterNode):
        texts = {"queue": node.inputs.queue}
    elif isinstance(node, QueueNode):
        texts = {"inflow": node.inflow, "outflow": node.outflow, "loss": node.loss}
    for part, text in texts.items():
        if text is not None:
            yield split_reference(text).id or "", node.id, part, 0
