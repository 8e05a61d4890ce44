"""``flowtime validate``: each tier finds what is its own, and the exit status says valid, invalid or unreadable."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from flowtime.cli import main

HEAD = "schemaVersion: 1\ngrid: {bins: 2, binSize: 5, binUnit: minutes}\nnodes:\n"
GOOD = HEAD + "  - {id: a, kind: const, values: [1, 2]}\n"
MISSPELLED = GOOD.replace("values", "valeus")
CYCLE = HEAD + "  - {id: a, kind: expr, expr: b + 1}\n  - {id: b, kind: expr, expr: a + 1}\n"
NEGATIVE = (
    HEAD
    + "  - {id: a, kind: const, values: [1, -2]}\n"
    + "topology:\n  nodes:\n    - {id: Pack, kind: service, semantics: {arrivals: a, served: a}}\n"
)


@pytest.mark.parametrize(
    ("text", "tier", "status", "verdict"),
    [
        pytest.param(GOOD, "schema", 0, "valid (schema): 0 errors, 0 warnings", id="good schema"),
        pytest.param(GOOD, "compile", 0, "valid (compile): 0 errors, 0 warnings", id="good compile"),
        pytest.param(GOOD, "analyse", 0, "valid (analyse): 0 errors, 0 warnings", id="good analyse"),
        pytest.param(MISSPELLED, "schema", 1, "invalid (schema): ", id="a wrong field is of the schema"),
        pytest.param(CYCLE, "schema", 0, "valid (schema): 0 errors, 0 warnings", id="a cycle is not"),
        pytest.param(CYCLE, "compile", 1, "invalid (compile): 1 error, 0 warnings", id="a cycle is of the plan"),
        pytest.param(NEGATIVE, "compile", 0, "valid (compile): 0 errors, 0 warnings", id="odd numbers are not"),
        pytest.param(NEGATIVE, "analyse", 0, "valid (analyse): 0 errors, 2 warnings", id="odd numbers are warnings"),
    ],
)
def test_tiers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, tier: str, status: int, verdict: str
) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(text, encoding="utf-8")
    assert main(["validate", str(model), "--tier", tier]) == status
    assert capsys.readouterr().out.splitlines()[-1].startswith(verdict)


@pytest.mark.parametrize(
    ("text", "words", "status"),
    [
        pytest.param(NEGATIVE, ["--fail-on", "warning"], 1, id="a warning"),
        pytest.param(NEGATIVE, ["--fail-on", "error"], 0, id="a warning is no error"),
        pytest.param(NEGATIVE, ["--fail-on", "warning", "--tier", "compile"], 0, id="no numbers, no warnings"),
        pytest.param(GOOD, ["--fail-on", "warning"], 0, id="nothing"),
        pytest.param(CYCLE, ["--fail-on", "warning"], 1, id="an error is worse than a warning"),
        pytest.param(CYCLE, ["--fail-on", "never"], 0, id="never"),
    ],
)
def test_fail_on(tmp_path: Path, text: str, words: list[str], status: int) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(text, encoding="utf-8")
    assert main(["validate", str(model), *words]) == status


def test_what_is_not_there_fails_always(tmp_path: Path) -> None:
    assert main(["validate", str(tmp_path / "absent.yaml"), "--fail-on", "never"]) == 3


def test_hints_are_not_counted_as_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(NEGATIVE.replace("-2", "2"), encoding="utf-8")
    assert main(["validate", str(model), "--fail-on", "warning"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "valid (analyse): 0 errors, 0 warnings, 1 hint"


def test_the_default_is_to_analyse_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(NEGATIVE.encode())))
    assert main(["validate"]) == 0
    printed = capsys.readouterr().out
    assert "warning: Pack: " in printed
    assert "[arrivals_negative]" in printed


def test_faults_say_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(MISSPELLED, encoding="utf-8")
    main(["validate", str(model)])
    assert f"{model}:4:" in capsys.readouterr().out


def test_json_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(MISSPELLED, encoding="utf-8")
    assert main(["validate", str(model), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["tier"], report["isValid"], report["warnings"]) == ("analyse", False, [])
    assert {error["line"] for error in report["errors"]} == {4}


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        pytest.param("absent.yaml", 3, "[model.not_found]", id="no such file"),
        pytest.param(".", 2, "is a directory", id="a folder"),
    ],
)
def test_what_can_not_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, status: int, said: str
) -> None:
    assert main(["validate", str(tmp_path / name)]) == status
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
