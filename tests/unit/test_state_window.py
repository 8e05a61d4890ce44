"""A window of a run: bin by bin, and aggregated."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.state import OpenRun, encode_answer, read_window
from flowtime.state.findings import Findings
from statefakes import WINDOW_MODEL, written


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> OpenRun:
    return written(tmp_path_factory.mktemp("runs"), WINDOW_MODEL)


@pytest.fixture(scope="module")
def coarse(run: OpenRun) -> dict[str, Any]:
    """Points of three bins, the last of one; nodes by id."""
    return answer(run, resolution=3)


def answer(run: OpenRun, *bins: int, **options: Any) -> dict[str, Any]:
    """The JSON of a window, nodes and edges by id."""
    found: dict[str, Any] = json.loads(encode_answer(read_window(run, *bins, **options)))
    return found | {kind: {item["id"]: item for item in found[kind]} for kind in ("nodes", "edges")}


def test_bin_by_bin(run: OpenRun) -> None:
    found = answer(run, 1, 3)
    assert found["window"] == {"startBin": 1, "endBin": 3, "binCount": 3, "points": 3, "binsPerPoint": 1}
    assert found["timestampsUtc"] == ["2025-01-01T00:05:00Z", "2025-01-01T00:10:00Z", "2025-01-01T00:15:00Z"]
    assert found["nodes"]["Pack"]["series"]["arrivals"] == [8, 0, 6]
    assert "queueMax" not in found["nodes"]["Pack"]["series"]


def test_points_of_several_bins(coarse: dict[str, Any]) -> None:
    assert coarse["window"] == {"startBin": 0, "endBin": 6, "binCount": 7, "points": 3, "binsPerPoint": 3}
    assert coarse["timestampsUtc"] == ["2025-01-01T00:00:00Z", "2025-01-01T00:15:00Z", "2025-01-01T00:30:00Z"]


@pytest.mark.parametrize(
    ("name", "aggregation", "expected"),
    [
        pytest.param("arrivals", "sum", [12, 18, 2], id="flow"),
        pytest.param("capacity", "sum", [8, 6, 1], id="capacity"),
        pytest.param("parallelism", "mean", [5 / 3, 5 / 3, 4], id="servers"),
        pytest.param("retryBudgetRemaining", "last", [17, 16, 16], id="what is left"),
        pytest.param("retryEcho", "sum", [0.75, 2, 0.25], id="retries that come back"),
    ],
)
def test_aggregates(coarse: dict[str, Any], name: str, aggregation: str, expected: list[float]) -> None:
    node = coarse["nodes"]["Pack"]
    assert node["seriesMetadata"][name]["aggregation"] == aggregation
    np.testing.assert_allclose(node["series"][name], expected, atol=1e-6)


def test_a_ratio_is_one_of_sums(run: OpenRun, coarse: dict[str, Any]) -> None:
    fine, node = answer(run)["nodes"]["Pack"]["series"], coarse["nodes"]["Pack"]
    served = [sum(fine["served"][:3]), sum(fine["served"][3:6]), fine["served"][6]]
    # Capacity times servers, bin by bin: 6 2 4, 4 2 2, 4.
    np.testing.assert_allclose(node["series"]["utilization"], np.array(served) / [12, 8, 4], atol=1e-6)
    assert node["seriesMetadata"]["utilization"] == {"aggregation": "ratio", "origin": "derived"}


def test_a_wait_is_by_littles_law(run: OpenRun, coarse: dict[str, Any]) -> None:
    fine, series = answer(run)["nodes"]["Pack"]["series"], coarse["nodes"]["Pack"]["series"]
    wait = sum(fine["queue"][:3]) / sum(fine["served"][:3]) * 5.0
    assert series["latencyMinutes"][0] == pytest.approx(wait, abs=1e-6)
    assert series["queue"][0] == pytest.approx(sum(fine["queue"][:3]) / 3, abs=1e-6)
    assert series["queueMax"][0] == max(fine["queue"][:3])


def test_a_flag_is_up_where_it_is_once(run: OpenRun, coarse: dict[str, Any]) -> None:
    fine = answer(run)["nodes"]["Desk"]["constraintStatus"]["db"]
    assert fine == [1, 1, 0, 1, 1, 1, 1]
    assert coarse["nodes"]["Desk"]["constraintStatus"]["db"] == [1, 1, 1]
    assert coarse["nodes"]["Desk"]["constraints"]["db"]["series"]["capacity"] == [8, 6, 1]


def test_a_gate_is_closed_where_it_never_opens(run: OpenRun, coarse: dict[str, Any]) -> None:
    closed, opened = "paused_gate_closed", None
    assert answer(run)["nodes"]["Dock"]["queueLatencyStatus"] == [closed] * 3 + [opened] + [closed] * 3
    assert coarse["nodes"]["Dock"]["queueLatencyStatus"] == [closed, opened, closed]


def test_edges_add_up(run: OpenRun, coarse: dict[str, Any]) -> None:
    fine = answer(run)["edges"]["pack_dock"]["series"]["flowVolume"]
    assert coarse["edges"]["pack_dock"]["series"]["flowVolume"] == [sum(fine[:3]), sum(fine[3:6]), fine[6]]


def test_full_mode_adds_the_declared_series(run: OpenRun) -> None:
    found = answer(run, mode="full")["nodes"]
    assert found["orders"]["series"] == {"values": [4, 8, 0, 6, 6, 6, 2]}
    assert (found["orders"]["category"], found["left"]["category"]) == ("constant", "expression")
    assert "orders" not in answer(run)["nodes"]


@pytest.mark.parametrize("points", [1, 2, 3, 4, 6, 7, 1000])
def test_never_more_points_than_asked(run: OpenRun, points: int) -> None:
    found = read_window(run, resolution=points)
    assert found.window.points <= points
    assert found.nodes[0].series.arrivals.sum() == 32
    assert len(found.timestamps_utc) == found.window.points


def test_what_two_nodes_share_is_written_once(run: OpenRun) -> None:
    pack, dock, _ = read_window(run).nodes
    assert pack.series.served is dock.series.arrivals


def test_a_gap_is_null(run: OpenRun) -> None:
    found = answer(run, 0, 0)["nodes"]["Dock"]["series"]
    assert found["latencyMinutes"] == [None]


def test_infinity_is_null_too(tmp_path: Path) -> None:
    wave = "{id: wave, kind: const, values: 100}"
    text = WINDOW_MODEL.replace(wave, '{id: wave, kind: expr, expr: "IF(orders == 2, EXP(1000), 1)"}')
    found = answer(written(tmp_path, text))["nodes"]["Dock"]["series"]["capacity"]
    assert found == [1, 1, 1, 1, 1, 1, None]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(0, 1, (), id="before"),
        pytest.param(0, 2, ((2, 2),), id="begins in it"),
        pytest.param(3, 8, ((3, 4), (8, 8)), id="two ranges cut"),
        pytest.param(5, 7, (), id="between"),
        pytest.param(0, 99, ((2, 4), (8, 9)), id="all"),
    ],
)
def test_warnings_are_cut_to_the_window(
    run: OpenRun, start: int, end: int, expected: tuple[tuple[int, int], ...]
) -> None:
    template = run.bundle.run.warnings[0]
    kept = Findings([type(template)(code="c", message="m", severity="info", bins=((2, 4), (8, 9)))])
    assert tuple(pair for warning in kept.within(start, end) for pair in warning.bins) == expected


def test_a_nan_of_a_series_is_left_out_of_a_sum(run: OpenRun) -> None:
    found = read_window(run, 0, 5, resolution=1)
    assert math.isfinite(found.nodes[1].series.throughput_ratio[0])
