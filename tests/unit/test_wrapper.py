"""Programs as tracked runs: what their output tells, what of it is kept, and what their ends mean."""

from __future__ import annotations

import json
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowtime
from flowtime.errors import ParameterError, RunConflictError, RunError
from flowtime.tracking.program.announcements import AnnouncedSteps, AnnouncementReader
from flowtime.tracking.program.output_tail import LastBytes, OutputLog, last_output_lines, output_files, text_lines
from flowtime.tracking.program.wrapper import require_program, resume_command

if sys.platform == "win32":
    pytest.skip("programs are wrapped on POSIX systems only", allow_module_level=True)

from flowtime.tracking.program.program import Ending
from flowtime.tracking.program.wrapper import judge_ending

INT, TERM, HUP, USR1, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGKILL
LINES = (
    b"hello ::step no\n::step collect\n::progress 3/200\r\nstd::vector\n"
    b":\n::\n::nonsense x\n::note \xff\n::metric a=1 b=2"
)
WORDS = [("step", "collect"), ("progress", "3/200"), ("note", "\ufffd"), ("metric", "a=1 b=2")]


def ending(
    code: int | None = None,
    died_of: int | None = None,
    received: tuple[int, ...] = (),
    *,
    is_timeout: bool = False,
    is_killed: bool = False,
) -> Ending:
    return Ending(code, died_of, received, is_timeout, is_killed, 0.0, None)


@pytest.mark.parametrize(
    ("end", "status", "exit_code", "signal_name"),
    [
        pytest.param(ending(0), "completed", 0, None, id="ended well"),
        pytest.param(ending(3), "failed", 3, None, id="exit status"),
        pytest.param(ending(None, INT, (INT,)), "cancelled", 130, "SIGINT", id="died of Ctrl-C"),
        pytest.param(ending(1, None, (INT,)), "cancelled", 1, "SIGINT", id="ended after Ctrl-C"),
        pytest.param(ending(0, None, (TERM,)), "preempted", 0, "SIGTERM", id="saved its work at SIGTERM"),
        pytest.param(ending(None, TERM), "preempted", 143, "SIGTERM", id="SIGTERM sent past us"),
        pytest.param(ending(None, HUP, (HUP,)), "cancelled", 129, "SIGHUP", id="terminal closed"),
        pytest.param(ending(0, None, (HUP, USR1)), "completed", 0, None, id="read its settings again, and went on"),
        pytest.param(ending(138, None, (USR1,)), "preempted", 138, "SIGUSR1", id="a shell whose program died of it"),
        pytest.param(ending(None, KILL), "killed", 137, "SIGKILL", id="killed by somebody"),
        pytest.param(ending(None, signal.SIGSEGV), "failed", 139, "SIGSEGV", id="a fault of its own"),
        pytest.param(ending(None, signal.SIGXCPU), "timeout", 152, "SIGXCPU", id="its processor time was up"),
        pytest.param(ending(None, TERM, is_timeout=True), "timeout", 124, "SIGTERM", id="its time was up"),
        pytest.param(ending(0, is_timeout=True), "timeout", 124, None, id="ended of itself when its time was up"),
        pytest.param(ending(None, KILL, (INT,), is_killed=True), "cancelled", 137, "SIGKILL", id="second Ctrl-C"),
    ],
)
def test_an_end_gives_a_status(end: Ending, status: str, exit_code: int, signal_name: str | None) -> None:
    assert judge_ending(end)[:3] == (status, exit_code, signal_name)


@given(cuts=st.lists(st.integers(1, len(LINES) - 1), max_size=12))
def test_announcements_are_found_however_they_are_cut(cuts: list[int]) -> None:
    found: list[tuple[str, str]] = []
    reader = AnnouncementReader(lambda word, rest: found.append((word, rest)))
    places = sorted({0, *cuts, len(LINES)})
    for start, end in pairwise(places):
        reader.feed(LINES[start:end])
    reader.finish()
    assert found == WORDS


def test_a_line_without_end_is_not_kept_in_memory() -> None:
    reader = AnnouncementReader(lambda word, rest: pytest.fail("there is no announcement"))
    for _ in range(100):
        reader.feed(b"::" * 1000)
    reader.finish()
    assert len(reader._held) <= 4096


def announced(folder: Path, *pairs: tuple[str, str]) -> dict[str, object]:
    with flowtime.track("p", root=folder, strict=True, sample=False) as run:
        steps = AnnouncedSteps(run)
        for pair in pairs:
            steps(*pair)
        steps.end()
    return json.loads((run.folder / "run.json").read_text())


def test_announcements_make_steps(tmp_path: Path) -> None:
    record = announced(
        tmp_path,
        ("step", "a"),
        ("progress", "3/9"),
        ("step", "b"),
        ("progress", "7"),
        ("skip", "c no data"),
        ("step", ""),
    )
    assert [
        (step["stepId"], step["status"], step["done"], step["total"], step["reason"]) for step in record["steps"]
    ] == [
        ("a", "completed", 3, 9, None),
        ("b", "completed", 7, None, None),
        ("c", "skipped", None, None, "no data"),
    ]


