"""Many scenarios at once: each is the byte for byte the same as evaluated alone, on any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from enginemodels import compiled, station
from flowtime.engine import CompiledModel, Override, Overrides, Scale, compile_model, evaluate_many
from flowtime.errors import ParameterError
from flowtime.model import parse_model
from optables import canonical
from strategies import Draft, drafts, flow_drafts

NODES = {
    "load": [3.0, 9.0, float("nan"), 2.0, 8.0],
    "rate": 4.0,
    "fail": [1.0, 0.0, 1.0, 0.0, 2.0],
    "free": [5.0, 4.0, 3.0, 2.0, 1.0],
    "slow": "EMA(load, 0.5) + CONV(load, [0, 0.5, 0.25]) - SHIFT(q_queue, 2)",
    "shared": "CUMSUM(free) + PULSE(2, 1, 3) + EMA(free, 0.5)",
    "mixed": "IF(shared > 20, slow, CUMSUM(q_served)) * rate",
}
FLOW = station("arrivals: load, capacity: rate, errors: fail", rest=", initialCondition: {queueDepth: 2}")
OUTPUTS = ("slow", "mixed", "q_queue", "q_served", "q_loss", "Q.utilization", "Q.queueTimeMs", "shared", "load", "rate")
BINS = 5


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    """Feedback, stocks and smoothing, some of it out of reach of the overrides."""
    return compiled(BINS, NODES, FLOW)


def alone(model: CompiledModel, scenarios: Sequence[Overrides], outputs: Sequence[str]) -> bytes:
    """The bytes of each scenario by itself."""
    single = compile_model(model.model, outputs=outputs)
    results = [single.evaluate(scenario) for scenario in scenarios]
    return canonical(np.array([[result[name] for name in outputs] for result in results]))


def together(model: CompiledModel, scenarios: Sequence[Overrides], outputs: Sequence[str], threads: int = 1) -> bytes:
    """The bytes of all scenarios at once."""
    return canonical(evaluate_many(model, scenarios, outputs, threads=threads).values_array)


def ramp(i: int) -> list[float]:
    """A series of scenario ``i``."""
    return [i + t * 0.5 for t in range(BINS)]


WAYS: list[object] = [
    pytest.param(lambda _: {}, id="nothing"),
    pytest.param(lambda i: {"rate": float(i)}, id="number-for-a-number"),
    pytest.param(lambda i: {"load": i / 3.0}, id="number-for-a-series"),
    pytest.param(lambda i: {"rate": Scale(i / 7.0)}, id="factor-for-a-number"),
    pytest.param(lambda i: {"load": Scale(i / 7.0)}, id="factor-for-a-series"),
    pytest.param(lambda i: {"rate": ramp(i)}, id="series-for-a-number"),
    pytest.param(lambda i: {"load": ramp(i)}, id="series-for-a-series"),
    pytest.param(lambda i: {"load": i / 3.0, "rate": Scale(i / 5.0), "fail": ramp(i)}, id="three-ways"),
    pytest.param(
        lambda i: [{"load": 1.5}, {"load": Scale(2.0)}, {"load": ramp(i)}, {}][i % 4], id="another-way-each-time"
    ),
    pytest.param(lambda i: [{"load": Scale(i / 3.0)}, {}][i % 2], id="factor-or-nothing"),
    pytest.param(lambda i: [{"load": i / 3.0}, {}][i % 2], id="number-or-nothing"),
    pytest.param(lambda i: [{"rate": Scale(i / 3.0)}, {"rate": 2.0}, {}][i % 3], id="factor-number-or-nothing"),
    pytest.param(lambda i: {"load": float("nan") if i % 2 else 4.0}, id="gaps"),
    pytest.param(lambda i: {"load": [float("nan"), *ramp(i)[1:]]}, id="series-with-gaps"),
]


@pytest.mark.parametrize("way", WAYS)
def test_scenarios_are_the_same_alone(model: CompiledModel, way: Callable[[int], Overrides]) -> None:
    scenarios = [way(i) for i in range(5)]
    assert together(model, scenarios, OUTPUTS) == alone(model, scenarios, OUTPUTS)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
@pytest.mark.parametrize("way", [WAYS[0], WAYS[7], WAYS[8]])
def test_any_number_of_scenarios(model: CompiledModel, way: Callable[[int], Overrides], count: int) -> None:
    scenarios = [way(i) for i in range(count)]
    assert together(model, scenarios, OUTPUTS) == alone(model, scenarios, OUTPUTS)


@pytest.mark.parametrize("threads", [0, 2, 3, 16])
@pytest.mark.parametrize("way", [WAYS[1], WAYS[7], WAYS[8]])
def test_any_number_of_threads(model: CompiledModel, way: Callable[[int], Overrides], threads: int) -> None:
    scenarios = [way(i) for i in range(300)]
    assert together(model, scenarios, OUTPUTS, threads) == together(model, scenarios, OUTPUTS)


@pytest.mark.parametrize("output", OUTPUTS)
def test_each_output_by_itself(model: CompiledModel, output: str) -> None:
    scenarios: list[Overrides] = [{"load": Scale(0.5)}, {"load": Scale(2.0)}]
    assert together(model, scenarios, [output]) == alone(model, scenarios, [output])


@pytest.mark.parametrize("output", ["free", "shared"])
def test_what_no_override_reaches_is_the_same_for_all(model: CompiledModel, output: str) -> None:
    sweep = evaluate_many(model, [{"load": float(i)} for i in range(70)], [output])
    assert canonical(sweep[output]) == canonical(np.repeat(model.evaluate()[output][None], 70, axis=0))


DISTRIBUTION = {"jobs": "{kind: pmf, pmf: {values: [10, 20, 30], probabilities: [0.5, 0.3, 0.2]}}", "b": "jobs * 2"}


@pytest.mark.parametrize(
    ("override", "expected"),
    [(5.0, 10.0), (Scale(2.0), 68.0), ([1.0, 2.0], [2.0, 4.0])],
    ids=["number", "factor", "series"],
)
def test_distributions_may_vary(override: Override, expected: object) -> None:
    sweep = evaluate_many(compiled(2, DISTRIBUTION), [{"jobs": override}, {}], ["b"])
    assert sweep["b"].tolist() == [np.broadcast_to(expected, 2).tolist(), [34.0, 34.0]]


# Random models


def overrides_of(bins: int) -> st.SearchStrategy[Override]:
    """A number, a factor or a series, with gaps."""
    numbers = st.floats(0.0, 100.0) | st.just(float("nan"))
    series = st.lists(numbers, min_size=bins, max_size=bins)
    return numbers | st.floats(0.0, 4.0).map(Scale) | series


def scenario_lists(model: CompiledModel) -> st.SearchStrategy[list[Overrides]]:
    """A few scenarios, each with overrides of some inputs."""
    one = overrides_of(model.flow.bins)
    scenario = st.fixed_dictionaries({}, optional=dict.fromkeys(model.parameters, one))
    return st.lists(scenario, min_size=1, max_size=4)


@settings(max_examples=120)
@given(drafts() | flow_drafts(), st.data())
def test_scenarios_of_any_model_are_the_same_alone(draft: Draft, data: st.DataObject) -> None:
    note(draft.text())
    model = compile_model(parse_model(draft.text()))
    scenarios = data.draw(scenario_lists(model))
    outputs = [*model.flow.names, *model.flow.metrics]
    assert together(model, scenarios, outputs) == alone(model, scenarios, outputs)


@settings(max_examples=80)
@given(drafts() | flow_drafts(), st.data())
def test_chosen_outputs_of_any_model_are_the_same_alone(draft: Draft, data: st.DataObject) -> None:
    note(draft.text())
    model = compile_model(parse_model(draft.text()))
    scenarios = data.draw(scenario_lists(model))
    known = [*model.flow.names, *model.flow.metrics]
    outputs = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    assert together(model, scenarios, outputs) == alone(model, scenarios, outputs)


# What a sweep gives, and what it refuses


def test_a_sweep_is_a_mapping_of_outputs(model: CompiledModel) -> None:
    sweep = evaluate_many(model, [{}, {"rate": 1.0}, {"rate": 2.0}], ["q_queue", "Q.utilization"])
    assert (list(sweep), sweep.scenarios, sweep["q_queue"].shape) == (["q_queue", "Q.utilization"], 3, (3, BINS))
    assert repr(sweep) == "<Sweep of 3 scenarios x 2 outputs x 5 bins>"
    with pytest.raises(ValueError, match="read-only"):
        sweep["q_queue"][0, 0] = 1.0
    with pytest.raises(KeyError):
        sweep["q_served"]


def test_no_scenarios_give_no_rows(model: CompiledModel) -> None:
    assert evaluate_many(model, [], ["q_queue"])["q_queue"].shape == (0, BINS)


def test_outputs_need_not_be_those_of_the_model() -> None:
    narrow = compiled(BINS, NODES, FLOW, outputs=["slow"])
    sweep = evaluate_many(narrow, [{}], ["q_queue"])
    np.testing.assert_array_equal(sweep["q_queue"][0], compiled(BINS, NODES, FLOW).evaluate()["q_queue"])


@pytest.mark.parametrize(
    ("outputs", "code"),
    [
        pytest.param([], "parameter.value", id="none"),
        pytest.param(["q_queu"], "parameter.unknown_output", id="unknown"),
        pytest.param(["Q.kingmanQueueTimeMs"], "parameter.unknown_output", id="over-the-horizon"),
    ],
)
def test_outputs_that_can_not_be_kept_are_refused(model: CompiledModel, outputs: list[str], code: str) -> None:
    with pytest.raises(ParameterError) as caught:
        evaluate_many(model, [{}], outputs)
    assert caught.value.code == code


def test_a_sweep_that_does_not_fit_is_refused_with_its_size(model: CompiledModel) -> None:
    with pytest.raises(ParameterError, match="this sweep needs 2 MB") as caught:
        evaluate_many(model, [{"rate": 1.0}] * 50_000, ["q_queue"], threads=1, memory_budget_mb=1.5)
    assert caught.value.code == "parameter.memory_budget"
    assert caught.value.hint is not None


def test_a_sweep_that_fits_is_run(model: CompiledModel) -> None:
    sweep = evaluate_many(model, [{"rate": 1.0}] * 50_000, ["q_queue"], threads=1, memory_budget_mb=3)
    assert sweep.scenarios == 50_000
