"""Gates, limits, overflow and constraints at topology nodes: vectors of engine.md 14 and worked-out ones."""

from __future__ import annotations

from typing import Any

import pytest

from enginemodels import compiled, station
from flowtime.errors import ModelError


def series(bins: int, nodes: dict[str, Any], *stations: str, **options: Any) -> dict[str, list[float]]:
    """All series of a model."""
    return {name: values.tolist() for name, values in compiled(bins, nodes, *stations, **options).evaluate().items()}


def check(
    bins: int, nodes: dict[str, Any], stations: list[str], expected: dict[str, list[float]], **options: Any
) -> None:
    """Compare some series of a model with what they should be."""
    found = series(bins, nodes, *stations, **options)
    assert {name: found[name] for name in expected} == {name: pytest.approx(v) for name, v in expected.items()}


LIMIT = "arrivals: a, served: s"


@pytest.mark.parametrize(
    ("nodes", "rest", "expected"),
    [
        pytest.param(
            {"a": 10.0, "s": 2.0}, ", wipLimit: 20",
            {"q_queue": [8, 16, 20, 20], "q_overflow": [0, 0, 4, 8]}, id="scalar",
        ),
        pytest.param(
            {"a": 15.0, "s": 2.0, "l": [20.0, 10.0, 5.0, 5.0]}, ", wipLimitSeries: l, wipLimit: 1",
            {"q_queue": [13, 10, 5, 5], "q_overflow": [0, 16, 18, 13]}, id="series-beats-scalar",
        ),
        pytest.param(
            {"a": 10.0, "s": 1.0, "l": [-5.0, float("nan"), 12.0, 0.0]}, ", wipLimitSeries: l",
            {"q_queue": [0, 9, 12, 0], "q_overflow": [9, 0, 6, 21]}, id="negative-is-0-and-nan-is-none",
        ),
    ],
)  # fmt: skip
def test_limit_of_an_authored_queue(nodes: dict[str, Any], rest: str, expected: dict[str, list[float]]) -> None:
    check(4, nodes, [station(LIMIT, rest=rest)], expected)


def test_limit_of_a_queue_that_serves_what_it_can() -> None:
    expected = {"q_served": [5, 5, 5], "q_queue": [10, 10, 10], "q_overflow": [5, 15, 15]}
    check(3, {"a": 20.0, "c": 5.0}, [station("arrivals: a, capacity: c", rest=", wipLimit: 10")], expected)


def test_overflow_goes_on_along_a_chain_within_the_bin() -> None:
    nodes = {"a": 20.0, "five": 5.0, "zero": 0.0}
    flows = [
        station("arrivals: a, capacity: five", name="A", rest=", wipLimit: 10, wipOverflow: B"),
        station("arrivals: zero, served: zero", name="B", rest=", wipLimit: 5, wipOverflow: C"),
        station("arrivals: zero, served: zero", name="C"),
    ]
    expected = {
        "a_overflow": [5, 15, 15], "b_queue": [5, 5, 5], "b_overflow": [0, 15, 15], "c_queue": [0, 15, 30],
        "b_inflow": [5, 15, 15], "zero": [0, 0, 0],
    }  # fmt: skip
    check(3, nodes, flows, expected)


def test_what_a_service_turns_away_goes_where_it_is_sent() -> None:
    flows = [
        station("arrivals: a, capacity: c", name="Desk", kind="service", rest=", wipOverflow: Back"),
        station("arrivals: b, capacity: c", name="Back"),
    ]
    expected = {"desk_overflow": [6, 0], "back_inflow": [7, 1], "back_served": [4, 4], "back_queue": [3, 0]}
    check(2, {"a": [10.0, 2.0], "b": 1.0, "c": 4.0}, flows, expected)


def test_a_declared_queue_has_the_limit_of_its_node() -> None:
    nodes = {"a": 10.0, "s": 2.0, "q": "{kind: serviceWithBuffer, inflow: a, outflow: s}"}
    flows = [station("arrivals: a, served: s, queueDepth: q", rest=", wipLimit: 12")]
    check(3, nodes, flows, {"q": [8, 12, 12], "q_overflow": [0, 4, 8]})


