"""``flowtime run --mode telemetry``, ``telemetry bundle`` and ``templates generate``, from capture to comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowtime.cli import main

TELEMETRY = ["run", "--template-id", "http-service", "--mode", "telemetry"]
CAPTURED = [*TELEMETRY, "--capture-dir", "captures/one"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Work in a folder that holds a run and its capture."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--template-id", "http-service", "--param", "bins=48", "--run-id", "one"]) == 0
    assert main(["telemetry", "capture", "--run", "one"]) == 0
    capsys.readouterr()
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], words: list[str]) -> Any:
    """Run with ``--json`` and return what was printed."""
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_replay_says_what_fed_it_and_agrees_with_its_capture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CAPTURED, "--run-id", "two"]) == 0
    *_, fed, compare = capsys.readouterr().out.splitlines()
    assert fed == "fed by captures/one: http_capacity, requests (2 inputs)"
    assert compare == f"compare: flowtime telemetry diff {Path('runs') / 'two'} captures/one"
    assert main(["telemetry", "diff", "runs/two", "captures/one", "--rtol", "0", "--atol", "0"]) == 0


def test_a_replay_is_reused_unless_a_fresh_run_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    first, again = answer(capsys, CAPTURED), answer(capsys, [*CAPTURED, "--reuse"])
    fresh = answer(capsys, [*CAPTURED, "--fresh-run"])
    assert (first["wasReused"], again["wasReused"], fresh["wasReused"]) == (False, True, False)
    assert first["metadata"]["runId"] == again["metadata"]["runId"] != fresh["metadata"]["runId"]


def test_the_envelope_names_the_capture(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, CAPTURED)
    assert (found["metadata"]["mode"], found["metadata"]["telemetrySourcesResolved"]) == ("telemetry", True)
    assert (found["telemetry"]["available"], found["telemetry"]["sourceRunId"]) == (True, "one")


def test_a_dry_run_tells_the_bindings(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    plan = answer(capsys, [*CAPTURED, "--dry-run"])["plan"]
    assert plan["telemetryBindings"] == {
        "http_capacity": "HttpService_capacity.csv",
        "requests": "HttpService_arrivals.csv",
    }
    assert [path.name for path in (folder / "runs").iterdir()] == ["one"]


def test_a_model_file_is_bound_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    model = "runs/one/model/model.yaml"
    bundled = answer(capsys, ["telemetry", "bundle", "--capture-dir", "captures/one", "--model", model])
    run = answer(capsys, ["run", model, "--mode", "telemetry", "--capture-dir", "captures/one"])
    assert (bundled["wasReused"], run["wasReused"]) == (False, True)
    assert bundled["metadata"]["runId"] == run["metadata"]["runId"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        pytest.param(TELEMETRY, 2, "needs --capture-dir", id="no capture"),
        pytest.param(["run", "m.yaml", "--capture-dir", "c"], 2, "need --mode telemetry", id="a capture to simulate"),
        pytest.param([*CAPTURED, "--sample"], 2, "were measured", id="drawn telemetry"),
        pytest.param([*CAPTURED, "--bind", "requests"], 2, "is not NAME=FILE", id="half a binding"),
        pytest.param([*CAPTURED, "--bind", "a=b", "--bind", "a=c"], 2, "bound twice", id="two for one"),
        pytest.param([*CAPTURED, "--deterministic-run-id", "--fresh-run"], 2, "does not", id="two ways to name it"),
        pytest.param([*TELEMETRY, "--capture-dir", "captures/none"], 3, "telemetry.not_found", id="no such capture"),
        pytest.param([*CAPTURED, "--bind", "requests=no.csv"], 3, "telemetry.not_found", id="no such file"),
        pytest.param([*CAPTURED, "--param", "bins=24"], 1, "telemetry.grid_mismatch", id="another grid"),
        pytest.param(["templates", "generate", "--id", "http-service"], 2, "--capture-dir", id="nothing to map"),
        pytest.param(
            ["templates", "generate", "--id", "http-service", "--capture-dir", "captures/one", "-o", "x.txt"],
            2,
            ".json file",
            id="no kind of file",
        ),
    ],
)
def test_what_can_not_be_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str
) -> None:
    assert main(words) == status
    assert message in capsys.readouterr().err


def test_an_altered_capture_is_refused(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    file = folder / "captures" / "one" / "HttpService_errors.csv"
    file.write_bytes(file.read_bytes().replace(b",DEFAULT,3", b",DEFAULT,4"))
    assert main(CAPTURED) == 6
    assert "HttpService_errors.csv" in capsys.readouterr().err


def test_a_longer_capture_is_cut_where_that_was_asked_for(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    found = answer(capsys, [*CAPTURED, "--param", "bins=24", "--resample", "sum"])
    assert found["metadata"]["grid"]["bins"] == 24
    provenance = folder / "runs" / found["metadata"]["runId"] / "model" / "provenance.json"
    assert json.loads(provenance.read_bytes())["capture"]["resample"] == "sum"


def test_a_replay_of_a_part_is_compared_with_that_part(capsys: pytest.CaptureFixture[str]) -> None:
    part = ["--param", "bins=24", "--resample", "sum", "--run-id", "part"]
    assert main([word for word in [*CAPTURED, *part] if word != "--json"]) == 0
    compare = capsys.readouterr().out.splitlines()[-1].removeprefix("compare: flowtime ")
    assert main([*compare.split(), "--rtol", "0", "--atol", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "the telemetry is resampled to the bins of the run: sum",
        "the same: 14 of 14 metrics within the tolerance",
    ]


GENERATE = ["templates", "generate", "--id", "http-service", "--capture-dir", "captures/one"]


def test_generate_prints_the_mapping_and_writes_the_request(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main([*GENERATE, "--param", "servers=6", "-o", "payload.json"]) == 0
    printed = capsys.readouterr().out
    payload = json.loads((folder / "payload.json").read_bytes())
    assert [line.split()[:3] for line in printed.splitlines()[2:4]] == [
        ["bins", "48", "grid"],
        ["baseRequests", "150.0", "capture"],
    ]
    assert ["servers", "6", "given"] in [line.split()[:3] for line in printed.splitlines()]
    assert (payload["mode"], payload["parameters"]["bins"], payload["parameters"]["servers"]) == ("telemetry", 48, 6)


def test_generate_writes_a_model_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*GENERATE, "-o", "model.yaml"]) == 0
    assert main(["run", "model.yaml", "--run-id", "two"]) == 0
    assert main(["telemetry", "diff", "runs/two", "captures/one"]) == 0


def test_generate_prints_the_request_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, GENERATE)["telemetry"] == {"captureDirectory": "captures/one", "bindings": {}}
