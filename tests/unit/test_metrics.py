"""Derived metrics: worked out by hand, and as the oracle has them; what is undefined is NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from enginemodels import compiled, model_text, station
from flowtime.engine import compile_model
from flowtime.engine.node_metrics import Metrics, dispersion, kingman_queue_time
from flowtime.model import parse_model
from oracle import evaluate_model, first_difference
from oracle_metrics import evaluate_metrics, kingman
from strategies import Draft, flow_drafts

NAN = math.nan
BINS = 4
NODES = {
    "a": [10.0, 20.0, 0.0, 5.0],
    "s": [5.0, 10.0, 0.0, 5.0],
    "d": [10.0, 20.0, 30.0, 0.0],
    "c": [10.0, 0.0, 5.0, -1.0],
    "n": [2.0, 0.0, 4.0, 1.0],
    "ms": [100.0, 50.0, 0.0, -10.0],
    "t": [6.0, 9.0, 0.0, 5.0],
    "f": [2.0, 0.0, 1.0, 5.0],
    "p": [2.0, 1.0, NAN, 0.0],
}
QUEUE = "{kind: serviceWithBuffer, inflow: a, outflow: s}"
WAITING = "arrivals: a, served: s, queueDepth: d"
TIMED = "processingTimeMsSum: ms, servedCount: n"

METRICS = [
    pytest.param("arrivals: a, served: s, capacity: c", "service", "utilization", [0.5, NAN, 0.0, NAN], id="ratio"),
    pytest.param(
        "arrivals: a, served: s, capacity: c, parallelism: 2",
        "service",
        "utilization",
        [0.25, NAN, 0.0, NAN],
        id="utilization-of-servers",
    ),
    pytest.param(
        "arrivals: a, served: s, capacity: a, parallelism: p",
        "service",
        "utilization",
        [0.25, 0.5, NAN, 1.0],
        id="servers-that-can-not-be-used-are-one",
    ),
    pytest.param(WAITING, "queue", "queueTimeMs", [120_000.0, 120_000.0, NAN, 0.0], id="stuck-queue-has-no-wait"),
    pytest.param(WAITING, "queue", "latencyMinutes", [2.0, 2.0, NAN, 0.0], id="minutes"),
    pytest.param(f"{WAITING}, {TIMED}", "serviceWithBuffer", "serviceTimeMs", [50.0, NAN, 0.0, -10.0], id="service"),
    pytest.param(
        f"{WAITING}, {TIMED}",
        "serviceWithBuffer",
        "cycleTimeMs",
        [120_050.0, 120_000.0, NAN, -10.0],
        id="cycle-is-both",
    ),
    pytest.param(WAITING, "queue", "cycleTimeMs", [120_000.0, 120_000.0, NAN, 0.0], id="cycle-is-waiting"),
    pytest.param(
        f"arrivals: a, served: s, {TIMED}", "service", "cycleTimeMs", [50.0, NAN, 0.0, -10.0], id="is-service"
    ),
    pytest.param(
        f"{WAITING}, {TIMED}", "serviceWithBuffer", "flowEfficiency", [50.0 / 120_050.0, NAN, NAN, NAN], id="efficiency"
    ),
    pytest.param("arrivals: a, served: s", "service", "throughputRatio", [0.5, 0.5, NAN, 1.0], id="throughput"),
    pytest.param("arrivals: s, served: a", "service", "throughputRatio", [1.0, 1.0, NAN, 1.0], id="clamped-above"),
    pytest.param("arrivals: a, served: c", "service", "throughputRatio", [1.0, 0.0, NAN, 0.0], id="clamped-below"),
    pytest.param("arrivals: a, served: s, attempts: t", "service", "attempts", [6.0, 9.0, 0.0, 5.0], id="attempts"),
    pytest.param("arrivals: a, served: s, failures: f", "service", "attempts", [7.0, 10.0, 1.0, 10.0], id="implied"),
    pytest.param("arrivals: a, served: s, errors: f", "service", "attempts", [7.0, 10.0, 1.0, 10.0], id="of-errors"),
    pytest.param(
        "arrivals: a, served: s, failures: f, retryKernel: [0, 2, 2]",
        "service",
        "retryEcho",
        [0.0, 1.0, 1.0, 0.5],
        id="echo-scaled-to-1",
    ),
    pytest.param("arrivals: a, served: s, attempts: t", "service", "retryTax", [1.0 / 6.0, 0.0, NAN, 0.0], id="tax"),
    pytest.param(
        "arrivals: a, served: s, failures: f", "service", "retryTax", [2.0 / 7.0, 0.0, 1.0, 0.5], id="tax-of-failures"
    ),
]


@pytest.mark.parametrize(("semantics", "kind", "metric", "expected"), METRICS)
def test_metric_worked_out_by_hand(semantics: str, kind: str, metric: str, expected: Sequence[float]) -> None:
    metrics = compiled(BINS, NODES, station(semantics, kind=kind)).evaluate().metrics
    np.testing.assert_allclose(metrics["Q"][metric], expected, rtol=1e-15)


@pytest.mark.parametrize(("semantics", "kind"), [case.values[:2] for case in METRICS])  # type: ignore[attr-defined]
def test_metrics_are_those_of_the_oracle(semantics: str, kind: str) -> None:
    model = parse_model(model_text(BINS, NODES, station(semantics, kind=kind)))
    expected = evaluate_metrics(model, evaluate_model(model))["Q"]
    metrics = compile_model(model).evaluate().metrics["Q"]
    assert first_difference(expected, metrics) is None
    assert set(metrics) - set(expected) <= {"kingmanQueueTimeMs"}


SETS = [
    pytest.param("arrivals: a, served: s", "service", ["throughputRatio"], id="service"),
    pytest.param("arrivals: a, served: s", "sink", [], id="sink"),
    pytest.param(
        "arrivals: a, served: s, queueDepth: d, capacity: c",
        "queue",
        ["utilization", "queueTimeMs", "latencyMinutes", "cycleTimeMs", "throughputRatio"],
        id="queue",
    ),
    pytest.param(f"arrivals: a, served: s, {TIMED}", "dependency", ["throughputRatio"], id="dependency-serves-not"),
    pytest.param(
        "arrivals: a, served: s, errors: f",
        "service",
        ["throughputRatio", "retryEcho", "attempts", "retryTax"],
        id="errors-are-failures",
    ),
    pytest.param(
        f"arrivals: a, served: s, capacity: c, {TIMED}",
        "service",
        ["utilization", "serviceTimeMs", "cycleTimeMs", "flowEfficiency", "throughputRatio", "kingmanQueueTimeMs"],
        id="kingman",
    ),
]


@pytest.mark.parametrize(("semantics", "kind", "expected"), SETS)
def test_metrics_are_those_that_the_bindings_allow(semantics: str, kind: str, expected: list[str]) -> None:
    metrics = compiled(BINS, NODES, station(semantics, kind=kind)).evaluate().metrics
    assert list(metrics) == ["Q"]
    assert list(metrics["Q"]) == expected


def test_units_and_unknown_names() -> None:
    metrics = compiled(BINS, NODES, station("arrivals: a, served: s")).evaluate().metrics
    assert metrics["Q"].unit("throughputRatio") == "ratio"
    with pytest.raises(KeyError, match="throughputRatio"):
        metrics["Q"]["utilization"]
    with pytest.raises(KeyError, match="Q"):
        metrics["R"]


def test_metrics_are_read_only() -> None:
    values = compiled(BINS, NODES, station(f"arrivals: a, served: s, capacity: c, {TIMED}")).evaluate().metrics["Q"]
    assert [values[name].flags.writeable for name in values] == [False] * len(values)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        pytest.param("binSize: 10, binUnit: seconds", 20_000.0, id="seconds"),
        pytest.param("binSize: 1, binUnit: minutes", 120_000.0, id="minutes"),
        pytest.param("binSize: 2, binUnit: hours", 14_400_000.0, id="hours"),
        pytest.param("binSize: 1, binUnit: days", 172_800_000.0, id="days"),
        pytest.param("binSize: 1, binUnit: weeks", 1_209_600_000.0, id="weeks"),
    ],
)
def test_waiting_is_in_the_units_of_the_grid(grid: str, expected: float) -> None:
    metrics = compiled(BINS, NODES, station(WAITING, kind="queue"), grid=grid).evaluate().metrics["Q"]
    assert metrics["queueTimeMs"][0] == expected
    assert metrics["latencyMinutes"][0] == expected / 60_000.0


@settings(max_examples=60)
@given(flow_drafts())
def test_metrics_of_any_flow_are_those_of_the_oracle(draft: Draft) -> None:
    note(draft.text())
    model = parse_model(draft.text())
    expected = evaluate_metrics(model, evaluate_model(model))
    metrics = compile_model(model).evaluate().metrics
    apart = {node: first_difference(values, metrics[node], atol=1e-9) for node, values in expected.items() if values}
    assert set(apart.values()) <= {None}, apart
    assert {node: set(metrics[node]) - {"kingmanQueueTimeMs"} for node in metrics} == {
        node: set(values) for node, values in expected.items()
    }


# Kingman

# Of these counts variance over mean is 1, and of these service times deviation over mean is 0.5.
BURSTY = np.array([0.0, 2.0, 0.0, 2.0])
STEADY = np.array([5.0, 15.0, 5.0, 15.0])


def test_kingman_of_the_reference() -> None:
    utilization = np.full(4, 0.8)
    estimate = kingman_queue_time(utilization, STEADY, BURSTY)
    # At a service time of 10 the reference has 25: 0.8 / 0.2 * (1 + 0.25) / 2 * 10.
    np.testing.assert_allclose(estimate, 2.5 * STEADY)


@pytest.mark.parametrize(
    ("utilization", "service"),
    [
        pytest.param(0.0, 10.0, id="idle"),
        pytest.param(1.0, 10.0, id="full"),
        pytest.param(1.2, 10.0, id="over"),
        pytest.param(-0.1, 10.0, id="negative"),
        pytest.param(NAN, 10.0, id="unknown"),
        pytest.param(0.8, 0.0, id="no-service-time"),
        pytest.param(0.8, NAN, id="unknown-service-time"),
    ],
)
def test_kingman_is_undefined(utilization: float, service: float) -> None:
    estimate = kingman_queue_time(np.array([0.5, utilization]), np.array([10.0, service]), np.array([1.0, 3.0]))
    assert np.isnan(estimate).tolist() == [False, True]


def test_kingman_of_a_station() -> None:
    nodes = {"a": BURSTY.tolist(), "s": 8.0, "c": 10.0, "ms": [40.0, 120.0, 40.0, 120.0], "n": 8.0}
    result = compiled(4, nodes, station(f"arrivals: a, served: s, capacity: c, {TIMED}", kind="service")).evaluate()
    np.testing.assert_allclose(result.metrics["Q"]["kingmanQueueTimeMs"], 2.5 * STEADY)


def test_kingman_without_variation_is_0() -> None:
    estimate = kingman_queue_time(np.full(2, 0.5), np.full(2, 10.0), np.full(2, 3.0))
    assert estimate.tolist() == [0.0, 0.0]


# Whole numbers and hundredths: of what differs in its last digits alone no two variances agree.
WHOLE = st.integers(0, 1000).map(float)
SOME_BINS = st.tuples(st.integers(0, 150).map(lambda percent: percent / 100.0), WHOLE | st.just(NAN), WHOLE)


@given(st.lists(SOME_BINS, min_size=1, max_size=20))
def test_kingman_is_that_of_the_oracle(rows: list[tuple[float, float, float]]) -> None:
    utilization, arrivals, service = map(list, zip(*rows, strict=True))
    estimate = kingman_queue_time(np.array(utilization), np.array(service), np.array(arrivals))
    np.testing.assert_allclose(estimate, kingman(utilization, service, arrivals), rtol=1e-9, atol=1e-9)


def test_kingman_does_not_depend_on_the_length_of_the_bin() -> None:
    minutes = np.random.default_rng(1).poisson(0.8, 60_000).astype(np.float64)
    waits = [
        kingman_queue_time(np.full(counts.size, 0.8), np.full(counts.size, 1.0), counts)[0]
        for counts in (minutes, minutes.reshape(-1, 5).sum(axis=1), minutes.reshape(-1, 60).sum(axis=1))
    ]
    # Poisson arrivals and services that are all alike: rho / (1 - rho) / 2.
    np.testing.assert_allclose(waits, 2.0, rtol=0.05)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([0.0, 4.0, 0.0, 4.0], 2.0, id="bursts"),
        pytest.param([0.0, NAN, math.inf, 4.0], 2.0, id="finite-values-only"),
        pytest.param([3.0, 3.0], 0.0, id="constant"),
        pytest.param([0.0, 0.0], 0.0, id="nothing-came"),
        pytest.param([-4.0, 2.0], 0.0, id="negative-mean"),
        pytest.param([NAN], 0.0, id="nothing-known"),
    ],
)
def test_dispersion(values: list[float], expected: float) -> None:
    assert dispersion(np.array(values)) == expected


# Flow latency

# Service times of one bin: A 10, B 20, C 40 ms.
STOPS = {"one": 1.0, "flow": [8.0, 4.0], "tenA": 10.0, "tenB": 20.0, "tenC": 40.0, "half": [4.0, 2.0], "no": [0.0, 4.0]}


def stop(name: str, served: str = "flow", kind: str = "service", arrivals: str = "flow") -> str:
    """A station with the service time that its name has."""
    times = f"processingTimeMsSum: ten{name}, servedCount: one"
    return station(f"arrivals: {arrivals}, served: {served}, {times}", name=name, kind=kind)


def edge(source: str, target: str, **fields: object) -> str:
    """One edge between stations."""
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"{{from: {source}, to: {target}{more}}}"


ABC = (stop("A"), stop("B"), stop("C"))
NONE = [NAN, NAN]
LATENCIES = [
    pytest.param(ABC, [edge("A", "B")], {"A": [10.0, 10.0], "B": [30.0, 30.0], "C": [40.0, 40.0]}, id="one-edge"),
    pytest.param(ABC, [edge("A", "B"), edge("B", "C")], {"C": [70.0, 70.0]}, id="chain"),
    pytest.param(ABC, [edge("B", "C"), edge("A", "B")], {"C": [70.0, 70.0]}, id="chain-in-another-order"),
    pytest.param(ABC, [edge("A", "C"), edge("B", "C")], {"C": [55.0, 55.0]}, id="join-of-equals"),
    pytest.param(
        (stop("A"), stop("B", served="half"), stop("C")),
        [edge("A", "C"), edge("B", "C")],
        # (8 * 10 + 4 * 20) / 12 of what comes, and 40 of its own.
        {"C": [40.0 + 160.0 / 12.0, 40.0 + 160.0 / 12.0]},
        id="join-by-flow",
    ),
    pytest.param(
        (stop("A"), stop("B", served="no"), stop("C")),
        [edge("A", "C"), edge("B", "C")],
        {"B": [NAN, 20.0], "C": [50.0, 55.0]},
        id="what-does-not-flow-does-not-count",
    ),
    pytest.param(
        ABC,
        [edge("A", "B", weight=3), edge("A", "C", weight=1), edge("B", "C")],
        # From A come 8/4 at 10, from B 8 at 30.
        {"B": [30.0, 30.0], "C": [66.0, 66.0]},
        id="fork-by-weight",
    ),
    pytest.param(ABC, [edge("A", "B", type="terminal")], {"B": [20.0, 20.0]}, id="terminal-carries-nothing"),
    pytest.param(ABC, [edge("A", "B", type="effort")], {"B": [30.0, 30.0]}, id="effort-carries"),
    pytest.param(ABC, [edge("A", "B", measure="errors")], {"B": [20.0, 20.0]}, id="errors-carry-nothing"),
    pytest.param(ABC, [edge("A:out", "B:in")], {"B": [30.0, 30.0]}, id="ports"),
    pytest.param(
        (stop("A"), station("arrivals: no", name="S", kind="sink")),
        [edge("A", "S")],
        {"S": [NAN, 10.0]},
        id="sink-when-something-arrives",
    ),
    pytest.param(
        (station("arrivals: flow, served: flow", name="P", kind="service"), stop("B")),
        [edge("P", "B")],
        {"P": NONE, "B": [20.0, 20.0]},
        id="source-without-a-time",
    ),
    pytest.param(
        (stop("A"), station("arrivals: flow, served: flow", name="P", kind="service"), stop("B")),
        [edge("A", "B"), edge("P", "B")],
        {"B": [30.0, 30.0]},
        id="join-with-one-that-has-no-time",
    ),
]


@pytest.mark.parametrize(("stations", "edges", "expected"), LATENCIES)
def test_flow_latency_worked_out_by_hand(
    stations: tuple[str, ...], edges: list[str], expected: Mapping[str, list[float]]
) -> None:
    metrics = compiled(2, STOPS, *stations, edges=edges).evaluate().metrics
    found = [metrics[name]["flowLatencyMs"] for name in expected]
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-14)


@pytest.mark.parametrize(
    ("edges", "left"),
    [
        pytest.param([edge("A", "B"), edge("B", "A"), edge("C", "A")], ["C"], id="on-it"),
        pytest.param([edge("A", "A"), edge("A", "B")], ["C"], id="behind-it"),
        pytest.param([edge("C", "A"), edge("A", "B"), edge("B", "A", type="terminal")], ["A", "B", "C"], id="no-flow"),
    ],
)
def test_a_cycle_of_edges_has_no_flow_latency(edges: list[str], left: list[str]) -> None:
    metrics = compiled(2, STOPS, *ABC, edges=edges).evaluate().metrics
    assert [name for name in metrics if "flowLatencyMs" in metrics[name]] == left


def test_no_flow_latency_without_edges() -> None:
    assert "flowLatencyMs" not in compiled(2, STOPS, *ABC).evaluate().metrics["A"]


# Distributions


def test_distribution_is_its_mean() -> None:
    nodes = {"jobs": "{kind: pmf, pmf: {values: [10, 20, 30], probabilities: [0.5, 0.3, 0.2]}}"}
    assert compiled(3, nodes).evaluate()["jobs"].tolist() == [17.0, 17.0, 17.0]


# Over edges with a lag


@pytest.mark.parametrize(
    ("lag", "expected"),
    [
        pytest.param(0, [30.0, 30.0], id="none"),
        # What comes in bin 1 left A in bin 0 and was on its way for a minute; nothing came before.
        pytest.param(1, [20.0, 60_030.0], id="a-bin"),
        pytest.param(2, [20.0, 20.0], id="nothing-arrives"),
    ],
)
def test_a_lag_is_time_on_the_way(lag: int, expected: list[float]) -> None:
    metrics = compiled(2, STOPS, *ABC, edges=[edge("A", "B", lag=lag)]).evaluate().metrics
    assert metrics["B"]["flowLatencyMs"].tolist() == expected


# By class

CLASSED = {
    "a": [10.0, 20.0, 30.0, 10.0],
    "c": [15.0] * 4,
    "ms": [100.0, 50.0, 60.0, 80.0],
    "n": [2.0, 1.0, 4.0, 2.0],
    "f": "a / 10",
}
TRAFFIC = """classes: [{id: X}, {id: Y}]
traffic:
  arrivals:
    - {nodeId: a, classId: X, pattern: {kind: constant, rate: 3}}
    - {nodeId: a, classId: Y, pattern: {kind: constant, rate: 1}}
