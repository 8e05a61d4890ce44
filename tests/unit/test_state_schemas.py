"""Answers about runs satisfy their published schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from flowtime.orchestration.schemas import schema_texts
from flowtime.state import OpenRun, encode_answer, read_graph, read_metrics, read_state, read_window
from flowtime.state.documents import Answer
from statefakes import WINDOW_MODEL, written, written_template

TEXTS = schema_texts()


@pytest.fixture(scope="module", params=["", "multi-class-support", "shared-database", "warehouse-waves"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OpenRun:
    """A small run, and those of templates with classes, constraints and gates."""
    folder: Path = tmp_path_factory.mktemp("runs")
    return written_template(folder, request.param) if request.param else written(folder, WINDOW_MODEL)


@pytest.mark.parametrize(
    ("schema", "ask"),
    [
        pytest.param("state", lambda run: read_state(run, 3), id="state"),
        pytest.param("window", read_window, id="window"),
        pytest.param("window", lambda run: read_window(run, resolution=3, mode="full"), id="window of points"),
        pytest.param("graph", lambda run: read_graph(run, mode="full"), id="graph"),
        pytest.param("metrics", read_metrics, id="metrics"),
    ],
)
def test_an_answer_satisfies_its_schema(run: OpenRun, schema: str, ask: Callable[[OpenRun], Answer]) -> None:
    checker = jsonschema.Draft202012Validator(json.loads(TEXTS[f"{schema}.schema.json"]))
    assert list(checker.iter_errors(json.loads(encode_answer(ask(run))))) == []


def test_a_schema_refuses_what_it_does_not_know(run: OpenRun) -> None:
    checker = jsonschema.Draft202012Validator(json.loads(TEXTS["metrics.schema.json"]))
    answer = json.loads(encode_answer(read_metrics(run)))
    assert not checker.is_valid(answer | {"services": "none"})
    assert not checker.is_valid(answer | {"unheard": 1})
