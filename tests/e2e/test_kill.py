"""kill -9 while a run is being written: nothing of it lists, and the next run works and tidies up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowtime.bundle import open_bundle
from flowtime.runs import list_runs
from runfakes import simulate

SCRIPT = Path(__file__).resolve().parents[1] / "killed_run.py"
BEFORE_PUBLICATION = ["first file", "between csvs", "before the manifest", "before the sync", "before the rename"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


def kill_at(root: Path, moment: str, *options: str) -> None:
    """Start a run of id ``one`` in ``root`` and kill it when the moment has come."""
    command = [sys.executable, str(SCRIPT), str(root), moment, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reached = process.stdout.readline() if process.stdout else ""
        process.send_signal(signal.SIGKILL)
    assert reached == "here\n"
    assert process.returncode == -signal.SIGKILL


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


@pytest.mark.parametrize("moment", BEFORE_PUBLICATION)
def test_a_killed_run_does_not_list_and_the_next_one_tidies_up(tmp_path: Path, moment: str) -> None:
    kill_at(tmp_path, moment)
    (leftover,) = names(tmp_path)
    assert leftover.startswith(".staging-one-")
    assert list_runs(tmp_path) == []
    assert not simulate(tmp_path, run_id="one", seed=2).was_reused
    assert names(tmp_path) == ["one"]


def test_a_run_killed_after_the_rename_is_whole(tmp_path: Path) -> None:
    kill_at(tmp_path, "before the root is synced")
    open_bundle(tmp_path / "one").verify()
    assert simulate(tmp_path, run_id="one", seed=2).was_reused
    assert names(tmp_path) == ["one"]


@pytest.mark.parametrize("moment", BEFORE_PUBLICATION)
def test_a_killed_overwrite_never_costs_the_old_run(tmp_path: Path, moment: str) -> None:
    simulate(tmp_path, run_id="one", seed=1)
    kill_at(tmp_path, moment, "overwrite")
    simulate(tmp_path, run_id="two")
    bundle = open_bundle(tmp_path / "one")
    bundle.verify()
    assert bundle.run.run_id == "one"
    assert bundle.manifest.rng is not None
    assert bundle.manifest.rng.seed == 1
