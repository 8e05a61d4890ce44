"""Bottlenecks, blocking, draining and cumulative flow: worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from enginemodels import compiled, model_text, station
from flowtime.engine import Result, compile_model
from flowtime.errors import ParameterError
from flowtime.model import parse_model

NAN, INF = math.nan, math.inf
SERIES = {
    "burst": [30.0, 10.0, 0.0, 0.0, 4.0, 0.0],
    "ten": [10.0] * 6,
    "some": [10.0, 0.0, 0.0, 10.0, 10.0, 10.0],
    "zero": [0.0] * 6,
    "gaps": [NAN, 10.0, 10.0, 10.0, 10.0, 10.0],
}
# Depths 20 20 10 0 0 0.
STAGE = station("arrivals: burst, capacity: ten")


def bins(*numbers: int) -> list[bool]:
    """Six bins, true at these."""
    return [t in numbers for t in range(6)]


# Blocking

BLOCKED = [
    pytest.param(station("arrivals: burst, capacity: some"), "capacity", bins(1, 2), bins(), id="no-capacity"),
    pytest.param(
        station("arrivals: burst, capacity: ten", rest=", dispatchSchedule: {periodBins: 2}"),
        "gate",
        bins(1, 3, 5),
        bins(),
        id="closed-gate",
    ),
    pytest.param(
        station("arrivals: burst, capacity: ten", rest=", wipLimit: 15"), "limit", bins(0), bins(3, 4, 5), id="full"
    ),
    pytest.param(
        station("arrivals: burst, capacity: ten", rest=", constraints: [shared]"),
        "constraint",
        bins(1, 2),
        bins(),
        id="nothing-granted",
    ),
]


@pytest.mark.parametrize(("stage", "reason", "blocked", "starved"), BLOCKED)
def test_what_holds_work_back(stage: str, reason: str, blocked: list[bool], starved: list[bool]) -> None:
    found = held(stage).blocking("Q")
    assert found.reasons[reason].tolist() == found.blocked.tolist() == blocked
    assert found.starved.tolist() == starved
    assert (found.blocked_share, found.starved_share) == (sum(blocked) / 6, sum(starved) / 6)


def held(stage: str) -> Result:
    """A result in which the constraint ``shared`` grants what ``some`` says, if it is used."""
    constraint = "  constraints: [{id: shared, semantics: {arrivals: burst, served: some}}]\n"
    return compile_model(parse_model(model_text(6, SERIES, stage) + constraint)).evaluate()


def test_a_node_at_its_pace_is_neither() -> None:
    found = compiled(6, SERIES, STAGE).evaluate().blocking("Q")
    assert found.blocked.tolist() == bins()
    assert found.starved.tolist() == bins(4, 5)


@pytest.mark.parametrize("question", ["blocking", "drain_time", "cumulative_flow"])
def test_unknown_node(question: str) -> None:
    result = compiled(6, SERIES, STAGE).evaluate()
    with pytest.raises(ParameterError, match="R") as caught:
        getattr(result, question)("R")
    assert caught.value.faults[0].code == "parameter.unknown_node"


# Bottlenecks

LINE = (
    station("arrivals: ten, capacity: many", name="Wide"),
    station("arrivals: wide_served, capacity: eight", name="Narrow"),
    station("arrivals: narrow_served, capacity: nine", name="Close"),
    station("arrivals: narrow_served, served: few", name="Unknown", kind="queue"),
    station("arrivals: few, served: zero", name="Dead", kind="dlq"),
    station("arrivals: close_served", name="Out", kind="sink"),
)
WIDTHS = {"many": [20.0] * 6, "eight": [8.0] * 6, "nine": [9.0] * 6, "few": [7.0] * 6}


def test_bottlenecks_are_ranked() -> None:
    found = compiled(6, SERIES | WIDTHS, *LINE).evaluate().bottlenecks()
    assert [node.node_id for node in found] == ["Narrow", "Unknown", "Close", "Wide"]
    np.testing.assert_allclose([node.bound_share for node in found], [1.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose([node.mean_utilization for node in found], [1.0, NAN, 8 / 9, 0.5])
    np.testing.assert_allclose([node.queue_growth for node in found], [12.0, 6.0, 0.0, 0.0])


def test_work_that_is_turned_away_binds_a_node() -> None:
    stages = (
        station("arrivals: ten, capacity: unlimited", name="A"),
        station("arrivals: ten, capacity: eight", kind="service"),
    )
    found = compiled(6, SERIES | WIDTHS | {"unlimited": "EXP(ten * 1000)"}, *stages).evaluate().bottlenecks()
    assert [(node.node_id, node.bound_share) for node in found] == [("Q", 1.0), ("A", 0.0)]


# Draining


def test_time_to_drain() -> None:
    found = compiled(6, SERIES, STAGE).evaluate().drain_time("Q")
    assert found.computed.tolist() == [3.0, 2.0, 1.0, 0.0, 0.0, 0.0]
    # 20 at a capacity of 10 less arrivals of 30, 10 and 0; then nothing waits.
    assert found.estimate.tolist() == [INF, INF, 1.0, 0.0, 0.0, 0.0]


def test_what_never_drains() -> None:
    found = compiled(6, SERIES, station("arrivals: ten, capacity: some")).evaluate().drain_time("Q")
    assert found.computed.tolist() == [0.0, INF, INF, INF, INF, INF]


@pytest.mark.parametrize(
    ("semantics", "estimate"),
    [
        pytest.param("arrivals: ten, served: zero", [NAN] * 6, id="no-capacity-known"),
        pytest.param("arrivals: ten, served: zero, capacity: gaps", [NAN, *[INF] * 5], id="none-in-a-bin"),
    ],
)
def test_an_estimate_needs_a_capacity(semantics: str, estimate: list[float]) -> None:
    found = compiled(6, SERIES, station(semantics, kind="queue")).evaluate().drain_time("Q")
    np.testing.assert_array_equal(found.estimate, estimate)


def test_a_node_without_a_queue_does_not_drain() -> None:
    result = compiled(6, SERIES, station("arrivals: ten, served: ten", kind="service")).evaluate()
    with pytest.raises(ParameterError) as caught:
        result.drain_time("Q")
    assert caught.value.faults[0].code == "parameter.no_queue"


# Cumulative flow


def test_cumulative_flow_of_a_node() -> None:
    stage = station("arrivals: burst, capacity: ten, errors: one", rest=", initialCondition: {queueDepth: 5}")
    found = compiled(6, SERIES | {"one": [1.0] * 6}, stage).evaluate().cumulative_flow("Q")
    assert found.arrivals.tolist() == [30.0, 40.0, 40.0, 40.0, 44.0, 44.0]
    assert found.initial == 5.0
    np.testing.assert_allclose(found.initial + found.arrivals - found.departures, found.in_progress)
    assert found.in_progress.tolist() == [24.0, 23.0, 12.0, 1.0, 0.0, 0.0]


CHAIN = (
    station("arrivals: burst, capacity: ten", name="A", rest=", initialCondition: {queueDepth: 2}"),
    station("arrivals: late, capacity: ten", name="B"),
)


@pytest.mark.parametrize(
    ("lag", "late", "in_progress"),
    [
        # The queue of A is 22 22 12 2 0 0, and B serves at once what comes.
        pytest.param(0, "a_served", [22.0, 22.0, 12.0, 2.0, 0.0, 0.0], id="at-once"),
        # What A served in a bin is on its way at the end of it.
        pytest.param(1, "SHIFT(a_served, 1)", [32.0, 32.0, 22.0, 12.0, 6.0, 0.0], id="on-the-way"),
    ],
)
def test_cumulative_flow_of_the_system(lag: int, late: str, in_progress: list[float]) -> None:
    edges = [f"{{from: A, to: B, lag: {lag}}}"]
    found = compiled(6, SERIES | {"late": late}, *CHAIN, edges=edges).evaluate().cumulative_flow()
    assert found.arrivals.tolist() == [30.0, 40.0, 40.0, 40.0, 44.0, 44.0]
    assert found.in_progress.tolist() == in_progress
    assert found.departures.tolist() == [2.0 + a - w for a, w in zip(found.arrivals, in_progress, strict=True)]


def test_work_that_enters_on_the_way_is_counted_once() -> None:
    stages = (
        station("arrivals: ten, served: ten", kind="service", name="A"),
        station("arrivals: joined, served: joined", kind="service", name="B"),
    )
    result = compiled(6, SERIES | {"joined": "ten + 3"}, *stages, edges=["{from: A, to: B}"]).evaluate()
    assert result.cumulative_flow().arrivals.tolist() == [13.0, 26.0, 39.0, 52.0, 65.0, 78.0]


def test_overflow_that_another_node_takes_in_has_not_left() -> None:
    stages = (
        station("arrivals: ten, capacity: zero", name="A", rest=", wipLimit: 10, wipOverflow: B"),
        station("arrivals: zero, capacity: zero", name="B"),
    )
    found = compiled(6, SERIES, *stages).evaluate().cumulative_flow()
    assert found.arrivals.tolist() == found.in_progress.tolist() == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert found.departures.tolist() == [0.0] * 6
