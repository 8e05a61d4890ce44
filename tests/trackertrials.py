"""Trials of the run tracker that need processes of their own: signals at a random instant, races for one id.

The tests run a few; ``python tests/trackertrials.py signals 2000`` and ``... race 10000`` run as many as are asked for
and print what they found.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flowtime.errors import RunConflictError
from flowtime.tracking import TrackedRun, track
from flowtime.tracking.live.identity import claim_folder
from flowtime.tracking.live.live_page import read_live
from flowtime.tracking.live.liveness import status_of

__all__ = ["SignalTrials", "forked", "race_for_ids", "signal_trials", "status_now", "wait_for"]

STATUS_OF = {signal.SIGTERM: "preempted", signal.SIGINT: "cancelled"}
HANGS_AFTER_S = 5.0
RACERS = 8


class SignalTrials(NamedTuple):
    """What trials found: runs that did not end, statuses that are wrong, and how late the marks were."""

    hangs: int
    wrong: dict[str, int]
    latest_ms: float
    usual_ms: float


def forked(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked process and return its pid; it ends with 0, with 1 after an error."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def wait_for(pid: int, timeout_s: float) -> int | None:
    """Return the wait status of a child, None after ``timeout_s``, when it is killed."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def status_now(folder: Path) -> str:
    """Return the status of a run as a list would show it."""
    return status_of(folder, json.loads((folder / "run.json").read_text())["status"])


def busy_run(root: Path, run_id: str, ready: int) -> None:
    """Log and step as fast as possible until something ends it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with track("busy", root=root, run_id=run_id, sample=False, strict=True) as run:
        os.write(ready, b"x")
        number = 0
        while True:
            number += 1
            run.log(loss=number, rate=0.5)
            with run.step(f"s{number % 7}"):
                run.note("in it")


def signal_trials(root: Path, trials: int, seed: int) -> SignalTrials:
    """Hit ``trials`` busy runs with SIGTERM or SIGINT at a random instant."""
    chance = random.Random(seed)
    hangs, wrong, late = 0, Counter[str](), list[float]()
    for number in range(trials):
        which = chance.choice(list(STATUS_OF))
        run_id = f"t{number}"
        reader, writer = os.pipe()
        pid = forked(lambda run_id=run_id, writer=writer: busy_run(root, run_id, writer))
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        time.sleep(chance.random() * 0.02)
        sent_ns = time.time_ns()
        os.kill(pid, which)
        if wait_for(pid, HANGS_AFTER_S) is None:
            hangs += 1
        folder = root / run_id
        found, mark = status_now(folder), read_live(folder).end
        if found != STATUS_OF[which] or mark is None or mark.signal != which.name:
            wrong[f"{which.name}: {found}, {mark}"] += 1
        late.append((mark.wall_ns - sent_ns) / 1e6 if mark else float("inf"))
        shutil.rmtree(folder)
    return SignalTrials(hangs, dict(wrong), max(late), sorted(late)[len(late) // 2])


def race_for_ids(root: Path, ids: int, *, whole: bool = False) -> Counter[int]:
    """Let 8 processes go for each of ``ids`` names at the same instant; returns how many had so many owners.

    ``whole`` opens runs, else only their folders are claimed.
    """
    gates = mmap.mmap(-1, RACERS * 8)
    owned = mmap.mmap(-1, ids * RACERS)
    pids = [forked(lambda me=me: _race(root, ids, me, gates, owned, whole)) for me in range(RACERS)]
    codes = [os.waitpid(pid, 0)[1] for pid in pids]
    if any(codes):
        raise RuntimeError(f"a racer failed: {codes}")
    return Counter(sum(owned[number * RACERS : (number + 1) * RACERS]) for number in range(ids))


def _race(root: Path, ids: int, me: int, gates: mmap.mmap, owned: mmap.mmap, whole: bool) -> None:
    counts = memoryview(gates).cast("Q")
    for number in range(ids):
        counts[me] = number + 1
        while min(counts) < number + 1:
            time.sleep(0)
        if _is_mine(root, f"r{number}", whole):
            owned[number * RACERS + me] = 1


def _is_mine(root: Path, run_id: str, whole: bool) -> bool:
    try:
        if not whole:
            claim_folder(root, run_id, time.time_ns)
            return True
        run = track("race", root=root, run_id=run_id, sample=False).start()
    except RunConflictError:
        return False
    run.finish()
    return isinstance(run, TrackedRun)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        count = int(sys.argv[2])
        if sys.argv[1] == "signals":
            print(json.dumps(signal_trials(Path(place), count, seed=count)._asdict()))
        else:
            print(race_for_ids(Path(place), count, whole="whole" in sys.argv))
