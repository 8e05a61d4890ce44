"""Which series of a run are written, what they are called there, and in which file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from flowtime.bundle.documents import RngEntry
from flowtime.model import Model, Synthesized, resolve_reference
from flowtime.model.bindings import bound_references
from flowtime.model.naming import DEFAULT_CLASS
from flowtime.model.randomness import drawn_series
from flowtime.model.spec import ModelSpec, Output
from flowtime.storage import sha256_bytes

__all__ = ["SelectedSeries", "component_id", "given_series", "select_series", "series_id"]

_EDGE = "edge_"
_NOT_IN_EDGE_IDS = re.compile(r"[^A-Za-z0-9_.-]")
_SERIES_FOLDER = "series"
_CONSTRAINT_FIELDS = ("arrivals", "served", "errors", "latency_minutes")
# A name is there twice in an id, and a file name may have 255 bytes.
_MAX_STEM = 200
_KEPT_STEM = 160


class SelectedSeries(NamedTuple):
    """A series to write: its name in the model, its id in the run, and where its CSV goes."""

    name: str
    id: str
    csv_path: str


def given_series(spec: ModelSpec, rng: RngEntry | None, bindings: Iterable[str]) -> frozenset[str]:
    """Return the names of series whose numbers the model alone does not say: what a run drew, where it sampled, and
    what telemetry gave it (``bindings`` of its provenance; names of parameters among them may be here, too)."""
    drawn = drawn_series(spec) if rng is not None and rng.sampled else frozenset()
    return drawn | set(bindings)


def select_series(model: Model, derived: Iterable[str] = (), given: Iterable[str] = ()) -> tuple[SelectedSeries, ...]:
    """Return the series to write, in the order of the model: declared ones, then implied ones, then ``derived``
    ones (``CompiledModel.derived_series``): parts by class of those, and volumes of edges.

    The model's ``outputs`` choose (none: all), minus what each excludes.  What topology semantics
    bind, and what the topology implies, is always written, since the state of a node is read from it; so are
    the ``given`` series, without which the run could not be told again.
    """
    spec, names = model.spec, model.names
    wanted = _chosen(spec.outputs, names) | set(_bound(spec, names)) | set(names.series) | set(given)
    file_names = {names.resolve(output.series): output.as_ for output in spec.outputs if output.as_ is not None}
    taken: set[str] = set()
    ids: set[str] = set()
    return tuple(
        SelectedSeries(name, _unique(series_id(name), ids), _csv_path(file_names.get(name) or _file_name(name), taken))
        for name in (*names.names, *derived)
        if name in wanted or name.partition("@")[0] in wanted or name.startswith(_EDGE)
    )


def series_id(name: str) -> str:
    """Return ``measure@COMPONENT@CLASS``, where DEFAULT stands for all classes together.

    ``name`` is that of a series, of one class of it (``name@class``) or of a volume of an edge, in whose ids
    what no file name should hold becomes ``_``.
    """
    measure, _, class_id = _split(name)
    return f"{measure}@{component_id(name)}@{class_id or DEFAULT_CLASS}"


def component_id(name: str) -> str:
    """Return the component that ids carry: the measure in capitals, as such files always had it."""
    return _split(name)[0].upper()


def _split(name: str) -> tuple[str, str, str]:
    measure, at, class_id = name.rpartition("@") if "@" in name else (name, "", "")
    return _NOT_IN_EDGE_IDS.sub("_", measure) if measure.startswith(_EDGE) else measure, at, class_id


def _unique(candidate: str, taken: set[str]) -> str:
    """Return an id that no earlier series has: edges may differ in what their ids can not hold."""
    measure, _, rest = candidate.partition("@")
    found, number = candidate, 1
    while found in taken:
        number += 1
        found = f"{measure}~{number}@{rest}"
    taken.add(found)
    return found


def _chosen(outputs: Sequence[Output], names: Synthesized) -> set[str]:
    if not outputs:
        return set(names.names)
    chosen: set[str] = set()
    for output in outputs:
        excluded = {name for pattern in output.exclude for name in _matching(pattern, names)}
        chosen.update(_matching(output.series, names) - excluded)
    return chosen


def _matching(pattern: str, names: Synthesized) -> set[str]:
    if pattern == "*":
        return set(names.names)
    if pattern.endswith("/*"):
        # Ids hold no slash: ``prefix/*`` has always meant every id that starts with the prefix.
        return {name for name in names.names if name.startswith(pattern.removesuffix("/*"))}
    found = names.resolve(pattern)
    return set() if found is None else {found}


def _bound(spec: ModelSpec, names: Synthesized) -> Iterator[str]:
    """Yield every series that the topology refers to."""
    if spec.topology is None:
        return
    for node, own in zip(spec.topology.nodes, names.nodes, strict=True):
        texts: list[str | None] = list(bound_references(node.semantics).values())
        schedule = node.dispatch_schedule
        texts += [node.wip_limit_series, schedule.capacity_series if schedule else None]
        yield from _resolved(texts, names, own.queue)
    for constraint in spec.topology.constraints:
        yield from _resolved([getattr(constraint.semantics, field) for field in _CONSTRAINT_FIELDS], names, None)


def _resolved(texts: Iterable[object], names: Synthesized, own_queue: str | None) -> Iterator[str]:
    for text in texts:
        reference = resolve_reference(text, names, own_queue) if isinstance(text, str) else None
        if reference is not None and reference.id is not None:
            yield reference.id


def _file_name(name: str) -> str:
    stem = series_id(name)
    if len(stem) > _MAX_STEM:
        digest = sha256_bytes(stem.encode()).removeprefix("sha256:")
        stem = f"{stem[:_KEPT_STEM]}~{digest[:16]}"
    return f"{stem}.csv"


def _csv_path(file_name: str, taken: set[str]) -> str:
    """Return a path that no earlier series has, also where the file system ignores case."""
    stem, _, suffix = file_name.rpartition(".")
    candidate, number = file_name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{stem}~{number}.{suffix}"
    taken.add(candidate.casefold())
    return f"{_SERIES_FOLDER}/{candidate}"
