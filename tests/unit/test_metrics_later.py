"""Derived metrics are lowered and planned when somebody asks, and nobody sees that they were not there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enginemodels import compiled, station
from flowtime.engine import CompiledModel, Result, compile_model, evaluate_many
from flowtime.model import parse_model
from oracle_laws import as_bytes
from strategies import Draft, drafts

NODES = {"load": [4.0, 9.0, 2.0, 0.0], "rate": 3.0, "cost": [10.0, 20.0, 30.0, 40.0]}
FLOW = station("arrivals: load, capacity: rate, parallelism: 2, processingTimeMsSum: cost, servedCount: load")


@pytest.fixture
def model() -> CompiledModel:
    return compiled(4, NODES, FLOW)


def has_metrics(model: CompiledModel) -> bool:
    """Whether plans of a model have operations of metrics."""
    return any(stage.is_metric for stage in model.plan.stages)


def metrics_of(result: Result) -> dict[str, dict[str, bytes]]:
    """The bytes of all metrics of a result, by node."""
    return {node: as_bytes(metrics) for node, metrics in result.metrics.items()}


def test_a_plan_has_no_metrics_before_somebody_asks(model: CompiledModel) -> None:
    result = model.evaluate()
    assert not has_metrics(model)
    assert result.metrics["Q"]["utilization"].tolist() == [4.0 / 6.0, 1.0, 5.0 / 6.0, 0.0]
    assert has_metrics(model)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda result: list(result.metrics), id="nodes"),
        pytest.param(lambda result: list(result.metrics["Q"]), id="names"),
        pytest.param(lambda result: len(result.compiled.flow.metrics), id="all-names"),
        pytest.param(lambda result: result.describe("load"), id="description"),
    ],
)
def test_names_need_no_plan_of_metrics(model: CompiledModel, ask: Callable[[Result], object]) -> None:
    assert ask(model.evaluate())
    assert not has_metrics(model)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({}, id="none"),
        pytest.param({"load": 5.0}, id="number-for-a-series"),
        pytest.param({"rate": 2.0}, id="number-for-a-number"),
        pytest.param({"rate": [1.0, 2.0, 0.0, 7.0], "load": [1.0, 2.0, 3.0, 4.0]}, id="series"),
    ],
)
@pytest.mark.parametrize("block", [None, 3])
def test_a_result_of_before_has_the_same_metrics(model: CompiledModel, overrides: dict[str, float], block: int) -> None:
    before = model.evaluate(overrides, block_bins=block)
    series = as_bytes(before)
    later = metrics_of(before)
    assert has_metrics(model)
    assert metrics_of(model.evaluate(overrides, block_bins=block)) == later
    assert as_bytes(before) == series


def test_arrays_of_before_stay_as_they_are(model: CompiledModel) -> None:
    result = model.evaluate()
    depth = result["q_queue"]
    given = depth.tolist()
    result.need_metrics()
    assert depth.tolist() == result["q_queue"].tolist() == given


def test_a_workspace_goes_on_when_somebody_asks(model: CompiledModel) -> None:
    workspace = model.workspace()
    workspace.evaluate({"load": 100.0}).need_metrics()
    again = workspace.evaluate({"rate": 1.0})
    expected = compiled(4, NODES, FLOW).evaluate({"rate": 1.0})
    assert (as_bytes(again), metrics_of(again)) == (as_bytes(expected), metrics_of(expected))


def test_metrics_are_not_computed_twice(model: CompiledModel) -> None:
    model.evaluate().need_metrics()
    result = model.evaluate()
    depth = result["q_queue"]
    result.need_metrics()
    assert result["q_queue"].base is depth.base


def test_metrics_that_are_wanted_from_the_start_move_nothing(model: CompiledModel) -> None:
    later = model.evaluate()
    expected = metrics_of(later)
    result = compiled(4, NODES, FLOW).evaluate(with_metrics=True)
    depth = result["q_queue"]
    assert (as_bytes(result), metrics_of(result)) == (as_bytes(later), expected)
    assert result["q_queue"].base is depth.base


def test_chosen_outputs_have_their_metrics_in_the_plan() -> None:
    chosen = compiled(4, NODES, FLOW, outputs=["Q.utilization", "load"])
    series = compiled(4, NODES, FLOW, outputs=["load"])
    assert (has_metrics(chosen), has_metrics(series)) == (True, False)
    series.evaluate().need_metrics()
    assert not has_metrics(series)


def test_many_threads_ask_different_results_for_the_first_time(model: CompiledModel) -> None:
    results = [model.evaluate({"load": float(i)}) for i in range(32)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(metrics_of, results))
    fresh = compiled(4, NODES, FLOW)
    assert answers == [metrics_of(fresh.evaluate({"load": float(i)})) for i in range(32)]


@settings(max_examples=40)
@given(drafts(), st.sampled_from((None, 1, 3)))
def test_metrics_of_any_model_do_not_depend_on_when(draft: Draft, block: int | None) -> None:
    early, late = (compile_model(parse_model(draft.text())) for _ in range(2))
    early.plan_with_metrics()
    first, second = (model.evaluate(block_bins=block) for model in (early, late))
    assert as_bytes(first) == as_bytes(second)
    assert metrics_of(first) == metrics_of(second)


def test_a_sweep_of_series_lowers_no_metric(model: CompiledModel) -> None:
    alone = evaluate_many(model, [{"rate": 1.0}, {}], ["q_queue"])["q_queue"]
    both = evaluate_many(model, [{"rate": 1.0}, {}], ["Q.utilization", "q_queue"])["q_queue"]
    assert alone.tolist() == both.tolist()
    assert not has_metrics(model)
