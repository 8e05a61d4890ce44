"""One bin of a run: values, colors, gates, constraints, classes, objectives, warnings, and what can not be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.errors import RunCorruptError, StateError
from flowtime.state import OpenRun, encode_answer, open_run_state, read_graph, read_metrics, read_state, read_window
from flowtime.state.arithmetic import rounded
from flowtime.state.status import node_color
from statefakes import written

GRID = 'schemaVersion: 1\ngrid: {bins: 6, binSize: 5, binUnit: minutes, start: "2025-01-01T00:00:00Z"}\n'
SHOP = (
    GRID
    + """\
classes: [{id: A, displayName: Alpha}, {id: B}]
traffic:
  arrivals:
    - {nodeId: orders, classId: A, pattern: {kind: constant, ratePerBin: 6}}
    - {nodeId: orders, classId: B, pattern: {kind: constant, ratePerBin: 3}}
nodes:
  - {id: pace, kind: const, values: [4, 4, 4, 40, 0, 4]}
  - {id: hands, kind: const, values: [2, 2, 0, 1, 1, 1]}
  - {id: spent, kind: const, values: 6000}
  - {id: done, kind: const, values: 8}
  - {id: wave, kind: const, values: 100}
  - {id: shared, kind: const, values: 5}
  - {id: limit, kind: const, values: 50}
topology:
  nodes:
    - id: Pack
      kind: serviceWithBuffer
      semantics:
        {arrivals: orders, capacity: pace, parallelism: hands, processingTimeMsSum: spent, servedCount: done,
         slaMin: 5, maxAttempts: 3, aliases: {served: Parcels}}
    - id: Dock
      kind: queue
      semantics: {arrivals: pack_served, capacity: wave, slaMin: 10}
      dispatchSchedule: {periodBins: 3, phaseOffset: 1, accumulate: true}
    - {id: Desk, kind: service, semantics: {arrivals: orders, capacity: limit}, constraints: [db]}
    - {id: Away, kind: sink, semantics: {arrivals: dock_served}}
    - {id: Dead, kind: dlq, semantics: {arrivals: pace, capacity: done}}
  edges:
    - {id: pack_dock, from: Pack, to: Dock}
    - {id: dock_away, from: Dock, to: Away, lag: 1}
  constraints:
    - {id: db, semantics: {arrivals: orders, served: shared}}
