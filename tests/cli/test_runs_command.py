"""``flowtime runs``: that it calls the library and prints what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowtime.bundle import open_bundle
from flowtime.cli import main, runs
from flowtime.events import EVENTS
from flowtime.orchestration.schemas import schema_texts
from flowtime.runs import query
from registryfakes import make_run
from runfakes import MODEL_TEXT, rendered, simulate

SLOWER = MODEL_TEXT.replace("2.5", "1.5")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs of one template, one of a model, and one that is broken, below the working folder."""
    monkeypatch.chdir(tmp_path)
    simulate(tmp_path / "runs", run_id="one", source=rendered(), seed=3)
    simulate(
        tmp_path / "runs", run_id="two", source=rendered(SLOWER, parameters={"rate": 3.0, "steps": (1, 2)}), seed=3
    )
    make_run(tmp_path / "runs", "old", "2020-01-01T00:00:00Z", mode="telemetry", templateId="shop", warnings=[])
    make_run(tmp_path / "runs", "torn", runId="other")
    return tmp_path / "runs"


def printed(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["runs", *words]) == status
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(printed(capsys, *words, "--json"))


def failure(capsys: pytest.CaptureFixture[str], *words: str, status: int) -> str:
    assert main(["runs", *words]) == status
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_a_list_is_a_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "list").splitlines()
    assert lines[0] == "runs 1 to 4 of 4"
    assert [line.split()[0] for line in lines[2:6]] == ["one", "two", "torn", "old"]
    assert lines[6] == "broken: torn: run.json says that this is run other"
    assert lines[2].split()[1:] == [
        *("2025-01-01", "08:00:00", "simulation", "web-frontend", "4", "5", "1", "completed"),
    ]


def test_a_list_as_markdown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "list", "--markdown", "--page-size", "1", "--page", "4").splitlines()
    assert lines[0] == "**runs 4 to 4 of 4**"
    assert lines[2].startswith("| run | created (UTC) |")
    assert lines[4] == "| old | 2020-01-01 00:00:00 | telemetry | shop | - | 1 | - | completed |"


def test_a_list_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = document(capsys, "list", "--page-size", "2")
    assert (page["totalCount"], page["page"], page["pageSize"], page["note"]) == (4, 1, 2, None)
    assert [item["runId"] for item in page["items"]] == ["one", "two"]
    assert page["items"][0]["path"] == str(Path("runs") / "one")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["--template", "web-frontend"], ["one", "two"], id="template"),
        pytest.param(["--template", "web-frontend", "--template", "shop"], ["one", "two", "old"], id="templates"),
        pytest.param(["--template", "microservices"], [], id="template of the catalogue without runs"),
        pytest.param(["--mode", "telemetry"], ["old"], id="mode"),
        pytest.param(["--status", "broken"], ["torn"], id="status"),
        pytest.param(["--warnings", "--mode", "simulation"], ["one", "two"], id="warnings"),
        pytest.param(["--no-warnings"], ["old"], id="no warnings"),
        pytest.param(["--since", "2025-01-01T08:00:00Z"], ["one", "two"], id="since"),
        pytest.param(["--before", "2025-01-01"], ["old"], id="before"),
        pytest.param(["--input-hash", "0000"], [], id="input hash"),
    ],
)
def test_filters(root: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: list[str]) -> None:
    assert [item["runId"] for item in document(capsys, "list", *words)["items"]] == expected


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        pytest.param(["--template", "web-fronted"], 1, "did you mean 'web-frontend'", id="template"),
        pytest.param(["--template", "xyz"], 1, "parameter.filter_value", id="template like no other"),
        pytest.param(["--mode", "replay"], 2, "'replay' is not one of", id="mode"),
        pytest.param(["--status", "finished"], 2, "'finished' is not one of", id="status"),
        pytest.param(["--since", "monday"], 1, "the filter since must be a time", id="since"),
        pytest.param(["--input-hash", "xyz!"], 1, "4 to 64 hexadecimal digits", id="input hash"),
        pytest.param(["--page", "0"], 2, "--page", id="page"),
        pytest.param(["--page-size", "201"], 2, "--page-size", id="page size"),
    ],
)
def test_a_value_that_no_run_can_have_is_an_error(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str
) -> None:
    assert message in failure(capsys, "list", *words, status=status)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["--runs-dir", "none"], "no runs\n", id="no folder"),
        pytest.param(["--page", "7"], "no runs on page 7 of 4 runs\n", id="no such page"),
    ],
)
def test_a_list_without_runs_says_so(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert printed(capsys, "list", *words) == expected


def test_a_list_without_its_index_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".registry").write_text("in the way")
    assert main(["runs", "list"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("runs 1 to 4 of 4")
    assert output.err.startswith("note: the index of the runs can not be kept")


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        pytest.param(["list"], "run-page", id="list"),
        pytest.param(["show", "one"], "run-envelope", id="show"),
        pytest.param(["compare", "one", "two"], "run-comparison", id="compare"),
    ],
)
def test_json_satisfies_its_schema(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], schema: str
) -> None:
    published = json.loads(schema_texts()[f"{schema}.schema.json"])
    jsonschema.Draft202012Validator(published).validate(document(capsys, *words))


