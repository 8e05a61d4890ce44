"""Recordings of runs, made from a seed: healthy ones of many shapes, and sick ones with one known illness.

Healthy means: what a good batch job does, the awkward parts too.  Bursts of all cores (shorter than the window), waits
for a download, pauses of the GPU while the model is evaluated, a checkpoint that takes disk and is moved away, memory
that grows to four fifths, a slow start, rates that differ by step and by run, samples further apart on long runs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import exp
from typing import Any, NamedTuple

from flowtime.tracking.advice.advisor import Advisor, ThroughputHistory

__all__ = ["ILLNESSES", "Recording", "healthy", "judge", "sick"]

START_MS = 1_735_689_600_000
ILLNESSES = (
    "low_throughput",
    "cpu_saturation",
    "cpu_idle",
    "memory_pressure",
    "gpu_idle",
    "disk_pressure",
    "step_overrun",
    "slow_sampler",
)
# One in ten lasts longer than e to the 0.2 times the median.
_SPREAD_OF_SECONDS = 0.2 / 1.2816
STEPS = ("collect", "pretrain", "finetune", "compare")


class Recording(NamedTuple):
    """The samples of one run, what is known of earlier ones, and how long steps should take (low, high)."""

    samples: list[dict[str, Any]]
    history: ThroughputHistory
    expected: dict[str, tuple[float, float]]


class _Noise:
    """A wandering around 0: each value keeps most of the one before."""

    def __init__(self, chance: random.Random, spread: float, memory: float = 0.8) -> None:
        self._chance, self._spread, self._memory, self._value = chance, spread, memory, 0.0

    def __call__(self) -> float:
        fresh = self._chance.gauss(0.0, self._spread * (1.0 - self._memory**2) ** 0.5)
        self._value = self._memory * self._value + fresh
        return self._value


class _Machine:
    """What does not change during a run, and its usual loads; shares are of the whole."""

    def __init__(self, chance: random.Random) -> None:
        self.cores = chance.choice((1, 2, 4, 8, 16, 64))
        self.gpus = chance.choice((0, 0, 1, 1, 2, 8))
        self.memory_mb = chance.choice((4, 16, 64, 512)) * 1024.0
        self.disk_mb = chance.uniform(20_000, 900_000)
        self.interval_s = chance.choice((1.0, 1.0, 2.0, 10.0))
        self.length_s = max(400.0, 60.0 * self.interval_s) * chance.uniform(1.0, 1.6)


class _Step:
    """One step: its loads, its rate, and when its interludes come."""

    def __init__(self, chance: random.Random, machine: _Machine, name: str) -> None:
        self.name = name
        self.cpu = chance.uniform(0.03, 0.6) if machine.gpus else chance.uniform(0.3, 0.82)
        self.gpu = chance.uniform(55.0, 97.0)
        self.rate = exp(chance.uniform(-3.0, 6.0))
        self.seconds = machine.length_s / len(STEPS) * chance.uniform(0.7, 1.3)
        self.interlude_at_s = chance.uniform(20.0, 60.0)
        self.interlude_s = chance.uniform(5.0, 22.0)
        self.interlude = chance.choice(("burst", "wait", "evaluation", "checkpoint"))

    @property
    def mean_rate(self) -> float:
        """The rate of a whole step, slow start and interlude included."""
        lost_s = 3.6 + self.interlude_s * {"wait": 0.5, "evaluation": 0.4}.get(self.interlude, 0.0)
        return self.rate * (1.0 - lost_s / self.seconds)


def healthy(seed: int) -> Recording:
    """Return a healthy recording."""
    return _record(random.Random(f"healthy {seed}"), None)


def sick(illness: str, seed: int) -> Recording:
    """Return a recording that falls ill in its second step and stays so to the end of it."""
    return _record(random.Random(f"{illness} {seed}"), illness)


def judge(recording: Recording, **advisor: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Feed a recording to an advisor; return what it said while the run went, and at its end."""
    judged = Advisor(history=recording.history, **advisor)
    for step_id, (low_s, high_s) in recording.expected.items():
        judged.expect(step_id, low_s, high_s)
    live = [advice for number, sample in enumerate(recording.samples) for advice in judged.feed(sample, number)]
    return live, judged.finish()


