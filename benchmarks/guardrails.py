"""Limits that must hold on any fit host: ``python -m benchmarks.guardrails``, exit status 0 or 1.

Writing one durable artifact is measured as `shared/reference/gate.md` 3.5 found it to be steady:
the atomic write and a raw write and fsync of the same bytes take turns; time is *net* of waiting
for a core (wall time on a busy host piles up at the scheduler's slices); p99 is taken by block of
500 and the middle block counts.  A limit that is broken fails only if the raw probe says that the
host can keep it; otherwise it is reported as ``host_unfit``.  Counts of fsync and rename have no
noise, so they always decide.

Exit status: 0 passed or host unfit, 1 a limit broken, 2 wrong usage, 3 the harness itself failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

from benchmarks.storage_cases import atomic_writer, payload, raw_writer

__all__ = ["GUARDRAILS", "Guardrail", "Judgement", "Sample", "judge", "main"]

BLOCK = 500
FIT_RAW_P99_MS = 2.5  # 0.13 to 0.23 on a host of its own, 3.7 beside a rival that syncs in a loop
WARM_UP = 20
_RENAMES: tuple[tuple[Any, str], ...] = ((os, "replace"), (os, "rename"))
# On macOS fsync stops at the drive's cache, so what syncs there is a fcntl.
_SYNCS: tuple[tuple[Any, str], ...] = (
    ((import_module("fcntl"), "fcntl"),) if sys.platform == "darwin" else ((os, "fsync"),)
)
SCHEDSTAT = Path("/proc/thread-self/schedstat")

Verdict = Literal["passed", "host_unfit", "failed"]


@dataclass(frozen=True)
class Guardrail:
    """One size of artifact, how often it is written, and its limits on net time in ms."""

    name: str
    size_bytes: int
    writes: int
    p99_limit_ms: float
    p50_limit_ms: float | None = None


GUARDRAILS = (
    Guardrail("64 KB", 1 << 16, 2000, p99_limit_ms=10.0, p50_limit_ms=1.0),
    Guardrail("1 MB", 1 << 20, 500, p99_limit_ms=10.0),
)


class Sample(NamedTuple):
    """Times of one kind of write in ms, in the order they were taken."""

    wall_ms: list[float]
    net_ms: list[float]


class Judgement(NamedTuple):
    """The figures of one guardrail in ms, and what they mean."""

    p50_ms: float
    p99_ms: float
    wall_p99_ms: float
    raw_p99_ms: float
    verdict: Verdict


class _RunQueueClock:
    """How long this thread has waited for a core so far, in ns; 0 where the system does not say (not Linux)."""

    def __init__(self, stack: ExitStack) -> None:
        # Kept open: a read costs under 1 us then.  Unbuffered, or the first answer would be all answers.
        self._file = stack.enter_context(SCHEDSTAT.open("rb", buffering=0)) if SCHEDSTAT.exists() else None

    def __call__(self) -> int:
        if self._file is None:
            return 0
        self._file.seek(0)
        return int(self._file.read(100).split()[1])


def measure(guardrail: Guardrail, folder: Path) -> tuple[Sample, Sample]:
    """Return the times of the atomic write and of the raw probe, taken in turns."""
    data = payload(guardrail.size_bytes)
    ours, raw = folder / "ours", folder / "raw"
    ours.mkdir()
    raw.mkdir()
    calls = atomic_writer(ours, data), raw_writer(raw, data)
    samples = Sample([], []), Sample([], [])
    with ExitStack() as stack:
        clock = _RunQueueClock(stack)
        for turn in range(-WARM_UP, guardrail.writes):
            for call, sample in zip(calls, samples, strict=True):
                wall_ms, net_ms = _timed(call, clock)
                if turn >= 0:
                    sample.wall_ms.append(wall_ms)
                    sample.net_ms.append(net_ms)
    return samples


def _timed(call: Callable[[], object], waited_ns: Callable[[], int]) -> tuple[float, float]:
    wait = waited_ns()
    start = perf_counter_ns()
    call()
    wall = perf_counter_ns() - start
    net = wall - (waited_ns() - wait)
    return wall / 1e6, net / 1e6


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def middle_p99(values: Sequence[float]) -> float:
    """Return the middle one of the p99 of the blocks of 500, so that one bad second does not decide."""
    return median(percentile(values[at : at + BLOCK], 0.99) for at in range(0, len(values), BLOCK))


def judge(guardrail: Guardrail, ours: Sample, raw: Sample) -> Judgement:
    """Hold the net times against the limits; a fit host turns a broken limit into a failure."""
    p50, p99, raw_p99 = percentile(ours.net_ms, 0.5), middle_p99(ours.net_ms), middle_p99(raw.net_ms)
    p50_limit_ms = guardrail.p50_limit_ms
    is_broken = p99 > guardrail.p99_limit_ms or (p50_limit_ms is not None and p50 > p50_limit_ms)
    verdict: Verdict = "passed"
    if is_broken:
        verdict = "failed" if raw_p99 < FIT_RAW_P99_MS else "host_unfit"
    return Judgement(p50, p99, middle_p99(ours.wall_ms), raw_p99, verdict)


def count_calls(call: Callable[[], object]) -> dict[str, int]:
    """Return how often one call syncs and renames."""
    with ExitStack() as stack:
        syncs, renames = (
            [stack.enter_context(patch.object(module, name, wraps=getattr(module, name))) for module, name in names]
            for names in (_SYNCS, _RENAMES)
        )
        call()
        return {
            "fsync": sum(spy.call_count for spy in syncs),
            "rename": sum(spy.call_count for spy in renames),
        }


def expected_calls() -> dict[str, int]:
    """Return the syncs and renames that a durable write takes: the file, its folder (not on Windows), one rename."""
    return {"fsync": 1 if os.name == "nt" else 2, "rename": 1}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guardrails", description="Limits that must hold.")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path.cwd(),
        help="a folder on the disk to measure (default: here; a file system in memory would prove nothing)",
    )
    folder = parser.parse_args(arguments).folder
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".guardrails-") as scratch:
            return _report(Path(scratch))
    except OSError as error:
        print(f"guardrails: {error}", file=sys.stderr)
        return 3


def _report(scratch: Path) -> int:
    counts, expected = count_calls(atomic_writer(scratch, b"x" * 100)), expected_calls()
    counts_verdict: Verdict = "passed" if counts == expected else "failed"
    verdicts = [counts_verdict]
    print(f"calls of one durable write: {counts} (expected {expected}): {counts_verdict}")
    header = ("artifact", "writes", "p50 net", "p99 net", "p99 wall", "raw p99 net", "limits p50/p99", "verdict")
    print("{:>8} {:>7} {:>9} {:>9} {:>9} {:>12} {:>15}  {}".format(*header), "  (ms)")
    for guardrail in GUARDRAILS:
        folder = scratch / str(guardrail.size_bytes)
        folder.mkdir()
        figures = judge(guardrail, *measure(guardrail, folder))
        verdicts.append(figures.verdict)
        limits = f"{guardrail.p50_limit_ms or '-'} / {guardrail.p99_limit_ms:g}"
        numbers = (
            f"{figures.p50_ms:>9.3f} {figures.p99_ms:>9.3f} {figures.wall_p99_ms:>9.3f} {figures.raw_p99_ms:>12.3f}"
        )
        print(f"{guardrail.name:>8} {guardrail.writes:>7} {numbers} {limits:>15}  {figures.verdict}")
    if not SCHEDSTAT.exists():
        print("net time is wall time here: this system does not say how long a thread waits for a core")
    return 1 if "failed" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
