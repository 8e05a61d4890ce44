"""Checks of how the model is put together: gates, dead letters, dependencies and shared constraints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.edge_rules import EdgeLink
from flowtime.engine.run_warning import RunWarning, Subject
from flowtime.engine.station_view import StationView
from flowtime.engine.tolerance import exceeds, finite_or_zero
from flowtime.model.naming import split_reference
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["constraint_warnings", "dependency_warnings", "dispatch_warnings", "dlq_warnings", "is_terminal"]


def is_terminal(incoming: Sequence[EdgeLink]) -> bool:
    """Whether edges lead to a node, and only such as end there."""
    return bool(incoming) and all(link.edge.type == "terminal" for link in incoming)


def dispatch_warnings(view: StationView) -> Iterator[RunWarning]:
    """Yield what is wrong with the schedule of a node, if it has one."""
    subject, schedule = view.subject, view.schedule
    if schedule is None:
        return
    if view.gate_capacity is not None and np.isnan(view.gate_capacity).all():
        message = "no number in the capacity of the dispatch schedule, so an open gate lets everything through"
        yield subject.note("dispatch_capacity_missing", message, "warning")
    if view.lacks("served"):
        yield subject.note("dispatch_missing_served_series", "a dispatch schedule with nothing served to hold back")
        return
    inflow, served = view.inflow, view.served
    if inflow is not None and served is not None and _sum(inflow) > 0.0 and not exceeds(served, 0.0).any():
        message = "work arrives, and the gate never lets any through"
        if not view.gate_is_open.any():
            message = "work arrives, and the gate does not open once within the horizon"
        yield subject.note("dispatch_never_releases", message)


def _sum(values: FloatArray) -> float:
    return float(finite_or_zero(values).sum())


def dlq_warnings(view: StationView, incoming: Sequence[EdgeLink], outgoing: Sequence[EdgeLink]) -> Iterator[RunWarning]:
    """Yield the edges at a dead letter queue that do not end there."""
    if view.station.node.kind != "dlq":
        return
    sides = (
        (incoming, "dlq_non_terminal_inbound", "an edge that is not terminal leads to a dead letter queue"),
        (outgoing, "dlq_non_terminal_outbound", "an edge that is not terminal leads out of a dead letter queue"),
    )
    for links, code, message in sides:
        for link in links:
            if link.edge.type not in ("terminal", "topology"):
                yield Subject(node_id=view.station.id, edge_id=link.id).note(code, message, "warning")


def dependency_warnings(view: StationView, incoming: Sequence[EdgeLink]) -> Iterator[RunWarning]:
    """Yield what hides the load on a dependency."""
    if view.station.node.kind != "dependency":
        return
    effort = [link for link in incoming if link.is_effort]
    if not effort:
        message = "no effort edge leads to the dependency, so nobody is seen to call it"
        yield view.subject.note("dependency_missing_effort_edges", message)
    elif "errors" in view.station.series and not any("attempts" in link.source.series for link in effort):
        message = "the dependency has errors, and no caller has attempts: the pressure of retries is not seen"
        yield view.subject.note("dependency_retry_pressure_missing", message)


def constraint_warnings(result: Result) -> Iterator[RunWarning]:
    """Yield what is wrong with the shared constraints of the model."""
    topology = result.compiled.model.spec.topology
    if topology is None:
        return
    used = {name for node in topology.nodes for name in node.constraints}
    for constraint in topology.constraints:
        subject = Subject(constraint_id=constraint.id)
        if constraint.id not in used:
            yield subject.note("constraint_unused", f"no node is held to the constraint {constraint.id!r}")
        if _is_empty(result, constraint.semantics.served):
            message = f"no number in the capacity of the constraint {constraint.id!r}, so it grants nothing"
            yield subject.note("constraint_missing_served", message, "warning")
        if _is_empty(result, constraint.semantics.arrivals):
            message = f"no number in the arrivals of the constraint {constraint.id!r}"
            yield subject.note("constraint_missing_arrivals", message)


def _is_empty(result: Result, reference: str) -> bool:
    name = split_reference(reference).id
    return name is not None and name in result and bool(np.isnan(result[name]).all())
