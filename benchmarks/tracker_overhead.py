"""What the tracker costs a whole pipeline: ``python -m benchmarks.tracker_overhead --pairs 20``.

The example pipeline is run in fresh processes, tracked and not, in pairs whose order alternates, so that what the
host does to one it does to the other.  Each pair gives a ratio; the median of all, and an interval for it, are
printed for wall time and for processor time.  Nothing of the process is left out: interpreter, imports, the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "imitation_pipeline.py"
LIMIT = 1.01
# One thread: two that wait for each other on a busy host are noise.
THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def measure(words: Sequence[str]) -> tuple[float, float]:
    """Run the pipeline in a fresh process; return wall and processor seconds."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words], stdout=subprocess.DEVNULL, env={**os.environ, **THREADS}
    )
    _pid, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"the pipeline failed with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a median by its ranks, whatever the distribution; all of few values."""
    ordered = sorted(ratios)
    spread = 0.98 * len(ordered) ** 0.5
    low = max(0, int(len(ordered) / 2 - spread))
    high = min(len(ordered) - 1, int(len(ordered) / 2 + spread))
    return ordered[low], ordered[high]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the pairs and print what they say; 1 where even the lower end is above the limit."""
    parser = argparse.ArgumentParser(description="The cost of the tracker on the example pipeline.")
    parser.add_argument("--pairs", type=int, default=20, help="how many pairs (default: 20)")
    parser.add_argument("--quick", action="store_true", help="the small pipeline, where what a run costs once shows")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    size = ["--quick"] if asked.quick else []
    plain: list[tuple[float, float]] = []
    tracked: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as root:
        sides = ((plain, size), (tracked, [*size, "--enable-tracker", "--runs-dir", root]))
        measure(size)  # reads all files once
        for pair in range(asked.pairs):
            for times, words in sides if pair % 2 else reversed(sides):
                times.append(measure(words))
    found = {}
    for index, name in enumerate(("wall", "processor")):
        ratios = [with_it[index] / without[index] for with_it, without in zip(tracked, plain, strict=True)]
        low, high = interval(ratios)
        seconds = median(times[index] for times in plain)
        extra = median(one[index] - other[index] for one, other in zip(tracked, plain, strict=True))
        found[name] = {"seconds": seconds, "extraSeconds": extra, "ratio": median(ratios), "low": low, "high": high}
    if asked.json:
        sys.stdout.write(json.dumps({"pairs": asked.pairs, **found}) + "\n")
    else:
        for name, row in found.items():
            sys.stdout.write(
                f"{name:10} {row['seconds']:7.3f} s  {row['extraSeconds'] * 1e3:+8.1f} ms  "
                f"x {row['ratio']:.4f} ({row['low']:.4f} to {row['high']:.4f})\n"
            )
    return int(found["wall"]["low"] > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
