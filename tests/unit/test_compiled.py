"""A compiled model: what it gives, in which order, read-only, from many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from enginemodels import compiled, station
from flowtime.engine import CompiledModel
from flowtime.errors import CompileError, ParameterError
from oracle_laws import as_bytes

FLOW = station("arrivals: load, capacity: rate, errors: fail", rest=", initialCondition: {queueDepth: 2}")
NODES = {"load": [3.0, 9.0, 0.0, 2.0], "rate": 4.0, "fail": 1.0, "half": "load / 2 + SHIFT(q_queue, 1)"}


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    """A queue with loss and an expression."""
    return compiled(4, NODES, FLOW)


def test_series_in_the_order_of_the_model(model: CompiledModel) -> None:
    result = model.evaluate()
    assert list(result) == ["load", "rate", "fail", "half", "q_queue", "q_served", "q_loss"]
    assert len(result) == 7
    assert "half" in result
    assert "nothing" not in result


def test_series_worked_out_by_hand(model: CompiledModel) -> None:
    result = model.evaluate()
    assert result["q_queue"].tolist() == [0.0, 4.0, 0.0, 0.0]
    assert result["q_served"].tolist() == [4.0, 4.0, 3.0, 1.0]
    assert result["q_loss"].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert result["half"].tolist() == [3.5, 4.5, 4.0, 1.0]


@pytest.mark.parametrize(
    "name", [pytest.param("load", id="input"), pytest.param("rate", id="number"), pytest.param("half", id="computed")]
)
def test_series_are_read_only_vectors_of_all_bins(model: CompiledModel, name: str) -> None:
    values = model.evaluate()[name]
    assert (values.dtype, values.shape) == (np.float64, (4,))
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1.0


def test_a_series_that_is_not_there_is_named(model: CompiledModel) -> None:
    result = model.evaluate()
    with pytest.raises(KeyError, match="half"):
        result["hlaf"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("load", ("const", "entities/bin", "Q", "arrivals", False), id="input"),
        pytest.param("half", ("expr", "unspecified", None, None, False), id="expression"),
        pytest.param("q_queue", ("queue", "entities", "Q", "queueDepth", True), id="queue"),
        pytest.param("q_served", ("served", "entities/bin", "Q", "served", True), id="served"),
        pytest.param("q_loss", ("loss", "entities/bin", "Q", "loss", True), id="loss"),
    ],
)
def test_series_are_described(model: CompiledModel, name: str, expected: tuple[object, ...]) -> None:
    assert model.evaluate().describe(name) == (name, *expected, None)


def test_description_of_nothing_is_refused(model: CompiledModel) -> None:
    with pytest.raises(ParameterError) as caught:
        model.evaluate().describe("nothing")
    assert caught.value.code == "parameter.unknown_output"


def test_outputs_may_be_metrics() -> None:
    result = compiled(4, NODES, FLOW, outputs=["Q.utilization", "half"]).evaluate()
    assert list(result) == ["Q.utilization", "half"]
    assert result["Q.utilization"].tolist() == [1.0, 1.0, 0.75, 0.25]


def test_outputs_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ParameterError) as caught:
        compiled(4, NODES, FLOW, outputs=["half", "q_queu"])
    assert (caught.value.code, caught.value.hint) == ("parameter.unknown_output", "did you mean q_queue?")


def test_metrics_are_there_only_where_all_was_kept() -> None:
    result = compiled(4, NODES, FLOW, outputs=["half"]).evaluate()
    with pytest.raises(ParameterError) as caught:
        result.metrics["Q"]["utilization"]
    assert caught.value.code == "parameter.unknown_output"


@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 10_000])
def test_size_of_blocks_changes_no_byte(model: CompiledModel, block: int) -> None:
    assert as_bytes(model.evaluate(block_bins=block)) == as_bytes(model.evaluate())


@pytest.mark.parametrize("block", [0, -1])
def test_size_of_blocks_is_positive(model: CompiledModel, block: int) -> None:
    with pytest.raises(ParameterError) as caught:
        model.evaluate(block_bins=block)
    assert caught.value.code == "parameter.value"


def test_metrics_do_not_depend_on_blocks(model: CompiledModel) -> None:
    small, whole = model.evaluate(block_bins=1).metrics["Q"], model.evaluate().metrics["Q"]
    assert as_bytes(small) == as_bytes(whole)


def test_results_stand_alone(model: CompiledModel) -> None:
    first, second = model.evaluate({"load": 1.0}), model.evaluate({"load": 2.0})
    assert first["load"].tolist() == [1.0] * 4
    assert not np.shares_memory(first["half"], second["half"])
    assert first != second
    assert len({first, second}) == 2


def test_text_of_a_result(model: CompiledModel) -> None:
    assert repr(model.evaluate()) == "<Result of 7 series x 4 bins of 1 minutes>"


@pytest.mark.parametrize(
    ("flow", "word"),
    [
        pytest.param("arrivals: load, served: 'file:x.csv'", "a file bound here", id="file"),
        pytest.param("arrivals: load, served: 'file://telemetry/x.csv'", "a file bound here", id="telemetry"),
    ],
)
def test_what_no_evaluation_can_follow_is_refused_by_name(flow: str, word: str) -> None:
    with pytest.raises(CompileError, match=word) as caught:
        compiled(4, NODES, station(flow))
    assert {fault.code for fault in caught.value.faults} == {"compile.unsupported"}


def test_many_threads_evaluate_one_model(model: CompiledModel) -> None:
    overrides = [{"load": float(i), "rate": [i / 3.0] * 4 if i % 2 else i / 2.0} for i in range(200)]
    expected = [as_bytes(model.evaluate(given)) for given in overrides]
    fresh = compiled(4, NODES, FLOW)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda given: as_bytes(fresh.evaluate(given)), overrides))
    assert results == expected


def test_many_threads_ask_one_result_for_its_metrics(model: CompiledModel) -> None:
    result = model.evaluate()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: as_bytes(result.metrics["Q"]), range(64)))
    assert answers == [as_bytes(model.evaluate().metrics["Q"])] * 64
