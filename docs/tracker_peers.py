"""Measures our run tracker beside the peers that are installed: ``pip install -e '.[peers]'`` in a checkout.

``python docs/tracker_peers.py`` prints figures of a reduced form; ``--write`` makes the full one, in a quarter of an
hour or so, and writes ``docs/data/tracker_peers.json``, from which ``docs/generate.py`` makes the tables of the page.
Each figure comes from fresh processes, and trackers take turns, so that a busy minute of the machine meets all.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, perf_counter_ns, sleep
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.trackers import TRACKERS, Tracker, list_page, missing_peers  # noqa: E402 - found by the line above

STORED = Path(__file__).resolve().parent / "data" / "tracker_peers.json"
BY_NAME = {tracker.name: tracker for tracker in TRACKERS}
USUAL_SCALARS = 5_000
KILLED_SCALARS = 1_000
SLOWLY_S = 0.002
MARK = "figures: "


@dataclass(frozen=True)
class Size:
    """How much is measured: processes a figure, scalars a process, and runs that are listed."""

    repeats: int
    scalars: Mapping[str, int]
    runs: int


FULL = Size(5, {"flowtime": 50_000, "trackio": 20_000, "tensorboardX": 10_000, "mlflow": 1_000}, 1_000)
REDUCED = Size(1, {"flowtime": 5_000, "trackio": 2_000, "tensorboardX": 1_000, "dvclive": 500, "mlflow": 20}, 20)


# --- what one process does ------------------------------------------------------------------------------------------


def imported(tracker: Tracker, _folder: Path, _count: int) -> dict[str, float]:
    """Import what a program imports."""
    began = perf_counter()
    module = importlib.import_module(tracker.module)
    if tracker.name == "flowtime":
        # Names are loaded when they are first used.
        module.track  # noqa: B018
    return {"seconds": perf_counter() - began}


def logged(tracker: Tracker, folder: Path, count: int) -> dict[str, float]:
    """Time single calls, after some that are not timed; microseconds, less what reading the clock takes."""
    values = drawn(count)
    opened = tracker.begin(folder)
    log = opened.log
    warm = max(10, count // 10)
    for row in range(warm):
        log(row, 0.5)
    clock, times = perf_counter_ns, []
    for row in range(warm, warm + count):
        value = values[row - warm]
        began = clock()
        log(row, value)
        times.append(clock() - began)
    idle = sorted(clock_cost() for _ in range(1_001))[500]
    opened.finish()
    times.sort()
    return {"median": (times[count // 2] - idle) / 1e3, "p99": (times[count * 99 // 100] - idle) / 1e3}


def clock_cost() -> int:
    """Return the nanoseconds that lie between two readings of the clock."""
    began = perf_counter_ns()
    return perf_counter_ns() - began


def rated(tracker: Tracker, folder: Path, count: int) -> dict[str, float]:
    """Log without timing single calls, and end the run; seconds, and bytes on the disk."""
    values = drawn(count)
    opened = tracker.begin(folder)
    log = opened.log
    began = perf_counter()
    for row, value in enumerate(values):
        log(row, value)
    called = perf_counter() - began
    opened.finish()
    whole = perf_counter() - began
    found = {"calls": count / called, "whole": count / whole, "bytes": float(size_of(folder))}
    if tracker.name == "flowtime":
        from flowtime.tracking.log.compaction import compact

        for run in folder.iterdir():
            compact(run / "tracking")
        found["compacted"] = float(size_of(folder))
    return found


def killed(tracker: Tracker, folder: Path, _count: int, pause_s: float = 0.0) -> dict[str, float]:
    """Log scalars and die at once."""
    opened = tracker.begin(folder)
    for row, value in enumerate(drawn(KILLED_SCALARS)):
        opened.log(row, value)
        if pause_s:
            sleep(pause_s)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def killed_slowly(tracker: Tracker, folder: Path, count: int) -> dict[str, float]:
    """The same, but with a pause after each."""
    return killed(tracker, folder, count, SLOWLY_S)


def counted(tracker: Tracker, folder: Path, _count: int) -> dict[str, float]:
    """Count what can be read."""
    return {"scalars": float(tracker.count(folder))}


def filled(tracker: Tracker, folder: Path, count: int) -> dict[str, float]:
    """Make runs of one scalar each."""
    began = perf_counter()
    for _ in range(count):
        opened = tracker.begin(folder)
        opened.log(0, 0.5)
        opened.finish()
    return {"seconds": (perf_counter() - began) / count}


def listed(tracker: Tracker, folder: Path, _count: int) -> dict[str, float]:
    """List all runs, twice; the second time is without what is loaded at the first."""
    if tracker.list_runs is None:
        raise ValueError(f"{tracker.name} lists no runs")
    began = perf_counter()
    tracker.list_runs(folder)
    middle = perf_counter()
    runs = tracker.list_runs(folder)
    found = {"first": middle - began, "seconds": perf_counter() - middle, "runs": float(runs)}
    if tracker.name == "flowtime":
        began = perf_counter()
        list_page(folder, 20)
        found["page"] = perf_counter() - began
    return found


WORK: Mapping[str, Callable[[Tracker, Path, int], dict[str, float]]] = {
    work.__name__: work for work in (imported, logged, rated, killed, killed_slowly, counted, filled, listed)
}


def drawn(count: int) -> list[float]:
    """Return values that do not pack well, as those of a real loss do not."""
    source = random.Random(7)
    return [source.random() for _ in range(count)]


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- taking turns ---------------------------------------------------------------------------------------------------


def measure(size: Size, trackers: Sequence[Tracker]) -> dict[str, Any]:
    """Return all figures by tracker: medians of the processes."""
    found: dict[str, dict[str, list[float]]] = {tracker.name: {} for tracker in trackers}
    for _ in range(size.repeats):
        for tracker in trackers:
            for name, value in one_round(tracker, size.scalars.get(tracker.name, USUAL_SCALARS)).items():
                found[tracker.name].setdefault(name, []).append(value)
    for tracker in trackers:
        for name, values in lists(tracker, size).items():
            found[tracker.name][name] = values
    return {name: {key: summary(values) for key, values in figures.items()} for name, figures in found.items()}


def one_round(tracker: Tracker, scalars: int) -> dict[str, float]:
    """Return the figures of one turn of a tracker."""
    single = call("logged", tracker, min(scalars, 200) if tracker.name == "mlflow" else scalars)
    few, many = call("rated", tracker, scalars // 10), call("rated", tracker, scalars)
    more = scalars - scalars // 10
    figures = {
        "import ms": call("imported", tracker)["seconds"] * 1e3,
        "median us": single["median"],
        "p99 us": single["p99"],
        "calls/s": many["calls"],
        "end to end/s": many["whole"],
        "bytes a scalar": (many["bytes"] - few["bytes"]) / more,
        "survived a burst": survivors("killed", tracker),
        "survived 2 s": survivors("killed_slowly", tracker),
    }
    if "compacted" in many:
        figures["bytes compacted"] = (many["compacted"] - few["compacted"]) / more
    return figures


def lists(tracker: Tracker, size: Size) -> dict[str, list[float]]:
    """Return how long it takes to list runs, by fresh processes."""
    if tracker.list_runs is None:
        return {}
    with tempfile.TemporaryDirectory() as name:
        made = call("filled", tracker, size.runs, Path(name))
        seconds = [call("listed", tracker, 0, Path(name)) for _ in range(size.repeats + 1)][1:]
    return {
        "list ms": [one["seconds"] * 1e3 for one in seconds],
        "listed": [one["runs"] for one in seconds],
        "a run ms": [made["seconds"] * 1e3],
        **({"page ms": [one["page"] * 1e3 for one in seconds]} if "page" in seconds[0] else {}),
    }


def survivors(work: str, tracker: Tracker) -> float:
    """Return how many of 1,000 scalars can be read after a kill."""
    with tempfile.TemporaryDirectory() as name:
        call(work, tracker, 0, Path(name), expected=-signal.SIGKILL)
        return float(call("counted", tracker, 0, Path(name))["scalars"])


def call(work: str, tracker: Tracker, count: int = 0, folder: Path | None = None, expected: int = 0) -> Any:
    """Do some work in a process of its own and return what it found."""
    with tempfile.TemporaryDirectory() as name:
        place = folder or Path(name)
        command = [sys.executable, __file__, work, tracker.name, str(place), str(count)]
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("FLOWTIME_", "TRACKIO_"))}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=place, check=False)
    if done.returncode != expected:
        raise RuntimeError(f"{tracker.name}: {work} ended with {done.returncode}: {done.stderr[-2000:]}")
    # Some trackers print at the end of the process, too.
    found = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    return json.loads(found[-1]) if expected == 0 else {}


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median with the least and the most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


# --- tables ---------------------------------------------------------------------------------------------------------

SPEED = ("median us", "p99 us", "calls/s", "end to end/s", "bytes a scalar", "import ms")
RATES = ("calls/s", "end to end/s")
RATIOS = ("median us", *RATES, "bytes a scalar", "import ms", "list ms")
LISTS = ("list ms", "page ms", "a run ms")
SURVIVAL = ("survived a burst", "survived 2 s")


def tables(stored: Mapping[str, Any]) -> dict[str, tuple[Sequence[str], Sequence[Sequence[str]]]]:
    """Return the tables of the page by their names."""
    figures = stored["figures"]
    return {
        "speed": (
            ("tracker", "median", "p99", "calls a second", "end to end", "bytes a scalar", "import"),
            [
                (_named(name, stored), *_cells(row, SPEED, (" us", " us", "", "", "", " ms")))
                for name, row in figures.items()
            ],
        ),
        "survival": (
            ("tracker", "after a burst of 1,000", "after 1,000 in 2 s"),
            [(name, *_ranges(row, SURVIVAL)) for name, row in figures.items()],
        ),
        "lists": (
            ("tracker", "all of 1,000 runs", "the newest 20 of them", "to begin and end one run"),
            [(name, *_cells(row, LISTS, (" ms", " ms", " ms"))) for name, row in figures.items() if "list ms" in row],
        ),
        "ratios": (
            ("tracker", "median", "calls", "end to end", "bytes a scalar", "import", "list of 1,000 runs"),
            [(name, *_ratios(row, figures["flowtime"])) for name, row in figures.items() if name != "flowtime"],
        ),
    }


def _named(name: str, stored: Mapping[str, Any]) -> str:
    return f"{name} {stored['versions'][name]}"


def _cells(row: Mapping[str, Any], names: Sequence[str], units: Sequence[str]) -> list[str]:
    pairs = zip(names, units, strict=True)
    return [_number(row[name]["median"]) + unit if name in row else "-" for name, unit in pairs]


def _ranges(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    pairs = [(row[name]["least"], row[name]["most"]) for name in names]
    return [f"{least:,.0f}" if least == most else f"{least:,.0f} to {most:,.0f}" for least, most in pairs]


def _ratios(row: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return how many times slower, larger or longer a tracker is than ours."""
    pairs = [(name, row[name]["median"] / ours[name]["median"] if name in row else None) for name in RATIOS]
    return ["-" if value is None else _number(1.0 / value if name in RATES else value) for name, value in pairs]


def _number(value: float) -> str:
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.3g}"


def rounded(value: Any) -> Any:
    """Return figures with as many digits as they are worth."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(arguments: Sequence[str]) -> int:
    """Measure, or do the work of one process; return the exit status."""
    if arguments and arguments[0] in WORK:
        work, name, folder, count = arguments
        found = WORK[work](BY_NAME[name], Path(folder), int(count))
        sys.stdout.write(f"\n{MARK}{json.dumps(found)}\n")
        return 0
    sys.stderr.writelines(f"left out: {reason}\n" for reason in missing_peers())
    trackers = [tracker for tracker in TRACKERS if tracker.reason_missing is None]
    versions = {tracker.name: _version(tracker.name) for tracker in trackers}
    figures = rounded(measure(FULL if "--write" in arguments else REDUCED, trackers))
    stored = {"versions": versions, "python": platform.python_version(), "figures": figures}
    text = json.dumps(stored, indent=1) + "\n"
    if "--write" in arguments:
        STORED.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(text)
    return 0


def _version(name: str) -> str:
    if name == "flowtime":
        import flowtime

        return flowtime.__version__
    return version(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