GATE = "dispatchSchedule: {periodBins: 3"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param("}", [5, 0, 0, 5, 0, 0, 5], id="period"),
        pytest.param(", phaseOffset: -1}", [0, 0, 5, 0, 0, 5, 0], id="negative-offset"),
        pytest.param(", phaseOffset: 4}", [0, 5, 0, 0, 5, 0, 0], id="offset-beyond-the-period"),
        pytest.param(", capacitySeries: c}", [3, 0, 0, 3, 0, 0, 5], id="capacity"),
        pytest.param(", accumulate: true}", [5, 0, 0, 15, 0, 0, 15], id="accumulate"),
        pytest.param(", accumulate: true, capacitySeries: c}", [3, 0, 0, 3, 0, 0, 29], id="accumulate-up-to-capacity"),
    ],
)
def test_gate_of_an_authored_queue(more: str, expected: list[float]) -> None:
    # The last of the capacities is missing, which is no limit.
    nodes = {"a": 10.0, "s": 5.0, "c": [3.0] * 6 + [float("nan")]}
    found = series(7, nodes, station("arrivals: a, served: s", rest=f", {GATE}{more}"))
    assert found["q_gated_outflow"] == expected
    assert found["s"] == [5.0] * 7
    assert found["q_queue"][-1] == 70 - sum(expected)


def test_gate_of_a_queue_that_serves_what_it_can() -> None:
    flows = [station("arrivals: a, capacity: c", rest=f", {GATE}, accumulate: true, phaseOffset: 2}}")]
    expected = {"q_served": [0, 0, 12, 0, 0, 12], "q_queue": [10, 20, 18, 28, 38, 36]}
    check(6, {"a": 10.0, "c": 4.0}, flows, expected)


def test_gate_of_a_declared_queue() -> None:
    nodes = {"a": 10.0, "s": 5.0, "q": f"{{kind: serviceWithBuffer, inflow: a, outflow: s, {GATE}}}}}"}
    check(6, nodes, [], {"q": [5, 15, 25, 30, 40, 50]})


# Constraints

POOL = "{id: Pool, semantics: {arrivals: a, served: pool}"


def sharing(allocation: str, *, excess: str = "queue") -> dict[str, Any]:
    """Two queues and a service that share 12, wanting 10, 4 and 6."""
    rest = f", constraints: [Pool], constraintExcess: {excess}"
    return {
        "stations": [
            station("arrivals: a, capacity: a", name="A", rest=rest),
            station("arrivals: b, capacity: b", name="B", rest=rest),
            station("arrivals: c, capacity: c", name="C", kind="service", rest=", constraints: [Pool]"),
        ],
        "constraints": [f"{POOL}{allocation}}}"],
    }


NODES = {"a": 10.0, "b": 4.0, "c": 6.0, "pool": 12.0}


@pytest.mark.parametrize(
    ("allocation", "served"),
    [
        pytest.param("", [6.0, 2.4, 3.6], id="proportional"),
        pytest.param(", allocation: priority", [10.0, 2.0, 0.0], id="priority-in-the-order-of-the-file"),
        pytest.param(", allocation: priority, priorities: [C, B]", [2.0, 4.0, 6.0], id="priority"),
        pytest.param(", allocation: maxMin", [4.0, 4.0, 4.0], id="max-min"),
    ],
)
def test_a_capacity_is_shared(allocation: str, served: list[float]) -> None:
    shared = sharing(allocation)
    found = series(1, NODES, *shared["stations"], constraints=shared["constraints"])
    assert [found[f"{name}_served"][0] for name in "abc"] == pytest.approx(served)
    assert [found[f"{name}_shortfall"][0] for name in "abc"] == pytest.approx(
        [10 - served[0], 4 - served[1], 6 - served[2]]
    )
    assert [found[f"pool_{role}"][0] for role in ("demand", "granted", "shortfall", "status")] == pytest.approx(
        [20, 12, 8, 1]
    )


def test_max_min_gives_what_small_demands_leave() -> None:
    shared = sharing(", allocation: maxMin")
    expected = {"a_served": [6.5], "b_served": [1.0], "c_served": [6.0], "pool_status": [1.0]}
    nodes = {"a": 10.0, "b": 1.0, "c": 6.0, "pool": 13.5}
    check(1, nodes, shared["stations"], expected, constraints=shared["constraints"])


