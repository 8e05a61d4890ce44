"""How tracked programs end: by signals at any instant, by exits of all kinds; the status is right each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flowtime.tracking import bury, judge
from flowtime.tracking.live.live_page import read_live
from trackertrials import status_now

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")

SCRIPT = Path(__file__).resolve().parents[1] / "tracked_host.py"


class Host:
    """A tracked program that a test ends."""

    def __init__(self, root: Path, what: str) -> None:
        self.folder = root / "one"
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(root), what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def is_here(self) -> None:
        """Wait until it is where the test wants it."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "here\n"

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(10)

    def read(self) -> tuple[str, str]:
        return self._process.communicate(timeout=10)

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    @property
    def status(self) -> str:
        return status_now(self.folder)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, "preempted"), (signal.SIGHUP, "cancelled")])
def test_a_signal_that_kills_still_kills_and_gives_its_status(tmp_path: Path, number: int, status: str) -> None:
    with Host(tmp_path, "with_waiting_block") as host:
        host.is_here()
        host.send(number)
        assert host.wait() == -number
        assert host.status == status
    record = bury(host.folder)
    assert record is not None
    assert record.end is not None
    assert (record.end.signal, record.end.exit_code) == (signal.Signals(number).name, 128 + number)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGXCPU, signal.SIGALRM])
def test_signals_that_mean_an_end_only_where_nobody_listens(tmp_path: Path, number: int) -> None:
    with Host(tmp_path, "with_waiting_block") as host:
        host.is_here()
        host.send(number)
        assert host.wait() == -number
        assert host.status == ("preempted" if number == signal.SIGUSR1 else "timeout")


def test_ctrl_c_is_a_cancel_with_all_that_is_known(tmp_path: Path) -> None:
    with Host(tmp_path, "with_waiting_block") as host:
        host.is_here()
        host.send(signal.SIGINT)
        host.wait()
    end = host.record["end"]
    assert (host.record["status"], host.record["steps"][0]["status"]) == ("cancelled", "cancelled")
    assert (end["signal"], end["exitCode"], end["error"]) == ("SIGINT", 130, "KeyboardInterrupt")
    assert ", in here\n" in end["traceback"]


def test_ctrl_c_ends_tasks(tmp_path: Path) -> None:
    with Host(tmp_path, "in_asyncio") as host:
        host.is_here()
        host.send(signal.SIGINT)
        host.wait()
    assert (host.record["status"], host.record["end"]["signal"]) == ("cancelled", "SIGINT")


def test_all_runs_of_a_process_are_ended_by_its_signal(tmp_path: Path) -> None:
    with Host(tmp_path, "two_runs") as host:
        host.is_here()
        host.send(signal.SIGTERM)
        assert host.wait() == -signal.SIGTERM
    assert [status_now(tmp_path / name) for name in ("one", "two")] == ["preempted", "preempted"]


def test_a_handler_of_the_host_is_called(tmp_path: Path) -> None:
    with Host(tmp_path, "with_own_handler") as host:
        host.is_here()
        host.send(signal.SIGTERM)
        assert host.read()[0] == "handled\n"
        assert host.wait() == 7
    assert (host.record["status"], host.record["end"]["signal"]) == ("preempted", "SIGTERM")


def test_a_status_never_flips_back_while_the_host_cleans_up(tmp_path: Path) -> None:
    """Probe E: longer than two heartbeats of clean-up after Ctrl-C."""
    with Host(tmp_path, "slow_cleanup") as host:
        host.is_here()
        host.send(signal.SIGINT)
        time.sleep(1.6)
        before = read_live(host.folder).end
        host.wait()
    assert before is not None
    assert (before.status, read_live(host.folder).end, host.record["status"]) == ("cancelled", before, "cancelled")


