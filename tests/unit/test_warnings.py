"""Warnings: every code with a model that raises it and one, as like it as can be, that does not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from enginemodels import compiled, station
from flowtime.engine import RunWarning
from flowtime.engine.tolerance import bin_ranges, exceeds
from oracle import BUFFER_KINDS

NAN = math.nan
# All of 10 entities is served at once, with capacity for 20.
QUIET = {
    "a": [10.0] * 6,
    "s": [10.0] * 6,
    "c": 20.0,
    "zero": [0.0] * 6,
    "few": [4.0] * 6,
    "many": [30.0] * 6,
    "sometimes": [30.0, 30.0, 5.0, 30.0, 5.0, 5.0],
    "negative": [1.0, -2.0, -3.0, 1.0, 1.0, -1.0],
    "gaps": [NAN, 30.0, NAN, 5.0, 5.0, 5.0],
    "none": [NAN] * 6,
}
FLOW = "arrivals: a, served: s, capacity: c"
WORK = "arrivals: a, capacity: c"


def warnings_of(semantics: str, kind: str = "service", rest: str = "", **nodes: Sequence[float]) -> list[RunWarning]:
    """What is wrong with one station over six bins."""
    result = compiled(6, QUIET | nodes, station(semantics, kind=kind, rest=rest)).evaluate()
    return list(result.warnings)


# Code, kind, what raises it, what does not, and the bins.
SOME, FIRST = ((0, 1), (3, 3)), ((0, 5),)
BELOW_0 = ((1, 2), (5, 5))
FREE = "arrivals: many, served: s, capacity: c"
CASES = [
    pytest.param(
        "arrivals_negative", "serviceWithBuffer", "arrivals: negative, capacity: c", WORK, BELOW_0, id="arrivals"
    ),
    pytest.param("served_negative", "service", "arrivals: many, served: negative, capacity: c", FREE, BELOW_0, id="s"),
    pytest.param("errors_negative", "service", f"{FLOW}, errors: negative", f"{FLOW}, errors: few", BELOW_0, id="err"),
    pytest.param(
        "attempts_negative", "service", f"{FLOW}, attempts: negative", f"{FLOW}, attempts: a", BELOW_0, id="attempts"
    ),
    pytest.param(
        "failures_negative", "service", f"{FLOW}, failures: negative", f"{FLOW}, failures: few", BELOW_0, id="failures"
    ),
    pytest.param(
        "exhausted_failures_negative",
        "service",
        f"{FLOW}, exhaustedFailures: negative",
        f"{FLOW}, exhaustedFailures: few",
        BELOW_0,
        id="exhausted",
    ),
    pytest.param(
        "queue_negative",
        "queue",
        "arrivals: a, served: s, queueDepth: negative",
        "arrivals: a, served: s, queueDepth: zero",
        BELOW_0,
        id="queue",
    ),
    pytest.param(
        "retry_echo_negative", "service", f"{FLOW}, retryEcho: negative", f"{FLOW}, retryEcho: few", BELOW_0, id="echo"
    ),
    pytest.param(
        "retry_budget_negative",
        "service",
        f"{FLOW}, retryBudgetRemaining: negative",
        f"{FLOW}, retryBudgetRemaining: few",
        BELOW_0,
        id="budget",
    ),
    pytest.param(
        "served_exceeds_arrivals", "service", "arrivals: a, served: sometimes, capacity: many", FLOW, SOME, id="more"
    ),
    pytest.param(
        "served_exceeds_capacity",
        "service",
        "arrivals: many, served: sometimes, capacity: c",
        "arrivals: many, served: sometimes, capacity: c, parallelism: 2",
        SOME,
        id="capacity",
    ),
    pytest.param(
        "errors_exceed_arrivals", "service", f"{FLOW}, errors: sometimes", f"{FLOW}, errors: few", SOME, id="errors"
    ),
    pytest.param(
        "attempts_below_arrivals",
        "service",
        f"{FLOW}, attempts: few",
        f"{FLOW}, attempts: many",
        FIRST,
        id="few-attempts",
    ),
    pytest.param(
        "failures_exceed_attempts",
        "service",
        f"{FLOW}, attempts: a, failures: sometimes",
        f"{FLOW}, attempts: a, failures: few",
        SOME,
        id="more-failures",
    ),
    pytest.param(
        "exhausted_exceeds_failures",
        "service",
        f"{FLOW}, failures: few, exhaustedFailures: a",
        f"{FLOW}, failures: a, exhaustedFailures: few",
        FIRST,
        id="exhausted-failures",
    ),
    pytest.param(
        "exhausted_exceeds_errors",
        "service",
        f"{FLOW}, errors: few, exhaustedFailures: a",
        f"{FLOW}, errors: a, exhaustedFailures: few",
        FIRST,
        id="exhausted-errors",
    ),
    pytest.param(
        "loss_exceeds_available",
        "serviceWithBuffer",
        f"{WORK}, errors: sometimes",
        f"{WORK}, errors: few",
        SOME,
        id="loss",
    ),
    pytest.param(
        "served_exceeds_available",
        "serviceWithBuffer",
        "arrivals: a, served: sometimes, capacity: many",
        "arrivals: a, served: few, capacity: many",
        SOME,
        id="mass-creation",
    ),
    pytest.param(
        "queue_depth_mismatch",
        "queue",
        "arrivals: a, served: s, queueDepth: few",
        "arrivals: a, served: s, queueDepth: zero",
        # From the depth that is bound: what follows is as it should be.
        ((0, 0),),
        id="mismatch",
    ),
    pytest.param(
        "queue_latency_unreported", "queue", "arrivals: a, served: zero", "arrivals: a, served: s", FIRST, id="stuck"
    ),
    pytest.param("capacity_all_zero", "serviceWithBuffer", "arrivals: a, capacity: zero", WORK, (), id="no-capacity"),
    pytest.param("missing_capacity_series", "service", "arrivals: a, served: s", FLOW, (), id="capacity-missing"),
    pytest.param(
        "missing_processing_time_series",
        "service",
        f"{FLOW}, servedCount: s",
        f"{FLOW}, servedCount: s, processingTimeMsSum: a",
        (),
        id="times-missing",
    ),
    pytest.param(
        "missing_served_count_series",
        "service",
        f"{FLOW}, processingTimeMsSum: a",
        f"{FLOW}, servedCount: s, processingTimeMsSum: a",
        (),
        id="count-missing",
    ),
    pytest.param(
        "missing_exhausted_failures_series",
        "service",
        f"{FLOW}, maxAttempts: 3, retryBudgetRemaining: a",
        f"{FLOW}, maxAttempts: 3, retryBudgetRemaining: a, exhaustedFailures: zero",
        (),
        id="exhausted-missing",
    ),
    pytest.param(
        "missing_retry_budget_series",
        "service",
        f"{FLOW}, maxAttempts: 3, exhaustedFailures: zero",
        f"{FLOW}, maxAttempts: 3, retryBudgetRemaining: a, exhaustedFailures: zero",
        (),
        id="budget-missing",
    ),
    pytest.param("missing_served_series", "service", "arrivals: a, served: none, capacity: c", FLOW, (), id="served"),
    pytest.param(
        "missing_queue_depth_series",
        "queue",
        "arrivals: a, served: s, queueDepth: none",
        "arrivals: a, served: s, queueDepth: zero",
        (),
        id="depth-missing",
    ),
]
INFO = {
    "queue_latency_unreported",
    "capacity_all_zero",
    "missing_capacity_series",
    "missing_processing_time_series",
    "missing_served_count_series",
    "missing_exhausted_failures_series",
    "missing_retry_budget_series",
    "missing_served_series",
    "missing_queue_depth_series",
    "queue_latency_gate_closed",
}


@pytest.mark.parametrize(("code", "kind", "raises", "quiet", "bins"), CASES)
def test_code_is_raised_where_it_is_true(
    code: str, kind: str, raises: str, quiet: str, bins: tuple[tuple[int, int], ...]
) -> None:
    found = {warning.code: warning for warning in warnings_of(raises, kind)}
    assert code in found
    assert (found[code].node_id, found[code].bins) == ("Q", bins)
    assert found[code].bin_count == sum(last - first + 1 for first, last in bins)
    assert found[code].severity == ("info" if code in INFO else "warning")


@pytest.mark.parametrize(("code", "kind", "raises", "quiet", "bins"), CASES)
def test_code_is_not_raised_where_it_is_not(
    code: str, kind: str, raises: str, quiet: str, bins: tuple[tuple[int, int], ...]
) -> None:
    assert code not in {warning.code for warning in warnings_of(quiet, kind)}


@pytest.mark.parametrize(
    ("semantics", "kind"),
    [
        pytest.param(FLOW, "service", id="service"),
        pytest.param(WORK, "service", id="computed-service"),
        pytest.param(FLOW, "serviceWithBuffer", id="buffer"),
        pytest.param(WORK, "serviceWithBuffer", id="computed-buffer"),
        pytest.param("arrivals: many, capacity: c, errors: few", "serviceWithBuffer", id="growing-queue"),
        pytest.param("arrivals: gaps, capacity: c, errors: gaps", "serviceWithBuffer", id="gaps"),
        pytest.param("arrivals: a, served: s", "queue", id="queue-needs-no-capacity"),
        pytest.param("arrivals: many, served: few", "dlq", id="dead-letters"),
        pytest.param("arrivals: a", "sink", id="sink"),
        pytest.param("arrivals: a, served: many", "dependency", id="dependency-serves-what-it-likes"),
    ],
)
def test_a_sound_station_is_quiet(semantics: str, kind: str) -> None:
    assert [warning for warning in warnings_of(semantics, kind) if warning.severity != "info"] == []


def test_what_the_engine_computes_never_creates_work() -> None:
    severities = [
        warning.severity
        for kind in BUFFER_KINDS
        for warning in warnings_of("arrivals: sometimes, capacity: few, errors: zero", kind, SEED)
    ]
    assert set(severities) == {"info"}


SEED = ", initialCondition: {queueDepth: 12}"
ALL_AT_ONCE = {"s": [22.0, 10.0, 10.0, 10.0, 10.0, 10.0]}


def test_work_that_was_there_before_may_be_served() -> None:
    semantics = "arrivals: a, served: s, capacity: many"
    assert warnings_of(semantics, "serviceWithBuffer", SEED, **ALL_AT_ONCE) == []
    found = warnings_of(semantics, "serviceWithBuffer", **ALL_AT_ONCE)
    assert [(warning.code, warning.bins, warning.value) for warning in found] == [
        ("served_exceeds_available", ((0, 0),), 12.0)
    ]


def test_errors_take_from_what_can_be_served() -> None:
    found = warnings_of(f"{FLOW}, errors: few", "serviceWithBuffer")
    assert [(warning.code, warning.bins, warning.value) for warning in found] == [
        ("served_exceeds_available", ((0, 5),), 4.0)
    ]


def test_the_worst_bin_is_the_value() -> None:
    found = warnings_of("arrivals: many, served: sometimes, capacity: few", "service")
    assert (found[0].code, found[0].value, found[0].bin_count) == ("served_exceeds_capacity", 26.0, 6)


def test_warnings_come_in_the_order_of_the_model() -> None:
    stations = (
        station("arrivals: a, served: many, capacity: many", kind="service", name="B"),
        station("arrivals: a, served: many, capacity: c", kind="service", name="A"),
    )
    found = compiled(6, QUIET, *stations).evaluate().warnings
    assert [(warning.node_id, warning.code) for warning in found] == [
        ("B", "served_exceeds_arrivals"),
        ("A", "served_exceeds_arrivals"),
        ("A", "served_exceeds_capacity"),
    ]


def test_chosen_outputs_are_checked_as_far_as_they_go() -> None:
    part = compiled(6, QUIET, station("arrivals: a, served: many, capacity: c", kind="service"), outputs=["a", "many"])
    assert "served_exceeds_arrivals" in {warning.code for warning in part.evaluate().warnings}


# Tolerance


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(1e9 + 0.5, 1e9, False, id="rounding-of-a-billion"),
        pytest.param(1e9 + 5.0, 1e9, True, id="more-than-a-billion"),
        pytest.param(1.5e-7, 1e-7, True, id="half-as-much-again-of-very-little"),
        pytest.param(1e-7 + 1e-12, 1e-7, False, id="rounding-of-very-little"),
        pytest.param(1.0, 1.0, False, id="equal"),
        pytest.param(1.0, 2.0, False, id="below"),
        pytest.param(NAN, 1.0, False, id="unknown-left"),
        pytest.param(1.0, NAN, False, id="unknown-right"),
        pytest.param(0.1 + 0.2, 0.3, False, id="decimals"),
    ],
)
def test_tolerance_is_relative_and_absolute(left: float, right: float, expected: bool) -> None:
    assert exceeds(np.array([left]), np.array([right])).tolist() == [expected]


@pytest.mark.parametrize("volume", [pytest.param(1e9, id="a-billion"), pytest.param(1e-7, id="very-little")])
@pytest.mark.parametrize(("share", "expected"), [(1.0 + 1e-12, []), (1.5, ["served_exceeds_arrivals"])])
def test_volumes_do_not_hide_or_fake_a_fault(volume: float, share: float, expected: list[str]) -> None:
    series = {"a": [volume] * 6, "s": [volume * share] * 6, "c": [volume * 2] * 6}
    assert [warning.code for warning in warnings_of(FLOW, **series)] == expected


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        pytest.param([], (), id="empty"),
        pytest.param([0, 0, 0], (), id="none"),
        pytest.param([1, 1, 1], ((0, 2),), id="all"),
        pytest.param([1, 0, 1, 1, 0, 1], ((0, 0), (2, 3), (5, 5)), id="several"),
        pytest.param([0, 0, 1], ((2, 2),), id="last"),
    ],
)
def test_bins_as_ranges(broken: list[int], expected: tuple[tuple[int, int], ...]) -> None:
    assert bin_ranges(np.array(broken, dtype=np.bool_)) == expected


def test_infinite_flows_are_compared_without_a_complaint_of_numpy() -> None:
    nodes = {"a": [1.0, 2.0], "many": "EXP(a * 1000)"}
    result = compiled(2, nodes, station("arrivals: many, served: many, capacity: many", kind="service")).evaluate()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [warning.severity for warning in result.warnings] == []