"""
)
BARE = GRID + "nodes: [{id: a, kind: const, values: 1}]\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> OpenRun:
    return written(tmp_path_factory.mktemp("runs"), SHOP)


def answer(run: OpenRun, bin_index: int) -> dict[str, Any]:
    """The JSON of one bin, nodes and edges by id."""
    found: dict[str, Any] = json.loads(encode_answer(read_state(run, bin_index)))
    by_id = {kind: {item["id"]: item for item in found[kind]} for kind in ("nodes", "edges")}
    return found | by_id


@pytest.mark.parametrize(
    ("bin_index", "node", "group", "expected"),
    [
        pytest.param(0, "Pack", "metrics", {"arrivals": 9, "served": 8, "queue": 1, "capacity": 4}, id="flows"),
        pytest.param(0, "Pack", "metrics", {"maxAttempts": 3, "parallelism": 2}, id="servers, and most attempts"),
        pytest.param(0, "Pack", "derived", {"utilization": 1, "queueTimeMs": 37500, "serviceTimeMs": 750}, id="times"),
        pytest.param(0, "Pack", "derived", {"cycleTimeMs": 38250, "flowEfficiency": 0.019608}, id="six decimals"),
        pytest.param(2, "Pack", "derived", {"utilization": 1}, id="no servers count as one"),
        pytest.param(4, "Pack", "derived", {"utilization": None, "latencyMinutes": None}, id="undefined is null"),
        pytest.param(0, "Dock", "metrics", {"queueLatencyStatus": "paused_gate_closed"}, id="gate is closed"),
        pytest.param(1, "Dock", "metrics", {"queueLatencyStatus": None, "served": 16}, id="gate is open"),
        pytest.param(0, "Desk", "metrics", {"served": 5, "shortfall": 4}, id="held by a constraint"),
        pytest.param(3, "Away", "derived", {"color": "gray"}, id="a sink has no color"),
    ],
)
def test_values_of_a_node(shop: OpenRun, bin_index: int, node: str, group: str, expected: dict[str, Any]) -> None:
    values = answer(shop, bin_index)["nodes"][node][group]
    assert {name: values[name] for name in expected} == expected


def test_what_a_node_does_not_have_is_left_out(shop: OpenRun) -> None:
    values = answer(shop, 0)["nodes"]["Away"]
    assert "queue" not in values["metrics"]
    assert "utilization" not in values["derived"]


def test_classes_of_a_node(shop: OpenRun) -> None:
    node = answer(shop, 0)["nodes"]["Pack"]
    assert {name: own["arrivals"] for name, own in node["byClass"].items()} == {"A": 6, "B": 3}
    assert node["classTruth"] == {"coverage": "full", "hasSpecificClasses": True, "hasFallbackClass": False}
    assert "capacity" not in node["byClass"]["A"]


def test_a_constraint_and_whom_it_holds(shop: OpenRun) -> None:
    node = answer(shop, 0)["nodes"]["Desk"]
    assert node["constraintStatus"] == {"db": True}
    assert node["constraints"]["db"]["metrics"] == {"arrivals": 9, "served": 5, "shortfall": 4, "capacity": 5}


def test_edges_of_a_bin(shop: OpenRun) -> None:
    edges = answer(shop, 2)["edges"]
    assert edges["dock_away"]["series"] == {"flowVolume": [16]}
    assert (edges["dock_away"]["lag"], edges["dock_away"]["field"]) == (1, "served")
    assert edges["pack_dock"]["byClass"]["A"].keys() == {"flowVolume"}


@pytest.mark.parametrize(
    ("bin_index", "node", "kind", "expected"),
    [
        pytest.param(0, "Pack", "backlogAge", ("ok", 5.0, 0.625), id="waits less than wanted"),
        pytest.param(4, "Pack", "backlogAge", ("unavailable", 5.0, None), id="nothing served, so no wait"),
        pytest.param(2, "Pack", "backlogAge", ("breached", 5.0, 8.75), id="waits too long"),
        pytest.param(0, "Desk", "completion", ("ok", None, 0.555556), id="what got through, after constraints"),
        pytest.param(1, "Dock", "completion", ("ok", None, 1.0), id="at an opening"),
        pytest.param(3, "Dock", "completion", ("ok", None, 1.0), id="between openings, as at the last"),
        pytest.param(0, "Dock", "completion", ("unavailable", None, None), id="before the first opening"),
        pytest.param(1, "Dock", "scheduleAdherence", ("ok", None, 1.0), id="let through on time"),
        pytest.param(2, "Dock", "scheduleAdherence", ("noEvents", None, None), id="nothing to let through"),
    ],
)
def test_objectives(shop: OpenRun, bin_index: int, node: str, kind: str, expected: tuple[Any, ...]) -> None:
    found = {item["kind"]: item for item in answer(shop, bin_index)["nodes"][node]["sla"]}[kind]
    assert (found["status"], found["threshold"], found["value"]) == expected


@pytest.mark.parametrize(
    ("node", "utilization", "wait", "color"),
    [
        pytest.param("Pack", None, None, "gray", id="unknown"),
        pytest.param("Pack", 0.69, None, "green", id="some to spare"),
        pytest.param("Pack", 0.7, None, "yellow", id="busy"),
        pytest.param("Pack", 0.9, None, "red", id="full"),
        pytest.param("Dock", None, 10.0, "green", id="as long as wanted"),
        pytest.param("Dock", None, 15.0, "yellow", id="half as long again"),
        pytest.param("Dock", None, 15.1, "red", id="longer"),
        pytest.param("Dock", None, None, "gray", id="no wait known"),
        pytest.param("Dead", 1.0, 9.0, "dlq", id="dead letters"),
    ],
)
def test_colors(shop: OpenRun, node: str, utilization: float | None, wait: float | None, color: str) -> None:
    station = next(station for station in shop.places.stations if station.id == node)
    assert node_color(station, utilization, wait) == color


def test_times_of_a_bin(shop: OpenRun) -> None:
    found = answer(shop, 2)["bin"]
    assert found == {
        "index": 2,
        "startUtc": "2025-01-01T00:10:00Z",
        "endUtc": "2025-01-01T00:15:00Z",
        "durationMinutes": 5,
    }


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param("2025-01-01T00:00:00Z", 0, id="start"),
        pytest.param("2025-01-01T00:09:59.999Z", 1, id="just before the next"),
        pytest.param("2025-01-01T01:10:00+01:00", 2, id="elsewhere on earth"),
        pytest.param("2025-01-01", 0, id="a day is its midnight"),
    ],
)
def test_bin_of_a_moment(shop: OpenRun, moment: str, expected: int) -> None:
    assert shop.bin_at(moment) == expected


def test_metadata_names_no_path_of_the_machine(shop: OpenRun, tmp_path: Path) -> None:
    text = encode_answer(read_state(shop, 0)).decode()
    assert str(shop.bundle.path.parent) not in text
    assert json.loads(text)["metadata"]["storage"]["modelPath"] == "model/model.yaml"
    assert json.loads(text)["metadata"]["telemetrySourcesResolved"] is False


def test_warnings_are_those_of_the_bin(tmp_path: Path) -> None:
    text = GRID + "nodes: [{id: a, kind: const, values: [1, 1, 9, 9, 9, 0]}, {id: c, kind: const, values: 2}]\n"
    text += "topology: {nodes: [{id: S, kind: queue, semantics: {arrivals: a, capacity: c}}]}\n"
    run = written(tmp_path, text)
    grows = {index: [w.code for w in read_state(run, index).warnings] for index in (1, 3)}
    assert ("backlog_growth_streak" in grows[1], "backlog_growth_streak" in grows[3]) == (False, True)
    cut = {w.code: w for w in read_window(run, 0, 3).warnings}["backlog_growth_streak"]
    assert (cut.bins, cut.start_bin, cut.end_bin, cut.signal) == (((2, 3),), 2, 3, "queue")


def test_only_chosen_nodes_and_classes(shop: OpenRun) -> None:
    found = read_state(shop, 0, nodes=["Dock"], classes=["B"])
    assert [node.id for node in found.nodes] == ["Dock"]
    assert list(found.nodes[0].by_class) == ["B"]
    assert [edge.id for edge in found.edges] == ["pack_dock", "dock_away"]
    assert {warning.node_id for warning in found.warnings} <= {"Dock", None}


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        pytest.param(lambda run: read_state(run, 6), "state.bin_out_of_range", id="after the last"),
        pytest.param(lambda run: read_state(run, -1), "state.bin_out_of_range", id="before the first"),
        pytest.param(lambda run: read_window(run, 4, 3), "state.window_reversed", id="ends before it starts"),
        pytest.param(lambda run: read_window(run, 0, 6), "state.bin_out_of_range", id="window too long"),
        pytest.param(lambda run: read_window(run, resolution=0), "state.resolution_out_of_range", id="no point"),
        pytest.param(
            lambda run: read_window(run, resolution=100_001), "state.resolution_out_of_range", id="too many points"
        ),
        pytest.param(lambda run: read_state(run, 0, nodes=["Pak"]), "state.unknown_node", id="no such node"),
        pytest.param(lambda run: read_window(run, classes=["C"]), "state.unknown_class", id="no such class"),
        pytest.param(lambda run: run.bin_at("noon"), "state.bad_time", id="no time"),
        pytest.param(lambda run: run.bin_at("2025-01-01T00:30:00Z"), "state.bin_out_of_range", id="a moment too late"),
        pytest.param(lambda run: run.bin_at("2024-12-31T23:59:59Z"), "state.bin_out_of_range", id="a moment too early"),
        pytest.param(lambda run: read_metrics(run, 3, 1), "state.window_reversed", id="metrics of nothing"),
    ],
)
def test_what_can_not_be_asked(shop: OpenRun, ask: Callable[[OpenRun], object], code: str) -> None:
    with pytest.raises(StateError) as caught:
        ask(shop)
    assert caught.value.code == code


def test_a_grid_without_a_start_has_no_times(tmp_path: Path) -> None:
    run = written(tmp_path, SHOP.replace(', start: "2025-01-01T00:00:00Z"', ""))
    assert read_state(run, 0).bin.start_utc is None
    assert read_window(run).timestamps_utc is None
    with pytest.raises(StateError, match="no start"):
        run.bin_at("2025-01-01")


def test_a_run_without_topology_has_no_state(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        written(tmp_path, BARE)
    assert caught.value.code == "state.no_topology"


def test_a_run_without_its_matrix_is_corrupt(tmp_path: Path) -> None:
    run = written(tmp_path, SHOP)
    (run.bundle.path / "series" / "series.npy").unlink()
    with pytest.raises(RunCorruptError, match=r"series\.npy is missing"):
        open_run_state(run.bundle.path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(b"nodes: [", "is no longer the model of the run: ", id="no YAML"),
        pytest.param(b"\xff", "is no longer the model of the run: it is no UTF-8", id="no text"),
        pytest.param(SHOP.replace("bins: 6", "bins: 7").encode(), "is no longer the model", id="another model"),
        pytest.param(SHOP.replace("binSize: 5", "binSize: 6").encode(), "its grid is not that of run", id="other bins"),
    ],
)
def test_a_run_whose_model_was_changed_is_corrupt(tmp_path: Path, text: bytes, told: str) -> None:
    run = written(tmp_path, SHOP)
    (run.bundle.path / "model" / "model.yaml").write_bytes(text)
    with pytest.raises(RunCorruptError, match=told) as caught:
        open_run_state(run.bundle.path)
    assert caught.value.code == "run.corrupt"


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        pytest.param({"nodes": ["pack"]}, "did you mean Pack?", id="a node that looks alike"),
        pytest.param({"classes": ["premium"]}, "it has A, B", id="another class"),
    ],
)
def test_what_there_is_is_told(tmp_path: Path, names: dict[str, list[str]], hint: str) -> None:
    with pytest.raises(StateError) as caught:
        read_state(written(tmp_path, SHOP), 0, **names)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(0.0000005, 0.000001, id="half up"),
        pytest.param(-0.0000005, -0.000001, id="half down"),
        pytest.param(-0.0000001, 0.0, id="nothing"),
        pytest.param(1234567.1234567, 1234567.123457, id="large"),
        pytest.param(123456789012.3456789, 123456789012.3456789, id="too large for six decimals"),
        pytest.param(float("inf"), float("inf"), id="infinite"),
    ],
)
def test_rounding(value: float, expected: float) -> None:
    with np.errstate(all="ignore"):
        found = rounded(np.array([value]))
    assert found.tolist() == [expected]
    assert not np.signbit(found[0]) or value < -1e-7


def test_graph_has_layers_and_places(shop: OpenRun) -> None:
    nodes = {node.id: node for node in read_graph(shop).nodes}
    assert [nodes[name].ui.layer for name in ("Pack", "Dock", "Away")] == [0, 1, 2]
    assert [nodes[name].ui.order for name in ("Pack", "Desk", "Dead")] == [0, 1, 2]
    assert nodes["Pack"].semantics["served"] == "series:pack_served"
    assert [edge.source for edge in read_graph(shop).edges] == ["Pack:out", "Dock:out"]


def test_full_graph_says_what_feeds_what(shop: OpenRun) -> None:
    full = read_graph(shop, mode="full")
    assert "dep:pace->Pack:capacity" in {edge.id for edge in full.edges}
    assert {"pace", "hands"} <= {node.id for node in full.nodes}


def test_metrics_count_the_bins_that_were_met(shop: OpenRun) -> None:
    services = {service.id: service for service in read_metrics(shop).services}
    assert list(services) == ["Pack", "Desk"]
    assert (services["Desk"].bins_met, services["Desk"].bins_total, services["Desk"].sla_pct) == (0, 6, 0.0)
    np.testing.assert_allclose(services["Desk"].mini, [5 / 9] * 6, atol=1e-6)


def test_a_bin_without_arrivals_is_met(tmp_path: Path) -> None:
    text = GRID + "nodes: [{id: a, kind: const, values: [0, 0, 1, 1, 1, 1]}, {id: c, kind: const, values: 0.5}]\n"
    text += "topology: {nodes: [{id: S, kind: service, semantics: {arrivals: a, capacity: c}}]}\n"
    (service,) = read_metrics(written(tmp_path, text)).services
    assert (service.bins_met, service.mini.tolist()) == (2, [1.0, 1.0, 0.5, 0.5, 0.5, 0.5])
