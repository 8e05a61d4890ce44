"""The oracle on every kind of model: vectors of reference/engine.md 14, and examples worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from flowtime.model import parse_model
from oracle import SameBinCycle, evaluate_model
from oracle_classes import coverage
from oracle_constraints import max_min, priority, proportional
from oracle_retries import taps_of_kernel
from strategies_draft import Draft

A_AND_B = ("A", "B")


def const(name: str, values: float | list[float]) -> dict[str, Any]:
    """An input."""
    return {"id": name, "kind": "const", "values": values}


def expr(name: str, text: str) -> dict[str, Any]:
    """An expression."""
    return {"id": name, "kind": "expr", "expr": text}


def router(queue: str, *routes: dict[str, Any], name: str = "split") -> dict[str, Any]:
    """A router."""
    return {"id": name, "kind": "router", "inputs": {"queue": queue}, "routes": list(routes)}


def station(name: str, kind: str, semantics: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """A topology node."""
    return {"id": name, "kind": kind, "semantics": semantics, **rest}


def traffic(name: str, **rates: float) -> tuple[dict[str, Any], ...]:
    """What arrives at a node, by class."""
    return tuple(
        {"nodeId": name, "classId": class_id, "pattern": {"kind": "constant", "ratePerBin": rate}}
        for class_id, rate in rates.items()
    )


def evaluated(bins: int, nodes: list[dict[str, Any]], *stations: dict[str, Any], **rest: Any) -> dict[str, list[float]]:
    """The oracle's series of a model."""
    draft = Draft(bins, 1, rest.pop("unit", "hours"), tuple(nodes), tuple(stations), **rest)
    return evaluate_model(parse_model(draft.text()))


def shared(capacity: str, **rest: Any) -> tuple[dict[str, Any], ...]:
    """One constraint called Db."""
    return ({"id": "Db", "semantics": {"arrivals": capacity, "served": capacity}, **rest},)


IN_OUT = {"arrivals": "a", "served": "s"}
COMPUTED = {"arrivals": "a", "capacity": "c"}
OVERFLOWING = [
    station("A", "queue", {"arrivals": "a", "served": "s"}, wipLimit=10.0, wipOverflow="B"),
    station("B", "queue", {"arrivals": "none", "served": "none"}, wipLimit=5.0, wipOverflow="C"),
    station("C", "queue", {"arrivals": "none", "served": "none"}),
]

LIMITS = [
    pytest.param({"wipLimit": 15.0}, [14, 15, 15, 15], [0, 13, 14, 14], id="limit"),
    pytest.param({"wipLimitSeries": "l"}, [14, 10, 5, 5], [0, 18, 19, 14], id="series"),
    pytest.param({"wipLimit": 99.0, "wipLimitSeries": "l"}, [14, 10, 5, 5], [0, 18, 19, 14], id="series beats number"),
    pytest.param({"wipLimitSeries": "gap"}, [14, 28, 42, 56], [0, 0, 0, 0], id="gap is no limit"),
    pytest.param({"wipLimitSeries": "below"}, [0, 0, 0, 0], [14, 14, 14, 14], id="negative is 0"),
]


@pytest.mark.parametrize(("limits", "depth", "overflow"), LIMITS)
def test_limit(limits: dict[str, Any], depth: list[float], overflow: list[float]) -> None:
    nodes = [const("a", 20.0), const("s", 5.0), const("e", 1.0), const("l", [20.0, 10.0, 5.0, 5.0])]
    nodes += [const("gap", [float("nan")] * 4), const("below", -5.0)]
    series = evaluated(4, nodes, station("Q", "queue", IN_OUT | {"errors": "e"}, **limits))
    assert (series["q_queue"], series["q_overflow"]) == (depth, overflow)


def test_overflow_runs_through_a_chain() -> None:
    series = evaluated(3, [const("a", 20.0), const("s", 5.0), const("none", 0.0)], *OVERFLOWING)
    assert (series["a_overflow"], series["a_queue"]) == ([5, 15, 15], [10, 10, 10])
    assert (series["b_overflow"], series["b_queue"]) == ([0, 15, 15], [5, 5, 5])
    assert (series["b_inflow"], series["c_queue"]) == ([5, 15, 15], [0, 15, 30])


def test_what_a_service_turns_away_goes_where_it_says() -> None:
    stations = [
        station("S", "service", COMPUTED, wipOverflow="Q"),
        station("Q", "queue", {"arrivals": "none", "capacity": "c"}),
    ]
    series = evaluated(3, [const("a", [9.0, 2.0, 0.0]), const("c", 4.0), const("none", 0.0)], *stations)
    assert (series["s_overflow"], series["q_inflow"]) == ([5, 0, 0], [5, 0, 0])
    assert (series["q_served"], series["q_queue"]) == ([4, 1, 0], [1, 0, 0])


