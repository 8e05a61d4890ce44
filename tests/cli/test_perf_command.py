"""``flowtime perf``: exit statuses, what is printed, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flowtime.cli import main
from perffakes import edit, git, make_checkout

QUICK = ["--episodes", "2", "--sweeps", "5", "--size", "tiny"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(make_checkout(tmp_path))
    return tmp_path


@pytest.fixture
def kept(checkout: Path) -> Path:
    """A run called one, without a base."""
    assert main(["perf", "run", "suite.yaml", *QUICK, "--run-id", "one"]) == 0
    return checkout / "runs" / "one"


@pytest.mark.parametrize(
    ("sleep", "words", "status"),
    [
        pytest.param("0.004", ["--base", "HEAD"], 0, id="passed"),
        pytest.param("0.004", ["--base", "HEAD", "--enforce"], 0, id="passed, enforced"),
        pytest.param("0.009", ["--base", "HEAD"], 1, id="failed"),
        pytest.param("0.009", [], 0, id="no baseline"),
        pytest.param("0.009", ["--enforce"], 1, id="no baseline, enforced"),
        pytest.param("0.004", ["--base", "nonsense"], 2, id="unknown ref"),
        pytest.param("0.004", ["--base", "HEAD", "--base-run", "x"], 2, id="two bases"),
        pytest.param("0.004", ["--case", "absent"], 2, id="unknown case"),
        pytest.param("0.004", ["--episodes", "0"], 2, id="no episodes"),
        pytest.param("0.004", ["--base-run", "absent"], 3, id="unknown run"),
        pytest.param("0.004); raise ValueError(1", ["--base", "HEAD"], 3, id="broken"),
    ],
)
def test_exit_status(checkout: Path, sleep: str, words: list[str], status: int) -> None:
    edit(checkout / "src/app.py", "0.004", sleep)
    assert main(["perf", "run", "suite.yaml", *QUICK, *words]) == status


def test_a_run_prints_a_table_and_is_kept(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["perf", "run", "toybench.cases", *QUICK, "--base", "HEAD", "--run-id", "gate"])
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split() == ["case", "base", "head", "ratio", "interval", "twin", "verdict"]
    assert "kept in runs" in said.out
    assert "warming up base: work" in said.err
    assert json.loads((checkout / "runs/gate/run.json").read_bytes())["kind"] == "perf"


def test_json_leaves_the_turns_in_the_folder(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["perf", "run", "suite.yaml", *QUICK, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["turns"], len(said["results"])) == ("no-baseline", [], 1)
    assert json.loads((Path(said["run"]) / "perf.json").read_bytes())["turns"]


def test_reports_are_written_to_files(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: str(tmp_path / f"out.{name}") for name in ("markdown", "json", "junit")}
    words = [word for name, file in files.items() for word in (f"--{name}", file)]
    assert main(["perf", "report", "one", *words]) == 0
    assert Path(files["markdown"]).read_text(encoding="utf-8") == (kept / "perf.md").read_text(encoding="utf-8")
    assert json.loads(Path(files["json"]).read_bytes()) == json.loads((kept / "perf.json").read_bytes())
    assert ElementTree.parse(files["junit"]).getroot().tag == "testsuites"


def test_a_report_is_markdown_unasked(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["perf", "report", str(kept)]) == 0
    assert capsys.readouterr().out == (kept / "perf.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("words", "status"), [([], 0), (["--enforce"], 1)])
def test_two_runs_are_compared(
    kept: Path, checkout: Path, words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(checkout / "src/app.py", "0.004", "0.0090")
    main(["perf", "run", "suite.yaml", *QUICK, "--run-id", "two"])
    capsys.readouterr()
    assert main(["perf", "compare", "one", "two", *words]) == status
    assert "soft-breach (not_interleaved)" in capsys.readouterr().out


def test_guardrails_print_their_limits(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["perf", "guard", "toybench.cases", "--case", "kept", "--markdown"]) == 0
    assert main(["perf", "guard", "toybench.cases"]) == 1
    said = capsys.readouterr().out
    assert "# Guardrails: passed" in said
    assert "failed (limit_broken)" in said


def test_selfcheck_counts(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--suites", "1", "--slow", "1", "--case", "work", "--json"]
    assert main(["perf", "selfcheck", "toybench.cases", *QUICK, *words]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["failed"], said["caught"]) == (0, 1.0)


def test_outside_of_a_repository_there_is_no_base(checkout: Path) -> None:
    git(checkout, "status")
    (checkout / ".git").rename(checkout / "gone")
    assert main(["perf", "run", "suite.yaml", *QUICK]) == 0
    assert main(["perf", "run", "suite.yaml", *QUICK, "--base", "HEAD"]) == 2
