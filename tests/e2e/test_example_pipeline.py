"""The example pipeline: that it learns, that it is tracked, and that tracking it changes nothing."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import flowtime

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "imitation_pipeline.py"
STEPS = ["expert", "collect", "clone", "finetune", "compare"]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("imitation_pipeline", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their own module up.
    sys.modules["imitation_pipeline"] = module
    spec.loader.exec_module(module)
    return module


def returns(example: ModuleType, seed: int, **options: Any) -> dict[str, float]:
    run = flowtime.track("imitation", enabled=False).start()
    found: dict[str, float] = example.run_pipeline(run, example.QUICK, seed, **options)
    return found


def record_of(root: Path) -> dict[str, Any]:
    (path,) = root.glob("*/run.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_part_learns_what_the_one_before_could_not(example: ModuleType, seed: int) -> None:
    found = returns(example, seed)
    assert found["fine-tuned"] > found["cloned"] + 1.0
    assert found["expert"] >= found["fine-tuned"] - 0.5


def test_the_same_seed_gives_the_same_returns(example: ModuleType) -> None:
    assert returns(example, 3) == returns(example, 3)


def test_known_gains_are_those_of_the_expert(example: ModuleType) -> None:
    assert returns(example, 0, skip_expert=True)["expert"] == pytest.approx(returns(example, 0)["expert"], abs=1e-6)


def test_the_script_is_tracked(tmp_path: Path) -> None:
    words = ["--quick", "--enable-tracker", "--runs-dir", str(tmp_path)]
    tracked = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, check=True, timeout=60)
    plain = subprocess.run([sys.executable, str(SCRIPT), "--quick"], capture_output=True, check=True, timeout=60)
    record = record_of(tmp_path)
    assert tracked.stdout == plain.stdout
    assert [(step["stepId"], step["status"]) for step in record["steps"]] == [(step, "completed") for step in STEPS]
    assert (record["status"], record["dropped"]) == ("completed", 0)


def test_the_tracker_holds_what_was_learned(example: ModuleType, tmp_path: Path) -> None:
    from flowtime.tracking.log.scalar_reader import read_scalars

    assert example.main(["--quick", "--enable-tracker", "--runs-dir", str(tmp_path), "--skip-expert"]) == 0
    record = record_of(tmp_path)
    columns = read_scalars(tmp_path / record["runId"])
    assert record["steps"][0]["status"] == "skipped"
    assert record["summary"]["return_fine-tuned"] > record["summary"]["return_cloned"]
    losses = columns["loss"].values
    assert (len(losses), losses[0] > 10 * losses[399]) == (1000, True)