SCHEDULES = [
    pytest.param({"periodBins": 3}, [5, 0, 0, 5, 0, 0], id="period"),
    pytest.param({"periodBins": 3, "phaseOffset": 1}, [0, 5, 0, 0, 5, 0], id="phase"),
    pytest.param({"periodBins": 3, "phaseOffset": -1}, [0, 0, 5, 0, 0, 5], id="negative phase"),
    pytest.param({"periodBins": 2, "phaseOffset": 7}, [0, 5, 0, 5, 0, 5], id="phase beyond the period"),
    pytest.param({"periodBins": 2, "capacitySeries": "c"}, [3, 0, 0, 0, 5, 0], id="capacity"),
    pytest.param({"periodBins": 3, "accumulate": True}, [5, 0, 0, 15, 0, 0], id="accumulating"),
    pytest.param({"periodBins": 2, "capacitySeries": "c", "accumulate": True}, [3, 0, 0, 0, 22, 0], id="both"),
]


@pytest.mark.parametrize(("schedule", "expected"), SCHEDULES)
def test_gated_outflow(schedule: dict[str, Any], expected: list[float]) -> None:
    nodes = [const("a", 10.0), const("s", 5.0), const("c", [3.0, 9.0, -1.0, 9.0, float("nan"), 9.0])]
    series = evaluated(6, nodes, station("Q", "queue", IN_OUT, dispatchSchedule=schedule))
    assert series["q_gated_outflow"] == expected
    assert series["s"] == [5] * 6


def test_gate_of_a_computed_station_and_of_a_node() -> None:
    gate = {"periodBins": 3}
    node = {"id": "n", "kind": "serviceWithBuffer", "inflow": "a", "outflow": "c", "dispatchSchedule": gate}
    buffer = station("Q", "queue", COMPUTED, dispatchSchedule=gate)
    series = evaluated(6, [const("a", 10.0), const("c", 5.0), node], buffer)
    assert series["q_queue"] == series["n"] == [5, 15, 25, 30, 40, 50]
    assert "q_gated_outflow" not in series


ROUTES = [
    pytest.param([{"target": "x", "weight": 0.5}, {"target": "y", "weight": 0.5}], [50, 50], id="by weight"),
    pytest.param([{"target": "x", "weight": 3.0}, {"target": "y", "weight": 1.0}], [75, 25], id="any sum"),
    pytest.param([{"target": "x", "classes": ["A"]}, {"target": "y", "weight": 1.0}], [40, 60], id="class first"),
    pytest.param(
        [{"target": "x", "classes": ["A"], "weight": 1.0}, {"target": "y", "weight": 3.0}],
        [55, 45],
        id="class and weight",
    ),
    pytest.param([{"target": "x", "weight": 1.0}, {"target": "x", "weight": 1.0}], [100, 7], id="one target twice"),
]


@pytest.mark.parametrize(("routes", "expected"), ROUTES)
def test_router(routes: list[dict[str, Any]], expected: list[float]) -> None:
    nodes = [const("s", 100.0), router("s", *routes), const("y", 7.0), expr("double", "x * 2")]
    series = evaluated(1, nodes, classes=A_AND_B, traffic=traffic("s", A=2.0, B=3.0))
    assert [series["x"], series["y"]] == [[pytest.approx(value)] for value in expected]
    assert series["double"] == [pytest.approx(expected[0] * 2)]
    assert series["x@A"][0] + series["x@B"][0] == pytest.approx(expected[0])


def test_routers_in_a_chain_that_share_a_target() -> None:
    first = router("s", {"target": "x", "weight": 1.0}, {"target": "end", "weight": 1.0})
    second = router("x", {"target": "end", "weight": 1.0}, {"target": "other", "weight": 4.0}, name="again")
    series = evaluated(1, [second, expr("s", "60 + 40"), first, const("end", 0.0)])
    assert (series["x"], series["end"], series["other"]) == ([50], [60], [40])


ALLOCATIONS = [
    pytest.param(proportional([60, 60], 80), [40, 40], id="proportional"),
    pytest.param(proportional([10, 30], 80), [10, 30], id="proportional with enough"),
    pytest.param(proportional([10, 30], 0), [0, 0], id="proportional with nothing"),
    pytest.param(priority([60, 60], 80, [1, 0]), [20, 60], id="priority"),
    pytest.param(priority([60, 60], -1, [0, 1]), [0, 0], id="priority of less than nothing"),
    pytest.param(max_min([10, 60, 50], 80), [10, 35, 35], id="max-min"),
    pytest.param(max_min([10, 30, 50], 80), [10, 30, 40], id="max-min in two steps"),
    pytest.param(max_min([10, 20], 80), [10, 20], id="max-min with enough"),
]


