"""The library's front door: the same answers for a path, a model, a compiled model and a rendered template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import flowtime
from enginemodels import model_text, station
from flowtime.errors import CompileError, ModelError, ParameterError, TemplateError
from flowtime.library import ModelLike
from oracle_laws import as_bytes

TEXT = model_text(3, {"a": [1.0, 2.0, 3.0], "c": 2.0, "b": "a * 2"}, station("arrivals: a, capacity: c"))
SMALL = """\
schemaVersion: 1
metadata: {id: small, title: Small, version: 1.0.0}
window: {start: "2026-01-01T00:00:00Z", timezone: UTC}
parameters:
  - {name: rate, type: number, default: 2, minimum: 0}
grid: {bins: 3, binSize: 1, binUnit: hours}
nodes:
  - {id: a, kind: const, values: [1, 2, 3]}
  - {id: c, kind: const, values: ["${rate}", "${rate}", "${rate}"]}
topology:
  nodes:
    - {id: Q, kind: serviceWithBuffer, semantics: {arrivals: a, capacity: c}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model file."""
    file = tmp_path / "model.yaml"
    file.write_text(TEXT, encoding="utf-8")
    return file


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A folder with one template."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    return folder


WAYS = [
    pytest.param(lambda path: path, id="path"),
    pytest.param(str, id="text-of-a-path"),
    pytest.param(flowtime.load_model, id="loaded"),
    pytest.param(lambda path: flowtime.parse_model(path.read_text()), id="parsed"),
    pytest.param(flowtime.compile, id="compiled"),
]


@pytest.mark.parametrize("way", WAYS)
def test_evaluate_takes_a_model_in_any_form(path: Path, way: Callable[[Path], ModelLike]) -> None:
    result = flowtime.evaluate(way(path), {"c": flowtime.Scale(0.5)})
    assert result["q_queue"].tolist() == [0.0, 1.0, 3.0]
    assert result["b"].tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("way", WAYS)
def test_compile_takes_a_model_in_any_form(path: Path, way: Callable[[Path], ModelLike]) -> None:
    assert list(flowtime.compile(way(path), outputs=["q_served"]).evaluate()) == ["q_served"]
    assert flowtime.compile(way(path)).parameters == ("a", "c")


@pytest.mark.parametrize("way", WAYS)
def test_evaluate_many_takes_a_model_in_any_form(path: Path, way: Callable[[Path], ModelLike]) -> None:
    sweep = flowtime.evaluate_many(way(path), [{}, {"c": 1.0}], ["q_queue", "Q.utilization"])
    assert sweep["q_queue"].tolist() == [[0.0, 0.0, 1.0], [0.0, 1.0, 3.0]]
    assert sweep["Q.utilization"].tolist() == [[0.5, 1.0, 1.0], [1.0, 1.0, 1.0]]


def test_a_compiled_model_is_taken_as_it_is(path: Path) -> None:
    model = flowtime.compile(path)
    assert flowtime.compile(model) is model
    assert flowtime.compile(model, outputs=["b"]) is not model


def test_outputs_of_an_evaluation(path: Path) -> None:
    assert list(flowtime.evaluate(path, outputs=["b", "Q.utilization"])) == ["b", "Q.utilization"]


def test_a_sweep_has_a_budget(path: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        flowtime.evaluate_many(path, [{}] * 1000, ["b"], memory_budget_mb=0.001)
    assert caught.value.code == "parameter.memory_budget"


def test_templates_of_a_folder(templates: Path) -> None:
    small = flowtime.template("small", folder=templates)
    rendered = small.render({"rate": 1})
    assert flowtime.evaluate(rendered)["q_queue"].tolist() == [0.0, 1.0, 3.0]
    assert flowtime.evaluate(small.render())["q_queue"].tolist() == [0.0, 0.0, 1.0]


def test_a_rendered_template_in_every_call(templates: Path) -> None:
    rendered = flowtime.template(templates / "small.yaml").render({"rate": 1})
    sweep = flowtime.evaluate_many(rendered, [{}, {"a": 1.0}], ["q_queue"])
    assert sweep["q_queue"].tolist() == [[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]
    assert as_bytes(flowtime.compile(rendered).evaluate()) == as_bytes(flowtime.evaluate(rendered))


def test_a_shipped_template() -> None:
    rendered = flowtime.template("web-frontend").render()
    series = flowtime.evaluate(rendered)
    assert len(series) > 5
    assert all(np.isfinite(series[name]).any() for name in series)


def test_a_folder_does_not_hide_shipped_templates(templates: Path) -> None:
    assert flowtime.template("web-frontend", folder=templates).id == "web-frontend"


def test_what_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.yaml"):
        flowtime.evaluate(tmp_path / "none.yaml")
    with pytest.raises(TemplateError):
        flowtime.template("no-such-template")
    with pytest.raises(flowtime.FlowtimeError):
        flowtime.open_run(tmp_path / "no-run")


def test_a_loop_is_an_error_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "loop.yaml"
    file.write_text(model_text(2, {"a": "b", "b": "a"}), encoding="utf-8")
    with pytest.raises(CompileError) as caught:
        flowtime.evaluate(file)
    fault = caught.value.faults[0]
    assert (fault.file, fault.line) == (str(file), 4)


def test_names_of_the_package() -> None:
    assert dir(flowtime) == sorted(flowtime.__all__)
    assert [name for name in flowtime.__all__ if not hasattr(flowtime, name)] == []
    with pytest.raises(AttributeError, match="nothing"):
        flowtime.nothing  # noqa: B018


RANDOM = """\
schemaVersion: 1
grid: {bins: 50, binSize: 1, binUnit: hours}
rng: {kind: pcg32, seed: 5}
nodes:
  - {id: calls, kind: pmf, pmf: {values: [0, 40], probabilities: [0.5, 0.5]}}
  - {id: limit, kind: const, values: 30}
traffic:
  arrivals: [{nodeId: mails, pattern: {kind: poisson, ratePerBin: 3}}]
topology:
  nodes:
    - {id: Desk, kind: serviceWithBuffer, semantics: {arrivals: calls, capacity: limit}}
"""


def test_a_seed_draws_what_is_random() -> None:
    model = flowtime.parse_model(RANDOM)
    expected, drawn, again, other = (flowtime.evaluate(model, seed=seed) for seed in (None, 7, 7, 8))
    assert (set(expected["calls"]), set(expected["mails"])) == ({20.0}, {3.0})
    assert (set(drawn["calls"]), drawn["mails"].std() > 1.0) == ({0.0, 40.0}, True)
    assert as_bytes(drawn) == as_bytes(again)
    assert drawn["calls"].tolist() != other["calls"].tolist()


def test_a_seed_draws_from_a_compiled_model_too() -> None:
    compiled = flowtime.compile(flowtime.parse_model(RANDOM))
    assert set(flowtime.evaluate(compiled, seed=7, outputs=["calls"])["calls"]) == {0.0, 40.0}


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_is_one_that_a_run_can_record(seed: int) -> None:
    with pytest.raises(ParameterError, match="the seed must be"):
        flowtime.evaluate(flowtime.parse_model(RANDOM), seed=seed)
