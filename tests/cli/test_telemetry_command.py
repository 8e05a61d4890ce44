"""``flowtime telemetry``: what is printed, what the exit status says, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capturefakes import FLOW, a_run
from flowtime.cli import main

CAPTURED = """\
captured one: 7 metrics of 4 bins in 6 files, 442 bytes
wrote {folder}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds one run."""
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path)
    return tmp_path


def telemetry(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return the exit status and what was printed, stdout before stderr."""
    status = main(["telemetry", *words])
    return status, "".join(capsys.readouterr())


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Return the exit status and the JSON that was printed."""
    status = main(["telemetry", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_capture_says_what_and_where(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    status, text = telemetry(capsys, "capture", "--run", "one")
    assert (status, text) == (0, CAPTURED.format(folder=Path("captures") / "one"))
    assert (folder / "captures" / "one" / "manifest.json").is_file()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--run", "one", "--output", "there"], id="run and output"),
        pytest.param(["--run-dir", "runs/one", "--output", "there"], id="folder of the run"),
    ],
)
def test_capture_goes_where_it_is_asked_to(capsys: pytest.CaptureFixture[str], folder: Path, words: list[str]) -> None:
    assert telemetry(capsys, "capture", *words)[0] == 0
    assert (folder / "there" / "manifest.json").is_file()


def test_folders_come_from_the_settings(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWTIME_CAPTURES_DIR", "kept")
    assert telemetry(capsys, "capture", "--run", "one")[0] == 0
    assert (folder / "kept" / "one" / "manifest.json").is_file()


def test_dry_run_prints_the_plan_and_writes_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    status, text = telemetry(capsys, "capture", "--run", "one", "--dry-run")
    title, columns, first, *_, last = text.splitlines()
    assert (status, title) == (0, "one: nothing is written")
    assert columns.split() == ["file", "bytes", "series", "is"]
    assert first.split() == ["Desk_arrivals.csv", "74", "demand", "Desk.arrivals"]
    assert last == f"would write 6 files, 442 bytes to {Path('captures') / 'one'}"


def test_dry_run_as_json_is_what_a_capture_reports(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    _, planned = answer(capsys, "capture", "--run", "one", "--dry-run")
    assert not (folder / "captures").exists()
    _, done = answer(capsys, "capture", "--run", "one")
    assert planned["isDryRun"] is not done["isDryRun"] is False
    assert planned["files"] == done["files"]
    assert planned["manifest"]["contentHash"] == done["manifest"]["contentHash"]


def test_an_existing_capture_is_refused_then_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry(capsys, "capture", "--run", "one")
    status, text = telemetry(capsys, "capture", "--run", "one")
    assert status == 4
    assert "there already [telemetry.exists]" in text
    assert telemetry(capsys, "capture", "--run", "one", "--overwrite")[0] == 0


def test_another_folder_is_never_replaced(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    status, text = telemetry(capsys, "capture", "--run", "one", "--output", "runs/one", "--overwrite")
    assert (status, "[telemetry.not_a_capture]" in text) == (4, True)
    assert (folder / "runs" / "one" / "run.json").is_file()


def test_events_are_logged_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["telemetry", "capture", "--run", "one", "--log-json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [told[0]["event"], told[-1]["event"]] == ["capture_start", "capture_completed"]
    assert {event["runId"] for event in told} == {"one"}


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param([], 2, "Give either --run RUN or --run-dir DIR.", id="no run"),
        pytest.param(["--run", "one", "--run-dir", "runs/one"], 2, "Give either", id="two runs"),
        pytest.param(["--run", "two"], 3, "there is no run 'two' [run.not_found]", id="unknown run"),
        pytest.param(["--run", "../runs/one"], 2, "[storage.unsafe_name]", id="path for an id"),
        pytest.param(["--run", "/etc"], 2, "[storage.unsafe_name]", id="absolute path for an id"),
        pytest.param(["--run", ".."], 2, "[storage.unsafe_name]", id="dots for an id"),
        pytest.param(["--run-dir", "nowhere"], 3, "is no run folder", id="no such folder"),
        pytest.param(["--run-dir", "runs"], 3, "is no run folder", id="folder that is no run"),
        pytest.param(["--run", "one", "--output", ".."], 4, "[telemetry.not_a_capture]", id="parent folder"),
        pytest.param(["--run", "one", "--output", "a b"], 2, "[storage.unsafe_name]", id="name of the output"),
        pytest.param(["--run", "one", "--fill", "sometimes"], 2, "Invalid value for '--fill'", id="unknown fill"),
        pytest.param(["--run", "one", "--fill-limit", "0"], 2, "Invalid value for '--fill-limit'", id="limit"),
    ],
)
def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str], words: list[str], status: int, told: str) -> None:
    found, text = telemetry(capsys, "capture", *words)
    assert (found, told in text) == (status, True)


def test_an_altered_run_is_not_captured(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    index = folder / "runs" / "one" / "series" / "index.json"
    index.write_text(index.read_text() + "\n")
    status, text = telemetry(capsys, "capture", "--run", "one")
    assert (status, "series/index.json should hash to" in text) == (6, True)
    assert not (folder / "captures" / "one").exists()


def test_verify_says_that_a_capture_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry(capsys, "capture", "--run", "one", "--output", "kept")
    assert telemetry(capsys, "verify", "kept") == (0, "kept: sound, 6 files of 4 bins\n")


def test_verify_names_the_altered_file(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry(capsys, "capture", "--run", "one", "--output", "kept")
    Path("kept/Desk_arrivals.csv").write_bytes(b"")
    Path("kept/notes.txt").write_bytes(b"")
    status, text = telemetry(capsys, "verify", "kept")
    assert status == 6
    assert text.startswith("Desk_arrivals.csv should hash to sha256:")
    assert text.endswith("not of the capture: notes.txt\nkept: 1 problem, 6 files of 4 bins\n")


def test_verify_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry(capsys, "capture", "--run", "one", "--output", "kept")
    Path("kept/Desk_arrivals.csv").unlink()
    status, report = answer(capsys, "verify", "kept")
    assert (status, report["valid"]) == (6, False)
    assert [(found["code"], found["path"]) for found in report["problems"]] == [
        ("telemetry.altered", "Desk_arrivals.csv")
    ]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        pytest.param("nowhere", 3, "telemetry.not_found", id="no folder"),
        pytest.param("runs", 3, "telemetry.not_found", id="folder without a manifest"),
        pytest.param("runs/one", 1, "telemetry.invalid", id="a run"),
    ],
)
def test_verify_of_what_is_no_capture(capsys: pytest.CaptureFixture[str], path: str, status: int, code: str) -> None:
    found, text = telemetry(capsys, "verify", path)
    assert (found, f"[{code}]" in text) == (status, True)


def test_diff_of_a_run_with_its_capture(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry(capsys, "capture", "--run", "one", "--output", "kept")
    found = telemetry(capsys, "diff", "runs/one", "kept", "--rtol", "0", "--atol", "0")
    assert found == (0, "the same: 7 of 7 metrics within the tolerance\n")


def test_diff_shows_what_differs_and_fails(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    telemetry(capsys, "capture", "--run", "one", "--output", "kept")
    a_run(folder, FLOW.replace("5.0", "4.0"), run_id="two")
    status, text = telemetry(capsys, "diff", "runs/two", "kept")
    title, columns, first, *_, last = text.splitlines()
    assert (status, title) == (1, "two less the telemetry")
    assert columns.startswith("metric")
    assert first.split() == ["Desk.arrivals", "4", "-", "1", "-0.25", "0.5", "0.9987", "1", "4", "for", "5"]
    assert last == "not the same: 1 of 7 metrics within the tolerance"


def test_diff_within_a_wide_tolerance(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    telemetry(capsys, "capture", "--run", "one", "--output", "kept")
    a_run(folder, FLOW.replace("5.0", "4.0"), run_id="two")
    status, report = answer(capsys, "diff", "runs/two", "kept", "--atol", "1.0")
    assert (status, report["within"], len(report["rows"])) == (0, True, 7)


def test_diff_refuses_an_altered_capture(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry(capsys, "capture", "--run", "one", "--output", "kept")
    Path("kept/Desk_arrivals.csv").write_bytes(b"")
    status, text = telemetry(capsys, "diff", "runs/one", "kept")
    assert (status, "Desk_arrivals.csv should hash to" in text) == (6, True)