@pytest.mark.parametrize(("grants", "expected"), ALLOCATIONS)
def test_allocation(grants: list[float], expected: list[float]) -> None:
    assert grants == pytest.approx(expected)


def test_constraint_keeps_back_what_it_does_not_grant() -> None:
    stations = [
        station("P", "queue", {"arrivals": "a", "capacity": "c"}, constraints=["Db"]),
        station("R", "queue", {"arrivals": "a", "served": "s"}, constraints=["Db"], constraintExcess="loss"),
    ]
    nodes = [const("a", 60.0), const("c", 100.0), const("s", 60.0), const("cap", 80.0)]
    series = evaluated(2, nodes, *stations, constraints=shared("cap"))
    # At first both ask for 60 of 80; then 80 (what waited too) and 60 share them 4 : 3.
    assert series["p_served"] == pytest.approx([40, 80 * 80 / 140])
    assert series["s"] == pytest.approx([40, 80 * 60 / 140])
    assert (series["r_loss"], series["r_queue"]) == (series["r_shortfall"], [0, 0])
    assert (series["db_demand"], series["db_status"]) == ([120, 140], [1, 1])


def test_each_constraint_sees_what_the_one_before_granted() -> None:
    constraints = (*shared("five"), {"id": "Net", "semantics": {"arrivals": "a", "served": "three"}})
    stations = [
        station("P", "service", COMPUTED, constraints=["Net", "Db"]),
        station("R", "service", COMPUTED, constraints=["Db"]),
    ]
    nodes = [const("a", 10.0), const("c", 10.0), const("five", 10.0), const("three", 3.0)]
    series = evaluated(1, nodes, *stations, constraints=constraints)
    assert (series["net_demand"], series["net_granted"]) == ([5], [3])
    assert (series["p_served"], series["p_shortfall"], series["r_served"]) == ([3], [7], [5])


def test_granted_is_what_the_name_of_served_means() -> None:
    nodes = [const("a", 10.0), expr("s", "SHIFT(q_queue, 1) + a"), const("cap", 4.0), expr("next", "s * 2")]
    series = evaluated(2, nodes, station("Q", "queue", IN_OUT, constraints=["Db"]), constraints=shared("cap"))
    assert (series["s"], series["next"], series["q_queue"]) == ([4, 4], [8, 8], [6, 12])


def retried(**semantics: Any) -> dict[str, list[float]]:
    """A service of which some fails in the first two bins, and comes back."""
    nodes = [const("d", [10.0, 10.0, 10.0, 0.0, 0.0]), const("f", [5.0, 5.0, 0.0, 0.0, 0.0])]
    bound: dict[str, Any] = {"arrivals": "d", "served": "d", "failures": "f", "attempts": "tries", "retryEcho": "echo"}
    bound |= {"retryKernel": [0.0, 0.6, 0.4], "exhaustedFailures": "gone"}
    return evaluated(5, nodes, station("S", "service", bound | semantics))


def test_echo_comes_back_by_the_kernel() -> None:
    series = retried()
    assert series["echo"] == pytest.approx([0, 3, 5, 2, 0])
    assert series["tries"] == pytest.approx([10, 13, 15, 2, 0])
    assert series["gone"] == pytest.approx([0, 0, 0, 0, 0])


def test_one_attempt_gives_up_at_once() -> None:
    series = retried(maxAttempts=1)
    assert (series["echo"], series["gone"]) == ([0] * 5, [5, 5, 0, 0, 0])


def test_second_attempts_that_fail_give_up() -> None:
    series = retried(maxAttempts=2)
    # In bin 1 there are 10 first attempts and 3 second ones, of which 5 / 13 fail; only the first come back.
    again = 10 * 5 / 13
    assert series["echo"] == pytest.approx([0, 3, 0.6 * again + 2, 0.4 * again, 0])
    assert series["gone"] == pytest.approx([0, 3 * 5 / 13, 0, 0, 0])


def test_budget_sends_the_rest_away() -> None:
    series = retried(retryBudget=4.0, retryBudgetRemaining="left")
    assert series["echo"] == pytest.approx([0, 3, 4, 2, 0])
    assert series["left"] == pytest.approx([4, 1, 0, 2, 4])
    assert series["gone"] == pytest.approx([0, 0, 1, 0, 0])