def test_the_choices_are_those_of_the_library() -> None:
    assert (runs.KINDS, runs.MODES) == (query.KINDS, query.MODES)
    assert (runs.STATUSES, runs.MAX_PAGE_SIZE) == (query.STATUSES, query.MAX_PAGE_SIZE)


def test_a_run_is_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "show", "one").splitlines()
    assert lines[0] == "Web front end (one)"
    facts = dict(line.split(": ", 1) for line in lines[1:14])
    assert facts["template"].strip() == "web-frontend 1.2.0"
    assert facts["seed"].strip() == "3 (pcg32, not drawn from)"
    assert lines[-1].startswith("warning: Desk: more was served")


def test_a_run_is_shown_by_its_folder_as_markdown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "show", str(root / "one"), "--markdown")
    assert "| grid | 4 bins of 5 minutes, from 2025-01-01T00:00:00Z |" in text
    assert "| steps | [1, 2] |" in text


def test_a_run_is_shown_as_its_envelope(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    envelope = document(capsys, "show", "one")
    assert envelope["metadata"]["runId"] == "one"
    assert (envelope["canReplay"], envelope["wasReused"]) == (True, False)


@pytest.mark.parametrize(("run_id", "status"), [("none", 3), ("torn", 6)])
def test_a_run_that_can_not_be_shown(root: Path, capsys: pytest.CaptureFixture[str], run_id: str, status: int) -> None:
    assert "[run." in failure(capsys, "show", run_id, status=status)


def test_a_run_is_deleted_and_brought_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deleted,) = document(capsys, "delete", "one")["deleted"]
    assert not (root / "one").exists()
    (restored,) = document(capsys, "restore", "one")["restored"]
    assert restored == {"runId": "one", "path": "runs/one", "trash": deleted["trash"]}
    assert document(capsys, "list")["totalCount"] == 4


def test_a_run_that_was_restored_is_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "delete", "one", "two")
    assert printed(capsys, "restore", "one", "two") == "restored one to runs/one\nrestored two to runs/two\n"
    open_bundle(root / "one").verify()
    assert printed(capsys, "restore", "--list") == "the trash is empty\n"


def test_the_trash_is_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "delete", "one")
    lines = printed(capsys, "restore", "--list").splitlines()
    assert (lines[0], lines[2].split()[0]) == ("1 run in the trash", "one")
    assert printed(capsys, "restore", "--list", "--markdown").startswith("**1 run in the trash**\n\n| run |")
    (trashed,) = document(capsys, "restore", "--list")["trash"]
    assert (trashed["runId"], trashed["mode"], trashed["templateId"]) == ("one", "simulation", "web-frontend")


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        pytest.param([], 2, "", id="nothing"),
        pytest.param(["two", "--list"], 2, "", id="two things at once"),
        pytest.param(["two", "--markdown"], 2, "", id="a table of nothing"),
        pytest.param(["../runs/one"], 2, "[storage.unsafe_name]", id="a path"),
        pytest.param(["two", "none"], 3, "[run.not_found]", id="not there"),
        pytest.param(["two", "one"], 4, "[run.conflict]", id="the id is taken"),
    ],
)
def test_what_is_not_restored(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, code: str
) -> None:
    printed(capsys, "delete", "one", "two")
    make_run(root, "one")
    assert code in failure(capsys, "restore", *words, status=status)
    assert not (root / "two").exists()


