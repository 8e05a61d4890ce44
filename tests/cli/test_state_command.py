"""``flowtime state``, ``window``, ``graph`` and ``metrics``: what they print and how they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowtime.cli import main
from statefakes import WINDOW_MODEL


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    (folder / "model.yaml").write_text(WINDOW_MODEL, encoding="utf-8")
    main(["run", str(folder / "model.yaml"), "--out", str(folder / "runs"), "--run-id", "first"])
    return folder / "runs"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        pytest.param(["state", "--bin", "3"], "bin 3, 2025-01-01 00:15", id="state by number"),
        pytest.param(["state", "--at", "2025-01-01T00:17Z"], "bin 3, 2025-01-01 00:15", id="state by time"),
        pytest.param(["state", "--bin", "0"], "gate closed", id="a closed gate"),
        pytest.param(["state", "--bin", "0"], "held by db", id="a constraint"),
        pytest.param(["state", "--bin", "0"], "Pack -> Dock", id="edges"),
        pytest.param(["window"], "bins 0 to 6 from 2025-01-01 00:00", id="window"),
        pytest.param(["window", "--start", "3", "--end", "3"], ": bin 3 from 2025-01-01 00:15", id="window of a bin"),
        pytest.param(["window", "--resolution", "3"], "3 bins a point", id="window of points"),
        pytest.param(["window", "--mode", "full"], "orders  values", id="declared series"),
        pytest.param(["graph"], "Dock", id="graph"),
        pytest.param(["metrics"], "Desk", id="metrics"),
    ],
)
def test_for_people(runs: Path, words: list[str], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    command, *options = words
    assert main([command, "first", "--runs-dir", str(runs), *options]) == 0
    assert shown in " ".join(capsys.readouterr().out.replace("     ", " ").split(" ")).replace("   ", "  ")


@pytest.mark.parametrize("command", [["state", "--bin", "1"], ["window"], ["graph"], ["metrics"]], ids=lambda c: c[0])
def test_for_programs(runs: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name, *options = command
    # The folder itself will do as well as the id.
    assert main([name, str(runs / "first"), *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_only_some_nodes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["window", "first", "--runs-dir", str(runs), "--nodes", "Dock, Desk", "--json"])
    assert [node["id"] for node in json.loads(capsys.readouterr().out)["nodes"]] == ["Dock", "Desk"]


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        pytest.param(["state", "first", "--bin", "7"], 1, "state.bin_out_of_range", id="no such bin"),
        pytest.param(["state", "first"], 2, "usage.invalid", id="no bin named"),
        pytest.param(["state", "first", "--bin", "1", "--at", "2025"], 2, "usage.invalid", id="two bins named"),
        pytest.param(["window", "first", "--start", "3", "--end", "2"], 1, "state.window_reversed", id="reversed"),
        pytest.param(["window", "first", "--nodes", "dock"], 1, "state.unknown_node", id="no such node"),
        pytest.param(["metrics", "second"], 3, "run.not_found", id="no such run"),
        pytest.param(["graph", "../first"], 3, "run.not_found", id="a path out of the folder is no id"),
        pytest.param(["graph", ".."], 3, "run.not_found", id="the folder above is no run"),
    ],
)
def test_failures(runs: Path, words: list[str], status: int, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--runs-dir", str(runs), "--json"]) == status
    assert json.loads(capsys.readouterr().err)["error"]["code"] == code


def test_an_empty_list_of_nodes_is_none(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["window", "first", "--runs-dir", str(runs), "--nodes", ",", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"] == []
