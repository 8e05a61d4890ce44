"""Checks of flows by class: whether the classes of a series make up its total, keep the balance of a queue, and
find their way through routers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.run_warning import RunWarning, Subject
from flowtime.engine.station_view import StationView
from flowtime.engine.tolerance import apart, before, exceeds, finite_or_zero
from flowtime.model.expression import Number
from flowtime.model.naming import split_reference
from flowtime.model.spec import ConstNode, ExprNode, FloatArray, PmfNode, QueueNode, RouterNode

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["class_warnings", "queue_node_class_warnings", "router_warnings", "unequal"]

# The parts whose classes a person binds on purpose, and all others that hold work.
_LABELS = ("served", "errors")
_VOLUMES = (
    "arrivals",
    "inflow",
    "queueDepth",
    "loss",
    "overflow",
    "attempts",
    "failures",
    "exhaustedFailures",
    "retryEcho",
)


def class_warnings(result: Result, view: StationView) -> Iterator[RunWarning]:
    """Yield where the classes of the series of a node are missing or are not the whole."""
    names = view.station.series
    arrivals = names.get("arrivals")
    if not result.class_ids or arrivals is None or arrivals not in result:
        return
    if result.coverage(arrivals) != "missing":
        for role in _LABELS:
            if role in view.series:
                yield from _label(result, view.subject, role, names[role])
    for role in _VOLUMES:
        if role in view.series:
            yield from _whole(result, view, role)
    yield from _balance(result, view)


def _whole(result: Result, view: StationView, role: str) -> Iterator[RunWarning]:
    name, values = view.station.series[role], view.series[role]
    parts = result.by_class(name)
    if parts and result.coverage(name) == "partial":
        yield from unequal(view.subject, "class_totals_mismatch", role, list(parts.values()), values)


def queue_node_class_warnings(result: Result) -> Iterator[RunWarning]:
    """Yield where the outflow or loss of a declared queue (``nodes[]``) has no classes and its inflow has."""
    if not result.class_ids:
        return
    for node in result.compiled.model.spec.nodes:
        if not isinstance(node, QueueNode):
            continue
        inflow = split_reference(node.inflow).id
        if inflow is None or inflow not in result or result.coverage(inflow) == "missing":
            continue
        for label, reference in (("outflow", node.outflow), ("loss", node.loss)):
            name = split_reference(reference).id if reference else None
            if name is not None and name in result:
                yield from _label(result, Subject(node_id=node.id), label, name)


def _label(result: Result, subject: Subject, label: str, name: str) -> Iterator[RunWarning]:
    values = result[name]
    if not exceeds(np.abs(values), 0.0).any():
        return
    coverage = result.coverage(name)
    if coverage == "missing":
        message = f"{name!r} ({label}) is not known by class, though what comes in is"
        yield subject.note(f"class_series_missing_{label}", message)
    elif coverage == "partial":
        parts = list(result.by_class(name).values())
        yield from unequal(subject, f"class_series_partial_{label}", repr(name), parts, values)


def unequal(
    subject: Subject, code: str, what: str, parts: Sequence[FloatArray], total: FloatArray
) -> Iterator[RunWarning]:
    """Yield where parts by class, (bins,) each, are more than their total, and where less: then some of it has no
    class, which a model may well leave open."""
    whole: FloatArray = np.sum(parts, axis=0)
    yield from subject.above(code, f"the classes of {what} are more than its total", whole, total)
    yield from subject.above(code, f"some of {what} is of no class", total, whole, "info")


def _balance(result: Result, view: StationView) -> Iterator[RunWarning]:
    """What is there of a class is served, lost, turned away or waits."""
    names = view.station.series
    if view.depth is None or view.is_gated_at_its_queue:
        return
    # Errors may have classes of their own; those of what is lost are no series where served is authored.
    if "loss" not in names and "errors" in names:
        return
    inflow = "inflow" if "inflow" in names else "arrivals"
    roles = [role for role in ("queueDepth", inflow, "served", "loss", "overflow") if role in names]
    known = {role: result.by_class(names[role]) for role in roles}
    for class_id in result.class_ids:
        # A part that nobody knows by class may hold anything.
        if not all(class_id in parts for parts in known.values()):
            continue
        part = {role: finite_or_zero(parts[class_id]) for role, parts in known.items()}
        depth = part["queueDepth"]
        expected = _expected_depth(before(depth) + part[inflow], part)
        wrong = apart(depth, expected)
        # How the depth before bin 0 is shared is not a series.
        wrong[0] &= view.station.initial_depth == 0.0
        message = f"what waits of class {class_id!r} is not what came in, was served and was lost of it"
        subject = view.subject._replace(class_id=class_id)
        yield from subject.where("queue_depth_mismatch", message, wrong, depth - expected)


def _expected_depth(present: FloatArray, part: Mapping[str, FloatArray]) -> FloatArray:
    nothing = np.zeros_like(present)
    left = present - part.get("served", nothing) - part.get("loss", nothing)
    expected: FloatArray = np.maximum(0.0, left) - part.get("overflow", nothing)
    return expected


def router_warnings(result: Result) -> Iterator[RunWarning]:
    """Yield classes that a router loses or doubles, and series that it replaces."""
    spec = result.compiled.model.spec
    nodes = {node.id: node for node in spec.nodes}
    routers = [node for node in spec.nodes if isinstance(node, RouterNode)]
    for router in routers:
        subject = Subject(node_id=router.id)
        yield from _routes(result, router)
        for target in dict.fromkeys(route.target for route in router.routes):
            if target in nodes and _has_own_values(result, nodes[target]):
                message = f"the router replaces the values of {target!r}, which are not 0"
                yield subject.note("router_target_replaced", message)
    yield from _leaks(result, routers)


def _routes(result: Result, router: RouterNode) -> Iterator[RunWarning]:
    """Classes that no route takes, and classes that several do."""
    source = split_reference(router.inputs.queue)
    listed = [class_id for route in router.routes for class_id in route.classes]
    if source.id is None or source.id not in result or not listed:
        return
    shares_rest = any(route.weight is not None for route in router.routes)
    for class_id, values in _parts(result, source.id, source.class_id).items():
        subject = Subject(node_id=router.id, class_id=class_id)
        present = exceeds(values, 0.0)
        if class_id not in listed and not shares_rest:
            message = f"no route takes class {class_id!r}: its work disappears"
            yield from subject.where("router_missing_class_route", message, present, values)
        if listed.count(class_id) > 1:
            message = f"several routes take all of class {class_id!r}: its work is doubled"
            yield from subject.where("router_class_leakage", message, present, values)


def _leaks(result: Result, routers: list[RouterNode]) -> Iterator[RunWarning]:
    """Classes at a target that only routes by class lead to, none of which takes them."""
    allowed: dict[str, set[str] | None] = {}
    owner: dict[str, str] = {}
    for router in routers:
        for route in router.routes:
            owner.setdefault(route.target, router.id)
            known = allowed.setdefault(route.target, set())
            if route.weight is not None or known is None:
                allowed[route.target] = None
            else:
                known.update(route.classes)
    for target, classes in allowed.items():
        if classes is None or target not in result:
            continue
        for class_id, values in result.by_class(target).items():
            if class_id not in classes:
                subject = Subject(node_id=owner[target], class_id=class_id)
                message = f"class {class_id!r} is at {target!r}, and no route sends it there"
                yield from subject.where("router_class_leakage", message, exceeds(values, 0.0), values)


def _parts(result: Result, name: str, class_id: str | None) -> Mapping[str, FloatArray]:
    parts = result.by_class(name)
    return parts if class_id is None else {class_id: parts[class_id]} if class_id in parts else {}


def _has_own_values(result: Result, node: object) -> bool:
    """Whether a declared node would be anything but 0 by itself."""
    match node:
        case ConstNode(values=values):
            return bool(np.any(np.asarray(values) != 0.0))
        case ExprNode(id=name):
            expression = result.compiled.model.expressions[name]
            return not (isinstance(expression, Number) and expression.value == 0.0)
        case PmfNode(pmf=pmf):
            return any(value != 0.0 for value in pmf.values)
    return False
