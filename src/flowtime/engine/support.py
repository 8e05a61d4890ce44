"""What this version does not compute yet, refused by name before anything is evaluated."""

from __future__ import annotations

from collections.abc import Iterator

from flowtime.errors import Fault
from flowtime.model import Model
from flowtime.model.bindings import bound_references
from flowtime.model.naming import split_reference
from flowtime.model.spec import PmfNode, QueueNode, RouterNode, TopologyNode

__all__ = ["unsupported"]

_HINT = "this part of the format is read and checked, and evaluated in a later version"


def unsupported(model: Model) -> tuple[Fault, ...]:
    """Return a fault for each field of the model that would change the numbers and is not computed yet."""
    found = [*_of_root(model), *_of_nodes(model)]
    topology = model.spec.topology
    if topology is not None:
        if topology.constraints:
            found.append(("shared constraints are", "$.topology.constraints"))
        for index, node in enumerate(topology.nodes):
            found.extend(_of_topology_node(node, f"$.topology.nodes[{index}]"))
        echoes = [
            f"$.topology.nodes[{i}].semantics.retryEcho" for i, made in enumerate(model.names.nodes) if made.retry_echo
        ]
        found.extend(("a retry echo computed from a kernel is", path) for path in echoes)
    return tuple(
        model.fault("compile.unsupported", f"{what} not evaluated by this version", path, hint=_HINT)
        for what, path in found
    )


def _of_root(model: Model) -> Iterator[tuple[str, str]]:
    if model.spec.classes is not None:
        yield "classes are", "$.classes"
    if model.spec.traffic is not None:
        yield "traffic by class is", "$.traffic"


def _of_nodes(model: Model) -> Iterator[tuple[str, str]]:
    for index, node in enumerate(model.spec.nodes):
        path = f"$.nodes[{index}]"
        match node:
            case RouterNode():
                yield "nodes of kind router are", path
            case PmfNode(profile=profile) if profile is not None:
                yield "profiles are", f"{path}.profile"
            case QueueNode(dispatch_schedule=schedule) if schedule is not None:
                yield "dispatch schedules are", f"{path}.dispatchSchedule"
            case QueueNode():
                given = {"inflow": node.inflow, "outflow": node.outflow, "loss": node.loss}
                yield from _of_references({name: text for name, text in given.items() if text is not None}, path)


def _of_topology_node(node: TopologyNode, path: str) -> Iterator[tuple[str, str]]:
    if node.dispatch_schedule is not None:
        yield "dispatch schedules are", f"{path}.dispatchSchedule"
    if node.wip_limit is not None or node.wip_limit_series is not None:
        name = "wipLimit" if node.wip_limit is not None else "wipLimitSeries"
        yield "WIP limits are", f"{path}.{name}"
    elif node.wip_overflow is not None:
        yield "WIP limits are", f"{path}.wipOverflow"
    if node.constraints:
        yield "shared constraints are", f"{path}.constraints"
    yield from _of_references(bound_references(node.semantics), f"{path}.semantics")


def _of_references(given: dict[str, str], path: str) -> Iterator[tuple[str, str]]:
    for name, text in given.items():
        parts = split_reference(text)
        if parts.file is not None:
            yield (
                "a file bound here (declare a const node with `values: {file: ...}` and bind that) is",
                f"{path}.{name}",
            )
        elif parts.class_id is not None:
            yield "references to one class are", f"{path}.{name}"
