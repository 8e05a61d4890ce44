"""A run as its nodes see it: the same from a result as from the folder that it was written to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flowtime.bundle import open_bundle
from flowtime.bundle.view import NodeArrays, RunView, view_bundle, view_result
from flowtime.cli import main
from flowtime.engine import compile_model
from flowtime.model import parse_model

MODEL = """\
schemaVersion: 1
grid: {bins: 3, binSize: 5, binUnit: minutes}
nodes:
  - {id: orders, kind: const, values: [9, 1, 1]}
  - {id: pace, kind: const, values: [2, 2, 2]}
  - {id: hands, kind: const, values: [2, 0, 1]}
topology:
  nodes:
    - {id: Pack, kind: serviceWithBuffer, semantics: {arrivals: orders, capacity: pace, parallelism: hands}}
    - {id: Ship, kind: service, semantics: {arrivals: pack_served, capacity: pace, parallelism: 3}}
    - {id: Door, kind: sink, semantics: {arrivals: ship_served}}
"""


@pytest.fixture(scope="module")
def computed() -> RunView:
    return view_result(compile_model(parse_model(MODEL)).evaluate())


@pytest.mark.parametrize(
    ("node", "name", "values"),
    [
        pytest.param("Pack", "arrivals", [9, 1, 1], id="bound series"),
        pytest.param("Pack", "served", [4, 2, 2], id="synthesized series"),
        pytest.param("Pack", "queueDepth", [5, 4, 3], id="queue"),
        pytest.param("Pack", "effectiveCapacity", [4, 2, 2], id="parallelism of 0 counts as 1"),
        pytest.param("Pack", "utilization", [1, 1, 1], id="metric"),
        pytest.param("Ship", "arrivals", [4, 2, 2], id="series of another node"),
        pytest.param("Ship", "effectiveCapacity", [6, 6, 6], id="parallelism that is a number"),
    ],
)
def test_arrays_of_a_node(computed: RunView, node: str, name: str, values: list[float]) -> None:
    np.testing.assert_array_equal(computed.nodes[node][name], values)


def test_nodes_keep_the_order_of_the_model(computed: RunView) -> None:
    assert list(computed.nodes) == ["Pack", "Ship", "Door"]


def test_what_a_node_does_not_have_is_absent(computed: RunView) -> None:
    assert "queueDepth" not in computed.nodes["Ship"]
    assert computed.nodes["Door"].get("effectiveCapacity") is None


def test_a_folder_gives_the_view_of_its_result(tmp_path: Path, computed: RunView) -> None:
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    main(["run", str(tmp_path / "model.yaml"), "--out", str(tmp_path), "--run-id", "first", "--json"])
    read = view_bundle(open_bundle(tmp_path / "first"))
    assert read.grid == computed.grid
    assert {node: list(arrays) for node, arrays in read.nodes.items()} == {
        node: list(arrays) for node, arrays in computed.nodes.items()
    }
    pairs = [(read.nodes[node][name], computed.nodes[node][name]) for node in read.nodes for name in read.nodes[node]]
    np.testing.assert_array_equal([ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def test_what_is_bound_wins_over_what_is_derived() -> None:
    given, derived = np.ones(2), np.zeros(2)
    arrays = NodeArrays({"attempts": given}, {"attempts": derived, "retryTax": derived})
    assert arrays["attempts"] is given
    assert list(arrays) == ["attempts", "retryTax"]
    assert len(arrays) == 2
