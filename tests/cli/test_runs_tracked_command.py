"""``flowtime runs`` on tracked runs: lists, status, watching, reports, exports, pins, pruning, resumption."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowtime.cli import main, runs_report, runs_status
from flowtime.orchestration.schemas import schema_texts
from flowtime.runs.pins import is_pinned
from flowtime.tracking import track
from flowtime.tracking.report.run_export import EXPORT_FORMATS
from flowtime.tracking.report.run_watch import EXIT_STATUSES, watch_run
from registryfakes import make_run
from trackedfolders import make_live, make_tracked, me, start_program, statuses_of


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flow run, two older tracked runs and one that was just tracked, ``new``, below the working folder."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs", "flow", "2025-01-01T00:00:00Z", templateId="shop", mode="simulation")
    make_tracked(tmp_path / "runs", "one", createdUtc="2025-01-02T00:00:00Z", scenario="maps/hall.yaml")
    make_tracked(
        tmp_path / "runs", "two", createdUtc="2025-01-03T00:00:00Z", pipeline="sweep", status="failed", tags={}
    )
    with track("imitation", steps=["collect"], root="runs", run_id="new", sample=False) as run, run.step("collect"):
        run.log(loss=0.5)
    return tmp_path / "runs"


def printed(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["runs", *words]) == status
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    return json.loads(printed(capsys, *words, "--json", status=status))


def failure(capsys: pytest.CaptureFixture[str], *words: str, status: int) -> str:
    assert main(["runs", *words]) == status
    return capsys.readouterr().err


def test_a_list_of_both_kinds(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "list").splitlines()
    assert lines[1].endswith(" status")
    assert "template or pipeline" in lines[1]
    assert lines[3].split() == [
        *("two", "2025-01-03", "00:00:00", "pipeline", "sweep", "-", "-", "-", "2/2", "10m00s", "-", "-", "failed"),
    ]
    assert [line.split()[0] for line in lines[2:]] == ["new", "two", "one", "flow"]


def test_a_list_of_tracked_runs_has_no_columns_of_flow_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = printed(capsys, "list", "--pipeline", "sweep").splitlines()[1].split()
    assert columns == ["run", "created", "(UTC)", "mode", "pipeline", "steps", "elapsed", "warnings", "status"]


def test_an_id_longer_than_any_column_is_printed_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_tracked(root, "x" * 128, createdUtc="2024-01-02T00:00:00")
    rows = printed(capsys, "list").splitlines()[2:]
    assert rows[-1].startswith("x" * 128 + "  2024-01-02 00:00:00  ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["--kind", "flow"], ["flow"], id="kind"),
        pytest.param(["--status", "failed"], ["two"], id="status"),
        pytest.param(["--pipeline", "sweep"], ["two"], id="pipeline"),
        pytest.param(["--scenario", "hall"], ["one"], id="scenario"),
        pytest.param(["--tag", "team"], ["one"], id="tag"),
        pytest.param(["--tag", "team", "--tag", "team=arm"], ["one"], id="tags"),
    ],
)
def test_filters(root: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: list[str]) -> None:
    assert [item["runId"] for item in document(capsys, "list", *words)["items"]] == expected


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        pytest.param(["--pipeline", "imitatoin"], "did you mean 'imitation'?", id="pipeline"),
        pytest.param(["--scenario", "hal"], "did you mean 'hall'?", id="scenario"),
        pytest.param(["--tag", "team=amr"], "did you mean 'team=arm'?", id="tag"),
        pytest.param(["--tag", "zzz"], "shows every tag", id="tag like no other"),
    ],
)
def test_a_value_that_no_run_has_is_an_error(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], hint: str
) -> None:
    message = failure(capsys, "list", *words, status=1)
    assert "parameter.filter_value" in message
    assert hint in message


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        pytest.param(["list"], "run-page", id="list"),
        pytest.param(["status", "new"], "run-status", id="status"),
        pytest.param(["summary", "new"], "run-report", id="summary"),
        pytest.param(["show", "new"], "tracked-run", id="show"),
        pytest.param(["resume", "two"], "resume-plan", id="resume"),
        pytest.param(["compare", "one", "two"], "tracked-comparison", id="compare"),
        pytest.param(["prune", "--keep", "1", "--dry-run"], "prune-report", id="prune"),
    ],
)
def test_json_satisfies_its_schema(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], schema: str
) -> None:
    published = json.loads(schema_texts()[f"{schema}.schema.json"])
    jsonschema.Draft202012Validator(published).validate(document(capsys, *words))


@pytest.mark.parametrize("command", ["status", "summary", "show"])
def test_what_is_told_of_a_run(root: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    text = printed(capsys, command, "new")
    assert text.startswith("imitation (new) completed\n")
    assert printed(capsys, command, "new", "--markdown").startswith("# imitation (new) completed\n")


@pytest.mark.parametrize("command", ["status", "watch", "summary", "export", "resume"])
@pytest.mark.parametrize(("run", "status", "code"), [("flow", 1, "run.not_tracked"), ("none", 3, "run.not_found")])
def test_what_is_no_tracked_run(
    root: Path, capsys: pytest.CaptureFixture[str], command: str, run: str, status: int, code: str
) -> None:
    assert code in failure(capsys, command, run, status=status)


@pytest.mark.parametrize(("run", "status"), [("new", 0), ("two", 1)])
def test_watching_a_run_that_has_ended(root: Path, capsys: pytest.CaptureFixture[str], run: str, status: int) -> None:
    assert " after " in printed(capsys, "watch", run, status=status)


def test_watching_a_run_to_its_end(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = start_program(root, "live", 30)
    lines = printed(capsys, "watch", "live").splitlines()
    program.wait()
    assert lines[-1].startswith("completed after")
    assert any(line.startswith("train: completed") for line in lines)


def test_watching_as_lines_of_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = start_program(root, "live", 30)
    lines = [json.loads(line) for line in printed(capsys, "watch", "live", "--json").splitlines()]
    program.wait()
    assert lines[0]["status"]["status"] == "running"
    assert lines[-1]["status"]["status"] == "completed"


def test_a_terminal_is_drawn_in_place(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "8")
    make_live(root, "live", me())
    show = runs_status._screen()
    (update,) = watch_run(root / "two", wait=lambda _seconds: None)
    first = next(watch_run(root / "live", wait=lambda _seconds: None))
    show(first)
    before = capsys.readouterr().out
    show(update)
    assert max(len(line) for line in before.removeprefix("\x1b[J").splitlines()) <= 39
    assert before.count("\n") <= 7
    assert capsys.readouterr().out.startswith(f"\x1b[{before.count(chr(10))}F\x1b[J")


def test_the_help_tells_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(printed(capsys, "watch", "--help").split())
    assert all(f"{status} {number}" in text for status, number in EXIT_STATUSES.items())


def test_the_choices_are_those_of_the_library() -> None:
    assert runs_report.FORMATS == EXPORT_FORMATS


def test_an_export(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "export", "new"))["status"]["runId"] == "new"
    assert printed(capsys, "export", "new", "--format", "jsonl").count('"kind":"scalar"') == 1
    printed(capsys, "export", "new", "--format", "markdown", "-o", "new.md")
    assert "run.export_exists" in failure(capsys, "export", "new", "-o", "new.md", status=4)


def test_pins(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "pin", "one", "flow") == "pinned one\npinned flow\n"
    assert printed(capsys, "pin", "one") == "one was pinned already\n"
    assert [is_pinned(root / name) for name in ("one", "flow", "two")] == [True, True, False]
    assert document(capsys, "unpin", "one") == {"pins": [{"runId": "one", "isPinned": False, "hasChanged": True}]}


@pytest.mark.parametrize("words", [["delete", "one"], ["delete", "one", "--purge"]])
def test_a_pinned_run_is_not_deleted(root: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    printed(capsys, "pin", "one")
    assert "is pinned" in failure(capsys, *words, status=4)
    assert (root / "one").is_dir()


def test_a_run_that_goes_on_is_not_deleted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_live(root, "live", me())
    assert "is going on" in failure(capsys, "delete", "two", "live", status=4)
    assert (root / "two").is_dir()


def test_a_dry_run_touches_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "prune", "--keep", "1", "--dry-run")
    assert text.startswith("would be pruned\n")
    assert text.endswith("of the chosen kept\n")
    assert {path.name for path in root.iterdir() if path.name[0] != "."} == {"flow", "new", "one", "two"}


def test_a_dry_run_without_rules_shows_all_that_could_go(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = document(capsys, "prune", "--dry-run")
    assert [run["runId"] for run in report["pruned"]] == ["flow", "one", "two", "new"]


def test_pruning(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "pin", "one")
    text = printed(capsys, "prune", "--keep", "1")
    assert "stays: one is pinned" in text
    assert {path.name for path in root.iterdir() if path.name[0] != "."} == {"new", "one"}
    assert len(list((root / ".trash").iterdir())) == 2


def test_pruning_for_good(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = document(capsys, "prune", "--kind", "pipeline", "--status", "failed", "--purge")
    assert [run["runId"] for run in report["pruned"]] == ["two"]
    assert list((root / ".trash").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        pytest.param([], 2, "Say what is to be pruned", id="nothing"),
        pytest.param(["--max-bytes", "much"], 1, "is no size", id="size"),
        pytest.param(["--keep", "-1"], 2, "--keep", id="count"),
        pytest.param(["--tag", "zzz"], 1, "parameter.filter_value", id="tag"),
        pytest.param(["--status", "done"], 1, "parameter.filter_value", id="status"),
    ],
)
def test_what_can_not_be_pruned(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str
) -> None:
    assert message in failure(capsys, "prune", *words, status=status)


def test_a_run_made_from_python_says_how_it_is_resumed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "flowtime.track('sweep', root='runs', run_id='two', resume=True)" in printed(capsys, "resume", "two")


def test_a_run_of_flowtime_track_is_run_again(root: Path) -> None:
    flag = root.parent / "flag"
    program = f"import pathlib, sys; sys.exit(0 if pathlib.Path({str(flag)!r}).exists() else 3)"
    flowtime = [sys.executable, "-m", "flowtime"]
    words = [*flowtime, "track", "--runs-dir", str(root), "--name", "again", "--", sys.executable, "-c", program]
    assert subprocess.run(words, check=False).returncode == 3
    flag.touch()
    (run_id,) = statuses_of(root, pipeline="again")
    resumed = subprocess.run([*flowtime, "runs", "resume", run_id, "--runs-dir", str(root)], check=False)
    assert resumed.returncode == 0
    record = json.loads((root / run_id / "run.json").read_text())
    assert (record["status"], record["sessions"]) == ("completed", 2)


def test_tracked_runs_are_compared(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "compare", "one", "two", "--exit-code", status=1)
    assert {item["name"]: (item["a"], item["b"]) for item in found["madeWith"]} == {
        "pipeline": ("imitation", "sweep"),
        "scenario": ("maps/hall.yaml", None),
        "status": ("completed", "failed"),
        "tag.team": ("arm", None),
    }
    assert [step["stepId"] for step in found["steps"]] == ["collect", "pretrain", "export"]
    assert "pipeline" in printed(capsys, "compare", "one", "two")


def test_a_tracked_run_is_the_same_as_itself(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "compare", "new", "new", "--exit-code")
    assert (found["isSame"], found["steps"][0]["ratio"]) == (True, 1.0)


def test_runs_of_two_kinds_are_not_compared(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "compare runs of one kind" in failure(capsys, "compare", "one", "flow", status=1)
