"""Two runs side by side: what differs, by how much, and where first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.bundle import open_bundle
from flowtime.bundle.comparison import RunComparison, Tolerance, compare_runs
from flowtime.bundle.summary import summarize
from flowtime.bundle.view import view_bundle
from flowtime.errors import ParameterError
from flowtime.model import parse_model
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.settings import Settings
from flowtime.templates import template
from runfakes import DAY_ONE, DAY_TWO, MODEL_TEXT, FakeEngine, a_model, rendered, simulate

SLOWER = MODEL_TEXT.replace("2.5", "1.5")


def compared(root: Path, left: Mapping[str, Any], right: Mapping[str, Any], near: Tolerance | None = None) -> Any:
    """Make two runs and compare them."""
    simulate(root, run_id="left", **left)
    simulate(root, run_id="right", **right)
    return compare(root, near)


def compare(root: Path, near: Tolerance | None = None) -> RunComparison:
    return compare_runs(open_bundle(root / "left"), open_bundle(root / "right"), near)


def evaluated(root: Path, run_id: str, text: str) -> None:
    """Make a run with the real engine."""
    run_simulation(
        RunRequest(source=parse_model(text), run_id=run_id),
        root=root,
        settings=Settings(durability="process"),
        clock=lambda: DAY_ONE,
        entropy=bytes,
    )


def changed(name: str, first: int, values: list[float]) -> FakeEngine:
    """An engine whose series ``name`` has other values from bin ``first`` on."""

    def change(arrays: dict[str, Any]) -> None:
        arrays[name][first : first + len(values)] = values

    return FakeEngine(change)


def test_a_run_and_its_repetition_on_another_day_are_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, {"day": DAY_ONE}, {"day": DAY_TWO})
    assert (found.is_same, found.compared_series, found.compared_bins) == (True, 5, 4)
    assert (found.inputs, found.parameters, found.series, found.nodes) == ((), (), (), ())


def test_parameters_are_compared_by_name(tmp_path: Path) -> None:
    left = rendered(parameters={"rate": 2.0, "steps": (1, 2), "old": 1})
    right = rendered(parameters={"steps": (1, 2), "rate": 3.0, "new": None})
    found = compared(tmp_path, {"source": left}, {"source": right})
    assert [(item.name, item.a, item.b) for item in found.parameters] == [
        ("old", 1, None),
        ("rate", 2.0, 3.0),
        ("new", None, None),
    ]
    assert [item.name for item in found.inputs] == ["inputHash"]
    assert not found.is_same


def test_what_runs_were_made_of(tmp_path: Path) -> None:
    found = compared(tmp_path, {}, {"source": rendered(SLOWER), "seed": 3})
    assert [(item.name, item.a, item.b) for item in found.inputs if "Hash" not in item.name] == [
        ("templateId", "adhoc-model", "web-frontend"),
        ("templateVersion", "0.0.0", "1.2.0"),
        ("seed", None, 3),
    ]
    assert [item.name for item in found.inputs[3:]] == ["inputHash", "modelHash", "scenarioHash"]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param([1.0, 1.0], [1.0, 1.5], (1, 2, 1.0, 1.5, 0.5, 2), id="one bin"),
        pytest.param([1.0, 1.0], [2.0, -9.0], (2, 1, 1.0, 2.0, 10.0, 2), id="two bins"),
        pytest.param([np.nan, 1.0], [np.nan, 2.0], (1, 2, 1.0, 2.0, 1.0, 2), id="NaN is NaN"),
        pytest.param([np.inf, 1.0], [np.inf, 2.0], (1, 2, 1.0, 2.0, 1.0, 2), id="infinity is infinity"),
    ],
)
def test_series_that_differ(tmp_path: Path, left: list[float], right: list[float], expected: Any) -> None:
    found = compared(tmp_path, {"engine": changed("double", 1, left)}, {"engine": changed("double", 1, right)})
    (series,) = found.series
    assert series.name == "double"
    assert (series.bins, series.first_bin, series.a, series.b, series.largest, series.largest_bin) == expected


@pytest.mark.parametrize("right", [[np.nan], [np.inf], [-np.inf]], ids=str)
def test_a_value_that_is_not_finite_differs_from_a_number(tmp_path: Path, right: list[float]) -> None:
    found = compared(tmp_path, {}, {"engine": changed("double", 2, right)}, Tolerance(rtol=1e9, atol=1e9))
    (series,) = found.series
    assert (series.bins, series.first_bin, series.largest, series.largest_bin) == (1, 2, 0.0, 0)


def test_where_nothing_is_finite_no_difference_is_largest(tmp_path: Path) -> None:
    left, right = (changed("double", 0, [value] * 4) for value in (np.nan, np.inf))
    (series,) = compared(tmp_path, {"engine": left}, {"engine": right}).series
    assert (series.bins, series.largest, series.largest_bin) == (4, None, None)


@pytest.mark.parametrize(
    ("near", "is_same"),
    [
        pytest.param(None, False, id="exact"),
        pytest.param(Tolerance(atol=0.5), True, id="absolute, just so"),
        pytest.param(Tolerance(atol=0.49), False, id="absolute, not quite"),
        pytest.param(Tolerance(rtol=0.05), True, id="relative, just so"),
        pytest.param(Tolerance(rtol=0.049), False, id="relative, not quite"),
    ],
)
def test_a_tolerance_lets_small_differences_pass(tmp_path: Path, near: Tolerance | None, is_same: bool) -> None:
    left, right = changed("double", 1, [10.0]), changed("double", 1, [10.5])
    assert compared(tmp_path, {"engine": left}, {"engine": right}, near).is_same == is_same


@pytest.mark.parametrize("near", [Tolerance(-1.0, 0.0), Tolerance(0.0, float("nan"))])
def test_a_tolerance_that_is_none_is_refused(tmp_path: Path, near: Tolerance) -> None:
    with pytest.raises(ParameterError, match="at least 0"):
        compared(tmp_path, {}, {}, near)


def test_series_of_one_run_alone_are_named(tmp_path: Path) -> None:
    other = a_model(MODEL_TEXT.replace("id: double", "id: twice"))
    found = compared(tmp_path, {}, {"model": other, "engine": FakeEngine()})
    assert (found.only_in_a, found.only_in_b) == (("double",), ("twice",))
    assert found.compared_series == 4


def test_a_longer_run_is_compared_as_far_as_both_go(tmp_path: Path) -> None:
    longer = a_model(MODEL_TEXT.replace("bins: 4", "bins: 5").replace("3, 4]", "3, 4, 5]"))
    found = compared(tmp_path, {}, {"model": longer})
    assert (found.compared_bins, found.series) == (4, ())
    assert ("bins", 4, 5) in [(item.name, item.a, item.b) for item in found.inputs]


def test_bins_of_another_length_are_not_compared(tmp_path: Path) -> None:
    other = a_model(MODEL_TEXT.replace("binSize: 5", "binSize: 15"))
    found = compared(tmp_path, {}, {"model": other})
    assert (found.compared_bins, found.compared_series, found.series, found.is_same) == (0, 0, (), False)


def test_nodes_are_compared_by_what_a_person_wants_to_know(tmp_path: Path) -> None:
    evaluated(tmp_path, "left", MODEL_TEXT)
    evaluated(tmp_path, "right", SLOWER)
    found = {item.metric: (item.a, item.b) for item in compare(tmp_path).nodes}
    assert found["served"] == (8.0, 5.5)
    assert found["peakQueue"] == (2.0, 4.5)
    assert found["worstWaitMs"] == (240_000.0, 900_000.0)
    assert found["meanUtilization"] == (0.8, pytest.approx(11 / 12))


def test_a_node_of_one_run_alone_differs_in_everything(tmp_path: Path) -> None:
    evaluated(tmp_path, "left", MODEL_TEXT)
    evaluated(tmp_path, "right", MODEL_TEXT.replace("id: Desk", "id: Till"))
    found = compare(tmp_path)
    assert {(item.node_id, item.metric, item.b) for item in found.nodes if item.metric == "served"} == {
        ("Desk", "served", None),
        ("Till", "served", 8.0),
    }


@pytest.mark.parametrize("name", ["web-frontend", "microservices", "multi-class-support", "warehouse-waves"])
def test_figures_from_the_disk_are_those_of_the_engine(tmp_path: Path, name: str) -> None:
    evaluated(tmp_path, "left", template(name).render().yaml())
    bundle = open_bundle(tmp_path / "left")
    # Beside a model without topology, every figure is told.
    evaluated(tmp_path, "right", MODEL_TEXT.partition("topology:")[0])
    told = {(item.node_id, item.metric): item.a for item in compare(tmp_path).nodes}
    for node in summarize(view_bundle(bundle)):
        assert told.get((node.node_id, "meanUtilization")) == node.mean_utilization
        worst = node.worst_wait_ms.value if node.worst_wait_ms else None
        assert told.get((node.node_id, "worstWaitMs")) == worst
