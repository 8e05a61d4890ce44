"""Kernels beside the engine's: compiled once, when first used, and not by a run that does not need them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from flowtime.engine import kernel_cache, kernel_family
from flowtime.engine.kernel_cache import FAMILIES, cache_folder, info, kernels_in
from flowtime.engine.kernel_family import load_family, warm_family
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
    monkeypatch.setattr(kernel_cache, "_LOCK_SECONDS", 0.01)
    cache_folder(tmp_path).mkdir(parents=True)
    with FileLock(cache_folder(tmp_path) / "lock"), pytest.raises(StorageError) as caught:
        load_family("nothing", lambda _: None, tmp_path)
    assert caught.value.code == "storage.locked"


def test_warming_a_family_compiles_it_once(tmp_path: Path, no_kernels: SimpleNamespace) -> None:
    calls: list[Any] = []
    reports = [warm_family("nothing", calls.append, tmp_path) for _ in range(2)]
    assert [report.compiled for report in reports] == [True, False]
    assert calls == [no_kernels]
    assert info(tmp_path).families == ("nothing",)


def test_a_family_goes_where_its_caller_is_told(tmp_path: Path, no_kernels: SimpleNamespace) -> None:
    told: list[str] = []
    with kernels_in(tmp_path, lambda: told.append("it compiles")):
        assert load_family("nothing", lambda _: None) is no_kernels
        load_family("nothing", lambda _: None)
    assert told == ["it compiles"]
    assert info(tmp_path).families == ("nothing",)
    assert cache_folder().parent != tmp_path


def test_what_is_loaded_stays() -> None:
    assert load_gap_kernels() is load_gap_kernels()


def test_every_family_is_compiled_by_the_command_and_by_the_setting(tmp_path: Path) -> None:
    """In another process, as kernels that are loaded stay where they are; the compiler takes half a minute."""
    (tmp_path / "flowtime.toml").write_text('kernel_cache_dir = "kept"\n', encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTIME_")}
    command = [sys.executable, "-c", "from flowtime.cli import main; main(['kernels', 'warm', '--json'])"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["compiled"] is True
    assert "compiling the kernels" in done.stderr
    assert info(tmp_path / "kept").families == FAMILIES


def test_a_plain_run_loads_no_family(tmp_path: Path) -> None:
    shown = subprocess.run([sys.executable, "-c", PLAIN_RUN], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
