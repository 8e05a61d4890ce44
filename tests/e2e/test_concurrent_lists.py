"""Several processes that index and list the same runs at once, while runs come and go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowtime.runs import list_runs
from flowtime.runs.index import RunIndex, index_path
from registryfakes import ids_of, make_run

SCRIPT = Path(__file__).resolve().parents[1] / "concurrent_list.py"


def outcomes(root: Path, processes: int, rounds: int) -> list[str]:
    """Start so many listers, let them go together, and return what they say."""
    started = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(root), str(rounds), f"p{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    ready = [process.stdout.readline() for process in started if process.stdout]
    assert ready == ["ready\n"] * processes
    for process in started:
        process.stdin.write("go\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    return [process.communicate()[0].strip() for process in started]


@pytest.mark.parametrize("has_index", [False, True], ids=["none of them finds an index", "there is an index"])
def test_each_sees_what_it_did_and_the_index_is_right_at_last(tmp_path: Path, has_index: bool) -> None:
    for number in range(40):
        make_run(tmp_path, f"run-{number}")
    wanted = [run.run_id for run in list_runs(tmp_path)]
    ids_of(tmp_path if has_index else tmp_path / "elsewhere")
    assert outcomes(tmp_path, processes=3, rounds=12) == ["done"] * 3
    assert ids_of(tmp_path) == wanted
    with RunIndex(index_path(tmp_path)) as index:
        assert index.names() == set(wanted)
