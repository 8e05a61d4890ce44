"""Every benchmark case still runs and is right, at a tiny size; and the models to measure with are what they were."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.case import Case, WrongResultError, require
from benchmarks.cases import CASES
from benchmarks.models import chain_model
from benchmarks.models_mixed import BLOCK_NODES, mixed_model
from flowtime.engine import compile_model
from flowtime.model import parse_model

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case_runs_and_its_result_is_right(case: Case, tmp_path: Path) -> None:
    timed = case.factory(tmp_path, "tiny")
    timed.check(timed.call())


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(case.name for case in CASES).items() if count > 1] == []


def test_a_wrong_result_is_an_error() -> None:
    with pytest.raises(WrongResultError, match="sum"):
        require(False, "sum")


@pytest.mark.skipif(not SHARED.exists(), reason="the published generator is in ../shared, which is absent")
@pytest.mark.parametrize(("stages", "bins"), [(1, 3), (2, 5), (7, 300)])
def test_chain_is_the_published_one(stages: int, bins: int) -> None:
    generator = [sys.executable, str(SHARED / "tools" / "gen_chain.py"), str(stages), str(bins)]
    published = subprocess.run(generator, capture_output=True, text=True, check=True).stdout
    assert chain_model(stages, bins) == published


@pytest.mark.parametrize(
    ("classes", "all_classed", "coverage"),
    [
        pytest.param(0, False, "missing", id="none"),
        pytest.param(3, False, "partial", id="in-one-line"),
        pytest.param(1, True, "full", id="one"),
        pytest.param(8, True, "full", id="in-all"),
    ],
)
def test_mixed_model_has_the_classes_it_says(classes: int, all_classed: bool, coverage: str) -> None:
    model = parse_model(mixed_model(2, 12, classes=classes, all_classed=all_classed))
    result = compile_model(model).evaluate()
    assert len(result.class_ids) == classes
    assert result.class_coverage == coverage


def test_mixed_model_has_every_kind() -> None:
    spec = parse_model(mixed_model(3, 12)).spec
    assert spec.topology is not None
    assert len(spec.topology.nodes) == 3 * BLOCK_NODES
    assert {type(node).__name__ for node in spec.nodes} >= {"ConstNode", "ExprNode", "PmfNode", "RouterNode"}
    assert {constraint.allocation for constraint in spec.topology.constraints} == {"proportional", "priority", "maxMin"}
