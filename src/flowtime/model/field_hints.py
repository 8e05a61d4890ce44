"""Where an unknown field may belong: another spelling, another place, or the list of what there is."""

from __future__ import annotations

import difflib
import functools
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, get_args

import msgspec

from flowtime.model.spec import Edge, ExprNode, Grid, ModelSpec, RouterNode

__all__ = ["Suggestion", "suggest"]


class Suggestion(NamedTuple):
    """A hint for a person, and the field of the same mapping that was meant, if it is one."""

    hint: str
    field: str | None = None


# Spellings of older files and of the other engine.
_RENAMED: Mapping[tuple[type, str], str] = types.MappingProxyType(
    {
        (ExprNode, "expression"): "expr",
        (Edge, "source"): "from",
        (Edge, "target"): "to",
        (Grid, "startTimeUtc"): "start",
        (Grid, "unit"): "binUnit",
    }
)
_ELSEWHERE: Mapping[tuple[type, str], str] = types.MappingProxyType(
    {
        (ModelSpec, "window"): "its bins, binSize, binUnit and startTimeUtc (as start) belong in grid",
        (ModelSpec, "metadata"): "a model has none; the title of a template belongs in its metadata",
        (ModelSpec, "constraints"): "it belongs in topology.constraints",
        (ModelSpec, "edges"): "it belongs in topology.edges",
        (RouterNode, "router"): "write inputs and routes directly in the node",
    }
)
_MOST_PLACES = 3


def suggest(
    name: str, struct: type[msgspec.Struct], fields: Collection[str], given: Collection[str], root: type
) -> Suggestion:
    """Return what to do about the unknown field ``name`` of a ``struct`` with ``fields``, of which ``given``
    are there already; ``root`` is the type of the whole document."""
    meant = _RENAMED.get((struct, name)) or _close(name, [field for field in fields if field not in given])
    if meant is not None and meant not in given:
        return Suggestion(f"did you mean {meant!r}?", meant)
    if (struct, name) in _ELSEWHERE:
        return Suggestion(_ELSEWHERE[struct, name])
    places = _places(root).get(name, ())
    if places:
        return Suggestion(f"it belongs in {' or '.join(places[:_MOST_PLACES])}")
    return Suggestion(f"the fields here are {', '.join(fields)}")


def _close(name: str, fields: Collection[str]) -> str | None:
    folded = {field.lower().replace("_", ""): field for field in fields}
    close = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), folded, n=1, cutoff=0.75)
    return folded[close[0]] if close else None


@functools.cache
def _places(root: type) -> Mapping[str, tuple[str, ...]]:
    """Map each field of a document type to the mappings that have it."""
    found: dict[str, dict[str, None]] = {}
    for place, struct in _structs(root, ""):
        for info in msgspec.structs.fields(struct):
            found.setdefault(info.encode_name, {})[place or "the root of the document"] = None
    return {name: tuple(places) for name, places in found.items()}


def _structs(type_: Any, place: str) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Walk the structs that a type is made of, with where in the document they stand."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        tag = type_.__struct_config__.tag
        yield (f"{place} of kind {tag}" if tag else place), type_
        for info in msgspec.structs.fields(type_):
            yield from _structs(info.type, f"{place}.{info.encode_name}" if place else info.encode_name)
        return
    is_list = getattr(type_, "__origin__", None) is tuple
    for argument in get_args(type_):
        yield from _structs(argument, f"{place}[]" if is_list else place)
