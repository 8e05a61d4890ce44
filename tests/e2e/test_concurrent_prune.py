"""Pruning while runs begin, end and are taken up again: nothing that is alive is ever moved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "concurrent_prune.py"


def begin(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(PROGRAM), *words], stdout=subprocess.PIPE, text=True)


def test_no_live_run_is_pruned(tmp_path: Path) -> None:
    starters = [begin("start", str(tmp_path), "60") for _ in range(2)]
    pruners = [begin("prune", str(tmp_path), "4") for _ in range(2)]
    lost = [process.communicate(timeout=60)[0].strip() for process in starters]
    pruned = [int(process.communicate(timeout=60)[0]) for process in pruners]
    assert lost == ["0", "0"]
    assert sum(pruned) > 0
    assert {process.returncode for process in (*starters, *pruners)} == {0}
