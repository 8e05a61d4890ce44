"""What a run may not lack: a simulation fails fast, a telemetry run warns."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from capturefakes import RETRIES
from enginemodels import model_text, station
from flowtime.errors import ModelError, exit_status
from flowtime.model import parse_model
from flowtime.orchestration.mode_rules import SOURCED_METRICS, NodeSource, check_mode, check_sources
from replayfakes import publish

QUEUE = model_text(3, {"demand": [1.0, 2.0, 3.0], "limit": 2.0}, station("arrivals: demand, capacity: limit"))
WITH_GAP = QUEUE.replace("[1.0, 2.0, 3.0]", "[1.0, .nan, 3.0]")
FINE = np.ones(3)
ODD = np.array([1.0, nan, inf])
BINS = {"queue": 3, "retries": 4}


@pytest.mark.parametrize(
    ("text", "series", "metric"),
    [
        pytest.param(QUEUE, "demand", "arrivals", id="arrivals"),
        pytest.param(QUEUE, "q_served", "served", id="served"),
        pytest.param(QUEUE, "q_queue", "queueDepth", id="queue"),
        pytest.param(RETRIES, "arrived", "attempts", id="attempts"),
        pytest.param(RETRIES, "failed", "failures", id="failures"),
        pytest.param(RETRIES, "again", "retryEcho", id="retry echo"),
    ],
)
def test_gaps_and_infinities_fail_a_simulation_and_are_told_of_telemetry(text: str, series: str, metric: str) -> None:
    model = parse_model(text)
    values = dict.fromkeys(model.names.names, FINE) | {series: ODD}
    (warning,) = check_mode("telemetry", model, values)
    assert (warning.code, warning.severity, warning.bins, warning.bin_count) == (
        "telemetry_series_invalid",
        "warning",
        ((1, 2),),
        2,
    )
    with pytest.raises(ModelError) as caught:
        check_mode("simulation", model, values)
    (fault,) = caught.value.faults
    assert (fault.code, fault.path) == ("model.mode_validation_failed", f"$.topology.nodes[0].semantics.{metric}")


@pytest.mark.parametrize("mode", ["simulation", "telemetry"])
def test_a_node_without_any_number_fails_both_modes(mode: str) -> None:
    model = parse_model(QUEUE)
    nothing = np.full(3, nan)
    with pytest.raises(ModelError) as caught:
        check_mode(mode, model, {"demand": nothing, "q_served": nothing, "q_queue": nothing})  # type: ignore[arg-type]
    assert caught.value.code == "model.missing_node_data"
    assert exit_status(caught.value.code) == 1


@pytest.mark.parametrize("mode", ["simulation", "telemetry"])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"demand": FINE, "q_served": FINE, "q_queue": FINE}, id="all is there"),
        pytest.param({"demand": FINE, "limit": ODD}, id="a capacity may be infinite"),
        pytest.param({}, id="what is not asked for"),
    ],
)
def test_what_is_fine_is_passed_over(mode: str, values: dict[str, np.ndarray]) -> None:
    assert check_mode(mode, parse_model(QUEUE), values) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(QUEUE.replace("arrivals: demand, ", ""), "model.missing_arrivals", id="arrivals"),
        pytest.param(QUEUE.replace(", capacity: limit", ""), "model.missing_served", id="served"),
        pytest.param(QUEUE.replace("[1.0, 2.0, 3.0]", "[1.0]"), "model.length_mismatch", id="length"),
    ],
)
def test_what_both_modes_need_is_asked_by_the_model(text: str, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert code in {fault.code for fault in caught.value.faults}


def test_a_simulation_that_fails_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no finite number in 1 of 3 bins"):
        publish(tmp_path, parse_model(WITH_GAP), "one")
    assert not (tmp_path / "runs" / "one").exists()


def test_a_run_that_takes_nothing_from_telemetry_says_so() -> None:
    (warning,) = check_sources((), is_fed=False)
    assert (warning.code, warning.severity, warning.node_id) == ("telemetry_sources_missing", "warning", None)


@pytest.mark.parametrize("metric", SOURCED_METRICS)
def test_an_input_that_was_not_measured_is_told_of_its_node(metric: str) -> None:
    sources = (NodeSource("A", metric, False), NodeSource("A", "errors", True), NodeSource("B", metric, True))
    (warning,) = check_sources(sources, is_fed=True)
    assert (warning.code, warning.node_id) == ("telemetry_sources_unresolved", "A")
    assert metric in warning.message


@pytest.mark.parametrize("metric", ["slaMin", "retryBudget", "processingTimeMsSum"])
def test_what_telemetry_does_not_measure_is_not_missed(metric: str) -> None:
    assert check_sources((NodeSource("A", metric, False),), is_fed=True) == ()
