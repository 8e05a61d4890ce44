"""Rules of the topology: bindings, edges, constraints, limits and where overflow goes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from flowtime.model.bindings import bound_references
from flowtime.model.naming import (
    NO_OVERFLOW_TARGET,
    NodeSeries,
    computes_served,
    has_buffer,
    is_limited,
    is_sink,
    split_endpoint,
    split_reference,
)
from flowtime.model.report import Report
from flowtime.model.spec import QueueNode, Semantics, Topology, TopologyNode

__all__ = ["CLASH_FIELDS", "MOST_ATTEMPTS", "check_topology"]

# Each attempt is followed through the plan on its own, so that there can not be any number of them.
MOST_ATTEMPTS = 32

# The field in which an author gives a series its name, by the part that it plays.
CLASH_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "queue": "queueDepth",
        "retry_echo": "retryEcho",
        "attempts": "attempts",
        "exhausted_failures": "exhaustedFailures",
        "retry_budget_remaining": "retryBudgetRemaining",
    }
)


def check_topology(report: Report) -> None:
    """Add the faults of the topology, if the model has one."""
    topology = report.spec.topology
    if topology is None:
        return
    report.check_unique((node.id for node in topology.nodes), "$.topology.nodes", "topology node")
    report.check_unique((constraint.id for constraint in topology.constraints), "$.topology.constraints", "constraint")
    report.check_unique((edge.id for edge in topology.edges), "$.topology.edges", "edge")
    constraints = frozenset(constraint.id for constraint in topology.constraints)
    for index, (node, own) in enumerate(zip(topology.nodes, report.names.nodes, strict=True)):
        path = f"$.topology.nodes[{index}]"
        _check_semantics(report, node, own, path)
        _check_controls(report, node, own, path)
        _check_retries(report, node, own, path)
        for place, constraint in enumerate(node.constraints):
            report.check_known(constraint, constraints, f"{path}.constraints[{place}]", "constraint")
    _check_edges(report, topology)
    _check_constraints(report, topology)
    _check_overflow(report, topology)


def _check_semantics(report: Report, node: TopologyNode, own: NodeSeries, path: str) -> None:
    path = f"{path}.semantics"
    semantics: Semantics = node.semantics
    for field, text in bound_references(semantics).items():
        report.check_reference(text, f"{path}.{field}", own.queue, files=True)
    if isinstance(semantics.parallelism, float) and semantics.parallelism <= 0.0:
        message = f"parallelism is {semantics.parallelism:g}; it must be > 0"
        report.add("out_of_range", message, f"{path}.parallelism")
    if semantics.arrivals is None:
        report.add("missing_arrivals", f"{node.id!r} binds no arrivals", path, "add arrivals: <id of a series>")
    elif semantics.served is None and not computes_served(node):
        report.add("missing_served", f"{node.id!r} binds no served, and it can not be computed", path, _served(node))


def _served(node: TopologyNode) -> str:
    if has_buffer(node) or node.kind == "service":
        return "bind served, or bind capacity and served is computed from it"
    return f"bind served; it is computed for services, queues and sinks, not for kind {node.kind}"


def _check_controls(report: Report, node: TopologyNode, own: NodeSeries, path: str) -> None:
    report.check_reference(node.wip_limit_series, f"{path}.wipLimitSeries", own.queue)
    if node.dispatch_schedule is not None:
        place = f"{path}.dispatchSchedule.capacitySeries"
        report.check_reference(node.dispatch_schedule.capacity_series, place, own.queue)
    if is_sink(node) and (node.dispatch_schedule is not None or node.constraints):
        field = "dispatchSchedule" if node.dispatch_schedule is not None else "constraints"
        report.add("bad_value", "a sink takes all that arrives: nothing holds it back", f"{path}.{field}")
    field = "wipLimit" if node.wip_limit is not None else "wipLimitSeries"
    if is_limited(node) and not _has_computed_queue(report, node, own):
        hint = "limit a serviceWithBuffer, queue or dlq whose depth is computed"
        report.add(
            "bad_value", "work in progress is limited, and no queue of this node can be", f"{path}.{field}", hint
        )


def _has_computed_queue(report: Report, node: TopologyNode, own: NodeSeries) -> bool:
    if not has_buffer(node):
        return False
    named = split_reference(node.semantics.queue_depth or "").id
    index = report.names.declared.get(named or "")
    is_queue = index is not None and isinstance(report.spec.nodes[index], QueueNode)
    return own.queue is not None or own.served is not None or is_queue


def _check_retries(report: Report, node: TopologyNode, own: NodeSeries, path: str) -> None:
    """What an author leaves to the engine needs what it is computed from; else the name is a slip."""
    semantics = node.semantics
    failed = (semantics.failures or semantics.errors, "failures or errors")
    computed = {
        "retryEcho": (own.retry_echo, *failed),
        "attempts": (own.attempts, *failed),
        "exhaustedFailures": (own.exhausted_failures, *failed),
        "retryBudgetRemaining": (own.retry_budget_remaining, semantics.retry_budget, "retryBudget"),
    }
    for field, (name, source, needed) in computed.items():
        if name is not None and source is None:
            hint = report.like(name, report.names.declared) or f"declare it, or bind {needed} to have it computed"
            report.unknown_series(name, f"{path}.semantics.{field}", hint=hint)
    _check_retry_numbers(report, semantics, path, is_computed=any(name for name, _, _ in computed.values()))


def _check_retry_numbers(report: Report, semantics: Semantics, path: str, *, is_computed: bool) -> None:
    if is_computed and (semantics.max_attempts or 0) > MOST_ATTEMPTS:
        message = f"maxAttempts is {semantics.max_attempts}; attempts are followed up to {MOST_ATTEMPTS}"
        report.add("out_of_range", message, f"{path}.semantics.maxAttempts")
    if isinstance(semantics.retry_budget, float | int) and not 0.0 <= semantics.retry_budget < math.inf:
        message = f"retryBudget is {semantics.retry_budget:g}; it must be a number of at least 0"
        report.add("out_of_range", message, f"{path}.semantics.retryBudget")


def _check_edges(report: Report, topology: Topology) -> None:
    known = {node.id: None for node in topology.nodes}
    for index, edge in enumerate(topology.edges):
        for field, end in (("from", edge.source), ("to", edge.target)):
            if split_endpoint(end, known) is None:
                name = end.rpartition(":")[0] or end
                report.check_known(name, known, f"$.topology.edges[{index}].{field}", "topology node")


def _check_constraints(report: Report, topology: Topology) -> None:
    for index, constraint in enumerate(topology.constraints):
        path = f"$.topology.constraints[{index}].semantics"
        semantics = constraint.semantics
        report.check_reference(semantics.arrivals, f"{path}.arrivals", files=True)
        report.check_reference(semantics.served, f"{path}.served", files=True)
        report.check_reference(semantics.errors, f"{path}.errors", files=True)
        report.check_reference(semantics.latency_minutes, f"{path}.latencyMinutes", files=True)
        held = {node.id for node in topology.nodes if constraint.id in node.constraints}
        for place, name in enumerate(constraint.priorities):
            where = f"$.topology.constraints[{index}].priorities[{place}]"
            if (
                report.check_known(name, {node.id for node in topology.nodes}, where, "topology node")
                and name not in held
            ):
                report.add("bad_value", f"{name!r} does not share {constraint.id!r}", where)


def _check_overflow(report: Report, topology: Topology) -> None:
    """Overflow goes to a node that exists, and never round in a circle."""
    index_of = {node.id: index for index, node in enumerate(topology.nodes)}
    target: dict[str, str] = {}
    for index, node in enumerate(topology.nodes):
        if node.wip_overflow is None or node.wip_overflow == NO_OVERFLOW_TARGET:
            continue
        path = f"$.topology.nodes[{index}].wipOverflow"
        if report.check_known(node.wip_overflow, index_of, path, "topology node"):
            target[node.id] = node.wip_overflow
    for circle in _circles(target):
        path = f"$.topology.nodes[{index_of[circle[0]]}].wipOverflow"
        message = f"overflow goes round in a circle: {' -> '.join([*circle, circle[0]])}"
        report.add("overflow_cycle", message, path)


def _circles(target: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield each circle once, from the first of its members that the walk meets."""
    done: set[str] = set()
    for start in target:
        chain: dict[str, None] = {}
        node_id: str | None = start
        while node_id is not None and node_id not in chain and node_id not in done:
            chain[node_id] = None
            node_id = target.get(node_id)
        if node_id in chain:
            members = list(chain)
            yield members[members.index(str(node_id)) :]
        # Every node has one way out, so what was walked once leads nowhere new.
        done.update(chain)
