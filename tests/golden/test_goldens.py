"""Small models with their results: a change that nobody meant shows here first.

``python tests/golden/rewrite.py`` writes them anew.
"""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from flowtime.model import load_model
from oracle import evaluate_model, first_difference

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/model.yaml"))


def rewriter() -> ModuleType:
    """The script beside this file."""
    spec = importlib.util.spec_from_file_location("golden_rewrite", HERE / "rewrite.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REWRITE = rewriter()


def expected(folder: Path) -> dict[str, list[float]]:
    """What is on file, null read as NaN."""
    rows = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return {name: [math.nan if value is None else value for value in values] for name, values in rows.items()}


def test_there_are_goldens() -> None:
    assert len(FOLDERS) >= 6


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_result_is_as_before(folder: Path) -> None:
    # Other machines may differ in the last digit of exp, log and powers.
    difference = first_difference(expected(folder), REWRITE.results(folder), rtol=1e-12, atol=0.0)
    assert difference is None, f"{folder.name}: {difference}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_file_holds_every_series_and_metric(folder: Path) -> None:
    assert list(expected(folder)) == list(REWRITE.results(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_file_is_what_the_command_writes(folder: Path) -> None:
    rows = {name: np.array(values) for name, values in expected(folder).items()}
    assert REWRITE.as_text(rows) == (folder / "expected.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_series_on_file_are_those_of_the_oracle(folder: Path) -> None:
    series = evaluate_model(load_model(folder / "model.yaml"))
    assert first_difference(series, expected(folder)) is None


def test_a_difference_names_the_first_bin_and_series() -> None:
    before, now = {"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}, {"a": [1.0, 2.0, 4.0], "b": [1.0, 5.0, 3.0]}
    assert first_difference(before, now) == "first at bin 1: b is 5.0 and not 2.0"
