"""A run while it goes on, and its record when it has ended."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import flowtime
from flowtime.errors import FlowtimeError, ParameterError, RunConflictError, UnsafeNameError
from flowtime.tracking import RunFiles, TrackedRun, effective_status, is_tracked, judge, read_record
from flowtime.tracking.forks import process_runs
from flowtime.tracking.live.identity import new_run_id
from flowtime.tracking.tracked_step import Step
from trackerfakes import begun, document, step_of, steps_of


def raise_if_any(error: Exception | None) -> None:
    if error is not None:
        raise error


def test_a_run_that_ends_well_leaves_a_record_that_says_so(tmp_path: Path) -> None:
    options: dict[str, Any] = {"tags": {"lab": 3}, "config": {"seed": 1, "rates": (0.1, math.nan)}, "scenario": "hall"}
    with begun(tmp_path, steps=["collect", ("train", "Train it")], **options) as run:
        with run.step("collect") as step:
            assert list(step.progress(range(3))) == [0, 1, 2]
        with run.step("train", total=2) as step:
            step.advance(2)
        run.summary["best"] = 0.5
    record = read_record(run.folder or tmp_path)
    assert (record.status, record.pipeline, record.sessions, record.dropped) == ("completed", "demo", 1, 0)
    assert (record.tags, record.scenario, record.summary) == ({"lab": "3"}, "hall", {"best": 0.5})
    assert [(row.display_name, row.order, row.done, row.total) for row in record.steps] == [
        ("collect", 1, 3, 3),
        ("Train it", 2, 2, 2),
    ]
    assert (record.enabled_steps, document(run)["config"]) == (("collect", "train"), {"seed": 1, "rates": [0.1, None]})


def test_the_record_of_a_run_that_goes_on_can_be_read(tmp_path: Path) -> None:
    run = begun(tmp_path)
    folder = run.folder or tmp_path
    assert is_tracked(folder)
    assert (effective_status(folder, read_record(folder)), judge(folder)) == ("running", "alive")
    run.finish()
    assert effective_status(folder, read_record(folder)) == "completed"


def test_ids_are_26_letters_that_sort_by_time() -> None:
    ids = [new_run_id(milliseconds * 1_000_000, bytes(10)) for milliseconds in (0, 1, 31, 32, 1_700_000_000_000)]
    assert ids == sorted(ids)
    assert {len(run_id) for run_id in ids} == {26}
    assert ids[0] == "r" + "0" * 25
    assert new_run_id(0, b"\xff" * 10) == "r" + "0" * 10 + "z" * 15


@pytest.mark.parametrize(
    ("error", "status", "step_status", "exit_code"),
    [
        pytest.param(ValueError("bad"), "failed", "failed", 1, id="an exception"),
        pytest.param(KeyboardInterrupt(), "cancelled", "cancelled", 130, id="KeyboardInterrupt"),
        pytest.param(asyncio.CancelledError(), "cancelled", "cancelled", 1, id="a cancelled task"),
        pytest.param(SystemExit(3), "failed", "failed", 3, id="SystemExit with a code"),
        pytest.param(SystemExit("no licence"), "failed", "failed", 1, id="SystemExit with a text"),
        pytest.param(SystemExit(0), "completed", "completed", 0, id="SystemExit of a program that is through"),
    ],
)
def test_what_leaves_the_block_is_the_end(
    tmp_path: Path, error: BaseException, status: str, step_status: str, exit_code: int
) -> None:
    run = begun(tmp_path)
    run.note("a line before it")
    with pytest.raises(type(error)), run, run.step("a"):
        raise error
    found = document(run)
    assert (found["status"], steps_of(run)) == (status, {"a": step_status})
    assert found["end"]["exitCode"] == exit_code
    assert found["end"]["logLines"] == ([] if status == "completed" else ["a line before it"])


def test_the_traceback_of_the_host_is_kept(tmp_path: Path) -> None:
    run = begun(tmp_path)
    with pytest.raises(ValueError, match="what is wrong"), run, run.step("a"):
        raise ValueError("what is wrong")
    end = document(run)["end"]
    assert end["error"] == "ValueError: what is wrong"
    assert "test_the_traceback_of_the_host_is_kept" in end["traceback"]
    assert step_of(run, "a")["reason"] == "ValueError: what is wrong"


def test_the_first_end_counts(tmp_path: Path) -> None:
    with begun(tmp_path) as run:
        run.finish("timeout", reason="out of time")
        run.finish("completed")
        run.log(loss=1.0)
    found = document(run)
    assert (found["status"], found["end"]["reason"], found["dropped"]) == ("timeout", "out of time", 0)


@pytest.mark.parametrize("status", ["running", "lost", "done"])
def test_a_run_can_not_end_as(tmp_path: Path, status: str) -> None:
    run = begun(tmp_path)
    with pytest.raises(ParameterError, match=f"can not end as '{status}'"):
        run.finish(status)
    run.finish()
    assert document(run)["status"] == "completed"


def test_steps_nest_by_the_blocks_that_they_are_in(tmp_path: Path) -> None:
    with begun(tmp_path) as run, run.step("outer") as outer:
        with run.step("inner"), run.step("innermost"):
            pass
        with outer.step("part"):
            pass
    parents = {step["stepId"]: step["parent"] for step in document(run)["steps"]}
    assert parents == {"outer": None, "inner": "outer", "innermost": "inner", "outer/part": "outer"}
    assert step_of(run, "outer/part")["displayName"] == "part"


def test_steps_of_threads_stand_beside_each_other(tmp_path: Path) -> None:
    barrier = threading.Barrier(3)

    def work(run: TrackedRun) -> None:
        with run.step("load"):
            barrier.wait(5)

    with begun(tmp_path) as run, run.step("main"):
        threads = [threading.Thread(target=work, args=(run,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        barrier.wait(5)
        for thread in threads:
            thread.join()
    assert steps_of(run) == {"main": "completed", "load": "completed", "load~2": "completed"}
    assert [step["parent"] for step in document(run)["steps"]] == [None, None, None]


def test_tasks_have_steps_inside_the_one_that_they_were_made_in(tmp_path: Path) -> None:
    async def part(run: TrackedRun, name: str) -> None:
        async with run.step(name):
            await asyncio.sleep(0)

    async def work() -> TrackedRun:
        run = begun(tmp_path)
        async with run, run.step("all"):
            await asyncio.gather(part(run, "left"), part(run, "right"))
        return run

    run = asyncio.run(work())
    parents = {step["stepId"]: step["parent"] for step in document(run)["steps"]}
    assert parents == {"all": None, "left": "all", "right": "all"}


def test_progress_goes_through_asynchronous_iterables(tmp_path: Path) -> None:
    async def items() -> Any:
        for number in range(4):
            yield number

    async def work(run: TrackedRun) -> list[int]:
        with run.step("a") as step:
            return [item async for item in step.progress(items(), total=5)]  # type: ignore[attr-defined]

    with begun(tmp_path) as run:
        assert asyncio.run(work(run)) == [0, 1, 2, 3]
    assert (step_of(run, "a")["done"], step_of(run, "a")["total"]) == (4, 5)


def test_items_are_counted_once_the_block_is_through_with_them(tmp_path: Path) -> None:
    with begun(tmp_path) as run, run.step("a") as step:
        seen = [(item, step.done) for item in step.progress(iter("ab"))]
        step.total = 9
    assert seen == [("a", 0), ("b", 1)]
    assert (step_of(run, "a")["done"], step_of(run, "a")["total"]) == (2, 9)


def test_a_skipped_step_says_why(tmp_path: Path) -> None:
    with begun(tmp_path, steps=["a", "b"]) as run:
        run.skip("a", "no data")
    assert (step_of(run, "a")["status"], step_of(run, "a")["reason"]) == ("skipped", "no data")
    assert steps_of(run)["b"] == "pending"


@pytest.mark.parametrize(
    ("failures", "attempts", "expected"),
    [
        pytest.param(0, 1, nullcontext(), id="at once"),
        pytest.param(2, 3, nullcontext(), id="at the last attempt"),
        pytest.param(3, 3, pytest.raises(OSError, match="net"), id="never"),
    ],
)
def test_a_step_is_tried_again(tmp_path: Path, failures: int, attempts: int, expected: Any) -> None:
    answers = iter([OSError("net")] * failures)
    with begun(tmp_path) as run, expected:
        for attempt in run.step("fetch").retry(3):
            with attempt:
                raise_if_any(next(answers, None))
    found = step_of(run, "fetch")
    assert found["attempts"] == attempts
    assert found["status"] == ("failed" if failures == 3 else "completed")


def test_functions_are_steps(tmp_path: Path) -> None:
    run = begun(tmp_path)
    calls = []

    @run.stepped("plain", retries=1)
    def plain(value: int) -> int:
        calls.append(value)
        if len(calls) == 1:
            raise OSError("net")
        return value + 1

    @run.stepped("async")
    async def awaited() -> str:
        return "done"

    @run.stepped("generator")
    def items() -> Any:
        yield from range(3)

    assert (plain(4), asyncio.run(awaited()), list(items())) == (5, "done", [0, 1, 2])
    run.finish()
    assert calls == [4, 4]
    assert (step_of(run, "plain")["attempts"], plain.__name__) == (2, "plain")
    assert set(steps_of(run).values()) == {"completed"}


def test_artifacts_are_of_the_step_that_they_are_made_in(tmp_path: Path) -> None:
    with begun(tmp_path) as run:
        with run.step("a") as step:
            run.artifact(Path("one.csv"))
            step.artifact("two.csv")
        run.artifact("of-the-run.csv")
    assert step_of(run, "a")["artifacts"] == ["one.csv", "two.csv"]
    assert document(run)["artifacts"] == ["of-the-run.csv"]


def test_results_of_performance_tests_are_kept(tmp_path: Path) -> None:
    with begun(tmp_path, kind="perf") as run:
        run.performance({"testId": "log", "matrix": "py311", "status": "passed", "measuredSeconds": 1e-6})
    record = read_record(run.folder or tmp_path)
    assert (record.kind, record.perf_tests[0].test_id, record.perf_tests[0].status) == ("perf", "log", "passed")


def test_who_subscribes_is_told_of_steps(tmp_path: Path) -> None:
    seen = []
    with begun(tmp_path) as run:
        end = run.subscribe(lambda kind, payload: seen.append((kind, payload["id"], payload["status"])), "step")
        with run.step("a"):
            pass
        end()
        run.skip("b")
    assert seen == [("step", "a", "running"), ("step", "a", "completed")]


def test_lines_of_logging_are_notes(tmp_path: Path) -> None:
    run = begun(tmp_path, capture_logging=True)
    logging.getLogger("host").warning("it is %d degrees", 90)
    run.finish("failed")
    logging.getLogger("host").warning("after the end")
    assert document(run)["end"]["logLines"] == ["WARNING host: it is 90 degrees"]


def test_the_current_run_is_that_of_the_block(tmp_path: Path) -> None:
    with begun(tmp_path) as outer:
        assert flowtime.current_run() is outer
        with begun(tmp_path) as inner:
            assert flowtime.current_run() is inner
        assert flowtime.current_run() is outer
    assert not flowtime.current_run().is_enabled


def test_a_thread_works_for_the_one_run_of_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever another test may have left open.
    monkeypatch.setattr(process_runs(), "open", ())
    found: list[object] = []
    with begun(tmp_path) as run:
        thread = threading.Thread(target=lambda: found.append(flowtime.current_run()))
        thread.start()
        thread.join()
    assert found == [run]


def test_each_call_of_a_decorated_function_is_a_run(tmp_path: Path) -> None:
    @flowtime.track("decorated", root=tmp_path, sample=False)
    def work(value: int) -> str:
        flowtime.current_run().log(value=value)
        return flowtime.current_run().id

    @flowtime.track("decorated", root=tmp_path, sample=False)
    async def work_async() -> str:
        return flowtime.current_run().id

    assert list(tmp_path.iterdir()) == []
    ids = [work(1), work(2), asyncio.run(work_async())]
    assert sorted(ids) == sorted(path.name for path in tmp_path.iterdir())
    assert {read_record(tmp_path / run_id).status for run_id in ids} == {"completed"}


def test_a_run_without_a_block_begins_at_its_first_use(tmp_path: Path) -> None:
    run = flowtime.track("demo", root=tmp_path, sample=False, signals=False)
    assert list(tmp_path.iterdir()) == []
    run.log(loss=1.0)
    run.finish("failed", reason="tried")
    assert read_record(tmp_path / run.id).status == "failed"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param({"pipeline": ""}, ParameterError, id="no name"),
        pytest.param({"pipeline": "a\nb"}, ParameterError, id="a name of two lines"),
        pytest.param({"steps": ["a", "a"]}, ParameterError, id="a step twice"),
        pytest.param({"steps": "abc"}, ParameterError, id="steps as a text"),
        pytest.param({"steps": [""]}, ParameterError, id="a step without an id"),
        pytest.param({"tags": ["a"]}, ParameterError, id="tags as a list"),
        pytest.param({"durability": "forever"}, ParameterError, id="an unknown durability"),
        pytest.param({"kind": "other"}, ParameterError, id="an unknown kind"),
        pytest.param({"interval_s": 0}, ParameterError, id="no interval"),
        pytest.param({"resume": True}, ParameterError, id="resume of nothing"),
        pytest.param({"run_id": "../x"}, UnsafeNameError, id="an id that climbs"),
        pytest.param({"run_id": "a/b"}, UnsafeNameError, id="an id with a separator"),
        pytest.param({"run_id": "/tmp/x"}, UnsafeNameError, id="an absolute id"),
    ],
)
def test_arguments_that_can_not_be_meant_are_refused_in_safe_mode_too(
    tmp_path: Path, arguments: dict[str, Any], error: type[FlowtimeError]
) -> None:
    with pytest.raises(error):
        flowtime.track(**{"pipeline": "demo", "root": tmp_path, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_is_taken_is_refused_in_safe_mode_too(tmp_path: Path) -> None:
    begun(tmp_path, run_id="one").finish()
    with pytest.raises(RunConflictError, match="there is a run one already"):
        flowtime.track("demo", root=tmp_path, run_id="one").start()


@pytest.mark.parametrize("step_id", ["", "a\nb", "x" * 201, None, 3])
def test_a_step_has_a_name_that_can_be_shown(tmp_path: Path, step_id: Any) -> None:
    with begun(tmp_path) as run, pytest.raises(ParameterError, match="can not be a step"):
        run.step(step_id)


def test_a_profile_is_attached(tmp_path: Path) -> None:
    pytest.importorskip("pyinstrument")
    with begun(tmp_path) as run, run.step("a b", profile=True) as step:
        assert isinstance(step, Step)
        sum(range(1000))
    assert run.folder is not None
    path = RunFiles(run.folder).profile("a b")
    assert step_of(run, "a b")["profile"] == f"profiles/{path.name}"
    assert path.read_text(encoding="utf-8").startswith("{")
