"""A run against a capture: figures by hand, tolerances, gaps, and grids that do not fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowtime
from capturefakes import CLASSES, FLOW, LIMITED, PLAIN, RETRIES, a_capture, a_run, replace_cells, rewrite
from enginemodels import model_text
from flowtime.bundle import Bundle
from flowtime.errors import CaptureAlteredError, ParameterError, TelemetryError
from flowtime.telemetry import read_capture
from flowtime.telemetry.diff import DiffReport, DiffRow, diff_capture


def values(*numbers: float) -> str:
    """A model of one series and no topology."""
    return model_text(len(numbers), {"x": list(numbers)})


def compare(folder: Path, model: str, telemetry: str, **tolerance: float) -> DiffReport:
    """Compare one model with the capture of another."""
    a_capture(a_run(folder, telemetry, run_id="measured"), folder / "capture")
    return diff_capture(a_run(folder, model, run_id="model"), read_capture(folder / "capture"), **tolerance)


def row(report: DiffReport) -> DiffRow:
    (found,) = report.rows
    return found


@pytest.mark.parametrize("text", [pytest.param(FLOW, id="flow"), pytest.param(RETRIES, id="retries"),
                                  pytest.param(CLASSES, id="classes"), pytest.param(LIMITED, id="constraints"),
                                  pytest.param(PLAIN, id="no topology, a NaN")])  # fmt: skip
def test_a_run_is_its_own_capture_to_the_bit(tmp_path: Path, text: str) -> None:
    report = compare(tmp_path, text, text, rtol=0.0, atol=0.0)
    assert report.within
    assert (report.only_in_capture, report.only_in_run) == ((), ())
    assert {found.rmse for found in report.rows} == {0.0}
    assert {found.worst_bin for found in report.rows} == {None}


def test_figures_by_hand(tmp_path: Path) -> None:
    found = row(compare(tmp_path, values(1, 2, 3, 4), values(1, 4, 3, 3)))
    assert (found.subject, found.metric, found.series_id) == ("x", "value", "x")
    assert (found.bias, found.rmse) == (-0.25, math.sqrt(5 / 4))
    assert (found.worst_bin, found.worst_difference, found.worst_model, found.worst_telemetry) == (1, -2.0, 2.0, 4.0)
    assert (found.compared, found.missing, found.differing, found.bins) == (4, 0, 2, ((1, 1), (3, 3)))


def test_correlation_is_that_of_numpy(tmp_path: Path) -> None:
    model, telemetry = [1.0, 2.0, 3.0, 7.0], [1.0, 4.0, 3.0, 3.0]
    found = row(compare(tmp_path, values(*model), values(*telemetry)))
    assert found.correlation == pytest.approx(np.corrcoef(model, telemetry)[0, 1], rel=1e-12)


@pytest.mark.parametrize(
    ("model", "telemetry", "expected"),
    [
        pytest.param([1, 2, 3], [10, 20, 30], 1.0, id="in proportion"),
        pytest.param([1, 2, 3], [3, 2, 1], -1.0, id="against"),
        pytest.param([1, 1, 1], [1, 2, 3], None, id="model does not vary"),
        pytest.param([1, 2, 3], [5, 5, 5], None, id="telemetry does not vary"),
        pytest.param([1, math.nan, math.nan], [1, 2, 3], None, id="one bin"),
        pytest.param([1e300, 2e300, 3e300], [1e300, 2e300, 3e300], 1.0, id="large"),
    ],
)
def test_correlation(tmp_path: Path, model: list[float], telemetry: list[float], expected: float | None) -> None:
    found = row(compare(tmp_path, values(*model), values(*telemetry))).correlation
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-12))


@pytest.mark.parametrize(
    ("rtol", "atol", "within"),
    [
        pytest.param(0.0, 0.0, False, id="none"),
        pytest.param(0.0, 0.99, False, id="absolute, too small"),
        pytest.param(0.0, 1.0, True, id="absolute, just enough"),
        pytest.param(0.09, 0.0, False, id="relative, too small"),
        pytest.param(0.1, 0.0, True, id="relative to the telemetry"),
        pytest.param(0.05, 0.5, True, id="both together"),
    ],
)
def test_tolerance(tmp_path: Path, rtol: float, atol: float, within: bool) -> None:
    report = compare(tmp_path, values(11, 10), values(10, 10), rtol=rtol, atol=atol)
    assert (report.within, report.rows[0].within) == (within, within)


@pytest.mark.parametrize("wrong", [-1.0, math.nan])
def test_a_tolerance_that_is_none(tmp_path: Path, wrong: float) -> None:
    with pytest.raises(ParameterError, match="0 or more"):
        compare(tmp_path, values(1), values(1), rtol=wrong)


@pytest.mark.parametrize(
    ("model", "telemetry", "differing", "worst"),
    [
        pytest.param([1, math.nan], [1, math.nan], 0, None, id="NaN is like NaN"),
        pytest.param([9, math.nan], [1, 2], 2, 1, id="NaN for a number is worst"),
        pytest.param([9, 2], [1, math.nan], 2, 1, id="a number for NaN"),
    ],
)
def test_what_is_no_number(
    tmp_path: Path, model: list[float], telemetry: list[float], differing: int, worst: int | None
) -> None:
    found = row(compare(tmp_path, values(*model), values(*telemetry)))
    assert (found.differing, found.worst_bin) == (differing, worst)


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Bundle, Path]:
    """A run and its capture."""
    bundle = a_run(tmp_path)
    a_capture(bundle, tmp_path / "capture")
    return bundle, tmp_path / "capture"


def test_missing_telemetry_is_passed_over(measured: tuple[Bundle, Path]) -> None:
    bundle, folder = measured
    replace_cells(folder, "Desk_arrivals.csv", b"1,DEFAULT,5", b"1,DEFAULT,")
    rewrite(folder, lambda document: document["files"][0].update(points=3))
    report = diff_capture(bundle, read_capture(folder))
    assert report.within
    assert (report.rows[0].missing, report.rows[0].compared) == (1, 3)


@pytest.mark.parametrize(
    ("bins", "unexplained"),
    [pytest.param([[1, 1]], 0, id="there"), pytest.param([[0, 0], [2, 3]], 1, id="elsewhere")],
)
def test_gaps_put_in_on_purpose_explain_their_own_bins(
    measured: tuple[Bundle, Path], bins: list[list[int]], unexplained: int
) -> None:
    bundle, folder = measured
    replace_cells(folder, "Desk_arrivals.csv", b"1,DEFAULT,5", b"1,DEFAULT,0")
    record = {"code": "zero_fill", "kind": "zero_fill", "nodeId": "Desk", "metric": "arrivals", "bins": bins}
    rewrite(folder, lambda document: document["injections"].append(record))
    found = diff_capture(bundle, read_capture(folder)).rows[0]
    assert (found.differing, found.unexplained) == (1, unexplained)


def test_parts_of_one_side_are_named(measured: tuple[Bundle, Path]) -> None:
    bundle, folder = measured

    def move(document: Any) -> None:
        document["files"][0]["nodeId"] = "Elsewhere"

    rewrite(folder, move)
    report = diff_capture(bundle, read_capture(folder))
    assert [(part.subject, part.metric) for part in report.only_in_capture] == [("Elsewhere", "arrivals")]
    assert [(part.subject, part.metric) for part in report.only_in_run] == [("Desk", "arrivals")]
    assert not report.within


def test_what_was_not_measured_is_no_difference(measured: tuple[Bundle, Path]) -> None:
    bundle, folder = measured
    rewrite(folder, lambda document: document.update(files=document["files"][:1]))
    report = diff_capture(bundle, read_capture(folder))
    assert report.within
    assert len(report.only_in_run) > 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(values(1, 2), id="bins"),
        pytest.param(values(1).replace("binSize: 1", "binSize: 2"), id="size"),
        pytest.param(values(1).replace("minutes", "hours"), id="unit"),
        pytest.param(values(1).replace("minutes", 'minutes, start: "2026-01-02T00:00:00Z"'), id="start"),
    ],
)
def test_other_grids_are_not_compared(tmp_path: Path, other: str) -> None:
    text = values(1).replace("minutes", 'minutes, start: "2026-01-01T00:00:00Z"')
    with pytest.raises(TelemetryError) as caught:
        compare(tmp_path, text, other)
    assert caught.value.code == "telemetry.grid_mismatch"


def test_a_start_that_one_side_does_not_know_is_no_difference(tmp_path: Path) -> None:
    text = values(1).replace("minutes", 'minutes, start: "2026-01-01T00:00:00Z"')
    assert compare(tmp_path, text, values(1)).within


def test_the_library_does_the_same(tmp_path: Path) -> None:
    bundle = a_run(tmp_path)
    report = flowtime.capture(bundle.path, tmp_path / "capture")
    assert report.manifest == flowtime.open_capture(tmp_path / "capture").manifest
    assert flowtime.diff(bundle, tmp_path / "capture", rtol=0.0, atol=0.0).within
    assert flowtime.diff(bundle.path, flowtime.open_capture(tmp_path / "capture")).within


@pytest.mark.parametrize(
    "call", [flowtime.open_capture, lambda folder: flowtime.diff(folder.parent / "runs/one", folder)]
)
def test_an_altered_capture_is_not_compared(measured: tuple[Bundle, Path], call: Callable[[Path], object]) -> None:
    (measured[1] / "Desk_arrivals.csv").write_bytes(b"")
    with pytest.raises(CaptureAlteredError, match=r"Desk_arrivals\.csv"):
        call(measured[1])
