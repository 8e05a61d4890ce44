"""Plain output: tables, JSON and sparklines where stdout is no terminal."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowtime.cli.console import print_fields, print_json, print_table, progress, sparkline


@dataclass(frozen=True)
class Report:
    """A report as commands print them."""

    folder: Path
    share: float


def test_plain_table_aligns_the_first_column_left_and_numbers_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Nodes", ["node", "peak"], [["Pack", "7"], ["[red]x", "1,200"]])
    assert capsys.readouterr().out == "Nodes\nnode     peak\nPack        7\n[red]x  1,200\n"


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        pytest.param(1.5, 1.5, id="number"),
        pytest.param(float("nan"), None, id="undefined is null"),
        pytest.param(float("inf"), None, id="infinite is null"),
    ],
)
def test_json_numbers(capsys: pytest.CaptureFixture[str], value: float, printed: float | None) -> None:
    print_json(Report(Path("runs"), value))
    assert json.loads(capsys.readouterr().out) == {"folder": "runs", "share": printed}


def test_json_refuses_what_has_no_form() -> None:
    with pytest.raises(TypeError, match="StringIO"):
        print_json({"stream": io.StringIO()})


def test_fields_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"folder": Path("runs"), "share": 0.5}, as_json=False)
    assert capsys.readouterr().out == "folder: runs\nshare:  0.5\n"


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        pytest.param([], "", id="none"),
        pytest.param([0.0, 4.0, 8.0], "▁▅█", id="from zero to the largest"),
        pytest.param([0.0, 0.0], "▁▁", id="all zero"),
        pytest.param([None, 1.0], "·█", id="undefined is a dot"),
        pytest.param([None, None], "··", id="all undefined"),
    ],
)
def test_sparkline(monkeypatch: pytest.MonkeyPatch, values: list[float | None], drawn: str) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert sparkline(values) == drawn


def test_no_sparkline_where_it_can_not_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert sparkline([1.0, 2.0]) == ""


def test_no_progress_bar_without_a_terminal() -> None:
    with progress() as moved:
        assert moved is None
