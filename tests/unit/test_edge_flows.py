"""Volumes over edges: worked out by hand, and as the slow twin has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from enginemodels import compiled, model_text, station
from flowtime.engine import Result, compile_model
from flowtime.model import parse_model

SERIES = {
    "a": [100.0, 50.0, 0.0, 20.0],
    "b": [60.0, 30.0, 0.0, 10.0],
    "c": [40.0, 20.0, 0.0, 10.0],
    "d": [10.0, 10.0, 10.0, 10.0],
    "echo": [6.0, 3.0, 8.0, 0.0],
    "zero": [0.0] * 4,
}


def service(name: str, arrivals: str = "a", served: str = "a", more: str = "") -> str:
    """A station without a queue."""
    return station(f"arrivals: {arrivals}, served: {served}{more}", kind="service", name=name)


def edge(source: str, target: str, **fields: object) -> str:
    """One edge between stations."""
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"{{from: '{source}', to: '{target}'{more}}}"


FORK = (service("A"), service("B", "b", "b"), service("C", "c", "c"))
JOIN = (service("A"), service("D", "d", "d"), service("B", "b", "b"), service("C", "c", "c"))
TO_B, TO_C = edge("A", "B"), edge("A", "C")
NONE: list[float] = [0.0] * 4
FLOWS = [
    pytest.param((*FORK[:2],), [TO_B], {"A->B": SERIES["a"]}, "served", id="only-edge-is-measured-at-its-source"),
    pytest.param(FORK, [TO_B, TO_C], {"A->B": SERIES["b"], "A->C": SERIES["c"]}, "arrivals", id="fork-at-targets"),
    pytest.param(
        FORK,
        [edge("A", "B", weight=3), TO_C],
        {"A->B": [75.0, 37.5, 0.0, 15.0], "A->C": [25.0, 12.5, 0.0, 5.0]},
        "weights",
        id="weights-of-the-author",
    ),
    pytest.param(
        FORK,
        [edge("A", "B", weight=0.6), edge("A", "C", weight=0.4)],
        {"A->B": [60.0, 30.0, 0.0, 12.0], "A->C": [40.0, 20.0, 0.0, 8.0]},
        "weights",
        id="golden-vector",
    ),
    pytest.param(
        FORK,
        [edge("A", "B", weight=-2), edge("A", "C", weight=3)],
        {"A->B": [25.0, 12.5, 0.0, 5.0]},
        "weights",
        id="a-weight-that-is-not-positive-counts-1",
    ),
    pytest.param(
        JOIN,
        [TO_B, TO_C, edge("D", "C")],
        # What B does not take in goes to C, which D feeds too.
        {"A->B": SERIES["b"], "A->C": SERIES["c"], "D->C": SERIES["d"]},
        None,
        id="the-rest-goes-where-others-flow-too",
    ),
    pytest.param(
        JOIN,
        [TO_B, TO_C, edge("D", "C"), edge("D", "B")],
        {"A->B": [50.0, 25.0, 0.0, 10.0], "D->C": [5.0] * 4},
        "equal",
        id="nothing-tells-so-equal",
    ),
    pytest.param(
        (*FORK[:2],), [edge("A", "B", multiplier=0.5)], {"A->B": [50.0, 25.0, 0.0, 10.0]}, "served", id="multiplier"
    ),
    pytest.param((*FORK[:2],), [edge("A", "B", lag=1)], {"A->B": [0.0, 100.0, 50.0, 0.0]}, "served", id="lag"),
    pytest.param((*FORK[:2],), [edge("A", "B", lag=9)], {"A->B": NONE}, "served", id="lag-beyond-the-horizon"),
    pytest.param(
        FORK,
        [edge("A", "B", weight=3, multiplier=2, lag=2), TO_C],
        {"A->B": [0.0, 0.0, 150.0, 75.0], "A->C": [25.0, 12.5, 0.0, 5.0]},
        "weights",
        id="all-three",
    ),
    pytest.param(
        FORK,
        [edge("A", "B", type="effort"), edge("A", "C", type="throughput")],
        {"A->B": SERIES["a"], "A->C": SERIES["a"]},
        "served",
        id="siblings-are-of-one-type",
    ),
    pytest.param(
        (*FORK[:2],), [edge("A:out", "B:in", type="terminal")], {"A:out->B:in": SERIES["a"]}, "served", id="terminal"
    ),
]


@pytest.mark.parametrize(("stations", "edges", "expected", "rule"), FLOWS)
def test_flow_worked_out_by_hand(
    stations: tuple[str, ...], edges: list[str], expected: Mapping[str, list[float]], rule: str | None
) -> None:
    found = compiled(4, SERIES, *stations, edges=edges).evaluate().edges
    np.testing.assert_allclose([found[name]["flowVolume"] for name in expected], list(expected.values()), rtol=1e-14)
    assert rule in (None, *(found[name].info.rule for name in expected))


ATTEMPTS = service("A", more=", attempts: b, failures: d, exhaustedFailures: c, errors: echo")
TAKES = service("B", "b", "b")
COUNTS = [
    pytest.param("type: effort, measure: attempts", "attemptsVolume", SERIES["b"], id="attempts"),
    pytest.param("type: effort, measure: load, multiplier: 2", "attemptsVolume", [120.0, 60.0, 0.0, 20.0], id="load"),
    pytest.param("type: effort, measure: attempts, weight: 0.5", "attemptsVolume", [30.0, 15.0, 0.0, 5.0], id="weight"),
    pytest.param("type: effort, measure: attempts, lag: 1", "attemptsVolume", [0.0, 60.0, 30.0, 0.0], id="late"),
    pytest.param("type: terminal, measure: failures", "failuresVolume", SERIES["d"], id="failures"),
    pytest.param("type: terminal, measure: errors, lag: 2", "failuresVolume", [0.0, 0.0, 6.0, 3.0], id="errors"),
    pytest.param("type: terminal, measure: exhaustedFailures", "failuresVolume", SERIES["c"], id="exhausted"),
    pytest.param("type: effort, measure: attempts", "retryRate", [1 / 6, 1 / 3, np.nan, 1.0], id="rate"),
    pytest.param("type: effort, measure: load, multiplier: 2", "retryVolume", [0.0] * 4, id="no-more-than-flow"),
]


@pytest.mark.parametrize(("fields", "metric", "expected"), COUNTS)
def test_attempts_and_failures(fields: str, metric: str, expected: Sequence[float]) -> None:
    result = compiled(4, SERIES, ATTEMPTS, TAKES, edges=[f"{{id: e, from: A, to: B, {fields}}}"]).evaluate()
    np.testing.assert_allclose(result.edges["e"][metric], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("source", "fields", "metrics"),
    [
        pytest.param("A", "", ("flowVolume",), id="plain"),
        pytest.param("A", "type: topology", (), id="drawn-only"),
        pytest.param("A:errors", "type: terminal", ("failuresVolume",), id="port-is-the-measure"),
        pytest.param("A:elsewhere", "", (), id="port-of-nothing"),
        pytest.param("A", "measure: failures", ("attemptsVolume", "failuresVolume", "retryRate"), id="failures"),
        pytest.param("A", "type: effort", ("flowVolume",), id="effort"),
    ],
)
def test_volumes_that_an_edge_has(source: str, fields: str, metrics: tuple[str, ...]) -> None:
    text = f"{{id: e, from: '{source}', to: B{', ' if fields else ''}{fields}}}"
    edges = compiled(4, SERIES, ATTEMPTS, TAKES, edges=[text]).evaluate().edges
    assert tuple(edges["e"]) == edges["e"].info.metrics == metrics
    assert edges.quality("e") == ("exact" if metrics else "missing")


def test_errors_are_what_was_really_lost() -> None:
    lossy = station("arrivals: zero, capacity: a, errors: d", name="A")
    text = "{id: e, from: A, to: B, type: terminal, measure: errors}"
    result = compiled(4, SERIES, lossy, TAKES, edges=[text]).evaluate()
    assert result.edges["e"]["failuresVolume"].tolist() == [0.0] * 4


def test_retries_come_over_the_edges_that_the_flow_takes() -> None:
    stations = (service("A"), service("D", "d", "d"), service("B", "b", "b", ", retryEcho: echo"))
    edges = compiled(4, SERIES, *stations, edges=[TO_B, edge("D", "B")]).evaluate().edges
    expected = [6 * 100 / 110, 3 * 50 / 60, 8 * 0 / 10, 0.0]
    np.testing.assert_allclose(edges["A->B"]["retryVolume"], expected)
    np.testing.assert_allclose(edges["A->B"]["retryVolume"] + edges["D->B"]["retryVolume"], SERIES["echo"])


def test_retries_are_shared_equally_where_nothing_flows() -> None:
    stations = (
        service("A", "zero", "zero"),
        service("D", "zero", "zero"),
        service("B", "b", "b", ", retryEcho: echo"),
    )
    edges = compiled(4, SERIES, *stations, edges=[TO_B, edge("D", "B")]).evaluate().edges
    assert edges["D->B"]["retryVolume"].tolist() == [3.0, 1.5, 4.0, 0.0]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        pytest.param([TO_B], "exact", id="only-edge"),
        pytest.param([edge("A", "B", weight=3), TO_C], "approx", id="weights-that-disagree-with-arrivals"),
        pytest.param([edge("A", "B", weight=0.6), edge("A", "C", weight=0.4)], "exact", id="weights-that-agree"),
    ],
)
def test_quality(edges: list[str], expected: str) -> None:
    nodes = SERIES | {"b": [60.0, 30.0, 0.0, 12.0]}
    found = compiled(4, nodes, *FORK, edges=edges).evaluate().edges
    assert found.quality("A->B") == expected


def test_two_edges_between_the_same_ends_are_told_apart() -> None:
    edges = compiled(4, SERIES, *FORK[:2], edges=[TO_B, TO_B]).evaluate().edges
    assert list(edges) == ["A->B", "A->B#2"]
    assert edges["A->B#2"]["flowVolume"].tolist() == [50.0, 25.0, 0.0, 10.0]


def test_names_units_and_what_does_not_exist() -> None:
    edges = compiled(4, SERIES, *FORK[:2], edges=[TO_B]).evaluate().edges
    assert edges["A->B"].unit("flowVolume") == "entities/bin"
    with pytest.raises(KeyError, match="retryRate"):
        edges["A->B"]["retryRate"]
    with pytest.raises(KeyError, match="A->B"):
        edges["A->C"]


def test_volumes_can_be_the_outputs_that_are_kept() -> None:
    kept = compiled(4, SERIES, *FORK[:2], edges=[TO_B], outputs=["edge_A->B_flowVolume"]).evaluate()
    assert {name: values.tolist() for name, values in kept.items()} == {"edge_A->B_flowVolume": SERIES["a"]}


# Routers

ROUTED = {
    "left": [0.0] * 4,
    "split": "{kind: router, inputs: {queue: a}, routes: [{target: left, weight: 3}, {target: right, weight: 1}]}",
}


@pytest.mark.parametrize("kind", ["service", "router"])
def test_what_a_router_sends_is_the_flow(kind: str) -> None:
    stations = (
        station("arrivals: a, served: a", kind=kind, name="A"),
        service("B", "left", "left"),
        service("C", "right", "right"),
    )
    edges = compiled(4, SERIES | ROUTED, *stations, edges=[TO_B, TO_C]).evaluate().edges
    assert edges["A->B"]["flowVolume"].tolist() == [75.0, 37.5, 0.0, 15.0]
    assert [(edges[name].info.rule, edges.quality(name)) for name in edges] == [("routed", "exact")] * 2


def test_of_a_target_with_several_routers_each_edge_has_its_own_part() -> None:
    nodes = SERIES | {
        "one": "{kind: router, inputs: {queue: a}, routes: [{target: t, weight: 1}, {target: u, weight: 3}]}",
        "two": "{kind: router, inputs: {queue: d}, routes: [{target: t, weight: 1}]}",
    }
    stations = (service("A"), service("D", "d", "d"), service("B", "t", "t"), service("C", "u", "u"))
    result = compiled(4, nodes, *stations, edges=[TO_B, TO_C, edge("D", "B")]).evaluate()
    flows = {name: result.edges[name]["flowVolume"] for name in result.edges}
    assert flows["A->B"].tolist() == [25.0, 12.5, 0.0, 5.0]
    np.testing.assert_allclose(flows["A->B"] + flows["D->B"], result["t"])


# Classes

TRAFFIC = """classes: [{id: X}, {id: Y}]
traffic:
  arrivals:
    - {nodeId: a, classId: X, pattern: {kind: constant, rate: 3}}
    - {nodeId: a, classId: Y, pattern: {kind: constant, rate: 1}}
