"""The status of a tracked run: while it goes on, after it ended, after it died; followed, reported and exported."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from flowtime.errors import RunConflictError, RunError
from flowtime.runs.pins import pin_run
from flowtime.tracking import track
from flowtime.tracking.clock import Clock
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.report.resumption import plan_resume, resume_sections
from flowtime.tracking.report.run_export import export_run
from flowtime.tracking.report.run_report import report_run, report_sections, show_sections
from flowtime.tracking.report.run_status import RemainingTime, read_status
from flowtime.tracking.report.run_watch import EXIT_STATUSES, exit_status_of, progress_line, watch_run
from flowtime.tracking.report.sections import Section, markdown_text, plain_text
from flowtime.tracking.report.status_text import remaining_text, status_sections, steps_section
from registryfakes import make_run
from trackedfolders import dead_owner, far_owner, make_live, make_tracked, me, start_program

BEAT = {
    **{"wallNs": 1_000_000_000, "monotonicNs": 5_000_000_000, "events": 7, "dropped": 1},
    **{"step": None, "etaSeconds": 60.0, "etaLow": 40.0, "etaHigh": 90.0},
}


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """A completed run of three steps, one of them skipped."""
    with track(
        "imitation", steps=["collect", "train", "export"], tags={"team": "arm"}, root=tmp_path, sample=False
    ) as run:
        with run.step("collect", total=2) as step:
            step.advance(2)
            run.log(loss=0.5, reward=float("nan"))
        with run.step("train"), run.step("epoch"):
            run.log(loss=0.25)
        run.skip("export", "nothing to export")
        run.summary["best"] = 0.25
        folder = run.folder
    assert folder is not None
    return folder


def fail_after_a(root: Path) -> None:
    """Make a run ``one`` that fails between its two steps."""
    run = track("x", steps=["a", "b"], root=root, run_id="one", sample=False)
    with suppress(ZeroDivisionError), run:
        with run.step("a"):
            run.note("the last line")
        1 / 0  # noqa: B018 - the error is the point


def test_the_status_of_a_run_that_goes_on(tmp_path: Path) -> None:
    with track("imitation", steps=["collect", "train"], root=tmp_path, sample=False) as run:
        with run.step("collect"):
            run.log(loss=2.0)
        with run.step("train", total=10) as step:
            step.advance(4)
            assert run.folder is not None
            status = read_status(run.folder)
    assert (status.status, status.steps_done, status.steps_total, status.step, status.step_index) == (
        *("running", 1, 2),
        *("train", 2),
    )
    assert [(item.name, item.value, item.row) for item in status.scalars] == [("loss", 2.0, 0)]
    assert [step.status for step in status.steps] == ["completed", "running"]
    assert status.elapsed_seconds is not None
    assert 0 < status.elapsed_seconds < 60


def test_the_status_of_a_run_that_is_completed(done: Path) -> None:
    status = read_status(done)
    assert (status.status, status.steps_done, status.steps_total, status.tags) == ("completed", 2, 2, {"team": "arm"})
    assert [(step.step_id, step.status) for step in status.steps] == [
        ("collect", "completed"),
        ("train", "completed"),
        ("export", "skipped"),
        ("epoch", "completed"),
    ]
    assert {item.name: item.value for item in status.scalars} == {"loss": 0.25, "reward": None}


def test_a_run_that_died_is_killed_and_its_record_says_so(tmp_path: Path) -> None:
    program = start_program(tmp_path, "one", 1000)
    program.kill()
    program.wait()
    assert read_status(tmp_path / "one").status == "killed"
    assert json.loads((tmp_path / "one" / "run.json").read_text())["status"] == "killed"


def test_the_eta_counts_down_between_two_heartbeats(tmp_path: Path) -> None:
    folder = make_live(tmp_path, "one", me(), beat=BEAT)
    status = read_status(folder, clock=Clock(lambda: 11_000_000_000, lambda: 15_000_000_000))
    assert status.eta == RemainingTime(seconds=50.0, low=30.0, high=80.0)
    assert (status.heartbeat_seconds, status.events, status.dropped) == (10.0, 7, 1)
    assert remaining_text(status.eta) == "50s (30s to 1m20s)"


def test_an_eta_that_is_not_known_is_unknown_and_not_zero(tmp_path: Path) -> None:
    folder = make_live(tmp_path, "one", me(), beat={**BEAT, "etaSeconds": None})
    assert remaining_text(read_status(folder).eta) == "unknown"


def test_a_silent_run_of_another_host_is_lost(tmp_path: Path) -> None:
    assert read_status(make_live(tmp_path, "one", far_owner(), beat=BEAT)).status == "lost"


def test_a_flow_run_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="was not tracked") as caught:
        read_status(make_run(tmp_path, "flow"))
    assert caught.value.code == "run.not_tracked"


def test_a_run_is_followed_to_its_end(tmp_path: Path) -> None:
    program = start_program(tmp_path, "one", 30)
    updates = list(watch_run(tmp_path / "one", wait=time.sleep))
    program.wait()
    news = [line.partition(" after")[0] for update in updates for line in update.news]
    assert news[-3:] == ["collect: completed", "train: running", "train: completed"]
    assert (updates[-1].status.status, updates[-1].status.steps_done) == ("completed", 2)
    assert progress_line(updates[-1].status).endswith("2 of 2 steps")


def test_what_is_new_is_seen_within_250_ms(tmp_path: Path) -> None:
    seen: list[float] = []
    with track("imitation", root=tmp_path, run_id="one", sample=False) as run:
        updates = watch_run(tmp_path / "one", wait=time.sleep)
        next(updates)
        for number in range(5):
            run.step(f"step{number}").__enter__()
            begun = time.monotonic()
            while not any(line.startswith(f"step{number}") for line in next(updates).news):
                pass
            seen.append(time.monotonic() - begun)
    assert sorted(seen)[2] < 0.25


def test_a_run_that_is_killed_ends_the_watching(tmp_path: Path) -> None:
    program = start_program(tmp_path, "one", 1000)
    updates = watch_run(tmp_path / "one", wait=time.sleep)
    next(updates)
    program.kill()
    program.wait()
    begun = time.monotonic()
    assert [update.status.status for update in updates][-1] == "killed"
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("status", sorted(EXIT_STATUSES))
def test_a_run_that_has_ended_is_not_waited_for(tmp_path: Path, status: str) -> None:
    folder = make_tracked(tmp_path, "one", status=status)
    (update,) = watch_run(folder, wait=lambda _seconds: pytest.fail("waited"))
    assert update.status.status == status


def test_exit_statuses_tell_ends_apart() -> None:
    assert len(set(EXIT_STATUSES.values())) == len(EXIT_STATUSES)
    assert [exit_status_of(status) for status in ("completed", "failed", "running")] == [0, 1, 0]


def test_a_report(done: Path) -> None:
    report = report_run(done)
    assert report.told.summary == {"best": 0.25}
    text = plain_text(report_sections(report))
    assert text.startswith(f"imitation ({done.name}) completed\nsteps:")
    assert "best: 0.25" in text


def test_a_report_of_a_run_that_failed_says_why(tmp_path: Path) -> None:
    fail_after_a(tmp_path)
    text = markdown_text(report_sections(report_run(tmp_path / "one")))
    assert "## what was said last" in text
    assert "| the last line |" in text
    assert "ZeroDivisionError" in text


def test_what_a_run_was_made_with(tmp_path: Path) -> None:
    with track("x", config={"rate": 0.1, "layers": [1, 2]}, root=tmp_path, run_id="one", sample=False):
        pass
    text = plain_text(show_sections(report_run(tmp_path / "one")))
    assert "layers: [1, 2]" in text
    assert "python" in text


@pytest.mark.parametrize(
    ("form", "start"), [("json", '{\n  "status": {'), ("markdown", "# imitation"), ("jsonl", '{"writer":"main"')]
)
def test_an_export_is_written_whole(done: Path, tmp_path: Path, form: str, start: str) -> None:
    target = tmp_path / "deep" / "er" / "file"
    size = export_run(done, form, target)  # type: ignore[arg-type]
    assert target.read_text().startswith(start)
    assert (target.stat().st_size, [path.name for path in target.parent.iterdir()]) == (size, ["file"])


def test_an_export_replaces_nothing_unless_told_to(done: Path, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("mine")
    with pytest.raises(RunConflictError) as caught:
        export_run(done, "json", target)
    assert (caught.value.code, target.read_text()) == ("run.export_exists", "mine")
    export_run(done, "json", target, overwrite=True)
    assert json.loads(target.read_text())["status"]["runId"] == done.name


def test_an_export_that_fails_leaves_nothing(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtime.tracking.report.run_export.report_run", lambda _folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_run(done, "json", tmp_path / "file")
    assert not list(tmp_path.glob("*file*"))


def test_the_plan_of_a_resumption(tmp_path: Path) -> None:
    fail_after_a(tmp_path)
    plan = plan_resume(tmp_path / "one")
    assert (plan.status, plan.steps_done, plan.steps_left, plan.command) == ("failed", ("a",), ("b",), None)
    assert "run_id='one', resume=True" in plan.hint
    assert plain_text(resume_sections(plan)).startswith("x (one) was failed\ndone:    a\nleft:    b\n")


@pytest.mark.parametrize(
    ("state", "message"), [("live", "is going on"), ("far", "another host"), ("over", "is completed")]
)
def test_what_can_not_be_resumed(tmp_path: Path, state: str, message: str) -> None:
    make_live(tmp_path, "live", me())
    make_live(tmp_path, "far", far_owner(), beat=BEAT)
    make_tracked(tmp_path, "over")
    with pytest.raises(RunConflictError, match=message):
        plan_resume(tmp_path / state)


def test_a_dead_run_can_be_resumed(tmp_path: Path) -> None:
    program = start_program(tmp_path, "one", 1000)
    program.kill()
    program.wait()
    assert plan_resume(tmp_path / "one").status == "killed"


def test_of_many_steps_those_around_the_one_under_way_are_shown(tmp_path: Path) -> None:
    with track("x", steps=[f"s{n}" for n in range(100)], root=tmp_path, run_id="one", sample=False) as run:
        for number in range(50):
            run.skip(f"s{number}", "done before")
        with run.step("s50"):
            section = steps_section(read_status(tmp_path / "one").steps, 10)
    assert [row[0] for row in section.rows] == [f"s{n}" for n in range(45, 55)]
    assert section.more == 90


def test_a_pin_is_shown(done: Path) -> None:
    pin_run(done)
    assert read_status(done).is_pinned
    assert "pinned:" in plain_text(status_sections(read_status(done)))


def test_markdown_keeps_texts_in_their_cells() -> None:
    section = Section("a_b", ("x", "y"), [("p|q", "line\nbreak")], more=3)
    assert markdown_text([section]) == (
        "# a\\_b\n\n| x | y |\n| --- | ---: |\n| p\\|q | line break |\n\nand 3 more; --json has them all\n"
    )


def test_a_kind_that_is_no_step_tells_nothing(tmp_path: Path) -> None:
    with track("x", root=tmp_path, run_id="one", sample=False) as run:
        updates = watch_run(tmp_path / "one", wait=time.sleep)
        next(updates)
        run._session.log.append(Kind.ADVICE, {"severity": "warning", "message": "too slow", "trigger": "x",
                                              "suggestedActions": []})  # fmt: skip
        lines = next(update.news for update in updates if update.news)
    assert lines == ("warning: too slow",)


def test_a_dead_run_that_wrote_nothing_is_told_all_the_same(tmp_path: Path) -> None:
    assert read_status(make_live(tmp_path, "one", dead_owner())).status == "killed"
