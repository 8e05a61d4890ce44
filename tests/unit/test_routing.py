"""Routers, generated traffic, and retries: where flows split, start and come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginemodels import compiled, station
from flowtime.errors import CompileError, ModelError

CLASSES = ("classes: [{id: A}, {id: B}, {id: C}]",)


def traffic(*entries: str) -> tuple[str, ...]:
    """The classes A, B and C, and what arrives of each."""
    return (*CLASSES, "traffic:", "  arrivals:", *(f"    - {{{entry}}}" for entry in entries))


def arriving(node: str, rate: float, class_id: str, kind: str = "constant") -> str:
    """One entry of traffic."""
    return f"nodeId: {node}, classId: {class_id}, pattern: {{kind: {kind}, ratePerBin: {rate}}}"


def router(*routes: str, source: str = "s") -> str:
    """A router node."""
    return f"{{kind: router, inputs: {{queue: {source}}}, routes: [{', '.join(routes)}]}}"


def series(bins: int, nodes: dict[str, Any], *stations: str, **options: Any) -> dict[str, list[float]]:
    """All series of a model."""
    return {name: values.tolist() for name, values in compiled(bins, nodes, *stations, **options).evaluate().items()}


def check(nodes: dict[str, Any], stations: list[str], expected: dict[str, list[float]], **options: Any) -> None:
    """Compare some series of a model with what they should be."""
    found = series(len(next(iter(expected.values()))), nodes, *stations, **options)
    assert {name: found[name] for name in expected} == {name: pytest.approx(v) for name, v in expected.items()}


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param(["{target: x, weight: 5}", "{target: y, weight: 3}", "{target: z, weight: 2}"],
                     {"x": [50], "y": [30], "z": [20]}, id="weights"),
        pytest.param(["{target: x, weight: 1}", "{target: y, weight: 1}", "{target: x, weight: 2}"],
                     {"x": [75], "y": [25]}, id="several-to-one"),
        pytest.param(["{target: x, weight: 7}"], {"x": [100], "r": [100]}, id="single"),
    ],
)  # fmt: skip
def test_a_router_shares_by_weight(routes: list[str], expected: dict[str, list[float]]) -> None:
    check({"s": 100.0, "r": router(*routes)}, [], expected)


def test_routers_may_follow_each_other_in_any_order() -> None:
    nodes = {
        "second": router("{target: left, weight: 1}", "{target: right, weight: 3}", source="half"),
        "after": "left + 1",
        "first": router("{target: half, weight: 1}", "{target: rest, weight: 1}", source="double"),
        "double": "s * 2",
        "s": 40.0,
    }
    check(nodes, [], {"half": [40], "left": [10], "right": [30], "after": [11]})


def test_a_declared_target_is_what_is_routed_there() -> None:
    nodes = {
        "s": 10.0,
        "r": router("{target: t, weight: 1}", "{target: u, weight: 1}"),
        "t": "3",
        "u": 7.0,
        "d": "t + u",
    }
    check(nodes, [], {"t": [5, 5], "u": [5, 5], "d": [10, 10]})
    assert "u" not in compiled(2, nodes).parameters


def test_classes_go_first_and_weights_share_the_rest() -> None:
    nodes = {
        "s": 100.0,
        "r": router("{target: x, classes: [A]}", "{target: x, weight: 3}", "{target: y, weight: 1}"),
    }
    expected = {
        "x": [85], "y": [15], "x@A": [40], "x@B": [37.5], "x@C": [7.5], "y@A": [0], "y@B": [12.5], "y@C": [2.5],
    }  # fmt: skip
    root = traffic(arriving("s", 4, "A"), arriving("s", 5, "B"), arriving("s", 1, "C"))
    check(nodes, [], expected, root=root)


def test_what_classes_leave_to_weights_is_never_less_than_nothing() -> None:
    nodes = {"s": -5.0, "r": router("{target: x, classes: [A]}", "{target: y, weight: 1}")}
    check(nodes, [], {"x": [0], "y": [0]}, root=CLASSES)


def test_classes_at_one_node_split_it_by_rate_and_through_a_service() -> None:
    nodes = {"ingest": 10.0, "served": "MIN(ingest, 8)", "rate": 8.0}
    flows = [station("arrivals: ingest, served: served", kind="service", name="S")]
    root = traffic(arriving("ingest", 20, "A"), arriving("ingest", 5, "B"))
    check(
        nodes,
        flows,
        {"ingest@A": [8], "ingest@B": [2], "served@A": [6.4], "served@B": [1.6], "served@C": [0]},
        root=root,
    )


def test_generated_traffic_is_a_series_of_its_own() -> None:
    root = traffic(arriving("calls", 4, "A"), arriving("calls", 1.5, "C"), arriving("calls", 2, "A"))
    model = compiled(2, {"s": 1.0, "all": "calls * 2"}, root=root)
    result = model.evaluate()
    assert {name: result[name].tolist() for name in ("calls", "calls@A", "calls@B", "all@C")} == {
        "calls": [7.5, 7.5], "calls@A": [6, 6], "calls@B": [0, 0], "all@C": [3, 3],
    }  # fmt: skip
    assert model.parameters == ("s", "calls@A", "calls@B", "calls@C")
    assert model.evaluate({"calls@B": 1.0})["calls"].tolist() == [8.5, 8.5]


def test_poisson_traffic_is_drawn_where_a_seed_is_given() -> None:
    root = traffic(arriving("calls", 4, "A", "poisson"), arriving("calls", 1, "B"))
    options = {"root": root, "outputs": ["calls", "calls@A", "calls@B"]}
    drawn, again, other = (compiled(5000, {"s": 1.0}, seed=seed, **options).evaluate() for seed in (7, 7, 8))
    assert drawn["calls@A"].tobytes() == again["calls@A"].tobytes() != other["calls@A"].tobytes()
    assert np.mean(drawn["calls@A"]) == pytest.approx(4.0, abs=0.15)
    assert set(drawn["calls@B"]) == {1.0}
    assert (drawn["calls"] == drawn["calls@A"] + drawn["calls@B"]).all()


def test_poisson_counts_around_a_declared_mean() -> None:
    root = ("traffic: {arrivals: [{nodeId: s, pattern: {kind: poisson}}]}",)
    drawn = compiled(4000, {"s": [2.0] * 2000 + [50.0] * 2000}, root=root, seed=3).evaluate()["s"]
    assert [np.mean(drawn[:2000]), np.mean(drawn[2000:])] == pytest.approx([2.0, 50.0], abs=0.5)
    assert np.var(drawn[2000:]) == pytest.approx(50.0, rel=0.1)


def test_counts_can_not_be_drawn_around_an_expression() -> None:
    root = traffic(arriving("double", 4, "A", "poisson"))
    with pytest.raises(CompileError) as caught:
        compiled(2, {"s": 1.0, "double": "s * 2"}, root=root, seed=1)
    assert caught.value.code == "compile.poisson_needs_input"


@pytest.mark.parametrize(
    ("node", "code"),
    [
        pytest.param(router("{target: q, weight: 1}"), "model.duplicate_series", id="to-a-queue"),
        pytest.param(router("{target: x, classes: [A]}"), "model.unknown_class", id="no-classes"),
        pytest.param(router("{target: x@A, weight: 1}"), "model.bad_value", id="no-name"),
    ],
)
def test_routes_that_lead_nowhere_are_refused(node: str, code: str) -> None:
    nodes = {"s": 1.0, "q": "{kind: serviceWithBuffer, inflow: s, outflow: s}", "r": node}
    with pytest.raises(ModelError) as caught:
        compiled(1, nodes)
    assert [fault.code for fault in caught.value.faults] == [code]


# Retries

KERNEL = "retryKernel: [0.0, 0.6, 0.3, 0.1]"


def retrying(more: str, kernel: str = KERNEL) -> list[str]:
    """A service whose work fails."""
    return [station(f"arrivals: a, served: s, failures: f, retryEcho: echo, {kernel}{more}", kind="service", name="S")]


def test_the_echo_of_failures() -> None:
    check({"a": 100.0, "s": 90.0, "f": 10.0}, retrying(""), {"echo": [0, 6, 9, 10, 10]})


def test_attempts_are_arrivals_and_echo() -> None:
    check({"a": 100.0, "s": 90.0, "f": 10.0}, retrying(", attempts: tries"), {"tries": [100, 106, 109, 110]})


def test_failures_may_depend_on_attempts() -> None:
    nodes = {"a": 64.0, "s": "tries * 0.5", "f": "tries * 0.5"}
    flows = retrying(", attempts: tries", "retryKernel: [0, 1]")
    check(nodes, flows, {"tries": [64, 96, 112, 120], "echo": [0, 32, 48, 56]})


def test_after_the_last_attempt_failures_are_exhausted() -> None:
    nodes = {"a": [64.0, 0.0, 0.0, 0.0], "s": "tries * 0.5", "f": "tries * 0.5"}
    flows = retrying(", attempts: tries, maxAttempts: 3, exhaustedFailures: gone", "retryKernel: [0, 1]")
    check(nodes, flows, {"tries": [64, 32, 16, 0], "echo": [0, 32, 16, 0], "gone": [0, 0, 8, 0]})


def test_what_a_kernel_does_not_bring_back_is_exhausted() -> None:
    flows = retrying(", exhaustedFailures: gone", "retryKernel: [0, 0.25]")
    check({"a": 100.0, "s": 90.0, "f": 10.0}, flows, {"gone": [7.5, 7.5], "echo": [0, 2.5]})


def test_a_budget_lets_so_many_retries_start() -> None:
    flows = retrying(", retryBudget: 7, retryBudgetRemaining: left, exhaustedFailures: gone, attempts: tries")
    expected = {
        "echo": [0, 6, 7, 7], "left": [7, 1, 0, 0], "gone": [0, 0, 2, 3], "tries": [100, 106, 107, 107],
    }  # fmt: skip
    check({"a": 100.0, "s": 90.0, "f": 10.0}, flows, expected)


def test_failed_work_comes_to_its_end() -> None:
    nodes = {"a": [100.0] + [0.0] * 11, "s": "tries * 0.6", "f": "tries * 0.4"}
    flows = retrying(", attempts: tries, maxAttempts: 4, exhaustedFailures: gone, retryBudget: 25")
    found = series(12, nodes, *flows)
    assert sum(found["s"]) + sum(found["gone"]) == pytest.approx(100.0)


def test_exhausted_failures_wait_in_a_dead_letter_queue() -> None:
    flows = [
        *retrying(", exhaustedFailures: gone", "retryKernel: [0, 0.5]"),
        station("arrivals: gone, served: none", kind="dlq", name="DLQ"),
    ]
    check({"a": 100.0, "s": 90.0, "f": 10.0, "none": 0.0}, flows, {"dlq_queue": [5, 10, 15]})


def test_retries_within_the_bin_are_refused_with_their_cause() -> None:
    nodes = {"a": "echo + 10", "s": 90.0, "f": "a * 0.1"}
    with pytest.raises(CompileError, match="echo") as caught:
        compiled(3, nodes, *retrying("", "retryKernel: [0.5, 0.5]"))
    assert caught.value.code == "compile.same_bin_cycle"
    assert "retryKernel" in (caught.value.hint or "")


def test_the_same_loop_with_a_later_echo_is_a_flow() -> None:
    nodes = {"a": "echo + 10", "s": 90.0, "f": "a * 0.5"}
    check(nodes, retrying("", "retryKernel: [0, 1]"), {"a": [10, 15, 17.5, 18.75]})


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("attempts: tries", id="attempts"),
        pytest.param("exhaustedFailures: gone", id="exhausted"),
        pytest.param("retryBudgetRemaining: left", id="budget"),
        pytest.param("retryEcho: again", id="echo"),
    ],
)
def test_a_name_that_nothing_computes_is_unknown(more: str) -> None:
    with pytest.raises(ModelError) as caught:
        compiled(1, {"a": 1.0, "s": 1.0}, station(f"arrivals: a, served: s, {more}", kind="service"))
    assert [fault.code for fault in caught.value.faults] == ["model.unknown_series"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param(", maxAttempts: 33", "model.out_of_range", id="too-many-attempts"),
        pytest.param(", retryBudget: -1", "model.out_of_range", id="negative-budget"),
    ],
)
def test_limits_of_retries(more: str, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        compiled(1, {"a": 1.0, "s": 1.0, "f": 1.0}, *retrying(more))
    assert [fault.code for fault in caught.value.faults] == [code]
