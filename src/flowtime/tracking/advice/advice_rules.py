"""The rules of advice: pure functions from the last samples to a finding; ``advice_table`` describes them.

A rule looks at a window that is full (the samples in it cover all its time) and fires when its condition held through
nearly all of it, so that one busy second is no finding.  No rule reads a clock, a file or a setting on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import exp, log, sqrt
from typing import NamedTuple

from flowtime.tracking.advice.advice_window import Point, Window
from flowtime.tracking.advice.throughput import Comparison, ThroughputHistory, compare, deviation_of, mean_of, median_of

__all__ = [
    "SEVERITIES",
    "Expected",
    "Finding",
    "Thresholds",
    "View",
    "cpu_idle",
    "cpu_saturation",
    "disk_pressure",
    "gpu_idle",
    "low_throughput",
    "memory_pressure",
    "overrun_limit_s",
    "slow_finding",
    "slow_sampler",
    "step_overrun",
]

SEVERITIES = ("info", "warning", "critical")
# A condition need not hold in every tenth sample.
_HELD = 0.9
_CONFIDENCE = 0.99
# Of the normal distribution: one in ten thousand is above, one in ten is above.
_TEN_THOUSANDTH, _TENTH = 3.719, 1.2816
_BUSY_GPU = 50.0
_OTHERS = 20.0
_STARVED = 0.25
_IDLE_MACHINE = 70.0
_QUIET_MB_PER_S = 5.0
_FULL_SOON_S = 900.0


class Thresholds(NamedTuple):
    """What counts as too much; the settings ``advice_*`` of the same names."""

    window_s: float = 30.0
    throughput_drop_percent: float = 25.0
    cpu_saturation_percent: float = 90.0
    cpu_idle_percent: float = 20.0
    memory_percent: float = 90.0
    gpu_idle_percent: float = 10.0
    disk_free_mb: float = 1024.0
    overrun_percent: float = 25.0
    sampler_ms: float = 10.0


class Expected(NamedTuple):
    """The seconds that a step is expected to take: one in ten is shorter than ``low_s``, one longer than ``high_s``."""

    low_s: float
    high_s: float


class View(NamedTuple):
    """All that a rule may look at.  ``step_s`` is how long the step of the newest sample has been running."""

    window: Window
    thresholds: Thresholds
    history: ThroughputHistory = ThroughputHistory()
    step_s: float = 0.0
    expected: Expected | None = None

    def last(self, windows: float) -> list[Point] | None:
        """Return the samples of the last so many windows; None where they do not cover them."""
        return self.window.last(windows * self.thresholds.window_s)


class Finding(NamedTuple):
    """What a rule saw; ``first`` and ``last`` are the samples that it rests on."""

    severity: str
    message: str
    evidence: Mapping[str, float | None]
    first: Point
    last: Point


def _held(points: Sequence[Point], test: Callable[[Point], bool | None]) -> bool:
    """Say whether nearly all samples pass; those that do not tell are left out, but most must tell."""
    answers = [answer for answer in map(test, points) if answer is not None]
    return 2 * len(answers) > len(points) and sum(answers) >= _HELD * len(answers)


def _mean(points: Sequence[Point], value: Callable[[Point], float | None]) -> float | None:
    found = [number for number in map(value, points) if number is not None]
    return mean_of(found) if found else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


# --- processor ----------------------------------------------------------------------------------------------------


def cpu_saturation(view: View) -> Finding | None:
    """Find that the run uses up its cores, or that others leave it too few."""
    share, newest = view.thresholds.cpu_saturation_percent / 100.0, view.window.newest
    is_full = _at_least(newest.cpu_share, share) or _at_least(newest.system_percent, 100.0 * share)
    points = view.last(1) if is_full else None
    if points is None:
        return None
    own, system = _mean(points, lambda point: point.cpu_share), _mean(points, lambda point: point.system_percent)
    if own is None:
        return None
    if own >= share and _held(points, lambda point: _at_least(point.cpu_share, share)):
        is_bound = system is not None and system < _IDLE_MACHINE
        message = f"The run uses {100 * own:.0f} % of the {newest.cores:g} cores that it may use"
        message += ", and the machine has idle ones." if is_bound else "; processor time is what limits it."
        return _saturated("warning" if is_bound else "info", message, own, system, points)
    if system is None or own < _STARVED or system - 100.0 * own < _OTHERS:
        return None
    if not _held(points, lambda point: _at_least(point.system_percent, 100.0 * share)):
        return None
    message = (
        f"The machine is {system:.0f} % busy, and this run has {100 * own:.0f} % of its cores: others take the rest."
    )
    return _saturated("warning", message, own, system, points)


def _saturated(severity: str, message: str, own: float, system: float | None, points: Sequence[Point]) -> Finding:
    evidence = {
        "cpuSharePercent": _rounded(100.0 * own),
        "cpuLimitCores": points[-1].cores,
        "cpuPercentSystem": _rounded(system),
        "processes": points[-1].processes,
    }
    return Finding(severity, message, evidence, points[0], points[-1])


def cpu_idle(view: View) -> Finding | None:
    """Find that the run does next to nothing: no core, no device, no disk and no network is busy."""
    share = view.thresholds.cpu_idle_percent / 100.0
    points = view.last(4) if _below(view.window.newest.cpu_share, share) else None
    if points is None:
        return None
    own = _mean(points, lambda point: point.cpu_share)
    if own is None or own >= share or not _held(points, lambda point: _below(point.cpu_share, share)):
        return None
    # A device that does not tell may be at work.
    if any(util is None or util >= view.thresholds.gpu_idle_percent for util in _gpu_means(points).values()):
        return None
    moved = (_mean(points, lambda point: point.disk_mb_per_s) or 0.0) + (
        _mean(points, lambda point: point.net_mb_per_s) or 0.0
    )
    if moved >= _QUIET_MB_PER_S:
        return None
    cores = points[-1].cores or 0.0
    evidence = {"cpuSharePercent": _rounded(100.0 * own), "cpuLimitCores": cores, "cpuCores": round(own * cores, 2)}
    message = f"The run uses {own * cores:.2g} of {cores:g} cores; disks, network and devices are quiet too."
    return Finding("info", message, evidence, points[0], points[-1])


# --- memory and disk ----------------------------------------------------------------------------------------------


def memory_pressure(view: View) -> Finding | None:
    """Find that memory is nearly used up, by the run or by others: either way the run is the one to be killed."""
    share = view.thresholds.memory_percent / 100.0
    points = view.last(1 / 3) if _at_least(view.window.newest.memory_share, share) else None
    if points is None:
        return None
    used = _mean(points, lambda point: point.memory_share)
    if used is None or not _held(points, lambda point: _at_least(point.memory_share, share)):
        return None
    last = points[-1]
    # Half of what was left at the threshold.
    severity = "critical" if used >= (1.0 + share) / 2.0 else "warning"
    evidence = {
        "memoryUsedPercent": _rounded(100.0 * used),
        "memoryRssMb": last.rss_mb,
        "memoryAvailableMb": last.available_mb,
        "memoryLimitMb": last.memory_limit_mb,
    }
    message = f"{100 * used:.0f} % of the memory is used"
    message += f" ({last.rss_mb:.0f} MiB of it by this run)." if last.rss_mb is not None else "."
    return Finding(severity, message, evidence, points[0], last)


def disk_pressure(view: View) -> Finding | None:
    """Find that the disk of the run folder is nearly full, or will be within a quarter of an hour."""
    least_mb = view.thresholds.disk_free_mb
    points = view.last(1 / 3) if _below(view.window.newest.disk_free_mb, least_mb) else None
    if points is not None and _held(points, lambda point: _below(point.disk_free_mb, least_mb)):
        free_mb = points[-1].disk_free_mb or 0.0
        severity = "critical" if free_mb < least_mb / 4.0 else "warning"
        message = f"{free_mb:.0f} MiB are left on the disk of the run folder."
        return Finding(severity, message, {"diskFreeMb": free_mb, "fullInSeconds": None}, points[0], points[-1])
    return _disk_filling(view)


def _disk_filling(view: View) -> Finding | None:
    points = view.last(4)
    # The two ends decide nearly always that there is nothing to see.
    if points is None or not _is_full_soon(points[0], points[-1]):
        return None
    told = [(point, point.disk_free_mb) for point in points if point.disk_free_mb is not None]
    if len(told) < 4:
        return None
    marks = [told[place * (len(told) - 1) // 3] for place in range(4)]
    falls = [before[1] - after[1] for before, after in pairwise(marks)]
    fall_mb, passed_s = sum(falls), (marks[-1][0].at_ms - marks[0][0].at_ms) / 1000.0
    # A checkpoint that is written and moved falls once; a disk that fills falls through the whole window.
    if fall_mb <= 0.0 or passed_s <= 0.0 or min(falls) < 0.2 * fall_mb:
        return None
    free_mb = marks[-1][1]
    full_s = free_mb * passed_s / fall_mb
    message = f"The disk of the run folder loses {fall_mb / passed_s:.1f} MiB/s and is full in {full_s / 60:.0f} min."
    evidence = {"diskFreeMb": free_mb, "fullInSeconds": round(full_s)}
    return Finding("warning", message, evidence, points[0], points[-1])


def _is_full_soon(first: Point, last: Point) -> bool:
    if first.disk_free_mb is None or last.disk_free_mb is None:
        return False
    fall_mb = first.disk_free_mb - last.disk_free_mb
    return fall_mb > 0.0 and last.disk_free_mb * (last.at_ms - first.at_ms) / 1000.0 <= _FULL_SOON_S * fall_mb


# --- devices ------------------------------------------------------------------------------------------------------


def gpu_idle(view: View) -> Finding | None:
    """Find devices that do nothing while processors, or other devices of the run, are busy."""
    least = view.thresholds.gpu_idle_percent
    is_idle = any(_below(util, least) for util in view.window.newest.gpus.values())
    points = view.last(2) if is_idle else None
    if points is None:
        return None
    means = _gpu_means(points)
    told = {index: util for index, util in means.items() if util is not None}
    idle = [index for index in told if told[index] < least]
    busy = [index for index in told if told[index] >= _BUSY_GPU]
    cpu = _mean(points, lambda point: point.cpu_percent) or 0.0
    # Without a busy one beside them all must idle, and something else must be at work.
    is_alone = len(idle) == len(means) and cpu >= _BUSY_GPU
    if not idle or not (busy or is_alone):
        return None
    beside = f"GPU {busy[0]} is busy" if busy else f"{cpu / 100:.2g} cores are busy"
    mean = mean_of([told[index] for index in idle])
    evidence = {
        "idleDevices": len(idle),
        "devices": len(means),
        "gpuUtilPercent": _rounded(mean),
        "cpuPercentProcess": _rounded(cpu),
    }
    message = f"{_named(idle)}: idle ({mean:.0f} %) while {beside}."
    return Finding("info", message, evidence, points[0], points[-1])


def _named(indexes: Sequence[int]) -> str:
    return ", ".join(f"GPU {index}" for index in indexes)


def _gpu_means(points: Sequence[Point]) -> dict[int, float | None]:
    """Return the mean utilization of every device of the newest sample; None for one that does not tell."""
    return {
        index: _mean(points, lambda point, index=index: point.gpus.get(index))  # type: ignore[misc]
        for index in points[-1].gpus
    }


# --- speed --------------------------------------------------------------------------------------------------------


def low_throughput(view: View) -> Finding | None:
    """Find that the step (or a run without steps) is slower than in earlier runs of the pipeline."""
    step_id = view.window.newest.step_id
    earlier = view.history.values if step_id is None else view.history.by_step.get(step_id, ())
    points = view.last(4)
    # The first window of a step is warming up: caches, compilers, pools.
    if not earlier or points is None or view.step_s < 5 * view.thresholds.window_s:
        return None
    rates = [point.rate for point in points if point.rate is not None and point.step_id == step_id]
    if len(rates) < 3 or 2 * len(rates) <= len(points):
        return None
    rate = mean_of(rates)
    # Neighboring samples say much the same, so ten of them count as one.
    own_spread = deviation_of(rates) / rate / sqrt(max(1.0, len(rates) / 10.0)) if rate > 0.0 else 0.0
    return slow_finding(compare(rate, earlier, own_spread=own_spread), view.thresholds, points[0], points[-1])


def slow_finding(found: Comparison | None, thresholds: Thresholds, first: Point, last: Point) -> Finding | None:
    """Return the finding of a comparison with earlier runs, or None if it is not slow, or not surely so."""
    least = thresholds.throughput_drop_percent / 100.0
    if found is None or found.drop < least or found.confidence < _CONFIDENCE:
        return None
    message = (
        f"{found.rate:.3g} steps/s are {100 * found.drop:.0f} % below the {found.baseline:.3g} of {found.runs} earlier "
        f"runs; less than {100 * (1 - found.confidence):.2g} % of healthy runs would be as slow "
        f"({100 * found.confidence:.1f} % confidence)."
    )
    evidence = {
        "stepsPerSec": round(found.rate, 6),
        "baselineStepsPerSec": round(found.baseline, 6),
        "dropPercent": _rounded(100.0 * found.drop),
        "confidencePercent": _rounded(100.0 * found.confidence),
        "earlierRuns": found.runs,
    }
    return Finding("critical" if found.drop >= 2.0 * least else "warning", message, evidence, first, last)


def overrun_limit_s(expected: Expected, thresholds: Thresholds) -> float:
    """Return the seconds after which a step is late.

    The margin over ``high_s``, or where a log-normal with these tenths has one in ten thousand above, if that is more.
    """
    margin_s = expected.high_s * (1.0 + thresholds.overrun_percent / 100.0)
    if not 0.0 < expected.low_s <= expected.high_s:
        return margin_s
    spread = log(expected.high_s / expected.low_s) / (2.0 * _TENTH)
    return max(margin_s, sqrt(expected.low_s * expected.high_s) * exp(_TEN_THOUSANDTH * spread))


def step_overrun(view: View) -> Finding | None:
    """Find that the step takes far longer than it was expected to."""
    newest, expected = view.window.newest, view.expected
    if expected is None or newest.step_id is None:
        return None
    limit_s = overrun_limit_s(expected, view.thresholds)
    if view.step_s <= limit_s:
        return None
    evidence = {
        "elapsedSeconds": _rounded(view.step_s),
        "expectedLowSeconds": _rounded(expected.low_s),
        "expectedHighSeconds": _rounded(expected.high_s),
        "limitSeconds": _rounded(limit_s),
    }
    message = (
        f"{newest.step_id} runs for {view.step_s:.0f} s; {expected.low_s:.0f} to {expected.high_s:.0f} s were expected."
    )
    severity = "critical" if view.step_s > 3.0 * limit_s else "warning"
    return Finding(severity, message, evidence, view.window.first_of_step(newest.step_id), newest)


def slow_sampler(view: View) -> Finding | None:
    """Find that sampling itself costs too much."""
    is_slow = _at_least(view.window.newest.sampler_ms, view.thresholds.sampler_ms)
    points = view.last(2) if is_slow else None
    if points is None:
        return None
    costs = [point.sampler_ms for point in points if point.sampler_ms is not None]
    if not costs or median_of(costs) < view.thresholds.sampler_ms:
        return None
    cost_ms, passed_s = median_of(costs), (points[-1].at_ms - points[0].at_ms) / 1000.0
    share = sum(costs[1:]) / 10.0 / passed_s if passed_s > 0.0 else 0.0
    message = f"A sample takes {cost_ms:.0f} ms of processor time: {share:.1f} % of a core."
    evidence = {"samplerMs": _rounded(cost_ms), "corePercent": round(share, 2), "processes": points[-1].processes}
    return Finding("info", message, evidence, points[0], points[-1])


def _at_least(value: float | None, bound: float) -> bool | None:
    return None if value is None else value >= bound


def _below(value: float | None, bound: float) -> bool | None:
    return None if value is None else value < bound
