"""What the page on differences says of our numbers is what the engine gives."""

from __future__ import annotations

import numpy as np
import pytest

from flowtime.engine import compile_model
from flowtime.engine.result import Result
from flowtime.model import parse_model

GRID = "schemaVersion: 1\ngrid: {bins: 3, binSize: 1, binUnit: hours}\n"
TWO = """topology:
  constraints: [{id: shared, semantics: {arrivals: room, served: room}}]
  nodes:
    - {id: A, kind: queue, constraints: [shared], semantics: {arrivals: a_in, served: a_out}}
    - {id: B, kind: queue, constraints: [shared], semantics: {arrivals: b_in, served: b_out}}
"""
CONSTRAINT = (
    GRID
    + "nodes: [{id: a_in, kind: const, values: 60}, {id: b_in, kind: const, values: 60},"
    + " {id: a_out, kind: const, values: 10}, {id: b_out, kind: const, values: 10},"
    + " {id: room, kind: const, values: 80}]\n"
    + TWO
)
ROUTED = (
    GRID
    + "nodes: [{id: all, kind: const, values: 100}, {id: a_out, kind: const, values: 5},"
    + " {id: b_out, kind: const, values: 5}, {id: room, kind: const, values: 50},"
    + " {id: fork, kind: router, inputs: {queue: all},"
    + " routes: [{target: a_in, weight: 0.6}, {target: b_in, weight: 0.4}]}]\n"
    + TWO
)
CLASSES = "classes: [{id: p}, {id: q}]\n"
INGEST = (
    GRID
    + CLASSES
    + "traffic: {arrivals: [{nodeId: ingest, classId: p, pattern: {kind: constant, ratePerBin: 20}},"
    + " {nodeId: ingest, classId: q, pattern: {kind: constant, ratePerBin: 5}}]}\n"
    + "nodes: [{id: ingest, kind: const, values: 10}, {id: out, kind: expr, expr: 'MIN(ingest, 8)'}]\n"
)
SUM = (
    GRID
    + CLASSES
    + "traffic: {arrivals: [{nodeId: x, classId: p, pattern: {kind: constant, ratePerBin: 90}},"
    + " {nodeId: x, classId: q, pattern: {kind: constant, ratePerBin: 10}},"
    + " {nodeId: y, classId: p, pattern: {kind: constant}}, {nodeId: y, classId: q, pattern: {kind: constant}}]}\n"
    + "nodes: [{id: x, kind: const, values: 100}, {id: y, kind: const, values: 100},"
    + " {id: z, kind: expr, expr: x + y}]\n"
)
LIMITED = (
    GRID
    + "nodes: [{id: a_in, kind: const, values: 10}, {id: a_out, kind: const, values: 1},"
    + " {id: limit, kind: const, values: [-5, -5, .nan]}]\n"
    + "topology: {nodes: [{id: A, kind: queue, wipLimitSeries: limit, semantics: {arrivals: a_in, served: a_out}}]}\n"
)
OFFSET = (
    GRID
    + "nodes: [{id: a_in, kind: const, values: 10}, {id: room, kind: const, values: 50}]\n"
    + "topology: {nodes: [{id: A, kind: queue, dispatchSchedule: {periodBins: 3, phaseOffset: -1},"
    + " semantics: {arrivals: a_in, capacity: room}}]}\n"
)
PROFILE = (
    GRID + "nodes: [{id: calls, kind: pmf, pmf: {values: [1], probabilities: [1]}, profile: {name: weekday-office}}]\n"
)


def evaluate(text: str) -> Result:
    """Evaluate the text of a model."""
    return compile_model(parse_model(text)).evaluate()


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        pytest.param(CONSTRAINT, "a_queue", [50, 100, 150], id="constraint-limits-serving-only"),
        pytest.param(CONSTRAINT, "shared_status", [0, 0, 0], id="constraint-does-not-bind"),
        pytest.param(ROUTED, "a_queue", [55, 110, 165], id="routed-first"),
        pytest.param(ROUTED, "b_queue", [35, 70, 105], id="routed-second"),
        pytest.param(INGEST, "out@p", [6.4, 6.4, 6.4], id="classes-by-rate-first"),
        pytest.param(INGEST, "out@q", [1.6, 1.6, 1.6], id="classes-by-rate-second"),
        pytest.param(SUM, "z@p", [140, 140, 140], id="classes-add"),
        pytest.param(LIMITED, "a_queue", [0, 0, 9], id="limit-below-zero-and-a-gap"),
        pytest.param(OFFSET, "a_served", [0, 0, 30], id="offset-below-zero"),
        pytest.param(PROFILE, "calls", [0.279, 0.248, 0.233], id="hours-of-the-table"),
    ],
)
def test_number_of_the_page(text: str, name: str, values: list[float]) -> None:
    np.testing.assert_allclose(evaluate(text)[name], values, rtol=0, atol=5e-4)
