"""What an evaluation of a model alone can not do, refused by name before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator

from flowtime.engine.bound_places import bound_places
from flowtime.errors import Fault
from flowtime.model import Model
from flowtime.model.naming import ALL_CLASSES, computes_served, split_reference
from flowtime.model.spec import ConstNode, ExprNode, PmfNode

__all__ = ["unsupported"]


def unsupported(model: Model) -> tuple[Fault, ...]:
    """Return a fault for each binding that no evaluation of the model alone can follow."""
    found = [*_files(model), *_held_back(model)]
    return tuple(model.fault("compile.unsupported", message, path, hint=hint) for message, path, hint in found)


def _files(model: Model) -> Iterator[tuple[str, str, str]]:
    message = "a file bound here is not evaluated"
    hint = "declare a const node with `values: {file: ...}` and bind that"
    for text, path in bound_places(model):
        if split_reference(text).file is not None:
            yield message, path, hint


def _held_back(model: Model) -> Iterator[tuple[str, str, str]]:
    """Yield nodes whose constraints would change a series that is not theirs alone."""
    taken: set[str] = set()
    for index, node in enumerate(model.spec.topology.nodes if model.spec.topology else ()):
        if node.constraints and node.dispatch_schedule is None and not computes_served(node):
            name = _own_input(model, node.semantics.served or "")
            if name is None or name in taken:
                message = "a constraint can not hold back this series, since it does not belong to this node alone"
                hint = "bind served to a const or expr node of its own, or bind capacity and leave served out"
                yield message, f"$.topology.nodes[{index}].semantics.served", hint
            taken.add(name or "")


def _own_input(model: Model, reference: str) -> str | None:
    """The declared series that a reference means as a whole; None for any other."""
    parts = split_reference(reference)
    name = None if parts.id is None else model.names.resolve(parts.id)
    place = None if name is None else model.names.declared.get(name)
    if place is None or not isinstance(model.spec.nodes[place], ConstNode | ExprNode | PmfNode):
        return None
    is_part = model.spec.classes and parts.class_id is not None and parts.class_id not in ALL_CLASSES
    return None if is_part else name
