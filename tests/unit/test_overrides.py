"""What-if values: what is taken, what is refused, and by which code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from enginemodels import compiled, station
from flowtime.engine import CompiledModel, Override, Scale, evaluate_many
from flowtime.errors import ParameterError

NODES = {
    "load": [1.0, 2.0, 4.0],
    "rate": 3.0,
    "jobs": "{kind: pmf, pmf: {values: [10, 20, 30], probabilities: [0.5, 0.3, 0.2]}}",
    "sum": "load + rate * 100 + jobs * 10000",
}


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    """Three inputs, of which each shows in digits of its own."""
    return compiled(3, NODES)


def test_parameters_are_the_inputs(model: CompiledModel) -> None:
    assert model.parameters == ("load", "rate", "jobs")


TAKEN = [
    pytest.param({}, [170301, 170302, 170304], id="none"),
    pytest.param({"load": 7.0}, [170307, 170307, 170307], id="number-for-a-series"),
    pytest.param({"load": 7}, [170307, 170307, 170307], id="integer"),
    pytest.param({"load": np.float32(7)}, [170307, 170307, 170307], id="numpy-number"),
    pytest.param({"load": Scale(2.0)}, [170302, 170304, 170308], id="factor-for-a-series"),
    pytest.param({"load": Scale(0)}, [170300, 170300, 170300], id="factor-0"),
    pytest.param({"load": [5, 6, 7]}, [170305, 170306, 170307], id="list-for-a-series"),
    pytest.param({"load": np.array([5.0, 6.0, 7.0])[::-1]}, [170307, 170306, 170305], id="view-for-a-series"),
    pytest.param({"rate": 4.0}, [170401, 170402, 170404], id="number-for-a-number"),
    pytest.param({"rate": Scale(3.0)}, [170901, 170902, 170904], id="factor-for-a-number"),
    pytest.param({"rate": (1, 2, 3)}, [170101, 170202, 170304], id="series-for-a-number"),
    pytest.param({"jobs": 11.0}, [110301, 110302, 110304], id="number-for-a-distribution"),
    pytest.param({"jobs": Scale(2.0)}, [340301, 340302, 340304], id="factor-for-a-distribution"),
    pytest.param({"jobs": [1, 2, 3]}, [10301, 20302, 30304], id="series-for-a-distribution"),
    pytest.param({"load": 7.0, "rate": [1, 2, 3]}, [170107, 170207, 170307], id="two"),
    pytest.param({"load": math.nan}, [math.nan] * 3, id="missing"),
    pytest.param({"load": [1, None, 4]}, [170301, math.nan, 170304], id="none-is-a-gap"),
    pytest.param({"load": [1, math.nan, 4]}, [170301, math.nan, 170304], id="gap"),
]
REFUSED = [
    pytest.param({"laod": 1.0}, "parameter.unknown", id="no-such-name"),
    pytest.param({"sum": 1.0}, "parameter.unknown", id="not-an-input"),
    pytest.param({"load": [1.0, 2.0]}, "parameter.shape", id="too-short"),
    pytest.param({"load": [1.0, 2.0, 3.0, 4.0]}, "parameter.shape", id="too-long"),
    pytest.param({"rate": [[1.0, 2.0, 3.0]]}, "parameter.shape", id="two-dimensions"),
    pytest.param({"load": np.array(1.0)}, "parameter.shape", id="no-dimension"),
    pytest.param({"load": math.inf}, "parameter.value", id="infinite"),
    pytest.param({"load": [1.0, -math.inf, 2.0]}, "parameter.value", id="infinite-in-a-series"),
    pytest.param({"load": Scale(math.inf)}, "parameter.value", id="infinite-factor"),
    pytest.param({"load": Scale("2")}, "parameter.value", id="text-factor"),  # type: ignore[arg-type]
    pytest.param({"load": Scale(True)}, "parameter.value", id="truth-factor"),
    pytest.param({"load": "3"}, "parameter.value", id="text"),
    pytest.param({"load": ["a", "b", "c"]}, "parameter.value", id="texts"),
    pytest.param({"load": None}, "parameter.value", id="nothing"),
    pytest.param({"load": True}, "parameter.value", id="truth"),
    pytest.param({"load": ["1", "2", "3"]}, "parameter.value", id="texts-of-numbers"),
    pytest.param({"load": [True, False, True]}, "parameter.value", id="truths"),
    pytest.param({"load": [[1.0], [2.0, 3.0], 4.0]}, "parameter.value", id="ragged"),
    pytest.param({"load": [1, 2, 3 + 1j]}, "parameter.value", id="complex"),
]


@pytest.mark.parametrize(("overrides", "expected"), TAKEN)
def test_override_is_taken(model: CompiledModel, overrides: dict[str, Override], expected: list[float]) -> None:
    np.testing.assert_array_equal(model.evaluate(overrides)["sum"], expected)


@pytest.mark.parametrize(("overrides", "expected"), TAKEN)
def test_override_is_taken_by_a_sweep(
    model: CompiledModel, overrides: dict[str, Override], expected: list[float]
) -> None:
    np.testing.assert_array_equal(evaluate_many(model, [overrides], ["sum"])["sum"], [expected])


@pytest.mark.parametrize(("overrides", "code"), REFUSED)
def test_override_is_refused(model: CompiledModel, overrides: dict[str, Override], code: str) -> None:
    with pytest.raises(ParameterError) as caught:
        model.evaluate(overrides)
    assert caught.value.code == code


@pytest.mark.parametrize(("overrides", "code"), REFUSED)
def test_override_is_refused_by_a_sweep(model: CompiledModel, overrides: dict[str, Override], code: str) -> None:
    with pytest.raises(ParameterError) as caught:
        evaluate_many(model, [{}, overrides], ["sum"])
    assert caught.value.code == code


def test_a_wrong_name_has_its_neighbours_named(model: CompiledModel) -> None:
    with pytest.raises(ParameterError, match="'laod'") as caught:
        model.evaluate({"laod": 1.0})
    assert caught.value.hint == "did you mean load?"


def test_the_model_keeps_its_inputs() -> None:
    model = compiled(3, NODES)
    given = np.array([5.0, 6.0, 7.0])
    model.evaluate({"load": given, "rate": 9.0})
    assert model.evaluate()["sum"].tolist() == [170301, 170302, 170304]
    assert given.tolist() == [5.0, 6.0, 7.0]


def test_an_override_that_no_output_needs_is_checked_and_left_out() -> None:
    model = compiled(2, {"a": 1.0, "b": [1.0, 2.0], "c": "a + 1", "d": "b + 1"}, outputs=["c"])
    assert model.evaluate({"b": [7.0, 8.0]})["c"].tolist() == [2.0, 2.0]
    assert model.evaluate({"b": 7.0, "a": [1.0, 5.0]})["c"].tolist() == [2.0, 6.0]


def test_an_override_reaches_the_metrics() -> None:
    model = compiled(2, {"a": 4.0, "c": 8.0}, station("arrivals: a, capacity: c"))
    assert model.evaluate({"c": Scale(0.5)}).metrics["Q"]["utilization"].tolist() == [1.0, 1.0]
    assert model.evaluate().metrics["Q"]["utilization"].tolist() == [0.5, 0.5]
