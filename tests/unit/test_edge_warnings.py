"""Warnings about edges: each with a model that raises it and one that does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from enginemodels import station
from warningcases import TRAFFIC, Tampered, evaluated, found

STEPS = {"half": [5.0] * 6, "rise": [5.0, 5.0, 5.0, 10.0, 10.0, 10.0], "twice": [20.0] * 6}


def service(name: str, arrivals: str = "a", served: str = "a") -> str:
    """A station without a queue."""
    return station(f"arrivals: {arrivals}, served: {served}", kind="service", name=name)


ONE = "{id: e, from: A, to: B}"
FORK = [ONE, "{id: f, from: A, to: C}"]
IN, OUT = "edge_flow_mismatch_incoming", "edge_flow_mismatch_outgoing"
# Stations, edges, code, and the node, severity and bins of what is found.
FLOWS = [
    pytest.param((service("A"), service("B", "rise", "rise")), [ONE], IN, [("B", "warning", ((0, 2),))], id="lost"),
    pytest.param(
        (service("A"), service("B", "twice", "twice")), [ONE], IN, [("B", "info", ((0, 5),))], id="more-comes"
    ),
    pytest.param((service("A"), service("B")), [ONE], IN, [], id="all-arrives"),
    pytest.param(
        (service("A"), service("B")),
        ["{id: e, from: A, to: B, multiplier: 2}"],
        IN,
        [("B", "warning", ((0, 5),))],
        id="x2",
    ),
    pytest.param(
        (service("A"), service("B", "twice", "twice")), ["{id: e, from: A, to: B, multiplier: 2}"], IN, [], id="x2-ok"
    ),
    pytest.param(
        (service("A"), service("B")), ["{id: e, from: A, to: B, lag: 2}"], IN, [("B", "info", ((0, 1),))], id="late"
    ),
    pytest.param(
        (service("A"), service("B"), service("C")),
        FORK,
        OUT,
        [("A", "warning", ((0, 5),))],
        id="more-leaves-than-is-served",
    ),
    pytest.param(
        (service("A"), service("B", "half", "half"), service("C", "zero", "zero")),
        FORK,
        OUT,
        [("A", "info", ((0, 5),))],
        id="some-leaves-the-model",
    ),
    pytest.param(
        (service("A"), service("B", "half", "half"), service("C", "half", "half")), FORK, OUT, [], id="fork-agrees"
    ),
    pytest.param(
        (service("A"), service("B", "half", "half"), service("C", "half", "half")), FORK, IN, [], id="fork-arrives"
    ),
    pytest.param(
        (service("A"), service("B", "half", "half"), service("C", "rise", "rise")),
        ["{id: e, from: A, to: B, weight: 1}", "{id: f, from: A, to: C, weight: 2}"],
        IN,
        [("B", "info", ((0, 5),)), ("C", "warning", ((0, 2),)), ("C", "info", ((3, 5),))],
        id="weights-of-the-author",
    ),
    pytest.param(
        (service("A"), service("D"), service("B", "half", "half"), service("C", "half", "half")),
        [*FORK, "{id: g, from: D, to: B}", "{id: h, from: D, to: C}"],
        IN,
        [("B", "info", ((0, 5),)), ("C", "info", ((0, 5),))],
        id="nobody-said-how-much",
    ),
    pytest.param(
        (station("arrivals: a, served: a, errors: half", kind="service", name="A"), service("B", "zero", "zero")),
        ["{id: e, from: A, to: B, type: terminal, measure: errors}"],
        IN,
        [("B", "warning", ((0, 5),))],
        id="failures-that-arrive-nowhere",
    ),
    pytest.param(
        (station("arrivals: a, served: a, errors: half", kind="service", name="A"), service("B", "half", "half")),
        ["{id: e, from: A, to: B, type: terminal, measure: errors}"],
        IN,
        [],
        id="failures-that-arrive",
    ),
    pytest.param(
        (service("A"), service("B", "half", "half")),
        ["{id: e, from: A, to: B, measure: load}"],
        IN,
        [],
        id="no-series",
    ),
]


@pytest.mark.parametrize(("stations", "edges", "code", "expected"), FLOWS)
def test_flow_against_its_ends(
    stations: tuple[str, ...], edges: list[str], code: str, expected: list[tuple[str, str, object]]
) -> None:
    warnings = found(evaluated(*stations, edges=edges, **STEPS), code)
    assert [(w.node_id, w.severity, w.bins) for w in warnings] == expected


@pytest.mark.parametrize(("lag", "expected"), [(5, []), (6, ["e"]), (60, ["e"])], ids=["late", "end", "never"])
def test_a_lag_beyond_the_horizon_brings_nothing(lag: int, expected: list[str]) -> None:
    result = evaluated(service("A"), service("B"), edges=[f"{{id: e, from: A, to: B, lag: {lag}}}"])
    warnings = found(result, "edge_behavior_violation_lag")
    assert [(w.edge_id, w.severity) for w in warnings] == [(name, "warning") for name in expected]


def test_what_left_before_the_end_may_arrive_behind_it() -> None:
    edges = ["{id: e, from: A, to: B, lag: 1}", "{id: f, from: A, to: C}"]
    late = {"late": [0.0, 5.0, 5.0, 5.0, 5.0, 5.0], "half": [5.0] * 6}
    result = evaluated(service("A"), service("B", "late", "late"), service("C", "half", "half"), edges=edges, **late)
    assert found(result, OUT) == []


def test_an_edge_without_class_parts_is_noted_once() -> None:
    stations = (service("A"), service("D", "few", "few"), service("B"))
    result = evaluated(*stations, edges=[ONE, "{id: g, from: D, to: B}"], more=TRAFFIC)
    warnings = found(result, "edge_class_partial_coverage")
    assert [(w.edge_id, w.severity) for w in warnings] == [("g", "info")]


OTHER_CLASSES = (
    TRAFFIC
    + """    - {nodeId: s, classId: X, pattern: {kind: constant, rate: 1}}
    - {nodeId: s, classId: Y, pattern: {kind: constant, rate: 1}}
