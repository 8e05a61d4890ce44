"""Many processes at one run: one owner, and readers that never see half of anything."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

import flowtime
from flowtime.errors import RunConflictError
from flowtime.tracking import TrackedRun, bury, read_record
from flowtime.tracking.live.live_page import read_live
from trackertrials import forked, race_for_ids, status_now, wait_for

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


def test_one_of_eight_processes_owns_an_id(tmp_path: Path) -> None:
    """Probe B; ten thousand ids: python tests/trackertrials.py race 10000."""
    assert race_for_ids(tmp_path, 200) == Counter({1: 200})


def test_one_of_eight_processes_opens_a_run(tmp_path: Path) -> None:
    assert race_for_ids(tmp_path, 25, whole=True) == Counter({1: 25})


def test_one_of_many_processes_takes_up_a_run_that_died(tmp_path: Path) -> None:
    def die() -> None:
        flowtime.track("demo", root=tmp_path, run_id="one", sample=False).start()
        os._exit(1)

    def take_up() -> None:
        try:
            run = flowtime.track("demo", root=tmp_path, run_id="one", resume=True, sample=False).start()
        except RunConflictError:
            os._exit(3)
        time.sleep(0.5)
        run.finish("failed")
        os._exit(4)

    wait_for(forked(die), 5.0)
    pids = [forked(take_up) for _ in range(6)]
    codes = Counter(os.waitstatus_to_exitcode(wait_for(pid, 10.0) or 0) for pid in pids)
    assert codes == Counter({3: 5, 4: 1})
    assert read_record(tmp_path / "one").sessions == 2


def test_one_of_many_processes_buries_a_dead_run(tmp_path: Path) -> None:
    def die() -> None:
        flowtime.track("demo", root=tmp_path, run_id="one", sample=False).start()
        os._exit(1)

    wait_for(forked(die), 5.0)
    pids = [forked(lambda: os._exit(3 if bury(tmp_path / "one") is None else 4)) for _ in range(6)]
    codes = Counter(os.waitstatus_to_exitcode(wait_for(pid, 10.0) or 0) for pid in pids)
    assert codes == Counter({3: 5, 4: 1})
    assert read_record(tmp_path / "one").status == "killed"


def write_ten_sessions(root: Path) -> None:
    """Turn steps and beat as fast as possible; a beat says how long the name of its step is."""
    for session in range(10):
        run = flowtime.track("demo", root=root, run_id="one", resume=session > 0, sample=False).start()
        assert isinstance(run, TrackedRun)
        for number in range(200):
            with run.step(f"s{number}"):
                run._session.live.beat({"wallNs": number, "monotonicNs": 1, "step": "a" * number})
        run.finish("failed")


def read_while(pid: int, folder: Path) -> Counter[str]:
    """Count what is seen of a run until its process has ended."""
    seen: Counter[str] = Counter()
    deadline = time.monotonic() + 10.0
    while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
        if (folder / "run.json").exists():
            seen[status_now(folder)] += 1
            beat = read_live(folder).beat
            seen["beats"] += beat is not None and len(beat.step or "") == beat.wall_ns
    return seen


def test_a_reader_never_sees_half_of_anything(tmp_path: Path) -> None:
    """Probe C: run.json and the page, read as fast as possible while steps turn and sessions come and go."""
    pid = forked(lambda: write_ten_sessions(tmp_path))
    seen = read_while(pid, tmp_path / "one")
    assert set(seen) <= {"running", "failed", "beats"}
    assert seen["beats"] > 10
    assert read_record(tmp_path / "one").sessions == 10