"""


def classed(stations: Sequence[str], edges: Sequence[str], **nodes: object) -> Result:
    """A model with two classes of arrivals at ``a``."""
    text = model_text(4, SERIES | {"b": "a * 0.6", "c": "a * 0.4"} | nodes, *stations, edges=edges) + TRAFFIC
    return compile_model(parse_model(text)).evaluate()


BY_CLASS = [
    pytest.param([edge("A", "B", weight=3, lag=1), TO_C], [0.0, 56.25, 28.125, 0.0], id="weights-and-lag"),
    pytest.param([TO_B, TO_C], [45.0, 22.5, 0.0, 9.0], id="arrivals"),
    pytest.param([TO_B], [75.0, 37.5, 0.0, 15.0], id="served"),
]


@pytest.mark.parametrize(("edges", "expected"), BY_CLASS)
def test_flow_of_a_class(edges: list[str], expected: list[float]) -> None:
    flow = classed(FORK, edges).edges["A->B"]
    np.testing.assert_allclose(flow["flowVolume@X"], expected, rtol=1e-14)
    np.testing.assert_allclose(flow["flowVolume@X"] + flow["flowVolume@Y"], flow["flowVolume"], rtol=1e-14)


# By class first: B takes all of X of ``a``, a quarter of the rest, and what ``d`` sends.
CLASS_ROUTERS = {
    "one": "{kind: router, inputs: {queue: a}, routes: [{target: t, classes: [X], weight: 1}, {target: u, weight: 3}]}",
    "two": "{kind: router, inputs: {queue: d}, routes: [{target: t, weight: 1}]}",
}


def test_routed_classes_of_one_router_among_several() -> None:
    stations = (service("A"), service("D", "d", "d"), service("B", "t", "t"), service("C", "u", "u"))
    edges = classed(stations, [TO_B, TO_C, edge("D", "B")], **CLASS_ROUTERS).edges
    np.testing.assert_allclose(edges["A->B"]["flowVolume"], [81.25, 40.625, 0.0, 16.25])
    np.testing.assert_allclose(edges["A->B"]["flowVolume@X"], [75.0, 37.5, 0.0, 15.0])
    np.testing.assert_allclose(edges["A->B"]["flowVolume@Y"], [6.25, 3.125, 0.0, 1.25])


def test_a_flow_of_unknown_classes_is_covered_in_part() -> None:
    stations = (service("A"), service("D", "d", "d"), TAKES)
    result = classed(stations, [TO_B, edge("D", "B")])
    assert [result.edges.quality(name) for name in result.edges] == ["exact", "partialClass"]
    assert list(result.edges["D->B"]) == ["flowVolume"]


def test_retries_by_class_are_split_as_the_whole_flow() -> None:
    target = service("B", more=", retryEcho: again")
    edges = classed((service("A"), service("D", "d", "d"), target), [TO_B, edge("D", "B")], again="a / 10").edges
    volumes = edges["D->B"]
    np.testing.assert_allclose(volumes["retryVolume"], [10 * 10 / 110, 5 * 10 / 60, 0.0, 2 * 10 / 30])
    np.testing.assert_allclose(volumes["retryVolume@X"], volumes["retryVolume"] * 0.75)


def test_attempts_by_class() -> None:
    text = "{id: e, from: A, to: B, type: effort, measure: attempts, multiplier: 2}"
    volumes = classed((service("A", more=", attempts: b, failures: c"), TAKES), [text]).edges["e"]
    np.testing.assert_allclose(volumes["attemptsVolume@X"], [90.0, 45.0, 0.0, 18.0])
    np.testing.assert_allclose(volumes["retryRate@Y"], [2 / 3, 2 / 3, np.nan, 2 / 3])


def test_one_class_bound_as_served_is_all_of_that_class() -> None:
    flow = classed((service("A", "a@X", "a@X"), service("B", "a@X", "a@X")), [TO_B]).edges["A->B"]
    assert flow["flowVolume"].tolist() == flow["flowVolume@X"].tolist() == [75.0, 37.5, 0.0, 15.0]
    assert flow["flowVolume@Y"].tolist() == [0.0] * 4