def test_same_bin_feedback_is_a_cycle() -> None:
    semantics = {"arrivals": "a", "served": "a", "failures": "f", "retryEcho": "echo", "retryKernel": [0.5, 0.5]}
    model = [const("d", 1.0), expr("a", "d + echo"), expr("f", "a * 0.5")]
    with pytest.raises(SameBinCycle):
        evaluated(2, model, station("S", "service", semantics))


@pytest.mark.parametrize(
    ("kernel", "taps"),
    [
        pytest.param(None, [0, 0.6, 0.3, 0.1], id="default"),
        pytest.param([], [0, 0.6, 0.3, 0.1], id="empty"),
        pytest.param([0, 2.0, -1.0, 2.0], [0, 0.5, 0, 0.5], id="scaled to one"),
        pytest.param([0.0] * 32 + [1.0], [0.0] * 32, id="too many"),
    ],
)
def test_policy_of_kernels(kernel: list[float] | None, taps: list[float]) -> None:
    assert taps_of_kernel(kernel) == pytest.approx(taps)


# Of a series x of 60 and 40, y of 30 in B alone, k of 4 without classes.
ALGEBRA = [
    pytest.param("x", [60, 40], id="name"),
    pytest.param("-x", [-60, -40], id="minus"),
    pytest.param("x + y", [60, 70], id="sum"),
    pytest.param("x - y", [60, 10], id="difference"),
    pytest.param("x + k", [62.4, 41.6], id="classless summand"),
    pytest.param("k - x", [-57.6, -38.4], id="taken from a classless one"),
    pytest.param("0 - x", [-60, -40], id="taken from nothing"),
    pytest.param("x * k", [240, 160], id="times"),
    pytest.param("k * x", [240, 160], id="times from the left"),
    pytest.param("x * y", [1800, 1200], id="classes of the left factor"),
    pytest.param("x / k", [15, 10], id="quotient"),
    pytest.param("MIN(x, y)", [0, 30], id="least"),
    pytest.param("MAX(x, y)", [60, 40], id="greatest"),
    pytest.param("MIN(x, k)", [2.4, 1.6], id="classless least"),
    pytest.param("MIN(k, x, y)", [2.4, 1.6], id="folded"),
    pytest.param("CLAMP(x, 0, y)", [0, 30], id="clamp"),
    pytest.param("IF(k, x, y)", [60, 40], id="if"),
    pytest.param("IF(0, x, k)", [2.4, 1.6], id="classless branch"),
    pytest.param("IF(0, x, 0)", [0, 0], id="branch of nothing"),
    pytest.param("CONV(x, [0.5, 1])", [30, 20], id="convolution"),
    pytest.param("DELAY(x, 1, 10)", [5, 5], id="before the first bin"),
    pytest.param("EMA(x, 0.5)", [60, 40], id="average"),
    pytest.param("FLOOR(x / 3)", [19.8, 13.2], id="rounded"),
    pytest.param("POW(x, 0.5)", [6, 4], id="power"),
]


def in_classes(expression: str) -> dict[str, list[float]]:
    """The series of an expression over x, y and k, called z."""
    nodes = [const("x", 100.0), const("y", 30.0), const("k", 4.0), expr("z", expression)]
    arrivals = (*traffic("x", A=3.0, B=2.0), *traffic("y", B=1.0))
    return evaluated(1, nodes, classes=A_AND_B, traffic=arrivals)


@pytest.mark.parametrize(("expression", "expected"), ALGEBRA)
def test_classes_of_an_expression(expression: str, expected: list[float]) -> None:
    series = in_classes(expression)
    assert [series["z@A"][0], series["z@B"][0]] == pytest.approx(expected)


@pytest.mark.parametrize("expression", ["x > k", "NOT x", "STEP(x, k)", "k / x", "PULSE(2)", "x AND y", "MOD(k, x)"])
def test_without_classes(expression: str) -> None:
    assert "z@A" not in in_classes(expression)


def test_generated_traffic() -> None:
    series = evaluated(2, [expr("z", "g * 2")], classes=A_AND_B, traffic=traffic("g", A=2.5, B=1.5))
    assert (series["g"], series["g@A"], series["z@B"]) == ([4, 4], [2.5, 2.5], [3, 3])


def test_ingest_is_split_and_served_in_proportion() -> None:
    nodes = [const("ingest", 10.0), expr("served", "MIN(ingest, 8)")]
    series = evaluated(1, nodes, classes=A_AND_B, traffic=traffic("ingest", A=20.0, B=5.0))
    assert (series["ingest@A"], series["ingest@B"]) == ([8], [2])
    assert [*series["served@A"], *series["served@B"]] == pytest.approx([6.4, 1.6])


