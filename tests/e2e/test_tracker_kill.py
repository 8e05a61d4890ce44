"""kill -9 at a random instant: whatever a call that returned has logged is there, and the log goes on."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.follower import Follower
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.log.log_report import LogReport, scan_log
from flowtime.tracking.log.scalar_reader import read_scalars
from tracked_log_child import ANSWER, call_of

SCRIPT = Path(__file__).resolve().parents[1] / "tracked_log_child.py"
LONGEST_S = 0.06

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


def kill_one(folder: Path, threads: int, seconds: float) -> dict[int, int]:
    """Start a child, kill it some time after its first answer, and return thread -> calls that returned."""
    command = [sys.executable, str(SCRIPT), str(folder), str(threads)]
    answers = bytearray()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        answers += os.read(descriptor, 1 << 16)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left)[0]:
                answers += os.read(descriptor, 1 << 16)
        process.send_signal(signal.SIGKILL)
        while part := os.read(descriptor, 1 << 16):
            answers += part
    assert process.returncode == -signal.SIGKILL
    return dict(ANSWER.iter_unpack(answers[: len(answers) // 8 * 8]))


def acknowledged(returned: dict[int, int]) -> set[tuple[str, str, int]]:
    """Return what the calls that returned have logged."""
    return {call_of(thread, number) for thread, count in returned.items() for number in range(count)}


def found(folder: Path) -> set[tuple[str, str, int]]:
    """Return what can be read."""
    notes = read_events(folder, streams={"notes"})
    scalars = read_scalars(folder)
    return {("note", event.data["thread"], event.data["number"]) for event in notes} | {
        ("scalar", name, int(value)) for name, column in scalars.items() for value in column.values
    }


def check(folder: Path, returned: dict[int, int], report: LogReport) -> None:
    """Fail unless all that was acknowledged is there, and at most one call of each thread beyond that."""
    there, promised = found(folder), acknowledged(returned)
    assert promised <= there, f"lost {sorted(promised - there)[:5]}"
    assert len(there) - len(promised) <= len(returned)
    assert report.gaps == ()
    assert report.holes <= len(returned)


@pytest.mark.parametrize("threads", [1, 2], ids=["one thread", "two threads"])
def test_no_acknowledged_event_is_lost(tmp_path: Path, threads: int, request: pytest.FixtureRequest) -> None:
    kills = request.config.getoption("--kills")
    chance = random.Random(threads)
    for trial in range(-(-kills // 2)):
        folder = tmp_path / str(trial)
        folder.mkdir()
        returned = kill_one(folder, threads, chance.random() * LONGEST_S)
        check(folder, returned, scan_log(folder))
        resumed = EventLog(folder)
        resumed.scalars(after=1.0)
        resumed.append(Kind.NOTE, {"thread": "after", "number": 0})
        resumed.close()
        assert acknowledged(returned) | {("note", "after", 0), ("scalar", "after", 1)} <= found(folder)
        assert scan_log(folder).gaps == ()


@pytest.mark.parametrize("threads", [1, 2], ids=["one thread", "two threads"])
def test_a_log_is_followed_while_another_process_writes_it(tmp_path: Path, threads: int) -> None:
    follower, events = Follower(tmp_path), []
    returned: list[dict[int, int]] = []
    writer = threading.Thread(target=lambda: returned.append(kill_one(tmp_path, threads, 0.5)))
    writer.start()
    while writer.is_alive():
        events += follower.poll()
        assert scan_log(tmp_path).gaps == ()
    events += follower.poll()
    time.sleep(1.1)  # until a slot that was taken and never written is given up
    events += follower.poll()
    polled = [(event.stream, event.sequence) for event in events]
    read = [(event.stream, event.sequence) for event in read_events(tmp_path)]
    assert sorted(polled) == sorted(read)
    assert acknowledged(returned[0]) <= found(tmp_path)