def test_a_signal_is_recorded_and_kills_while_the_main_thread_is_in_c_code(tmp_path: Path) -> None:
    with Host(tmp_path, "in_c_code") as host:
        host.is_here()
        time.sleep(0.1)
        sent_ns = time.time_ns()
        host.send(signal.SIGTERM)
        assert host.wait() == -signal.SIGTERM
        assert time.time_ns() - sent_ns < 3e9
    end = read_live(host.folder).end
    assert end is not None
    assert (host.status, end.signal) == ("preempted", "SIGTERM")
    assert (end.wall_ns - sent_ns) / 1e6 < 250  # 25 ms on a machine that does nothing else


def test_ctrl_c_is_recorded_while_the_main_thread_is_in_c_code(tmp_path: Path) -> None:
    with Host(tmp_path, "in_c_code") as host:
        host.is_here()
        time.sleep(0.1)
        host.send(signal.SIGINT)
        time.sleep(0.4)
        # Without a tracker, Python waits for the C code as well before it raises KeyboardInterrupt.
        assert (judge(host.folder), host.status) == ("alive", "running")
        host.send(signal.SIGKILL)
        host.wait()
        assert host.status == "cancelled"


@pytest.mark.parametrize("what", ["with_a_time_out", "with_a_critical_section"])
def test_a_handler_that_came_later_keeps_its_signals_to_itself(tmp_path: Path, what: str) -> None:
    with Host(tmp_path, what) as host:
        assert host.wait() == 0
    assert (host.record["status"], host.record["end"]) == ("completed", None)


def test_a_killed_run_is_shown_as_killed_within_a_second(tmp_path: Path) -> None:
    with Host(tmp_path, "with_waiting_block") as host:
        host.is_here()
        assert host.status == "running"
        host.send(signal.SIGKILL)
        begun = time.monotonic()
        host.wait()
        assert host.status == "killed"
        assert time.monotonic() - begun < 1.0


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    with Host(tmp_path, "with_waiting_block") as host:
        host.is_here()
        host.send(signal.SIGKILL)
        # Not waited for: the process is still in the table of the system.
        time.sleep(0.3)
        assert host.status == "killed"


def test_a_thread_of_its_own_can_not_watch_signals_and_says_so(tmp_path: Path) -> None:
    with Host(tmp_path, "in_a_thread") as host:
        host.is_here()
        host.send(signal.SIGTERM)
        assert host.wait() == -signal.SIGTERM
        assert host.status == "killed"
    record = bury(host.folder)
    assert record is not None
    assert record.end is not None
    assert record.end.log_lines == ("opened outside the main thread: signals are not watched",)


@pytest.mark.parametrize(
    ("what", "code", "status", "error", "reason"),
    [
        pytest.param("exits_at_once", 9, "running", None, None, id="os._exit"),
        pytest.param("never_finishes", 0, "failed", None, "the program ended without finish()", id="in a step"),
        pytest.param("finishes_by_the_end", 0, "completed", None, "the program ended without finish()", id="no finish"),
        pytest.param("raises", 1, "failed", "ValueError: what the host did wrong", None, id="an exception"),
        pytest.param("exits_with_three", 3, "failed", "SystemExit: 3", None, id="sys.exit(3)"),
    ],
)
def test_every_way_out_leaves_a_record(
    tmp_path: Path, what: str, code: int, status: str, error: str | None, reason: str | None
) -> None:
    with Host(tmp_path, what) as host:
        assert host.wait() == code
    record = host.record
    end = record["end"] or {}
    assert (record["status"], end.get("error"), end.get("reason")) == (status, error, reason)
    assert host.status == ("killed" if status == "running" else status)


def test_no_signal_hangs_a_run_or_is_mistaken() -> None:
    """Probe D, and the record within 50 ms; thousands of them: python tests/trackertrials.py signals 2000.

    In a process of its own: what hypothesis does at each collection of garbage swallows a Ctrl-C that comes then.
    """
    command = [sys.executable, str(SCRIPT.with_name("trackertrials.py")), "signals", "30"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (found["hangs"], found["wrong"]) == (0, {})
    assert found["usual_ms"] < 50
