"""Warnings about how a model is put together: each with a model that raises it and one that does not."""

from __future__ import annotations

import pytest

from enginemodels import station
from flowtime.engine import RunWarning
from warningcases import evaluated, found

FLOW = "arrivals: a, served: s, capacity: c"


def queue(semantics: str = FLOW, rest: str = "", *, kind: str = "serviceWithBuffer", name: str = "Q") -> str:
    """A station."""
    return station(semantics, kind=kind, name=name, rest=rest)


def gate(fields: str, semantics: str = FLOW, kind: str = "serviceWithBuffer") -> tuple[str, ...]:
    """A station behind a gate."""
    return (queue(semantics, f", dispatchSchedule: {{periodBins: 2, {fields}}}", kind=kind),)


# Code, stations that raise it, stations that do not, and its severity.
NODES = [
    pytest.param(
        "dispatch_capacity_missing", gate("capacitySeries: none"), gate("capacitySeries: few"), "warning", id="gate"
    ),
    pytest.param(
        "dispatch_missing_served_series",
        gate("phaseOffset: 0", "arrivals: a, served: none", "queue"),
        gate("phaseOffset: 0"),
        "info",
        id="nothing-to-hold-back",
    ),
    pytest.param(
        "dispatch_never_releases",
        (queue(rest=", dispatchSchedule: {periodBins: 9, phaseOffset: 7}"),),
        gate("phaseOffset: 1"),
        "info",
        id="never-opens",
    ),
    pytest.param(
        "dispatch_never_releases",
        gate("capacitySeries: zero"),
        gate("capacitySeries: zero", "arrivals: zero, served: s, capacity: c"),
        "info",
        id="opens-for-nothing",
    ),
    pytest.param(
        "queue_latency_gate_closed",
        gate("phaseOffset: 0", "arrivals: a, capacity: c", "queue"),
        gate("phaseOffset: 0", "arrivals: zero, capacity: c", "queue"),
        "info",
        id="waits-at-a-gate",
    ),
    pytest.param(
        "missing_dependency_arrivals",
        (queue("arrivals: none, served: s", kind="dependency"),),
        (queue("arrivals: a, served: s", kind="dependency"),),
        "info",
        id="calls",
    ),
    pytest.param(
        "missing_dependency_served",
        (queue("arrivals: a, served: none", kind="dependency"),),
        (queue("arrivals: a, served: s", kind="dependency"),),
        "info",
        id="answers",
    ),
]


@pytest.mark.parametrize(("code", "raises", "quiet", "severity"), NODES)
def test_code_of_a_node(code: str, raises: tuple[str, ...], quiet: tuple[str, ...], severity: str) -> None:
    assert [(w.node_id, w.severity) for w in found(evaluated(*raises), code)] == [("Q", severity)]
    assert found(evaluated(*quiet), code) == []


def test_bins_of_a_closed_gate() -> None:
    warning = found(
        evaluated(*gate("phaseOffset: 0", "arrivals: a, capacity: c", "queue")), "queue_latency_gate_closed"
    )
    assert warning[0].bins == ((1, 1), (3, 3), (5, 5))


def test_a_gate_that_accumulates_may_let_more_out_than_came_in_the_bin() -> None:
    result = evaluated(*gate("accumulate: true", "arrivals: a, served: s, capacity: few", "service"))
    assert result["q_gated_outflow"].tolist() == [10.0, 0.0, 20.0, 0.0, 20.0, 0.0]
    assert [w.code for w in result.warnings if w.severity != "info"] == []


ORDERS, LETTERS = queue(name="O"), queue("arrivals: few, served: zero", kind="dlq", name="D")
DATABASE = queue("arrivals: a, served: s, errors: few", kind="dependency", name="B")
CALLER = queue(f"{FLOW}, attempts: a", kind="service", name="O")
EDGES = [
    pytest.param(
        "dlq_non_terminal_inbound",
        (ORDERS, LETTERS),
        "{id: e, from: O, to: D}",
        "{id: e, from: O, to: D, type: terminal, measure: errors}",
        ("D", "e", "warning"),
        id="into-dead-letters",
    ),
    pytest.param(
        "dlq_non_terminal_outbound",
        (ORDERS, LETTERS),
        "{id: e, from: D, to: O}",
        "{id: e, from: D, to: O, type: terminal}",
        ("D", "e", "warning"),
        id="out-of-dead-letters",
    ),
    pytest.param(
        "dependency_missing_effort_edges",
        (CALLER, DATABASE),
        "{id: e, from: O, to: B}",
        "{id: e, from: O, to: B, type: effort}",
        ("B", None, "info"),
        id="nobody-calls",
    ),
    pytest.param(
        "dependency_retry_pressure_missing",
        (queue(kind="service", name="P"), CALLER, DATABASE),
        "{id: e, from: P, to: B, type: effort}",
        "{id: e, from: O, to: B, type: effort}",
        ("B", None, "info"),
        id="calls-without-attempts",
    ),
]


@pytest.mark.parametrize(("code", "stations", "raises", "quiet", "expected"), EDGES)
def test_code_of_an_edge(code: str, stations: tuple[str, ...], raises: str, quiet: str, expected: object) -> None:
    warnings = found(evaluated(*stations, edges=[raises]), code)
    assert [(w.node_id, w.edge_id, w.severity) for w in warnings] == [expected]
    assert found(evaluated(*stations, edges=[quiet]), code) == []


def constrained(capacity: str, arrivals: str = "a", used: str = "shared") -> list[RunWarning]:
    """What is wrong with a shared constraint."""
    constraint = f"  constraints: [{{id: shared, semantics: {{arrivals: {arrivals}, served: {capacity}}}}}]\n"
    return list(evaluated(queue(rest=f", constraints: [{used}]"), more=constraint).warnings)


CONSTRAINTS = [
    pytest.param("constraint_missing_served", ("none",), ("few",), "warning", id="capacity"),
    pytest.param("constraint_missing_served", ("none",), ("unlimited",), "warning", id="unlimited-is-not-missing"),
    pytest.param("constraint_missing_arrivals", ("few", "none"), ("few",), "info", id="arrivals"),
    pytest.param("constraint_unused", ("few", "a", ""), ("few",), "info", id="unused"),
]


@pytest.mark.parametrize(("code", "raises", "quiet", "severity"), CONSTRAINTS)
def test_code_of_a_constraint(code: str, raises: tuple[str, ...], quiet: tuple[str, ...], severity: str) -> None:
    warnings = [w for w in constrained(*raises) if w.code == code]
    assert [(w.constraint_id, w.node_id, w.severity) for w in warnings] == [("shared", None, severity)]
    assert code not in {warning.code for warning in constrained(*quiet)}


def routed(target: str) -> list[RunWarning]:
    """What is wrong where a router feeds a declared series."""
    router = "{kind: router, inputs: {queue: a}, routes: [{target: t, weight: 1}]}"
    return found(
        evaluated(queue("arrivals: t, served: t, capacity: c"), t=target, split=router), "router_target_replaced"
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("{kind: const, values: 3}", ["split"], id="constant"),
        pytest.param("{kind: const, values: 0}", [], id="constant-0"),
        pytest.param("a + 1", ["split"], id="expression"),
        pytest.param("0", [], id="expression-0"),
        pytest.param("{kind: pmf, pmf: {values: [1, 2], probabilities: [0.5, 0.5]}}", ["split"], id="distribution"),
    ],
)
def test_values_that_a_router_replaces(target: str, expected: list[str]) -> None:
    assert [(w.node_id, w.severity) for w in routed(target)] == [(name, "info") for name in expected]
