"""Processes that a tracked program makes: none of them can write the parent's run, unless they ask for a part of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowtime
from flowtime.errors import RunNotFoundError
from flowtime.tracking import NullRun, TrackedRun
from flowtime.tracking.live.identity import is_held
from flowtime.tracking.live.live_page import read_live
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.run_files import RunFiles
from trackerfakes import document, steps_of
from trackertrials import forked, status_now, wait_for

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[TrackedRun]:
    """A run with handlers and a keeper, as a host has it."""
    begun = flowtime.track("parent", root=tmp_path, run_id="one", strict=True, sample=False).start()
    assert isinstance(begun, TrackedRun)
    yield begun
    begun.finish()


def folder_of(run: TrackedRun) -> Path:
    assert run.folder is not None
    return run.folder


def spin() -> None:
    """Work until somebody ends it."""
    while True:
        time.sleep(0.01)


def tell_child(folder: str) -> None:
    with flowtime.track_child(folder) as child:
        child.log(loss=0.5)
        child.note("from a spawned child")
        child.artifact("child.csv", step="work")


def use(run: TrackedRun | NullRun, log: Callable[..., None]) -> None:
    """Do all that a child might do with its parent's run."""
    log(loss=9.0)
    run.log(loss=9.0)
    run.note("from the child")
    run.summary["x"] = 9
    with run.step("of the child"):
        run.skip("work")
    run.finish("failed", reason="the child says so")
    with run:
        pass


def test_nothing_that_a_fork_does_reaches_the_run(run: TrackedRun) -> None:
    log = run.log
    log(loss=1.0)
    before = document(run)
    assert wait_for(forked(lambda: use(run, log)), 5.0) == 0
    log(loss=2.0)
    assert (document(run), read_live(folder_of(run)).end, status_now(folder_of(run))) == (before, None, "running")
    events = list(read_events(folder_of(run), streams=("scalars", "notes")))
    assert [event.data["value"] for event in events] == [1.0, 2.0]
    run.finish()
    assert (steps_of(run), document(run)["status"], document(run)["dropped"]) == ({}, "completed", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_ending_a_child_does_not_end_the_run(run: TrackedRun, number: int) -> None:
    """Probe F, with the least time between fork and signal that there can be."""
    for _ in range(20):
        pid = forked(spin)
        os.kill(pid, number)
        # Python swallows a Ctrl-C that comes amid its own hooks of a fork, with or without a tracker.
        assert wait_for(pid, 1.0) is not None or number == signal.SIGINT
    time.sleep(0.05)
    assert read_live(folder_of(run)).end is None
    run.finish()
    assert document(run)["status"] == "completed"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_terminating_a_process_does_not_end_the_run(run: TrackedRun, method: str) -> None:
    process = multiprocessing.get_context(method).Process(target=spin)
    process.start()
    process.terminate()
    process.join(10)
    assert process.exitcode == -signal.SIGTERM
    assert (read_live(folder_of(run)).end, status_now(folder_of(run))) == (None, "running")


def test_a_fork_does_not_hold_the_lock_of_its_parent(run: TrackedRun) -> None:
    reader, writer = os.pipe()
    pid = forked(lambda: os.read(reader, 1))
    run.finish()
    held = is_held(RunFiles(folder_of(run)).lock)
    os.write(writer, b"x")
    wait_for(pid, 5.0)
    assert held is False


def test_a_fork_has_the_handlers_of_before(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def check() -> None:
        if signal.getsignal(signal.SIGTERM) != before or signal.set_wakeup_fd(-1) != -1:
            raise RuntimeError("the handlers of the run are still there")

    with flowtime.track("parent", root=tmp_path, sample=False):
        assert signal.getsignal(signal.SIGTERM) != before
        assert wait_for(forked(check), 5.0) == 0
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_fork_while_another_thread_records_does_not_hang(run: TrackedRun) -> None:
    is_over = threading.Event()

    def record() -> None:
        while not is_over.is_set():
            with run.step("work"):
                run.note("x")
                run.log(loss=1.0)

    threads = [threading.Thread(target=record) for _ in range(2)]
    for thread in threads:
        thread.start()
    statuses = [wait_for(forked(lambda: use(run, run.log)), 5.0) for _ in range(20)]
    is_over.set()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 20


def test_a_fork_may_begin_a_run_of_its_own(run: TrackedRun, tmp_path: Path) -> None:
    def own() -> None:
        with flowtime.track("child", root=tmp_path, run_id="two", sample=False, strict=True) as child:
            child.log(loss=3.0)

    assert wait_for(forked(own), 5.0) == 0
    assert (status_now(tmp_path / "two"), status_now(folder_of(run))) == ("completed", "running")


def test_children_that_may_log_have_segments_of_their_own(tmp_path: Path) -> None:
    with flowtime.track("parent", root=tmp_path, run_id="one", sample=False, children=True, strict=True) as run:
        run.log(loss=1.0)
        for value in (2.0, 3.0):
            assert wait_for(forked(lambda value=value: run.log(loss=value)), 5.0) == 0
        assert wait_for(forked(lambda: None), 5.0) == 0
        run.log(loss=4.0)
    events = list(read_events(tmp_path / "one", streams=("scalars",)))
    assert [event.data["value"] for event in events] == [1.0, 2.0, 3.0, 4.0]
    assert len({event.writer for event in events}) == 3


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_spawned_child_may_tell_of_itself(run: TrackedRun, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with run.step("work"):
        if how == "argument":
            process = multiprocessing.get_context("spawn").Process(target=tell_child, args=(str(run.folder),))
            process.start()
            process.join(20)
            assert process.exitcode == 0
        else:
            monkeypatch.setenv("FLOWTIME_RUN_DIR", str(run.folder))
            program = "import flowtime; c = flowtime.track_child(); c.log(loss=0.5); c.note('from a spawned child')"
            assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", program]) == 0
    found = {event.stream: event.data for event in read_events(folder_of(run), streams=("scalars", "notes"))}
    assert (found["scalars"]["value"], found["notes"]["text"]) == (0.5, "from a spawned child")


def test_a_child_of_no_run_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWTIME_RUN_DIR", raising=False)
    for folder in (None, tmp_path, tmp_path / "gone"):
        with pytest.raises(RunNotFoundError):
            flowtime.track_child(folder)
