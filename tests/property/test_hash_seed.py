"""The same model gives the same bytes and hashes however Python seeds the hashes of texts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SEEDS = ("0", "1", "2")


def printed(model: Path, seed: str) -> str:
    """What a process with that seed says of a model."""
    done = subprocess.run(
        [sys.executable, str(TESTS / "hash_seed_run.py"), str(model)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["backpressure", "distribution-chain"])
def test_hash_seed_changes_no_byte(name: str) -> None:
    model = TESTS / "golden" / name / "model.yaml"
    answers = {printed(model, seed) for seed in SEEDS}
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) == 7
