"""A run that goes on in another process, or that died: both simulated in one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from flowtime.errors import RunConflictError
from flowtime.tracking import TrackedRun, bury, judge, read_record
from flowtime.tracking.forks import process_runs
from flowtime.tracking.live.identity import is_held, read_owner
from flowtime.tracking.live.live_page import LivePageWriter
from flowtime.tracking.live.liveness import status_of
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.run_files import RunFiles
from trackerfakes import FakeClock, begun, begun_at, document, step_of, steps_of

NOBODY = 2**22 + 1


def die(run: TrackedRun, **owner: Any) -> Path:
    """Let go of a run as if its process were gone: nothing more is written, the owner's pid is nobody's."""
    assert run.folder is not None
    run.abandon()
    process_runs().remove(run)
    run._keeper.stop(2.0)
    files = RunFiles(run.folder)
    mark = json.loads(files.owner.read_text())
    files.owner.write_text(json.dumps({**mark, "pid": NOBODY, **owner}))
    return run.folder


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    clock = FakeClock()
    run = begun_at(tmp_path, clock, run_id="one", steps=["a", "b", "c"])
    with run.step("a"):
        clock.pass_s(2.0)
    run.log(loss=1.0)
    run.step("b").__enter__()
    clock.pass_s(3.0)
    run.finish("preempted")
    clock.pass_s(500.0)
    again = begun_at(tmp_path, clock, run_id="one", resume=True, steps=["a", "b", "c", "d"])
    assert (again.is_done("a"), again.is_done("b"), again.is_done("c")) == (True, False, False)
    with again.step("b"):
        clock.pass_s(4.0)
    again.log(loss=0.5)
    again.finish()
    record = read_record(tmp_path / "one")
    assert (record.status, record.sessions, record.elapsed_seconds) == ("completed", 2, 9.0)
    assert [(row.step_id, row.status, row.attempts, row.duration_seconds) for row in record.steps] == [
        ("a", "completed", 1, 2.0),
        ("b", "completed", 2, 7.0),
        ("c", "pending", 0, None),
        ("d", "pending", 0, None),
    ]
    rows = [event.data["row"] for event in read_events(tmp_path / "one", streams=("scalars",))]
    assert rows == [0, 1]


def test_decorated_steps_of_an_earlier_session_are_not_called(tmp_path: Path) -> None:
    calls = []
    for session in range(2):
        run = begun(tmp_path, run_id="one", resume=True)
        run.stepped("a")(calls.append)(session)
        run.stepped("b")(calls.append)(-session)
        run.stepped("a")(calls.append)(session) if session else None
        run.finish("failed")
    assert calls == [0, 0]
    assert read_record(tmp_path / "one").sessions == 2


@pytest.mark.parametrize(
    ("status", "options", "message"),
    [
        pytest.param("completed", {}, "is completed", id="completed"),
        pytest.param("failed", {"pipeline": "other"}, "is of the pipeline 'demo'", id="another pipeline"),
        pytest.param(None, {}, "is being written by another process", id="alive"),
    ],
)
def test_what_can_not_go_on(tmp_path: Path, status: str | None, options: dict[str, Any], message: str) -> None:
    run = begun(tmp_path, run_id="one")
    run.finish(status) if status else None
    before = document(run)
    with pytest.raises(RunConflictError, match=message):
        begun(tmp_path, run_id="one", resume=True, **options)
    assert document(run) == before
    run.finish()


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.tex").write_text("")
    with pytest.raises(RunConflictError, match="is no tracked run"):
        begun(tmp_path, run_id="one", resume=True)
    assert (tmp_path / "one" / "thesis.tex").exists()


def test_a_claim_that_was_never_followed_by_a_run_may_be_taken(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    begun(tmp_path, run_id="one", resume=True).finish()
    assert read_record(tmp_path / "one").sessions == 1


@pytest.mark.parametrize(
    ("end", "status", "step_status", "exit_code"),
    [
        pytest.param(None, "killed", "failed", None, id="without a word"),
        pytest.param(("preempted", "SIGTERM"), "preempted", "cancelled", 143, id="by SIGTERM"),
        pytest.param(("cancelled", "SIGINT"), "cancelled", "cancelled", 130, id="by SIGINT"),
        pytest.param(("timeout", "SIGALRM"), "timeout", "failed", 142, id="by an alarm"),
        pytest.param(("completed", None), "completed", "completed", None, id="while it wrote its end"),
    ],
)
def test_a_dead_run_is_buried_as_what_it_was(
    tmp_path: Path, end: tuple[str, str | None] | None, status: str, step_status: str, exit_code: int | None
) -> None:
    run = begun(tmp_path)
    run.step("a").__enter__()
    run.summary["best"] = 3
    run.note("the last words")
    if end is not None:
        run._session.live.mark_end(*end, time.time_ns())
    folder = die(run)
    assert (judge(folder), status_of(folder, "running")) == ("dead", status)
    record = bury(folder)
    assert record is not None
    assert (record.status, record.summary, steps_of(run)) == (status, {"best": 3}, {"a": step_status})
    assert record.end is not None
    assert (record.end.exit_code, len(record.end.log_lines)) == (exit_code, 0 if status == "completed" else 1)
    assert (bury(folder), read_record(folder)) == (None, record)


def test_a_dead_run_ended_when_it_was_last_heard_of(tmp_path: Path) -> None:
    clock = FakeClock()
    run = begun_at(tmp_path, clock)
    with run.step("a"):
        clock.pass_s(5.0)
    run.step("b").__enter__()
    clock.pass_s(2.0)
    run._pulse.beat()
    clock.pass_s(60.0)
    folder = die(run)
    record = bury(folder)
    assert record is not None
    assert (record.elapsed_seconds, step_of(run, "b")["durationSeconds"]) == (7.0, 2.0)


def test_what_a_dead_run_knew_to_be_lost_stays_told(tmp_path: Path) -> None:
    run = begun(tmp_path, strict=False)
    run.log(loss="no number")
    run._pulse.beat()
    lost = run._pulse.dropped
    record = bury(die(run))
    assert record is not None
    assert (lost > 0, record.dropped) == (True, lost)


def test_a_run_killed_while_it_wrote_its_first_record_begins_again(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    (folder / "tracking").mkdir(parents=True)
    (folder / ".run.json.123.0a1b2c3d.tmp").write_bytes(b"{")
    run = begun(tmp_path, run_id="one", resume=True)
    run.finish()
    assert document(run)["sessions"] == 1


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    run = begun(tmp_path, run_id="one")
    with run.step("a"):
        pass
    run.step("b").__enter__()
    die(run)
    again = begun(tmp_path, run_id="one", resume=True)
    assert (again.is_done("a"), document(again)["status"]) == (True, "running")
    again.finish()
    assert steps_of(again) == {"a": "completed", "b": "failed"}
    assert step_of(again, "b")["reason"] == "interrupted"


def test_a_living_run_is_not_buried(tmp_path: Path) -> None:
    run = begun(tmp_path)
    folder = run.folder or tmp_path
    assert (bury(folder), is_held(RunFiles(folder).lock)) == (None, True)
    run.finish()
    assert is_held(RunFiles(folder).lock) is False


@pytest.mark.parametrize(
    ("owner", "silent_s", "liveness", "status"),
    [
        pytest.param({"startTicks": 1, "pid": os.getpid()}, 0, "dead", "killed", id="the pid was given again"),
        pytest.param({"bootId": "other", "host": "other"}, 14, "alive", "running", id="another host, heard of"),
        pytest.param({"bootId": "other", "host": "other"}, 16, "unknown", "lost", id="another host, silent"),
        pytest.param({"bootId": "other"}, 16, "dead", "killed", id="this host before it was started anew"),
        pytest.param({"pidNamespace": "pid:[1]"}, 0, "dead", "killed", id="a container that is gone"),
    ],
)
def test_who_is_alive(tmp_path: Path, owner: dict[str, Any], silent_s: float, liveness: str, status: str) -> None:
    run = begun(tmp_path)
    folder = die(run, **owner)
    now_ns = time.time_ns()
    LivePageWriter(RunFiles(folder).live).beat({"wallNs": now_ns, "monotonicNs": 0})
    later_ns = now_ns + int(silent_s * 1e9)
    assert judge(folder, wall_ns=later_ns) == liveness
    assert status_of(folder, "running", wall_ns=later_ns) == status


def test_a_container_on_this_machine_is_alive_while_it_holds_the_lock(tmp_path: Path) -> None:
    run = begun(tmp_path)
    folder = run.folder or tmp_path
    files = RunFiles(folder)
    files.owner.write_text(json.dumps({**json.loads(files.owner.read_text()), "pidNamespace": "pid:[1]"}))
    assert judge(folder) == "alive"
    run.finish()


@pytest.mark.parametrize("content", [None, "", "[]", '{"pid": 1}', '{"pid": "x", "host": 3}'])
def test_a_run_of_an_unknown_owner_is_lost_once_it_is_silent(tmp_path: Path, content: str | None) -> None:
    run = begun(tmp_path)
    folder = die(run)
    owner = RunFiles(folder).owner
    owner.unlink() if content is None else owner.write_text(content)
    assert read_owner(RunFiles(folder)) is None
    assert status_of(folder, "running", wall_ns=time.time_ns() + int(60e9)) == "lost"
    assert bury(folder) is None


def test_what_a_resumed_run_says_of_itself_is_in_the_log(tmp_path: Path) -> None:
    begun(tmp_path, run_id="one").finish("failed")
    begun(tmp_path, run_id="one", resume=True).finish()
    told = [event for event in read_events(tmp_path / "one", streams=("control",)) if event.kind == Kind.RUN]
    assert [(event.data["status"], event.data.get("session")) for event in told] == [
        ("running", 1),
        ("failed", None),
        ("running", 2),
        ("completed", None),
    ]
    assert [event.sequence for event in told] == sorted({event.sequence for event in told})
