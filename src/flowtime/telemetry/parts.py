"""Which series of a run plays which part: at a node, on an edge, at a shared constraint, as a whole and by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from flowtime.bundle import Bundle, given_series
from flowtime.bundle.documents import SeriesEntry
from flowtime.engine.stations import stations
from flowtime.errors import RunCorruptError
from flowtime.model import Model, parse_model, resolve_reference
from flowtime.model.naming import ALL_CLASSES, split_reference
from flowtime.telemetry.manifest import DEFAULT_CLASS, FileKind

__all__ = ["VALUE", "Part", "parts_of", "run_parts"]

VALUE = "value"
"""The metric of a series of which no topology says what it means."""
_CONSTRAINT_FIELDS = (
    ("arrivals", "arrivals"),
    ("served", "served"),
    ("errors", "errors"),
    ("latency_minutes", "latencyMinutes"),
)
_EDGE = "edge_"


class Part(NamedTuple):
    """One part: ``subject`` is the id of the node, edge or constraint, ``series`` the name of the series."""

    kind: FileKind
    subject: str
    metric: str
    class_id: str
    series: str


def run_parts(bundle: Bundle) -> tuple[Part, ...]:
    """Return every part that a series of a run plays; raises RunCorruptError when the run lacks one of them."""
    model = parse_model(bundle.model_text, file=bundle.path.name)
    bindings = bundle.provenance.telemetry_bindings if bundle.provenance else ()
    return parts_of(model, bundle.index.series, given_series(model.spec, bundle.metadata.randomness.rng, bindings))


def parts_of(model: Model, entries: Sequence[SeriesEntry], given: Set[str] = frozenset()) -> tuple[Part, ...]:
    """Return every part in the order of the model: nodes, edges, constraints; of each the total before its classes.

    A model without topology nodes gives the parts ``value`` of nodes called like its series.  So does, between
    nodes and edges, what was ``given`` to the run (``bundle.given_series``) and no node or constraint binds: a
    replay could not know it otherwise.
    """
    held = {entry.name for entry in entries}
    classes = tuple(found.id for found in model.spec.classes or ())
    nodes, constraints = list(_node_parts(model)), list(_constraint_parts(model))
    bound = {split_reference(part.series).id or part.series for part in (*nodes, *constraints)}
    nodes += [part for part in _series_parts(entries) if not nodes or part.series in given - bound]
    found = [part for total in nodes for part in _with_classes(total, classes, held)]
    found += _edge_parts(entries)
    found += [part for total in constraints for part in _with_classes(total, classes, held)]
    _require_all(found, held)
    return tuple(found)


def _require_all(parts: Sequence[Part], held: Set[str]) -> None:
    for part in parts:
        if part.series not in held:
            what = f"{part.metric} of {part.subject!r}"
            raise RunCorruptError(f"the run holds no series {part.series!r}, which is {what}")


def _series_parts(entries: Sequence[SeriesEntry]) -> Iterator[Part]:
    """Yield every series as a node of its own, for want of a topology that says what it is."""
    for entry in entries:
        if entry.kind != "edge" and entry.class_id == DEFAULT_CLASS:
            yield Part("node", entry.name, VALUE, DEFAULT_CLASS, entry.name)


def _node_parts(model: Model) -> Iterator[Part]:
    for station in stations(model.spec, model.names):
        for metric, name in station.series.items():
            yield Part("node", station.id, metric, DEFAULT_CLASS, name)


def _constraint_parts(model: Model) -> Iterator[Part]:
    topology = model.spec.topology
    for index, constraint in enumerate(topology.constraints if topology else ()):
        bound = {metric: _bound(model, getattr(constraint.semantics, field)) for field, metric in _CONSTRAINT_FIELDS}
        for metric, name in {**bound, **model.names.constraints[index]._asdict()}.items():
            if name is not None:
                yield Part("constraint", constraint.id, metric, DEFAULT_CLASS, name)


def _bound(model: Model, text: str | None) -> str | None:
    """Return the series that a semantic of a constraint names; None where it names none, or a file."""
    reference = None if text is None else resolve_reference(text, model.names)
    if reference is None or reference.id is None:
        return None
    is_part = bool(model.spec.classes) and reference.class_id not in (None, *ALL_CLASSES)
    return f"{reference.id}@{reference.class_id}" if is_part else reference.id


def _edge_parts(entries: Sequence[SeriesEntry]) -> Iterator[Part]:
    for entry in entries:
        if entry.kind != "edge" or entry.role is None:
            continue
        total = entry.name.removesuffix(f"@{entry.class_id}")
        edge = total.removeprefix(_EDGE).removesuffix(f"_{entry.role}")
        yield Part("edge", edge, entry.role, entry.class_id, entry.name)


def _with_classes(total: Part, classes: Sequence[str], held: Set[str]) -> Iterator[Part]:
    yield total
    # One class that stands for the whole (``name@class``) has no classes of its own.
    if split_reference(total.series).class_id is None:
        for class_id in classes:
            if (name := f"{total.series}@{class_id}") in held:
                yield total._replace(class_id=class_id, series=name)
