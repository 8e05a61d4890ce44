"""The laws of flow notice a result that breaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flowtime.engine import compile_model
from flowtime.engine.result import Result
from flowtime.model import Model, parse_model
from oracle import evaluate_model
from oracle_laws import edge_violations, violations

MODEL = """
schemaVersion: 1
grid: {bins: 3, binSize: 1, binUnit: hours}
classes: [{id: A}, {id: B}]
traffic: {arrivals: [{nodeId: a, classId: A, pattern: {kind: constant, ratePerBin: 3}},
                     {nodeId: a, classId: B, pattern: {kind: constant, ratePerBin: 1}}]}
nodes:
  - {id: a, kind: const, values: [12, 4, 0]}
  - {id: c, kind: const, values: 3}
  - {id: none, kind: const, values: 0}
  - {id: shared, kind: const, values: 4}
  - {id: sound, kind: expr, expr: "MIN(1, a + SHIFT(depth, 1))"}
  - {id: split, kind: router, inputs: {queue: a}, routes: [{target: x, classes: [A]}, {target: y, weight: 1}]}
topology:
  nodes:
    - {id: P, kind: queue, semantics: {arrivals: a, capacity: c}, wipLimit: 5, wipOverflow: D, constraints: [Db]}
    - {id: S, kind: service, semantics: {arrivals: y, capacity: c}, constraints: [Db]}
    - {id: W, kind: queue, semantics: {arrivals: a, served: sound, queueDepth: depth}}
    - {id: D, kind: dlq, semantics: {arrivals: none, capacity: none}}
  constraints:
    - {id: Db, semantics: {arrivals: a, served: shared}}
  edges:
    - {id: out, from: P, to: D}
"""
FIRST = [
    pytest.param("p_served", 1.0, "P at bin 0", id="more served than there is capacity"),
    pytest.param("p_served", -0.5, "P at bin 0", id="served less and kept no more"),
    pytest.param("p_queue", 1.0, "P at bin 0", id="work from nowhere"),
    pytest.param("p_queue", -9.0, "P at bin 0: p_queue is", id="less than nothing"),
    pytest.param("p_queue@A", 1.0, "P at bin 0: A", id="work of a class from nowhere"),
    pytest.param("p_overflow", 1.0, "P at bin 0", id="more overflow"),
    pytest.param("p_shortfall", 2.5, "P at bin 0: served", id="more served than granted"),
    pytest.param("d_inflow", -1.0, "D at bin 0: d_inflow", id="overflow on its way lost"),
    pytest.param("d_inflow@B", -1.0, "D at bin 0: d_inflow of class B", id="overflow of a class lost"),
    pytest.param("depth", 0.5, "W at bin 0", id="an author's queue"),
    pytest.param("y", 1.0, "bin 0: x, y", id="routed more than there was"),
    pytest.param("x@A", -1.0, "bin 0: x, y of class A", id="routed less of a class"),
    pytest.param("db_granted", 1.0, "bin 0: Db grants", id="granted more than there is"),
]


def model() -> Model:
    """The model above."""
    return parse_model(MODEL)


def changed(series: Mapping[str, Any], name: str, by: float) -> dict[str, list[float]]:
    """A result whose series is another one in bin 0."""
    rows = {key: [float(value) for value in values] for key, values in series.items()}
    return rows | {name: [rows[name][0] + by, *rows[name][1:]]}


def test_nothing_is_found_in_a_right_result() -> None:
    assert violations(model(), evaluate_model(model())) == []
    assert violations(model(), compile_model(model()).evaluate()) == []


@pytest.mark.parametrize(("name", "by", "said"), FIRST)
def test_a_wrong_result_is_found(name: str, by: float, said: str) -> None:
    found = violations(model(), changed(evaluate_model(model()), name, by))
    assert [text for text in found if text.startswith(said)], found


class Mismatched(dict[str, Any]):
    """The series of one result with the edges of another."""

    def __init__(self, series: Result, edges: Result) -> None:
        super().__init__(series)
        self.edges = edges.edges


def test_edges_of_a_right_result_are_found_right() -> None:
    assert edge_violations(model(), compile_model(model()).evaluate()) == []


def test_an_edge_that_is_not_its_end_is_found() -> None:
    compiled = compile_model(model())
    mixed: Any = Mismatched(compiled.evaluate({"shared": 1.0}), compiled.evaluate())
    assert [text.partition(":")[0] for text in edge_violations(model(), mixed)][:2] == ["out at bin 0", "out at bin 1"]