def _record(chance: random.Random, illness: str | None) -> Recording:
    machine = _Machine(chance)
    _make_room_for(machine, illness)
    steps = [_Step(chance, machine, name) for name in STEPS]
    if illness is not None:
        # Long enough for the slowest window, whatever else the recording is like.
        steps[1].seconds = max(steps[1].seconds, 320.0 + 20.0 * machine.interval_s)
        steps[1].interlude = "none"
    # A drop can only be seen beside enough runs that agree; a healthy one must stay unseen beside any.
    spread, runs = (
        (chance.uniform(0.01, 0.1), chance.randint(3, 20)) if illness is None else (0.04, chance.randint(5, 20))
    )
    earlier = [_earlier(chance, steps, spread) for _ in range(runs)]
    # Of every third healthy pipeline only whole runs are known.
    has_steps = illness is not None or chance.random() < 0.67
    history = ThroughputHistory(
        values=tuple(whole for whole, _ in earlier),
        by_step={
            step.name: tuple(rates[place] for _, rates in earlier) for place, step in enumerate(steps) if has_steps
        },
    )
    this_run = exp(chance.gauss(0.0, spread))
    for step in steps:
        step.rate *= this_run
    expected = {step.name: (step.seconds * exp(-0.2), step.seconds * exp(0.2)) for step in steps}
    for step in steps:
        step.seconds *= exp(chance.gauss(0.0, _SPREAD_OF_SECONDS))
    if illness == "step_overrun":
        steps[1].seconds = expected["pretrain"][1] * chance.uniform(1.8, 4.0)
    return Recording(list(_samples(chance, machine, steps, illness)), history, expected)


def _earlier(chance: random.Random, steps: list[_Step], spread: float) -> tuple[float, tuple[float, ...]]:
    """Return the mean rates of an earlier run, whole and by step: faster or slower as a whole, its steps as ever."""
    this_run = exp(chance.gauss(0.0, spread))
    rates = tuple(step.mean_rate * this_run for step in steps)
    seconds = [step.seconds * exp(chance.gauss(0.0, _SPREAD_OF_SECONDS)) for step in steps]
    return sum(rate * length for rate, length in zip(rates, seconds, strict=True)) / sum(seconds), rates


def _make_room_for(machine: _Machine, illness: str | None) -> None:
    """Give the machine what the illness needs: a GPU that idles, a disk that can fill."""
    if illness == "gpu_idle":
        machine.gpus = max(1, machine.gpus)
        machine.cores = max(2, machine.cores)
    if illness == "cpu_idle":
        machine.gpus = 0
    if illness == "disk_pressure":
        machine.disk_mb = min(machine.disk_mb, 60_000.0)


def _samples(
    chance: random.Random, machine: _Machine, steps: list[_Step], illness: str | None
) -> Iterator[dict[str, Any]]:
    cpu_noise, gpu_noise, rate_noise = _Noise(chance, 0.05), _Noise(chance, 6.0), _Noise(chance, 0.05, 0.9)
    now_s, grown, total_s = 0.0, chance.uniform(0.1, 0.3), sum(step.seconds for step in steps)
    growth = chance.uniform(0.0, 0.5)
    others = chance.uniform(0.0, 0.1)
    for step in steps:
        began_s = now_s
        while now_s < began_s + step.seconds:
            in_step_s = now_s - began_s
            memory = min(0.8, grown + growth * now_s / total_s)
            sample = _sample(machine, step, now_s, in_step_s, memory)
            cpu = step.cpu * (1.0 + cpu_noise())
            slow_start = min(1.0, 0.4 + in_step_s / 20.0)
            sample["stepsPerSec"] = max(0.0, step.rate * slow_start * (1.0 + rate_noise()))
            _interlude(sample, step, in_step_s)
            cpu = sample.pop("cpu", cpu)
            _load(sample, machine, cpu, others, step.gpu + gpu_noise())
            if illness is not None and step is steps[1] and in_step_s > 40.0:
                _fall_ill(illness, sample, machine, in_step_s - 40.0, chance)
            yield {name: value for name, value in sample.items() if value is not None}
            now_s += machine.interval_s * chance.uniform(0.999, 1.01)


