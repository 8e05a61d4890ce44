"""Kernels beside the engine's: compiled once, when first used, and not by a run that does not need them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from flowtime.engine import kernel_family
from flowtime.engine.kernel_cache import cache_folder
from flowtime.engine.kernel_family import load_family
from flowtime.errors import StorageError
from flowtime.telemetry.gap_kernels import load_gap_kernels

PLAIN_RUN = """
import sys
import flowtime
model = "schemaVersion: 1\\ngrid: {bins: 2, binSize: 1, binUnit: hours}\\nnodes: [{id: x, kind: const, values: 1}]\\n"
open("model.yaml", "w").write(model)
flowtime.evaluate("model.yaml")
print(sorted(name for name in sys.modules if name in ("flowtime_kernels.gaps", "flowtime_kernels.windows")))
"""


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A family with nothing in it, so that nothing is compiled."""
    family = SimpleNamespace()

    def imported(folder: Path, _name: str) -> SimpleNamespace:
        folder.mkdir(parents=True, exist_ok=True)
        return family

    monkeypatch.setattr(kernel_family, "import_kernels", imported)
    return family


def test_a_family_is_called_once_for_one_cache(tmp_path: Path, no_kernels: SimpleNamespace) -> None:
    calls: list[Any] = []
    assert load_family("nothing", calls.append, tmp_path) is no_kernels
    assert load_family("nothing", calls.append, tmp_path) is no_kernels
    assert calls == [no_kernels]
    assert (cache_folder(tmp_path) / "warm-nothing").is_file()


def test_a_family_that_another_process_compiles(
    tmp_path: Path, no_kernels: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_family, "_LOCK_SECONDS", 0.01)
    cache_folder(tmp_path).mkdir(parents=True)
    with FileLock(cache_folder(tmp_path) / "lock"), pytest.raises(StorageError) as caught:
        load_family("nothing", lambda _: None, tmp_path)
    assert caught.value.code == "storage.locked"


def test_what_is_loaded_stays() -> None:
    assert load_gap_kernels() is load_gap_kernels()


def test_a_plain_run_loads_no_family(tmp_path: Path) -> None:
    shown = subprocess.run([sys.executable, "-c", PLAIN_RUN], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
