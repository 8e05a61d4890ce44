"""What each class adds: through expressions, queues, limits, constraints and echoes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginemodels import compiled, station
from flowtime.errors import CompileError

ROOT = (
    "classes: [{id: A}, {id: B}]",
    "traffic:",
    "  arrivals:",
    "    - {nodeId: a, classId: A, pattern: {kind: constant}}",
    "    - {nodeId: b, classId: B, pattern: {kind: constant}}",
)
NODES: dict[str, Any] = {"a": [6.0, 2.0, 0.0, 8.0], "b": [2.0, 6.0, 4.0, 0.0], "c": 5.0, "x": "a + b"}


def parts(expression: str, **nodes: Any) -> list[list[float]]:
    """What A and B add to an expression."""
    result = compiled(4, {**NODES, **nodes, "y": expression}, root=ROOT).evaluate()
    return [result[f"y@{name}"].tolist() for name in "AB"] if "y@A" in result else []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("x", [[6, 2, 0, 8], [2, 6, 4, 0]], id="name"),
        pytest.param("-x", [[-6, -2, 0, -8], [-2, -6, -4, 0]], id="minus"),
        pytest.param("a - b", [[6, 2, 0, 8], [-2, -6, -4, 0]], id="difference"),
        pytest.param("x + 8", [[12, 4, 0, 16], [4, 12, 12, 0]], id="and-a-number"),
        pytest.param("8 - x", [[0, 0, 0, 0], [0, 0, 4, 0]], id="from-a-number"),
        pytest.param("x * c", [[30, 10, 0, 40], [10, 30, 20, 0]], id="product"),
        pytest.param("c * x / 2", [[15, 5, 0, 20], [5, 15, 10, 0]], id="quotient"),
        pytest.param("x * x", [[48, 16, 0, 64], [16, 48, 16, 0]], id="left-of-two"),
        pytest.param("c / x", [], id="divided-by-classes"),
        pytest.param("x > 2", [], id="comparison"),
        pytest.param("MIN(x, 4)", [[3, 1, 0, 4], [1, 3, 4, 0]], id="limit"),
        pytest.param("MAX(a, b)", [[6, 0, 0, 8], [0, 6, 4, 0]], id="greater-of-two"),
        pytest.param("MIN(a, b, x)", [[0, 2, 0, 0], [2, 0, 0, 0]], id="least-of-three"),
        pytest.param("CLAMP(x, 2, 6)", [[4.5, 1.5, 0, 6], [1.5, 4.5, 4, 0]], id="clamp"),
        pytest.param("IF(x > 5, x, 0)", [[6, 2, 0, 8], [2, 6, 0, 0]], id="if"),
        pytest.param("IF(x > 5, 4, x)", [[3, 1, 0, 4], [1, 3, 4, 0]], id="if-a-number"),
        pytest.param("SHIFT(x, 1)", [[0, 6, 2, 0], [0, 2, 6, 4]], id="shift"),
        pytest.param("DELAY(x, 1, 10)", [[5, 6, 2, 0], [5, 2, 6, 4]], id="before-bin-0"),
        pytest.param("CONV(x, [0.5, 0.5])", [[3, 4, 1, 4], [1, 4, 5, 2]], id="convolution"),
        pytest.param("CUMSUM(x)", [[6, 8, 8, 16], [2, 8, 12, 12]], id="sum-so-far"),
        pytest.param("FLOOR(x / 3)", [[1.5, 0.5, 0, 2], [0.5, 1.5, 1, 0]], id="rounded"),
    ],
)
def test_what_classes_add_to_an_expression(expression: str, expected: list[list[float]]) -> None:
    assert np.allclose(parts(expression), expected, atol=1e-12)


def flows(*stations: str, nodes: dict[str, Any] | None = None, **options: Any) -> dict[str, list[float]]:
    """All series of a model with classes."""
    result = compiled(4, {**NODES, **(nodes or {})}, *stations, root=ROOT, **options).evaluate()
    return {name: values.round(9).tolist() for name, values in result.items()}


def test_a_buffer_serves_what_is_there_as_it_is_mixed() -> None:
    found = flows(station("arrivals: x, capacity: c"))
    assert found["q_served@A"] == pytest.approx([3.75, 1.931818182, 1.159090909, 3.522727273])
    assert found["q_queue@B"] == pytest.approx([0.75, 3.681818182, 3.840909091, 2.363636364])
    for role in ("served", "queue"):
        total = np.add(found[f"q_{role}@A"], found[f"q_{role}@B"])
        np.testing.assert_allclose(total, found[f"q_{role}"], atol=1e-8)


def test_each_class_is_conserved() -> None:
    found = flows(
        station("arrivals: x, capacity: c, errors: e", rest=", wipLimit: 2, initialCondition: {queueDepth: 1}"),
        nodes={"e": 1.0},
    )
    for name in "AB":
        before = np.concatenate(([0.5], found[f"q_queue@{name}"][:-1]))
        left = np.add(found[f"q_served@{name}"], found[f"q_loss@{name}"]) + found[f"q_overflow@{name}"]
        arrived = np.asarray(found[f"x@{name}"])
        np.testing.assert_allclose(arrived + before, left + found[f"q_queue@{name}"], atol=1e-7)


def test_a_line_by_hand_keeps_the_classes_of_the_queue() -> None:
    nodes = {"avail": "x + SHIFT(q_queue, 1)", "s": "MIN(avail, c)"}
    by_hand = flows(station("arrivals: x, served: s"), nodes=nodes)
    computed = flows(station("arrivals: x, capacity: c"))
    assert by_hand["s@A"] == pytest.approx(computed["q_served@A"])
    assert by_hand["q_queue@B"] == pytest.approx(computed["q_queue@B"])


def test_a_served_series_without_classes_takes_those_of_the_work() -> None:
    nodes = {"s": 4.0, "next": "s * 2"}
    found = flows(station("arrivals: x, served: s"), nodes=nodes)
    assert found["s@A"][:2] == pytest.approx([3.0, 4 * 5 / 12])
    assert found["next@B"][:2] == pytest.approx([2.0, 8 * 7 / 12])


def test_each_node_mixes_what_leaves_it_as_its_own_work() -> None:
    found = flows(
        station("arrivals: x, served: s", name="First"),
        station("arrivals: b, served: s", name="Second"),
        nodes={"s": 4.0},
    )
    assert found["s@A"][:2] == pytest.approx([3.0, 4 * 5 / 12])
    assert found["second_queue@A"] == [0.0] * 4
    assert found["second_queue@B"] == found["second_queue"]


def test_what_work_is_made_of_gets_no_classes_from_it() -> None:
    found = flows(
        station("arrivals: x, capacity: c", name="Front", kind="service", rest=", wipOverflow: Dead"),
        station("arrivals: none, served: none", name="Dead", kind="dlq"),
        nodes={"none": 0.0},
    )
    assert "none@A" not in found
    assert found["dead_queue@A"] == pytest.approx([2.25, 3.0, 3.0, 6.0])


def test_a_gate_that_holds_work_back_keeps_its_classes() -> None:
    nodes = {"a": [4.0, 0.0, 0.0, 0.0], "b": [0.0, 4.0, 0.0, 0.0], "s": "x * 1"}
    rest = ", dispatchSchedule: {periodBins: 4, phaseOffset: 2, accumulate: true}"
    found = flows(station("arrivals: x, served: s", rest=rest), nodes=nodes)
    assert found["q_gated_outflow@A"] == [0.0, 0.0, 4.0, 0.0]
    assert found["q_gated_outflow@B"] == [0.0, 0.0, 4.0, 0.0]
    assert found["q_queue"] == [4.0, 8.0, 0.0, 0.0]


def test_classes_go_with_the_overflow() -> None:
    found = flows(
        station("arrivals: x, capacity: c", name="Front", kind="service", rest=", wipOverflow: Back"),
        station("arrivals: zero, capacity: c", name="Back"),
        nodes={"zero": 0.0},
    )
    assert found["front_overflow@A"] == pytest.approx([2.25, 0.75, 0, 3])
    assert found["back_inflow@A"] == found["front_overflow@A"]
    assert found["back_served@B"] == found["front_overflow@B"]


def test_what_is_granted_is_mixed_as_what_was_asked() -> None:
    found = flows(
        station("arrivals: x, served: s", rest=", constraints: [P]", kind="service"),
        nodes={"s": "x * 1", "pool": 4.0},
        constraints=["{id: P, semantics: {arrivals: x, served: pool}}"],
    )
    assert found["s@A"] == pytest.approx([3, 1, 0, 4])
    assert found["s"] == [4.0] * 4


def test_one_class_of_a_series_is_a_series() -> None:
    found = flows(station("arrivals: x@A, capacity: c"))
    assert found["q_served"] == [5.0, 3.0, 0.0, 5.0]
    assert found["q_served@A"] == found["q_served"]
    assert found["q_served@B"] == [0.0] * 4


def test_one_class_of_what_has_none_is_refused() -> None:
    with pytest.raises(CompileError) as caught:
        flows(station("arrivals: c@A, capacity: c"))
    assert caught.value.code == "compile.no_class_parts"


def test_the_echo_of_classes() -> None:
    found = flows(
        station(
            "arrivals: x, served: c, failures: x, retryEcho: echo, attempts: tries, retryKernel: [0, 0.5]",
            kind="service",
        )
    )
    assert found["echo@A"] == [0.0, 3.0, 1.0, 0.0]
    assert found["tries@B"] == [2.0, 7.0, 7.0, 2.0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("x", "full", id="full"),
        pytest.param("c", "missing", id="missing"),
        pytest.param("late", "partial", id="partial"),
    ],
)
def test_coverage_of_a_series(name: str, expected: str) -> None:
    result = compiled(4, {**NODES, "late": "MAX(b, c)"}, root=ROOT).evaluate()
    assert result.coverage(name) == expected


def test_coverage_of_a_run() -> None:
    flow = station("arrivals: x, capacity: c")
    whole = compiled(4, NODES, flow, root=ROOT).evaluate()
    some = compiled(4, NODES, flow, station("arrivals: c, capacity: c", name="Other"), root=ROOT).evaluate()
    none = compiled(4, NODES, flow).evaluate()
    assert [result.class_coverage for result in (whole, some, none)] == ["full", "partial", "missing"]


@pytest.mark.parametrize("reference", ["v@DEFAULT", "v@*"])
@pytest.mark.parametrize("semantics", ["served: '{}'", "served: c, errors: '{}'"])
@pytest.mark.parametrize("kind", ["service", "serviceWithBuffer"])
def test_all_classes_of_what_leaves_mean_the_series_itself(reference: str, semantics: str, kind: str) -> None:
    found, plain = (
        flows(station(f"arrivals: x, {semantics.format(name)}", kind=kind), nodes={"v": 3.0})
        for name in (reference, "v")
    )
    assert found == plain
    assert found["v@A"][0] == 2.25
