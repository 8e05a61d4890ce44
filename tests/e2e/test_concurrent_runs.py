"""Several processes that make the same run at once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from flowtime.bundle import open_bundle

SCRIPT = Path(__file__).resolve().parents[1] / "concurrent_run.py"


def outcomes(root: Path, *arguments: tuple[str, ...]) -> Counter[str]:
    """Start one run per tuple of arguments, let them go together, and count what became of them."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(root), *one], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for one in arguments
    ]
    ready = [process.stdout.readline() for process in processes if process.stdout]
    assert ready == ["ready\n"] * len(arguments)
    for process in processes:
        process.stdin.write("go\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    return Counter(process.communicate()[0].strip() for process in processes)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([("1",)] * 4, {"written": 1, "reused": 3}, id="the same inputs: one writes, the rest reuse"),
        pytest.param([("1",), ("2",), ("3",)], {"written": 1, "conflict": 2}, id="other inputs: the rest conflict"),
        pytest.param([("1", "overwrite"), ("2", "overwrite"), ("3", "overwrite")], {"written": 3}, id="overwriting"),
    ],
)
def test_one_run_comes_of_it_and_it_is_whole(
    tmp_path: Path, arguments: list[tuple[str, ...]], expected: dict[str, int]
) -> None:
    assert outcomes(tmp_path, *arguments) == expected
    open_bundle(tmp_path / "one").verify()
    assert [path.name for path in tmp_path.iterdir() if path.name != ".publish.lock"] == ["one"]
