"""``flowtime plan``, ``plot`` and ``kernels``: that they call the library and print what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowtime.cli import main
from flowtime.engine import kernel_cache

MODEL = """\
schemaVersion: 1
grid: {bins: 3, binSize: 5, binUnit: minutes}
nodes:
  - {id: arrivals, kind: const, values: [1, 2, 3]}
  - {id: doubled, kind: expr, expr: arrivals * 2}
topology:
  nodes:
    - {id: Pack, kind: service, semantics: {arrivals: arrivals, served: arrivals}}
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.yaml"
    path.write_text(MODEL, encoding="utf-8")
    return str(path)


@pytest.fixture
def run_folder(tmp_path: Path, model: str) -> Path:
    main(["run", model, "--out", str(tmp_path / "runs"), "--run-id", "first"])
    return tmp_path / "runs" / "first"


def test_plan_names_the_series(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", model]) == 0
    assert "doubled" in capsys.readouterr().out


def test_plan_as_json(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", model, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["model"] == model
    assert plan["summary"]["bins"] == 3
    assert any("doubled" in line for line in plan["lines"])


def test_plot_writes_a_picture(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    picture = tmp_path / "run.png"
    assert main(["plot", str(run_folder), "--node", "Pack", "-o", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.endswith(f"wrote {picture}\n")


def test_plot_of_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(tmp_path), "-o", "x.png"]) == 3
    assert "run.not_found" in capsys.readouterr().err


def test_kernels_info(capsys: pytest.CaptureFixture[str]) -> None:
    kernel_cache.warm()
    assert main(["kernels", "info", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["folder"] == str(kernel_cache.cache_folder())
    assert report["isWarm"] is True


def test_kernels_warm_is_quick_when_warm(capsys: pytest.CaptureFixture[str]) -> None:
    main(["kernels", "warm"])
    capsys.readouterr()
    assert main(["kernels", "warm", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["compiled"] is False
    assert output.err == ""


def test_kernels_clear_removes_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "kernels-0123456789abcdef" / "entry.nbi"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    monkeypatch.setenv("FLOWTIME_KERNEL_CACHE_DIR", str(tmp_path))
    assert main(["kernels", "clear", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removedFiles": 1}
    assert not stale.parent.exists()


def test_a_cold_cache_is_announced(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLOWTIME_KERNEL_CACHE_DIR", str(tmp_path / "cold"))
    assert main(["validate", model]) == 0
    assert "compiling the kernels" in capsys.readouterr().err