"""
)


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        pytest.param("s", [("B", "X", "warning", 1.0), ("B", "Y", "info", 1.0)], id="others-arrive"),
        pytest.param("a", [], id="the-same-arrive"),
    ],
)
def test_classes_that_change_on_the_way(arrivals: str, expected: Sequence[tuple[str, str, str, float]]) -> None:
    result = evaluated(service("A"), service("B", arrivals, arrivals), edges=[ONE], more=OTHER_CLASSES)
    warnings = found(result, "edge_class_mismatch")
    assert [(w.node_id, w.class_id, w.severity, w.value) for w in warnings] == list(expected)
    assert found(result, IN) == []


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        pytest.param(5.0, [("e", "info", 1.0)], id="some-of-no-class"),
        pytest.param(6.0, [], id="all"),
        pytest.param(7.0, [("e", "warning", 1.0)], id="more-than-the-whole"),
    ],
)
def test_parts_that_are_not_the_whole_flow(volume: float, expected: Sequence[tuple[str, str, float]]) -> None:
    result = evaluated(service("A"), service("B"), edges=[ONE], more=TRAFFIC)
    tampered = TamperedVolume(result, "edge_e_flowVolume@X", np.full(6, volume))
    warnings = found(tampered, "edge_class_partial_coverage")
    assert [(w.edge_id, w.severity, w.value) for w in warnings] == list(expected)


class TamperedVolume(Tampered):
    """A result in which one volume over an edge is another."""

    def __init__(self, result: object, name: str, values: object) -> None:
        super().__init__(result, {})  # type: ignore[arg-type]
        self._name, self._volume = name, values

    def metric(self, name: str) -> object:  # type: ignore[override]
        """The volume that was put in, or what the engine has."""
        return self._volume if name == self._name else super().metric(name)
