"""A buffer that is used again and again: nothing of one evaluation may show in the next."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from enginemodels import compiled, station
from flowtime.engine import Override, Scale, compile_model
from flowtime.errors import ParameterError
from flowtime.model import parse_model
from oracle_laws import as_bytes
from strategies import Draft, drafts

NODES = {"load": [3.0, 9.0, 0.0, 2.0], "rate": 4.0, "half": "load / 2 + SHIFT(q_queue, 1) + rate"}
FLOW = station("arrivals: load, capacity: rate")

CHANGES: list[object] = [
    pytest.param([{"load": 7.0}, {}], id="number-for-a-series"),
    pytest.param([{"load": Scale(3.0)}, {}], id="factor-for-a-series"),
    pytest.param([{"load": [1.0, 2.0, 3.0, 4.0]}, {}], id="series-for-a-series"),
    pytest.param([{"rate": 1.0}, {}], id="number-for-a-number"),
    pytest.param([{"rate": Scale(3.0)}, {}], id="factor-for-a-number"),
    pytest.param([{"rate": [1.0, 2.0, 3.0, 4.0]}, {}], id="series-for-a-number"),
    pytest.param([{"rate": [1.0, 2.0, 3.0, 4.0]}, {"rate": 1.0}, {}], id="series-then-number"),
    pytest.param([{"rate": 1.0}, {"rate": [1.0, 2.0, 3.0, 4.0]}, {"load": 5.0}, {}], id="number-then-series"),
    pytest.param([{"load": Scale(3.0)}, {"load": Scale(3.0)}, {"load": Scale(0.5)}], id="factors-do-not-pile-up"),
    pytest.param([{"load": 1.0, "rate": 2.0}, {"rate": 3.0}, {"load": 2.0}], id="one-after-the-other"),
    pytest.param(
        [{"load": 1.0, "rate": [1.0, 2.0, 3.0, 4.0]}, {"rate": 3.0}, {"rate": [4.0, 3.0, 2.0, 1.0]}], id="two-plans"
    ),
]


@pytest.mark.parametrize("changes", CHANGES)
def test_each_evaluation_is_as_if_alone(changes: list[dict[str, Override]]) -> None:
    model = compiled(4, NODES, FLOW)
    workspace = model.workspace()
    again = [as_bytes(workspace.evaluate(overrides)) for overrides in changes]
    assert again == [as_bytes(model.evaluate(overrides)) for overrides in changes]


@given(drafts(), st.lists(st.sampled_from(("none", "number", "factor", "series")), min_size=2, max_size=5))
def test_each_evaluation_is_as_if_alone_on_any_model(draft: Draft, ways: list[str]) -> None:
    note(draft.text())
    values: dict[str, dict[str, Override]] = {
        "none": {},
        "number": {"c0": 2.5},
        "factor": {"c0": Scale(0.5)},
        "series": {"c0": np.arange(draft.bins) * 1.5},
    }
    model = compile_model(parse_model(draft.text()))
    workspace = model.workspace()
    again = [as_bytes(workspace.evaluate(values[way])) for way in ways]
    assert again == [as_bytes(model.evaluate(values[way])) for way in ways]


def test_metrics_are_those_of_the_last_evaluation() -> None:
    model = compiled(4, NODES, FLOW)
    workspace = model.workspace()
    assert workspace.evaluate({"rate": 20.0}).metrics["Q"]["utilization"].tolist() == [0.15, 0.45, 0.0, 0.1]
    assert as_bytes(workspace.evaluate().metrics["Q"]) == as_bytes(model.evaluate().metrics["Q"])


def test_the_buffer_is_the_same() -> None:
    workspace = compiled(4, NODES, FLOW).workspace()
    first, second = workspace.evaluate({"load": 1.0}), workspace.evaluate({"load": 2.0})
    assert np.shares_memory(first["half"], second["half"])


def test_a_refused_override_leaves_it_usable() -> None:
    model = compiled(4, NODES, FLOW)
    workspace = model.workspace()
    workspace.evaluate({"load": 1.0})
    with pytest.raises(ParameterError):
        workspace.evaluate({"load": [1.0]})
    assert as_bytes(workspace.evaluate()) == as_bytes(model.evaluate())


def test_two_threads_in_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compiled(4, NODES, FLOW)
    workspace = model.workspace()
    inside, leave = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        inside.set()
        leave.wait(10)

    with monkeypatch.context() as patch:
        patch.setattr(model, "_run", wait)
        other = threading.Thread(target=workspace.evaluate)
        other.start()
        inside.wait(10)
        with pytest.raises(ParameterError) as caught:
            workspace.evaluate()
        leave.set()
        other.join()
    assert caught.value.code == "parameter.workspace_busy"
    assert as_bytes(workspace.evaluate()) == as_bytes(model.evaluate())