"""
SHARED = f"arrivals: a, capacity: c, failures: f, {TIMED}"


def by_class(*stations: str, edges: Sequence[str] = ()) -> Metrics:
    """Metrics of a model with two classes, three parts of X for one of Y."""
    return compile_model(parse_model(model_text(BINS, CLASSED, *stations, edges=edges) + TRAFFIC)).evaluate().metrics


@pytest.mark.parametrize("metric", ["utilization", "attempts", "retryEcho"])
def test_what_classes_add_up_to_is_the_metric_of_the_node(metric: str) -> None:
    metrics = by_class(station(SHARED))["Q"]
    np.testing.assert_allclose(metrics[f"{metric}@X"], metrics[metric] * 0.75)
    np.testing.assert_allclose(metrics[f"{metric}@X"] + metrics[f"{metric}@Y"], metrics[metric])


@pytest.mark.parametrize(
    "metric", ["queueTimeMs", "latencyMinutes", "serviceTimeMs", "cycleTimeMs", "flowEfficiency", "throughputRatio"]
)
def test_classes_that_share_a_queue_share_its_times(metric: str) -> None:
    metrics = by_class(station(SHARED))["Q"]
    np.testing.assert_allclose(metrics[f"{metric}@X"], metrics[metric], rtol=1e-12)
    assert metrics.unit(f"{metric}@Y") == metrics.unit(metric)


def test_metrics_of_classes_come_last() -> None:
    names = list(by_class(station(SHARED))["Q"])
    whole = [name for name in names if "@" not in name]
    per_class = [name for name in whole if name != "kingmanQueueTimeMs"]
    assert names == [*whole, *(f"{name}@X" for name in per_class), *(f"{name}@Y" for name in per_class)]


def test_a_class_has_a_flow_latency_of_its_own() -> None:
    stations = (
        station("arrivals: a@X, capacity: c", name="P"),
        station(f"arrivals: a, served: a, {TIMED}", name="Q", kind="service"),
    )
    metrics = by_class(*stations, edges=["{from: P, to: Q}"])
    waiting = metrics["P"]["queueTimeMs"]
    np.testing.assert_allclose(metrics["Q"]["flowLatencyMs@X"], waiting + metrics["Q"]["serviceTimeMs"])
    np.testing.assert_allclose(metrics["Q"]["flowLatencyMs@Y"], metrics["Q"]["serviceTimeMs"])


def test_a_node_that_no_class_reaches_has_no_metrics_of_classes() -> None:
    metrics = by_class(station("arrivals: c, served: c", name="P"), station("arrivals: a, served: a", name="Q"))
    assert [name for name in metrics["P"] if "@" in name] == []
