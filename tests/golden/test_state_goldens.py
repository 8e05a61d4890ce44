"""Answers about runs of shipped templates: a change that nobody meant shows here first.

``python tests/golden/rewrite_state.py`` writes them anew.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowtime.cli import main
from flowtime.state import open_run_state


def rewriter() -> ModuleType:
    """The script beside this file."""
    spec = importlib.util.spec_from_file_location("golden_state", Path(__file__).parent / "rewrite_state.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REWRITE = rewriter()


@pytest.fixture(scope="module", params=REWRITE.TEMPLATES)
def template_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(template_id: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = REWRITE.answers(template_id, tmp_path_factory.mktemp(template_id))
    return found


def differences(expected: Any, actual: Any, place: str = "$") -> list[str]:
    """Where two answers differ; numbers by more than the last of their six decimals."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = [*expected, *(key for key in actual if key not in expected)]
        return [x for k in keys for x in differences(expected.get(k, "none"), actual.get(k, "none"), f"{place}.{k}")]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [found for index, pair in pairs for found in differences(*pair, f"{place}[{index}]")]
    if isinstance(expected, float | int) and isinstance(actual, float | int):
        return [] if abs(expected - actual) <= 2e-6 + 1e-9 * abs(expected) else [f"{place}: {actual}, not {expected}"]
    return [] if expected == actual else [f"{place}: {actual!r}, not {expected!r}"]


@pytest.mark.parametrize("name", REWRITE.ANSWERS)
def test_answer_is_as_before(made: dict[str, dict[str, Any]], template_id: str, name: str) -> None:
    expected = json.loads((REWRITE.FOLDER / template_id / f"{name}.json").read_text(encoding="utf-8"))
    assert differences(expected, made[name])[:8] == []


@pytest.mark.parametrize("name", REWRITE.ANSWERS)
def test_file_is_what_the_command_writes(template_id: str, name: str) -> None:
    text = (REWRITE.FOLDER / template_id / f"{name}.json").read_text(encoding="utf-8")
    assert REWRITE.as_text(json.loads(text)) == text


@pytest.fixture(scope="module")
def replayed(template_id: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The answers about the replay of a capture of the run."""
    folder = tmp_path_factory.mktemp(f"{template_id}-replay")
    capture, runs = str(folder / "capture"), folder / "runs"
    main(["run", "--template-id", template_id, "--out", str(runs), "--run-id", "original", "--json"])
    main(["telemetry", "capture", "--run-dir", str(runs / "original"), "--output", capture, "--json"])
    words = ["run", "--template-id", template_id, "--mode", "telemetry", "--capture-dir", capture]
    main([*words, "--out", str(runs), "--run-id", template_id, "--json"])
    found: dict[str, dict[str, Any]] = REWRITE.look(open_run_state(runs / template_id), template_id)
    return found


@pytest.mark.parametrize("name", ["state", "window"])
def test_replay_says_the_same_and_names_its_sources(
    replayed: dict[str, dict[str, Any]], template_id: str, name: str
) -> None:
    expected = json.loads((REWRITE.FOLDER / template_id / f"{name}.json").read_text(encoding="utf-8"))
    apart = differences(expected, replayed[name])
    told = {re.sub(r"\[[0-9]+\]", "[]", place.partition(":")[0]) for place in apart}
    assert told == {"$.metadata.mode", "$.metadata.telemetrySourcesResolved", "$.nodes[].telemetry.sources"}


def test_a_difference_is_told_by_its_place() -> None:
    before, now = {"a": [1.0, {"b": None}], "c": 1}, {"a": [1.0, {"b": 2.0}], "d": 1}
    found = differences(before, now)
    assert found == ["$.a[1].b: 2.0, not None", "$.c: 'none', not 1", "$.d: 1, not 'none'"]