MIXED = {"classes": A_AND_B, "traffic": traffic("a", A=3.0, B=1.0)}


def test_work_mixes_in_a_queue() -> None:
    start = {"queueDepth": 8.0}
    series = evaluated(
        1, [const("a", 12.0), const("c", 5.0)], station("Q", "queue", COMPUTED, initialCondition=start), **MIXED
    )
    # 8 are split 3 : 1 as declared, and so are 12: of 20 there are 15 and 5.
    assert (series["q_served@A"], series["q_served@B"]) == ([3.75], [1.25])
    assert (series["q_queue@A"], series["q_queue@B"]) == ([11.25], [3.75])


def test_classless_served_takes_the_mixture() -> None:
    nodes = [const("a", 12.0), const("s", 4.0), expr("z", "s * 2")]
    series = evaluated(2, nodes, station("Q", "queue", IN_OUT), **MIXED)
    assert (series["s@A"], series["s@B"], series["z@A"]) == ([3, 3], [1, 1], [6, 6])
    assert (series["q_queue@A"], series["q_queue@B"]) == ([6, 12], [2, 4])


def test_classed_served_takes_its_own() -> None:
    arrivals = (*traffic("a", A=3.0, B=1.0), *traffic("s", B=1.0))
    nodes = [const("a", 12.0), const("s", 2.0)]
    series = evaluated(1, nodes, station("Q", "queue", IN_OUT), classes=A_AND_B, traffic=arrivals)
    assert (series["q_queue@A"], series["q_queue@B"]) == ([9], [1])


def test_overflow_carries_its_classes() -> None:
    stations = [
        station("S", "service", COMPUTED, wipOverflow="Q"),
        station("Q", "dlq", {"arrivals": "none", "served": "kept"}),
    ]
    nodes = [const("a", 12.0), const("c", 4.0), const("none", 0.0), const("kept", 0.0)]
    series = evaluated(1, nodes, *stations, **MIXED)
    assert (series["s_overflow@A"], series["q_inflow@A"], series["q_queue@A"]) == ([6], [6], [6])
    assert (series["s_overflow@B"], series["q_inflow@B"], series["q_queue@B"]) == ([2], [2], [2])


def test_reference_to_a_class() -> None:
    series = evaluated(
        1, [const("a", 12.0), const("c", 4.0)], station("Q", "queue", COMPUTED | {"arrivals": "a@A"}), **MIXED
    )
    assert (series["q_queue"], series["q_queue@A"], series["q_queue@B"]) == ([5], [5], [0])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([[1.0, 2.0], [3.0, 0.0]], "full", id="full"),
        pytest.param([[1.0, 2.0], [2.0, 0.0]], "partial", id="partial"),
        pytest.param([[0.0, 0.0], [0.0, 0.0]], "missing", id="nothing"),
        pytest.param([], "missing", id="no classes"),
    ],
)
def test_coverage(parts: list[list[float]], expected: str) -> None:
    assert coverage([4.0, 2.0], parts) == expected


def weighed(bins: int, profile: dict[str, Any], **grid: Any) -> list[float]:
    """The weights of a profile."""
    node = {"id": "p", "kind": "pmf", "pmf": {"values": [1.0], "probabilities": [1.0]}, "profile": profile}
    return evaluated(bins, [node], **grid)["p"]


def test_hours_of_a_day() -> None:
    office = weighed(24, {"name": "weekday-office"})
    assert office[:3] == pytest.approx([0.18 / 0.644583, 0.16 / 0.644583, 0.15 / 0.644583], rel=1e-5)
    assert sum(office) / 24 == pytest.approx(1.0)


def test_clock_of_the_grid_turns_a_profile() -> None:
    late = weighed(3, {"name": "hub-rush-hour"}, start="2025-01-01T22:30:00Z")
    assert late == pytest.approx([0.26 / 0.755833, 0.21 / 0.755833, 0.19 / 0.755833], rel=1e-5)


def test_days_scale_a_profile() -> None:
    weights = weighed(
        3, {"name": "three-shift", "days": [1, 2, 3, 4, 5, 6, 0]}, unit="days", start="2025-01-04T00:00:00Z"
    )
    assert weights == pytest.approx([6, 0, 1])


def test_weights_for_each_bin() -> None:
    assert weighed(4, {"kind": "inline", "weights": [1, 2, 3, 2]}) == [0.5, 1, 1.5, 1]
