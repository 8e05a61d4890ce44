"""What the series of a capture are to a model: inputs, whose place they take, or observations to compare with.

An input is what the model takes from outside: a const or pmf node, generated traffic, or an expression that
follows from such alone.  Everything that a queue, a router or a retry has a part in is computed again, and so is
an expression of what was measured itself, so that a replay answers with the model and not with the numbers it
was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from flowtime.engine.stations import stations
from flowtime.model import Model, resolve_reference
from flowtime.model.expression import references
from flowtime.model.naming import ALL_CLASSES, base_name, computes_served
from flowtime.model.spec import ConstNode, ExprNode, PmfNode, RouterNode, Topology
from flowtime.telemetry.manifest import CaptureFile, CaptureManifest
from flowtime.telemetry.parts import VALUE

__all__ = [
    "CaptureUse",
    "SeriesPart",
    "Use",
    "bound_series",
    "first_causes",
    "followers",
    "inputs_of",
    "unbound_series",
    "uses_of",
]

Use: TypeAlias = Literal["input", "observation", "unknown"]


class SeriesPart(NamedTuple):
    """A series of the model, or one class of it."""

    name: str
    class_id: str | None = None


_Bound: TypeAlias = Mapping[str, Mapping[str, SeriesPart]]


class CaptureUse(NamedTuple):
    """One entry of a manifest, the series of the model that it is about, and what it is used for."""

    file: CaptureFile
    part: SeriesPart | None
    use: Use


def uses_of(model: Model, manifest: CaptureManifest) -> tuple[CaptureUse, ...]:
    """Say of every entry of a manifest what it is to the model, in the order of the manifest."""
    inputs = inputs_of(model)
    bound = bound_series(model)
    return tuple(_use(model, file, inputs, bound) for file in manifest.files)


def inputs_of(model: Model) -> frozenset[str]:
    """Return the names of the series that the model takes from outside."""
    spec, names = model.spec, model.names
    made = {name for name, made in names.series.items() if made.role != "traffic"}
    computed = followers(model, made | set(_computed(model)))
    sources = [node.id for node in spec.nodes if isinstance(node, ConstNode | PmfNode | ExprNode)]
    generated = [name for name, made in names.series.items() if made.role == "traffic"]
    return frozenset(name for name in (*sources, *generated) if name not in computed)


def followers(model: Model, names: Iterable[str]) -> frozenset[str]:
    """Return some series and all expressions that follow from them, in the same bin or later."""
    readers: dict[str, list[str]] = {}
    for name, tree in model.expressions.items():
        for read in references(tree):
            base = base_name(read.id) or read.id
            readers.setdefault(model.names.resolve(base) or base, []).append(name)
    found = set(names)
    fresh = list(found)
    while fresh:
        more = [name for name in readers.get(fresh.pop(), ()) if name not in found]
        found.update(more)
        fresh += more
    return frozenset(found)


def first_causes(model: Model, names: Iterable[str], kept: Iterable[str] = ()) -> frozenset[str]:
    """Return those of ``names`` that follow from no other of them, and from none of ``kept``.

    Of series that follow from each other over time, the first in the order of the model counts.
    """
    order = {name: place for place, name in enumerate(model.names.names)}
    always = set(kept)
    reach = {name: followers(model, [name]) for name in {*names, *always}}

    def is_first(name: str) -> bool:
        for other, found in reach.items():
            is_circle = other in reach[name] and other not in always and order[other] > order[name]
            if other != name and name in found and not is_circle:
                return False
        return True

    return frozenset(name for name in names if name in always or is_first(name))


def unbound_series(uses: Iterable[CaptureUse]) -> frozenset[str]:
    """Return the series that no node of the captured model binds, where that one had nodes that bind anything."""
    of_nodes = [(use.part, use.file.metric) for use in uses if use.file.kind == "node"]
    if all(metric == VALUE for _, metric in of_nodes):
        return frozenset()
    return frozenset(part.name for part, metric in of_nodes if metric == VALUE and part is not None)


def bound_series(model: Model) -> Mapping[str, Mapping[str, SeriesPart]]:
    """Map topology nodes and their metrics to the series that play them, bound or implied; files are left out."""
    found = stations(model.spec, model.names)
    return {station.id: {metric: _named(name) for metric, name in station.series.items()} for station in found}


def _computed(model: Model) -> Iterator[str]:
    """Yield declared series whose values other parts of the model make or change."""
    for node in model.spec.nodes:
        if isinstance(node, RouterNode):
            yield from (node.id, *(route.target for route in node.routes))
        elif not isinstance(node, ConstNode | PmfNode | ExprNode):
            yield node.id
    for station in model.spec.topology.nodes if model.spec.topology else ():
        # What a shared constraint holds back: the name means what was granted, and not what was asked for.
        if station.constraints and station.dispatch_schedule is None and not computes_served(station):
            name = _own_series(model, station.semantics.served)
            if name is not None:
                yield name


def _named(name: str) -> SeriesPart:
    base, at, class_id = name.partition("@")
    return SeriesPart(base, class_id if at else None)


def _own_series(model: Model, text: str | None) -> str | None:
    """The series that a reference means, whichever of its classes is asked for."""
    found = resolve_reference(text, model.names) if text else None
    return None if found is None else found.id


def _use(model: Model, file: CaptureFile, inputs: frozenset[str], bound: _Bound) -> CaptureUse:
    part = _part_of_file(model, file, bound)
    if part is not None:
        return CaptureUse(file, part, "input" if part.name in inputs else "observation")
    topology = model.spec.topology or Topology()
    is_known = (file.kind == "edge" and _is_edge(file, topology)) or (
        file.kind == "constraint" and file.constraint_id in {constraint.id for constraint in topology.constraints}
    )
    return CaptureUse(file, None, "observation" if is_known else "unknown")


def _is_edge(file: CaptureFile, topology: Topology) -> bool:
    # An edge without an id gets one from its ends, which the model itself does not say.
    return any(edge.id in (None, file.edge_id) for edge in topology.edges)


def _part_of_file(model: Model, file: CaptureFile, bound: _Bound) -> SeriesPart | None:
    """Return the series that an entry is about: by its name in the model, else by the part that it plays."""
    class_id = None if file.class_id in ALL_CLASSES else file.class_id
    if file.series_id is not None:
        named = _named(file.series_id)
        found = model.names.resolve(named.name)
        if found is not None:
            return SeriesPart(found, named.class_id or class_id)
    if file.kind != "node" or file.node_id is None:
        return None
    part = bound.get(file.node_id, {}).get(file.metric)
    return None if part is None else SeriesPart(part.name, part.class_id or class_id)
