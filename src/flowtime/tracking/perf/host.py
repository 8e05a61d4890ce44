"""What is recorded of the machine: a time without it can not be compared."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from flowtime.tracking.perf.drive import Moment
from flowtime.tracking.perf.outcome import HostFacts
from flowtime.tracking.perf.worker import SCHEDSTAT

__all__ = ["host_facts", "load_means", "matrix_text"]


def host_facts(
    *, before: tuple[float, ...] = (), after: tuple[float, ...] = (), moments: Sequence[Moment] = ()
) -> HostFacts:
    """Describe this machine, with the load around the measurement and what it did in each episode."""
    return HostFacts(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        has_net_time=os.path.exists(SCHEDSTAT),
        load_before=before,
        load_after=after,
        reference_loop_ns=tuple(moment.loop_ns for moment in moments),
        raw_write_median_ns=tuple(moment.raw_median_ns for moment in moments),
        raw_write_max_ns=tuple(moment.raw_max_ns for moment in moments),
    )


def load_means() -> tuple[float, ...]:
    """Return how many wanted a core, on average over 1, 5 and 15 minutes; nothing on Windows, which keeps none."""
    return tuple(round(mean, 2) for mean in os.getloadavg()) if hasattr(os, "getloadavg") else ()


def matrix_text(python: str, size: str) -> str:
    """Return where a result holds, as ``linux-x86_64/py3.12/full``."""
    short = ".".join(python.split(".")[:2])
    return f"{sys.platform}-{platform.machine().lower()}/py{short}/{size}"


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
