"""The table of the rules of advice: what each looks at, how it is judged, and what to do; the guide is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flowtime.tracking.advice.advice_rules import (
    Finding,
    View,
    cpu_idle,
    cpu_saturation,
    disk_pressure,
    gpu_idle,
    low_throughput,
    memory_pressure,
    slow_sampler,
    step_overrun,
)

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """One rule: ``windows`` is how many times ``advice_window_s`` it looks back, ``setting`` its threshold.

    What a rule ``is_of_step`` finds ends with the step; anything else may go on through several.
    """

    id: str
    windows: float
    setting: str
    condition: str
    severity: str
    evidence: tuple[str, ...]
    actions: tuple[str, ...]
    judge: Callable[[View], Finding | None]
    is_of_step: bool = False


_RULES = (
    Rule(
        "low_throughput",
        4,
        "throughput_drop_percent",
        "The rate of the step is 25 % below the median of at least three earlier runs (at the end: of each step, or of "
        "the whole run where no step has a history), and at most 1 % of healthy runs would be as slow. The first "
        "window of a step is left out.",
        "warning; critical at twice the drop",
        ("stepsPerSec", "baselineStepsPerSec", "dropPercent", "confidencePercent", "earlierRuns"),
        (
            "Compare this run with an earlier one: configuration, data, machine.",
            "See whether other advice of this run (processor, memory, disk, GPU) names the cause.",
            "Attach a profile to the step to see where its time goes.",
        ),
        low_throughput,
        is_of_step=True,
    ),
    Rule(
        "cpu_saturation",
        1,
        "cpu_saturation_percent",
        "The process tree uses 90 % of the cores that it may use (affinity and control group); or the machine is that "
        "busy, and others take at least 20 points of it while the run uses a quarter of its cores.",
        "info; warning where a limit holds it back while the machine has idle cores, or others compete",
        ("cpuSharePercent", "cpuLimitCores", "cpuPercentSystem", "processes"),
        (
            "Start fewer workers, or fewer runs at once, than there are cores.",
            "Give the run more cores: raise the limit of its container or job, or use a larger machine.",
        ),
        cpu_saturation,
    ),
    Rule(
        "cpu_idle",
        4,
        "cpu_idle_percent",
        "The process tree uses less than 20 % of its cores, no GPU reaches the threshold of gpu_idle, and disks and "
        "network move less than 5 MiB/s: it waits, or uses one core of many.",
        "info",
        ("cpuSharePercent", "cpuLimitCores", "cpuCores"),
        (
            "Use more workers or threads, or ask for fewer cores.",
            "If the step waits for something (a lock, a service, a queue), see what; a profile of the step tells.",
        ),
        cpu_idle,
    ),
    Rule(
        "memory_pressure",
        1 / 3,
        "memory_percent",
        "90 % of the memory is used: of the control group if it has a limit, else of the machine.",
        "warning; critical at half of what was left (95 %)",
        ("memoryUsedPercent", "memoryRssMb", "memoryAvailableMb", "memoryLimitMb"),
        (
            "Use smaller batches, buffers or data sets, or fewer workers that each hold a copy.",
            "Close other programs, or give the run more memory, before the kernel kills it.",
        ),
        memory_pressure,
    ),
    Rule(
        "gpu_idle",
        2,
        "gpu_idle_percent",
        "All GPUs that the run may use are below 10 % while it uses half a core or more; or some are while another is "
        "half busy. A GPU that does not tell (MIG) is left alone.",
        "info",
        ("idleDevices", "devices", "gpuUtilPercent", "cpuPercentProcess"),
        (
            "Check that the framework was built for the GPU and that model and data are moved to it.",
            "Feed it faster: more loader workers, larger batches, data prepared ahead.",
            "If it is not needed, hide it with CUDA_VISIBLE_DEVICES and leave it to others.",
        ),
        gpu_idle,
    ),
    Rule(
        "disk_pressure",
        1 / 3,
        "disk_free_mb",
        "Less than 1,024 MiB are free on the disk of the run folder; or, over four windows, it fills steadily and will "
        "be full within 15 minutes.",
        "warning; critical below a quarter of the threshold",
        ("diskFreeMb", "fullInSeconds"),
        (
            "Delete or move old runs: flowtime runs prune --dry-run shows which.",
            "Write fewer or smaller checkpoints, or put the run folder on a larger disk.",
        ),
        disk_pressure,
    ),
    Rule(
        "step_overrun",
        0,
        "overrun_percent",
        "A step takes 25 % longer than the upper end of what was expected (nine in ten runs are below it), and longer "
        "than all but one in 10,000 with that interval would.",
        "warning; critical at three times the limit",
        ("elapsedSeconds", "expectedLowSeconds", "expectedHighSeconds", "limitSeconds"),
        (
            "See whether the step still advances: flowtime runs watch shows its items.",
            "Compare its input with that of earlier runs.",
        ),
        step_overrun,
        is_of_step=True,
    ),
    Rule(
        "slow_sampler",
        2,
        "sampler_ms",
        "Half of the samples take 10 ms of processor time or more.",
        "info",
        ("samplerMs", "corePercent", "processes"),
        ("Sample less often (interval_s), or start fewer processes: each is read at every sample.",),
        slow_sampler,
    ),
)
RULES: Mapping[str, Rule] = {rule.id: rule for rule in _RULES}