def test_a_run_is_deleted_for_good(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "delete", "one", "two", "--purge") == "removed one for good\nremoved two for good\n"
    assert list((root / ".trash").iterdir()) == []


def test_the_trash_is_emptied(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "delete", "one")
    assert printed(capsys, "delete", "--empty-trash") == "removed one for good\n"
    assert printed(capsys, "delete", "--empty-trash") == "the trash is empty\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        pytest.param([], 2, id="nothing"),
        pytest.param(["one", "--empty-trash"], 2, id="two things at once"),
        pytest.param(["../runs/one"], 2, id="a path"),
        pytest.param(["none"], 3, id="not there"),
    ],
)
def test_what_is_not_deleted(root: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int) -> None:
    failure(capsys, "delete", *words, status=status)
    assert (root / "one").exists()


def test_the_index_is_made_anew(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "reindex") == "read 4 runs, 1 of them broken\n"
    report = document(capsys, "reindex")
    assert (report["runCount"], report["brokenCount"], report["note"]) == (4, 1, None)


def test_runs_are_compared(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "compare", "one", "two")
    assert "parameters\n      one  two\nrate  2.0  3.0\n" in text
    assert text.endswith("0 of 5 series differ\n")


def test_runs_are_compared_as_markdown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "| rate | 2.0 | 3.0 |" in printed(capsys, "compare", "one", "two", "--markdown")


def test_runs_are_compared_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "compare", "one", "two", "--rtol", "1e-6", "--atol", "0.5")
    assert (found["a"], found["b"], found["isSame"], found["rtol"], found["atol"]) == ("one", "two", False, 1e-6, 0.5)
    assert found["parameters"] == [{"name": "rate", "a": 2.0, "b": 3.0}]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        pytest.param(["one", "two"], 0, id="differ"),
        pytest.param(["one", "two", "--exit-code"], 1, id="differ, with the exit code"),
        pytest.param(["one", "one", "--exit-code"], 0, id="same, with the exit code"),
    ],
)
def test_the_exit_status_of_a_comparison(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int
) -> None:
    printed(capsys, "compare", *words, status=status)


def test_a_run_that_is_the_same_is_said_to_be(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "compare", "one", "one") == "one and one are the same: 5 series\n"


def test_a_command_logs_lines_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(MODEL_TEXT, encoding="utf-8")
    assert main(["run", str(model), "--out", str(tmp_path), "--run-id", "one", "--log-json", "--json"]) == 0
    output = capsys.readouterr()
    events = [json.loads(line) for line in output.err.splitlines() if line.startswith("{")]
    assert [event["event"] for event in events][::4] == ["run_start", "run_completed"]
    assert {event["runId"] for event in events} == {"one"}
    assert json.loads(output.out)["wasReused"] is False


@pytest.mark.parametrize(("setting", "lines"), [("json", 1), ("off", 0)])
def test_the_log_can_be_a_setting(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    lines: int,
) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(MODEL_TEXT, encoding="utf-8")
    monkeypatch.setenv("FLOWTIME_LOG", setting)
    main(["run", str(model), "--out", str(tmp_path), "--run-id", ".."])
    assert capsys.readouterr().err.count('"event":"run_failed"') == lines


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(
            ["state", "one", "--bin", "2"], {"event": "state_snapshot", "eventId": 3001, "binIndex": 2}, id="snapshot"
        ),
        pytest.param(
            ["window", "one", "--start", "1"],
            {"eventId": 3002, "windowMode": "operational", "startBin": 1, "endBin": 3, "requestedBins": 3},
            id="window",
        ),
    ],
)
def test_what_is_asked_of_a_run_is_logged(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: dict[str, object],
) -> None:
    monkeypatch.setenv("FLOWTIME_LOG", "json")
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().err)
    assert {**told, **expected, "runId": "one", "mode": "simulation", "totalBins": 4} == told
    assert tuple(told)[4:] == EVENTS[told["event"]].fields
