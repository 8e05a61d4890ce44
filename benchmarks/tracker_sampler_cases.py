"""One tick of the tracker's sampler beside the same figures by psutil alone, and one sample through the advisor.

Each runs on this process with eight idle children; the children end when the data of the case is given up.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Size, Timed, require

__all__ = ["TRACKER_SAMPLER_CASES"]

CHILDREN = {"full": 8, "tiny": 1}
STEP_MS = 1000


class _Children:
    """Processes that wait for their input to end."""

    def __init__(self, count: int) -> None:
        words = [sys.executable, "-c", "input()"]
        self.processes = [
            subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(count)
        ]
        weakref.finalize(self, _end, self.processes)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def _tick(folder: Path, size: Size) -> Timed:
    from flowtime.tracking.clock import Clock
    from flowtime.tracking.sampling.sampler import Sampler

    children = _Children(CHILDREN[size])
    # A second further at each call: within 0.1 s a sampler repeats what it knows of the tree.
    seconds = itertools.count()
    clock = Clock(lambda: 0, lambda: next(seconds) * 1_000_000_000)
    sampler = Sampler(os.getpid(), disk_path=folder, clock=clock, gpu=False)

    def call() -> Mapping[str, object]:
        return sampler.sample()

    def check(sample: Mapping[str, object]) -> None:
        require(_count(sample) > len(children.processes), "a sample with all children")

    return Timed(call, check)


def _count(sample: Mapping[str, object]) -> int:
    count = sample["processes"]
    return count if isinstance(count, int) else 0


def _psutil(folder: Path, size: Size) -> Timed:
    """The same figures the plain way: the tree, the machine, the disk."""
    import psutil

    children = _Children(CHILDREN[size])
    root = psutil.Process()

    def call() -> int:
        members = [root, *root.children(recursive=True)]
        for member in members:
            with member.oneshot():
                member.cpu_times()
                member.memory_info()
                member.io_counters()
        psutil.cpu_times()
        psutil.virtual_memory()
        psutil.net_io_counters()
        psutil.disk_usage(str(folder))
        root.cpu_affinity()
        return len(members)

    return Timed(call, lambda count: require(count > len(children.processes), "all children"))


def _advice(_folder: Path, _size: Size) -> Timed:
    """A calm sample with full windows: what every sample of a run costs beyond its making."""
    from flowtime.tracking.advice.advisor import Advisor

    advisor = Advisor()
    numbers = itertools.count()
    calm = {
        "stepId": "fit",
        "stepsPerSec": 10.0,
        "cpuPercentProcess": 200.0,
        "cpuPercentSystem": 55.0,
        "cpuLimitCores": 4.0,
        "memoryRssMb": 500.0,
        "memoryAvailableMb": 6000.0,
        "memoryLimitMb": 8000.0,
        "diskFreeMb": 50_000.0,
        "samplerMs": 0.4,
    }

    def call() -> list[dict[str, Any]]:
        number = next(numbers)
        return advisor.feed({**calm, "timestampMs": number * STEP_MS}, number)

    for _ in range(200):
        call()
    return Timed(call, lambda advice: require(advice == [], "no advice"))


TRACKER_SAMPLER_CASES = (
    Case("sampler_tick", "sampler tick", _tick, 2),
    Case("sampler_tick_psutil", "sampler tick", _psutil, 1),
    Case("advisor_feed", "advice", _advice, 50),
)