def test_what_is_not_granted_waits_and_asks_again() -> None:
    shared = sharing("")
    nodes = {"a": [10.0, 0.0, 0.0], "pool": 4.0, "capacity": 100.0}
    flows = [station("arrivals: a, capacity: capacity", name="A", rest=", constraints: [Pool]")]
    expected = {"a_served": [4, 4, 2], "a_queue": [6, 2, 0], "a_shortfall": [6, 2, 0], "pool_status": [1, 1, 0]}
    check(3, nodes, flows, expected, constraints=shared["constraints"])


def test_what_is_not_granted_is_lost_where_that_is_said() -> None:
    shared = sharing("", excess="loss")
    expected = {"a_served": [6, 6], "a_loss": [4, 4], "a_queue": [0, 0], "b_loss": [1.6, 1.6]}
    check(2, NODES, shared["stations"], expected, constraints=shared["constraints"])


@pytest.mark.parametrize(
    ("pool", "granted"),
    [
        pytest.param(20.0, [10.0, 4.0, 6.0], id="enough"),
        pytest.param(0.0, [0.0, 0.0, 0.0], id="nothing"),
        pytest.param([-3.0], [0.0, 0.0, 0.0], id="negative"),
        pytest.param([float("nan")], [0.0, 0.0, 0.0], id="missing"),
    ],
)
@pytest.mark.parametrize("allocation", ["", ", allocation: priority", ", allocation: maxMin"])
def test_capacities_at_the_edge(allocation: str, pool: Any, granted: list[float]) -> None:
    shared = sharing(allocation)
    found = series(1, {**NODES, "pool": pool}, *shared["stations"], constraints=shared["constraints"])
    assert [found[f"{name}_served"][0] for name in "abc"] == granted


def test_each_of_several_constraints_sees_what_the_one_before_granted() -> None:
    flows = [
        station("arrivals: a, capacity: a", name="A", rest=", constraints: [Disk, Pool]"),
        station("arrivals: b, capacity: b", name="B", rest=", constraints: [Disk]"),
    ]
    constraints = [f"{POOL}}}", "{id: Disk, semantics: {arrivals: a, served: disk}}"]
    nodes = {"a": 10.0, "b": 10.0, "pool": 2.0, "disk": 6.0}
    expected = {"a_served": [1.0], "b_served": [5.0], "disk_demand": [12.0], "pool_granted": [2.0]}
    check(1, nodes, flows, expected, constraints=constraints)


def test_an_authored_served_is_what_it_is_granted_wherever_it_is_read() -> None:
    nodes = {"a": 60.0, "out": 60.0, "other": 60.0, "pool": 80.0, "next": "out * 1"}
    flows = [
        station("arrivals: a, served: out", name="A", rest=", constraints: [Pool]"),
        station("arrivals: a, served: other", name="B", rest=", constraints: [Pool]"),
    ]
    expected = {"out": [40, 40], "other": [40, 40], "next": [40, 40], "a_queue": [20, 40]}
    check(2, nodes, flows, expected, constraints=[f"{POOL}}}"])


def test_an_input_that_is_held_back_can_be_overridden() -> None:
    flows = [station("arrivals: a, served: out", name="A", rest=", constraints: [Pool]")]
    model = compiled(1, {"a": 60.0, "out": 60.0, "pool": 50.0}, *flows, constraints=[f"{POOL}}}"])
    assert model.evaluate({"out": 45.0})["out"].tolist() == [45.0]
    assert model.evaluate({"out": 70.0})["out"].tolist() == [50.0]


@pytest.mark.parametrize(
    ("flow", "options", "code"),
    [
        pytest.param(
            station("arrivals: a", kind="sink", rest=", constraints: [Pool]"), {}, "model.bad_value", id="sink"
        ),
        pytest.param(
            station("arrivals: a, capacity: a", kind="service", rest=", wipLimit: 3"),
            {},
            "model.bad_value",
            id="no-queue",
        ),
        pytest.param(
            station("arrivals: a, served: a, queueDepth: b", rest=", wipLimit: 3"),
            {},
            "model.bad_value",
            id="given-depth",
        ),
    ],
)
def test_what_can_not_be_held_back_is_refused(flow: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(ModelError) as caught:
        compiled(1, NODES, flow, constraints=[f"{POOL}}}"], **options)
    assert [fault.code for fault in caught.value.faults] == [code]