def test_announced_figures_and_notes_are_kept(tmp_path: Path) -> None:
    from flowtime.tracking.log.event_reader import read_events

    record = announced(tmp_path, ("metric", "loss=0.5 lr=1e-3 name=x loss"), ("note", "hello"), ("note", ""))
    events = [
        event.data for event in read_events(tmp_path / str(record["runId"])) if event.stream in ("scalars", "notes")
    ]
    assert [(data.get("name"), data.get("value"), data.get("text")) for data in events] == [
        ("loss", 0.5, None),
        ("lr", 0.001, None),
        (None, None, "hello"),
    ]


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("progress", "3/200"), id="progress of no step"),
        pytest.param(("progress", "many"), id="progress that is no number"),
        pytest.param(("metric", "loss"), id="a figure without a value"),
        pytest.param(("skip", ""), id="no step to skip"),
        pytest.param(("step", "x" * 201), id="a name too long"),
        pytest.param(("step", "a\x1b[0m"), id="a name that can not be printed"),
    ],
)
def test_announcements_without_sense_do_nothing(tmp_path: Path, pair: tuple[str, str]) -> None:
    record = announced(tmp_path, pair)
    assert (record["steps"], record["dropped"], record["status"]) == ([], 0, "completed")


def test_output_is_kept_from_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = OutputLog(tmp_path, limit_bytes=400)
    text = b"".join(b"%06d\n" % number for number in range(1000))
    for start in range(0, len(text), 33):
        log.write(text[start : start + 33])
    log.close()
    head, *rest = [path.read_bytes() for path in output_files(tmp_path)]
    tail = b"".join(rest)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert (len(head), len(text) - len(head) - len(tail)) == (100, log.left_out)
    assert 150 <= len(tail) <= 300


def test_output_of_a_run_that_goes_on_is_added(tmp_path: Path) -> None:
    for word in (b"one\n", b"two\n"):
        log = OutputLog(tmp_path)
        log.write(word)
        log.close()
    assert (tmp_path / "output.log").read_bytes() == b"one\ntwo\n"


def test_output_that_the_disk_refuses_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = OutputLog(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("flowtime.tracking.program.output_tail.os.write", full)
        log.write(b"lost")
    log.write(b"kept")
    log.close()
    assert (log.lost, log.problem) == (4, "output.log: No space left on device")
    assert (tmp_path / "output.log").read_bytes() == b"kept"


def test_last_lines_come_from_the_files(tmp_path: Path) -> None:
    log = OutputLog(tmp_path, limit_bytes=40)
    log.write(b"".join(b"line %d\n" % number for number in range(10)))
    log.close()
    assert last_output_lines(tmp_path, 3) == ("line 7", "line 8", "line 9")
    assert last_output_lines(tmp_path / "none") == ()


def test_last_lines_are_not_joined_across_a_gap(tmp_path: Path) -> None:
    (tmp_path / "output.head.log").write_bytes(b"old\n")
    (tmp_path / "output.log").write_bytes(b"long ago\n" + b"x" * 100_000 + b"\nlast\n")
    assert [line[:4] for line in last_output_lines(tmp_path)] == ["xxxx", "last"]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        pytest.param(b"", (), id="nothing"),
        pytest.param(b"a\nb\nc\nd", ("c", "d"), id="the last ones"),
        pytest.param(b"\n\n", ("", ""), id="empty lines"),
        pytest.param(b" 1%\r50%\r99%\nok\r\n", ("99%", "ok"), id="written over"),
        pytest.param(b"\x1b[31mred\x1b[0m \x1b]0;title\x07x\n", ("red x",), id="colors and titles"),
        pytest.param(b"\xff\x00\x07\n", ("\ufffd",), id="no text"),
        pytest.param(b"x" * 1000, ("x" * 500,), id="long lines are cut"),
    ],
)
def test_lines_are_those_that_people_saw(data: bytes, lines: tuple[str, ...]) -> None:
    assert text_lines(data, 2) == lines


def test_last_bytes_are_bounded() -> None:
    last = LastBytes(limit=100)
    for number in range(1000):
        last.add(b"%d\n" % number)
    assert last.lines(3) == ("997", "998", "999")
    assert last._size < 110


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param(["no-such-program"], "run.command_not_found", id="no such program"),
        pytest.param(["./no-such-program"], "run.command_not_found", id="no such file"),
        pytest.param(["./text"], "run.command_not_executable", id="no program"),
        pytest.param(["./"], "run.command_not_executable", id="a folder"),
    ],
)
def test_what_can_not_be_started_is_told_before(tmp_path: Path, command: list[str], code: str) -> None:
    (tmp_path / "text").write_text("")
    with pytest.raises(RunError) as caught:
        require_program(command, {"PATH": "/usr/bin:/bin"}, tmp_path)
    assert caught.value.code == code


def test_no_command_is_a_wrong_call() -> None:
    with pytest.raises(ParameterError):
        require_program([], {}, None)


def failed_run(root: Path, config: dict[str, object], status: str = "failed") -> Path:
    run = flowtime.track("p", root=root, config=config, sample=False, signals=False).start()
    run.finish(status)
    assert run.folder is not None
    return run.folder


def test_a_run_goes_on_by_its_command(tmp_path: Path) -> None:
    config = {"command": ["sh", "-c", "exit 1"], "workingFolder": "/work", "timeoutSeconds": 5.0, "sample": False}
    folder = failed_run(tmp_path, config)
    found = resume_command(folder)
    assert found.folder == Path("/work")
    assert found.arguments[:6] == (sys.executable, "-m", "flowtime", "track", "--resume", folder.name)
    assert found.arguments[6:] == (
        *("--runs-dir", str(tmp_path), "--timeout", "5.0", "--no-sample"),
        *("--", "sh", "-c", "exit 1"),
    )


@pytest.mark.parametrize(
    ("config", "status"),
    [
        pytest.param({}, "failed", id="not made by track"),
        pytest.param({"command": ["true"]}, "completed", id="completed"),
    ],
)
def test_other_runs_do_not_go_on(tmp_path: Path, config: dict[str, object], status: str) -> None:
    with pytest.raises(RunConflictError):
        resume_command(failed_run(tmp_path, config, status))
