"""What the parts of a model must mean together: what passes, and rules with more than one side.

That each rule is broken with its code and place is in ``test_wrong_models.py``.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from flowtime.errors import ModelError
from flowtime.model import Model, model_from_tree, parse_model, parse_yaml
from flowtime.model.tree import MappingNode, NumbersNode, SequenceNode, TreeNode

HEAD = "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minutes}\n"
NODES = "nodes:\n- {id: a, kind: const, values: [1, 2, 3]}\n- {id: b, kind: const, values: 2}\n"
TOPOLOGY = "topology:\n  nodes:\n"


def model(nodes: str = "", topology: str = "", rest: str = "") -> Model:
    """A model of two const nodes and what a test adds."""
    return parse_model(f"{HEAD}{NODES}{nodes}{TOPOLOGY + topology if topology else ''}{rest}")


def codes(nodes: str = "", topology: str = "", rest: str = "") -> list[str]:
    """The codes of the faults of a model."""
    with pytest.raises(ModelError) as caught:
        model(nodes, topology, rest)
    return [fault.code.removeprefix("model.") for fault in caught.value.faults]


Q = "kind: queue, semantics: {arrivals: a, served: b"


@pytest.mark.parametrize(
    ("nodes", "topology", "rest"),
    [
        pytest.param("- {id: e, kind: expr, expr: 'a + q_queue'}\n", f"  - {{id: Q, {Q}}}}}\n", "", id="implied-queue"),
        pytest.param(
            "- {id: e, kind: expr, expr: 'd_l_q_queue'}\n", f"  - {{id: DLQ, {Q}}}}}\n", "", id="other-spelling"
        ),
        pytest.param(
            "- {id: e, kind: expr, expr: 's_served + s_overflow'}\n",
            "  - {id: S, semantics: {arrivals: a, capacity: b}}\n",
            "",
            id="computed-served",
        ),
        pytest.param("", "  - {id: S, kind: sink, semantics: {arrivals: a}}\n", "", id="sink-without-served"),
        pytest.param("", "  - {id: S, semantics: {arrivals: 'series:a@Gold', served: b}}\n", "", id="prefix-and-class"),
        pytest.param("", "  - {id: S, semantics: {arrivals: 'file:x.csv', served: b}}\n", "", id="file-reference"),
        pytest.param("", f"  - {{id: Q, {Q}, queueDepth: self, errors: self}}}}\n", "", id="self"),
        pytest.param("", f"  - {{id: Q, {Q}, parallelism: 2}}}}\n", "", id="parallelism"),
        pytest.param("", f"  - {{id: Q, {Q}}}, wipLimit: 1, wipOverflow: loss}}\n", "", id="overflow-to-loss"),
        pytest.param(
            "", f"  - {{id: Q, {Q}}}, wipOverflow: R}}\n  - {{id: R, {Q}}}}}\n", "", id="overflow-to-a-node"
        ),
        pytest.param(
            "",
            f"  - {{id: Q, {Q}}}}}\n  - {{id: R, {Q}}}}}\n"
            "  edges: [{from: 'Q:out', to: 'R:in'}, {from: Q, to: R}]\n",
            "",
            id="ports",
        ),
        pytest.param(
            "",
            f"  - {{id: Q, {Q}}}, constraints: [db]}}\n"
            "  constraints: [{id: db, semantics: {arrivals: a, served: b}}]\n",
            "",
            id="constraint",
        ),
        pytest.param("- {id: e, kind: expr, expr: 'a + DELAY(e, 1, 0)'}\n", "", "", id="delay-of-itself"),
        pytest.param(
            "- {id: e, kind: expr, expr: 'a + SHIFT(e, 1)'}\n",
            "  - {id: S, semantics: {arrivals: a, served: b, queueDepth: e}, initialCondition: {queueDepth: 1}}\n",
            "",
            id="self-shift-of-a-queue-depth",
        ),
        pytest.param(
            "- {id: e, kind: expr, expr: 'a + SHIFT(e, 1)'}\n",
            "  - {id: e, semantics: {arrivals: a, served: b}, initialCondition: {queueDepth: 1}}\n",
            "",
            id="self-shift-of-a-node-of-that-id",
        ),
        pytest.param(
            "- {id: e, kind: expr, expr: 'a + SHIFT(f, 1)'}\n- {id: f, kind: expr, expr: e}\n", "", "", id="shift-loop"
        ),
        pytest.param("", "", "outputs: [{series: '*'}, {series: a}, {series: b/*}]\n", id="outputs"),
        pytest.param(
            "- {id: r, kind: router, inputs: {queue: a}, routes: [{target: x, weight: 1}]}\n"
            "- {id: e, kind: expr, expr: x}\n",
            "",
            "",
            id="router-target-is-a-series",
        ),
        pytest.param(
            "- {id: q, kind: serviceWithBuffer, inflow: a, outflow: b, loss: a}\n", "", "", id="queue-node"
        ),
        pytest.param(
            "- {id: p, kind: pmf, pmf: {values: [1, 2], probabilities: [0.5, 0.50009]}}\n", "", "", id="pmf-tolerance"
        ),
        pytest.param(
            "- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]}, profile: {name: three-shift}}\n",
            "",
            "",
            id="profile",
        ),
        pytest.param(
            "",
            "",
            "classes: [{id: Gold}]\ntraffic: {arrivals: [{nodeId: a, classId: Gold, pattern: {kind: poisson}}]}\n",
            id="classes",
        ),
        pytest.param(
            "",
            "",
            "classes: [{id: Gold}]\ntraffic: {arrivals: [{nodeId: a, classId: Gold, pattern: {kind: poisson}},\n"
            " {nodeId: a, classId: Gold, pattern: {kind: constant, ratePerBin: 0}}]}\n",
            id="two-arrivals-of-one-class-add-up",
        ),
        pytest.param(
            "- {id: e, kind: expr, expr: new}\n",
            "",
            "traffic: {arrivals: [{nodeId: new, pattern: {kind: poisson, ratePerBin: 2}},\n"
            " {nodeId: new, pattern: {kind: constant, rate: 2}}]}\n",
            id="arrivals-that-are-generated",
        ),
        pytest.param(
            "- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
            "   profile: {name: three-shift, days: [1, 1, 1, 1, 1, 0, 0.5]}}\n",
            "",
            "",
            id="days",
        ),
        pytest.param(
            "- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
            "   profile: {kind: inline, weights: [1, 0, 2]}}\n"
            "- {id: q, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
            f"   profile: {{kind: inline, weights: {[1.0] * 24}}}}}\n"
            "- {id: r, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
            f"   profile: {{kind: inline, weights: {[1.0] * 168}}}}}\n",
            "",
            "",
            id="weights-by-bin-by-day-and-by-week",
        ),
        pytest.param("", "  - {id: Q, kind: QUEUE, semantics: {arrivals: a, served: b}}\n", "", id="kind-in-capitals"),
    ],
)  # fmt: skip
def test_valid(nodes: str, topology: str, rest: str) -> None:
    assert model(nodes, topology, rest).spec.nodes[0].id == "a"


@pytest.mark.parametrize(
    ("nodes", "topology", "rest", "expected"),
    [
        pytest.param("- {id: q, kind: serviceWithBuffer, inflow: 'file:x.csv', outflow: a}\n", "", "",
                     ["bad_reference"], id="file-where-none-can-be"),
        pytest.param("- {id: q, kind: serviceWithBuffer, inflow: self, outflow: a}\n", "", "",
                     ["unknown_series"], id="self-where-nothing-is"),
        pytest.param("", "  - {id: S, semantics: {arrivals: 'file:', served: b}}\n", "",
                     ["bad_reference"], id="file-without-a-name"),
        pytest.param("", "  - {id: S, semantics: {arrivals: a, served: b, queueDepth: depth}}\n", "",
                     ["unknown_series"], id="a-service-makes-no-queue"),
        pytest.param("", f"  - {{id: Q, {Q}, queueDepth: 'my depth'}}}}\n", "",
                     ["unknown_series"], id="a-queue-needs-a-legal-name"),
        pytest.param("", "  - {id: S, kind: dependency, semantics: {arrivals: a, capacity: b}}\n", "",
                     ["missing_served"], id="a-dependency-computes-nothing"),
        pytest.param("", f"  - {{id: Q, {Q}, parallelism: 0}}}}\n", "", ["out_of_range"], id="no-parallelism"),
        pytest.param("", f"  - {{id: Q, {Q}}}, wipOverflow: Q}}\n", "", ["overflow_cycle"], id="overflow-to-itself"),
        pytest.param("", f"  - {{id: Q, {Q}}}}}\n  edges: [{{from: 'Q:a:b', to: Q}}]\n", "",
                     ["unknown_topology_node"], id="two-ports"),
        pytest.param("", f"  - {{id: Q, {Q}}}}}\n  edges: [{{id: e, from: Q, to: Q}}, {{id: e, from: Q, to: Q}}]\n", "",
                     ["duplicate_id"], id="edge-ids"),
        pytest.param("- {id: p, kind: pmf, pmf: {values: [1, 2], probabilities: [0.5, 0.5002]}}\n", "", "",
                     ["pmf_sum"], id="pmf-outside-tolerance"),
        pytest.param("- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]}, profile: {kind: builtin}}\n", "", "",
                     ["missing_field"], id="profile-without-a-name"),
        pytest.param("- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
                     "   profile: {kind: inline, weights: [0, 0]}}\n", "", "",
                     ["out_of_range"], id="profile-without-weight"),
        pytest.param("- {id: a, kind: expr, expr: nothing}\n- {id: a, kind: const, values: [1]}\n", "", "",
                     ["duplicate_id", "unknown_series", "duplicate_id", "length_mismatch"], id="all-at-once"),
        pytest.param("- {id: e, kind: expr, expr: 'x + y + x'}\n", "", "",
                     ["unknown_series"] * 3, id="each-reading-of-a-name"),
        pytest.param("- {id: e, kind: expr, expr: 'SHIFT(e, 1) + SHIFT(e, 2)'}\n", "", "",
                     ["self_shift_requires_initial_condition"] * 2, id="each-self-shift"),
    ],
)  # fmt: skip
def test_wrong(nodes: str, topology: str, rest: str, expected: list[str]) -> None:
    assert codes(nodes, topology, rest) == expected


def test_expressions_are_parsed_by_node() -> None:
    assert list(model("- {id: e, kind: expr, expr: a}\n- {id: f, kind: expr, expr: 'e + b'}\n").expressions) == [
        "e",
        "f",
    ]


def test_one_circle_of_overflow_is_one_fault() -> None:
    nodes = "".join(f"  - {{id: {name}, {Q}}}, wipOverflow: {target}}}\n" for name, target in ("PQ", "QR", "RQ"))
    with pytest.raises(ModelError, match="Q -> R -> Q"):
        model("", nodes)
    assert codes("", nodes) == ["overflow_cycle"]


def test_infinities_that_a_program_made_are_refused() -> None:
    # Text can not bring them here; a template's parameter can.
    tree = replace_values(parse_yaml(f"{HEAD}nodes:\n- {{id: a, kind: const, values: 1}}\n"), [1.0, math.inf, 2.0])
    with pytest.raises(ModelError, match="infinite") as caught:
        model_from_tree(tree, file=None, folder=None)
    assert caught.value.faults[0].path == "$.nodes[0].values[1]"


def replace_values(tree: TreeNode, values: list[float]) -> TreeNode:
    """The tree with other values in each const node."""
    match tree:
        case MappingNode(pairs=pairs):
            kept = tuple((key, replace_values(child, values)) for key, child in pairs if key.text != "values")
            numbers = NumbersNode(np.array(values), tree.line, tree.column)
            new = tuple((key, numbers) for key, _ in pairs if key.text == "values")
            return MappingNode((*kept, *new), tree.line, tree.column)
        case SequenceNode(items=items):
            return SequenceNode(tuple(replace_values(item, values) for item in items), tree.line, tree.column)
        case _:
            return tree