def _sample(machine: _Machine, step: _Step, now_s: float, in_step_s: float, memory: float) -> dict[str, Any]:
    return {
        "timestampMs": START_MS + round(now_s * 1000),
        "stepId": step.name,
        "cpuLimitCores": float(machine.cores),
        "processes": 1 + machine.cores // 2,
        "memoryLimitMb": machine.memory_mb,
        "memoryAvailableMb": machine.memory_mb * (1.0 - memory),
        "memoryRssMb": machine.memory_mb * memory * 0.9,
        "diskFreeMb": machine.disk_mb - 0.05 * now_s,
        "diskReadMbPerSec": 0.2,
        "diskWriteMbPerSec": 0.1,
        "netSentMbPerSec": 0.01,
        "netReceivedMbPerSec": 0.01,
        "samplerMs": 0.4,
        "gpu": None,
    }


def _interlude(sample: dict[str, Any], step: _Step, in_step_s: float) -> None:
    """Put in what good jobs do now and then, for less than a window."""
    since_s = in_step_s - step.interlude_at_s
    if not 0.0 <= since_s < step.interlude_s:
        return
    if step.interlude == "burst":
        sample["cpu"] = 0.99
    elif step.interlude == "wait":
        sample.update(cpu=0.01, gpu=0.0, netReceivedMbPerSec=20.0)
        sample["stepsPerSec"] *= 0.5
    elif step.interlude == "evaluation":
        sample["gpu"] = 1.0
        sample["stepsPerSec"] *= 0.6
    elif step.interlude == "checkpoint":
        sample["diskFreeMb"] -= 80.0 * since_s
        sample["diskWriteMbPerSec"] = 80.0


def _load(sample: dict[str, Any], machine: _Machine, cpu: float, others: float, gpu: float) -> None:
    cpu = min(1.0, max(0.0, cpu))
    util = sample.pop("gpu")
    util = min(100.0, max(0.0, gpu)) if util is None else util
    sample["cpuPercentProcess"] = 100.0 * cpu * machine.cores
    sample["cpuPercentSystem"] = 100.0 * min(1.0, cpu + others)
    if machine.gpus:
        sample["gpuDevices"] = [{"index": index, "utilPercent": util} for index in range(machine.gpus)]
        sample["gpuUtilPercent"] = util


def _fall_ill(illness: str, sample: dict[str, Any], machine: _Machine, ill_s: float, chance: random.Random) -> None:
    if illness == "low_throughput":
        sample["stepsPerSec"] *= 0.55
    elif illness == "cpu_saturation":
        cpu = chance.uniform(0.94, 1.0)
        sample.update(cpuPercentProcess=100.0 * cpu * machine.cores, cpuPercentSystem=100.0 * cpu)
    elif illness == "cpu_idle":
        sample["cpuPercentProcess"] = chance.uniform(0.0, 0.1) * 100.0 * machine.cores
    elif illness == "memory_pressure":
        used = min(0.99, 0.6 + ill_s / 300.0)
        sample["memoryAvailableMb"] = machine.memory_mb * (1.0 - used)
    elif illness == "gpu_idle":
        sample["gpuDevices"] = [{"index": index, "utilPercent": 1.0} for index in range(machine.gpus)]
        sample["cpuPercentProcess"] = chance.uniform(80.0, 100.0)
    elif illness == "disk_pressure":
        sample["diskFreeMb"] = max(100.0, sample["diskFreeMb"] * (1.0 - ill_s / 250.0))
    elif illness == "slow_sampler":
        sample["samplerMs"] = chance.uniform(15.0, 40.0)
