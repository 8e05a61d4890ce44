"""Rules of the topology: bindings, edges, constraints, limits and where overflow goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowtime.model.bindings import bound_references
from flowtime.model.naming import NodeSeries, computes_served, has_buffer, split_endpoint
from flowtime.model.report import Report
from flowtime.model.spec import Semantics, Topology, TopologyNode

__all__ = ["check_topology"]

_NO_OVERFLOW_TARGET = "loss"


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


def _check_overflow(report: Report, topology: Topology) -> None:
    """Overflow goes to a node that exists, and never round in a circle."""
    index_of = {node.id: index for index, node in enumerate(topology.nodes)}
    target: dict[str, str] = {}
    for index, node in enumerate(topology.nodes):
        if node.wip_overflow is None or node.wip_overflow == _NO_OVERFLOW_TARGET:
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
