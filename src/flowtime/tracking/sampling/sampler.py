"""One sample of what the run's processes and the machine do, as a plain dict in the wire's names.

Each metric fails alone: it is left out, and ``notes`` says why (in the first sample where it is so, and again every
60th).  A tick takes about 0.2 ms of one core with a few processes; psutil is loaded off Linux only, NVML where there
is a driver.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import NamedTuple, TypeAlias

from flowtime.tracking.clock import Clock
from flowtime.tracking.sampling.cgroup import CgroupLimits, MemoryLimit
from flowtime.tracking.sampling.gpu import GpuMeter
from flowtime.tracking.sampling.host_rates import Host, Rate, disk_free_bytes, open_host
from flowtime.tracking.sampling.process_tree import ProcessTree, TreeMeter, TreeUse, open_tree

__all__ = ["Sampler", "SamplerSources", "open_sources"]

Provider: TypeAlias = Callable[[], Mapping[str, object]]

_MIB = 1 << 20
_NS = 1_000_000_000
# Limits seldom change, a process is seldom moved to another group, and looking costs as much as a tick.
_LIMITS_EVERY = 30
_NOTES_EVERY = 60
# Counters of processor time have steps of 10 ms, so rates over less than this would be noise.
_LEAST_RATE_S = 0.1
# The interval grows from its base to this over ten times this many seconds.
_SLOWEST_INTERVAL_S = 10.0
_FULL_RATE_S = 600.0
# Processor time of a tick may be this share of the interval: 0.1 % of a core.
_SHARE_OF_A_CORE = 0.001
_SMOOTHING = 0.2
# What a provider may say; anything else would not decode.
_PROVIDED = frozenset(
    {"stepId", "frameIdx", "stepsPerSec", "gpuUtilPercent", "gpuMemUsedMb", "gpuMemTotalMb", "gpuDevices"}
)


class SamplerSources(NamedTuple):
    """What a sampler reads from; the tests hand in their own."""

    tree: ProcessTree
    host: Host
    limits: Callable[[], CgroupLimits] | None
    gpu: GpuMeter | None
    cores: Callable[[], int]


def open_sources(pid: int, *, gpu: bool = True, environ: Mapping[str, str] | None = None) -> SamplerSources:
    """Return the sources of this system for ``pid``.  Raises psutil.Error, off Linux, where it does not exist."""

    def cores() -> int:
        return len(os.sched_getaffinity(pid)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    return SamplerSources(
        tree=open_tree(pid),
        host=open_host(pid),
        limits=(lambda: CgroupLimits(pid)) if os.path.exists("/proc/self/cgroup") else None,
        gpu=GpuMeter(os.environ if environ is None else environ) if gpu else None,
        cores=cores,
    )


class Sampler:
    """Samples the process ``pid`` with its descendants; ``disk_path`` is the folder whose disk must not fill up.

    ``providers`` add or replace figures (``stepsPerSec``, ``frameIdx``, ``gpuDevices`` ...), each a call that returns
    wire names; one that raises is noted.  Not to be used from two threads at once.
    """

    def __init__(
        self,
        pid: int,
        *,
        disk_path: str | os.PathLike[str],
        clock: Clock,
        gpu: bool = True,
        providers: Sequence[Provider] = (),
        interval_s: float = 1.0,
        sources: SamplerSources | None = None,
    ) -> None:
        self._disk_path = os.fspath(disk_path)
        self._clock = clock
        self._providers = tuple(providers)
        self._interval_s = interval_s
        self._open: Callable[[], SamplerSources] = partial(open_sources, pid, gpu=gpu)
        self._sources = sources
        self._rates = _Rates()
        self._limits: CgroupLimits | None = None
        self._quota_cores: float | None = None
        self._ticks = 0
        self._cost_s: float | None = None
        self._told: dict[str, int] = {}

    def sample(self, step_id: str | None = None, steps_per_sec: float | None = None) -> dict[str, object]:
        """Return one sample, decodable as TelemetrySnapshot; what is not known is left out.  Raises nothing.

        The first sample has no rates.  ``samplerMs`` is processor time of this thread.
        """
        started_ns = time.thread_time_ns()
        sample: dict[str, object] = {"timestampMs": self._clock.wall_ns() // 1_000_000}
        notes: list[str] = []
        figures: dict[str, object] = {"stepId": step_id, "stepsPerSec": steps_per_sec}
        now_s = self._clock.monotonic_ns() / _NS
        try:
            self._fill(figures, notes, now_s)
        # The run must go on whatever the machine answers: the reason stands in the sample.
        except Exception as error:
            notes.append(f"sampler: {_reason(error)}")
        sample.update((name, value) for name, value in figures.items() if value is not None)
        told = self._news(notes)
        if told:
            sample["notes"] = told
        self._ticks += 1
        cost_s = (time.thread_time_ns() - started_ns) / _NS
        # The first tick opens everything, which is no measure of the next ones.
        if self._ticks > 1:
            self._cost_s = cost_s if self._cost_s is None else self._cost_s + _SMOOTHING * (cost_s - self._cost_s)
        sample["samplerMs"] = round(cost_s * 1000, 3)
        return sample

    def next_interval(self, elapsed_s: float) -> float:
        """Return the seconds to wait before the next sample of a run that is ``elapsed_s`` old.

        The base for ten minutes, then in proportion to the age up to 10 s, since a long run changes slowly; longer
        at once when a tick costs more than 0.1 % of a core at that interval.
        """
        slowest_s = max(_SLOWEST_INTERVAL_S, self._interval_s)
        aged_s = self._interval_s * max(1.0, elapsed_s / _FULL_RATE_S)
        paid_s = (self._cost_s or 0.0) / _SHARE_OF_A_CORE
        return min(slowest_s, max(aged_s, paid_s))

    def close(self) -> None:
        """Let NVML go."""
        if self._sources is not None and self._sources.gpu is not None:
            self._sources.gpu.close()

    def _fill(self, figures: dict[str, object], notes: list[str], now_s: float) -> None:
        if self._sources is None:
            self._sources = self._open()
        sources, rates = self._sources, self._rates
        parts: tuple[tuple[str, Callable[[], Mapping[str, object]]], ...] = (
            ("process", lambda: rates.of_tree(sources.tree, now_s, notes)),
            ("cpuPercentSystem", lambda: rates.of_cpu(sources.host)),
            ("cpuLimitCores", lambda: self._cores(sources, notes)),
            ("memory", lambda: self._memory(sources)),
            ("net", lambda: rates.of_network(sources.host, now_s)),
            ("diskFreeMb", lambda: {"diskFreeMb": _mib(disk_free_bytes(self._disk_path))}),
            ("gpu", lambda: _gpu(sources.gpu, now_s, notes)),
        )
        for name, part in parts:
            _add(figures, notes, name, part)
        if "diskReadMbPerSec" not in figures:
            _add(figures, notes, "disk", lambda: rates.of_disks(sources.host, now_s))
        for provider in self._providers:
            _add(figures, notes, "provider", partial(_provided, provider, notes))

    def _cores(self, sources: SamplerSources, notes: list[str]) -> Mapping[str, object]:
        if sources.limits is not None and self._ticks % _LIMITS_EVERY == 0:
            try:
                self._limits = sources.limits()
                self._quota_cores = self._limits.cpu_cores()
            except (OSError, ValueError) as error:
                # Without a group, the cores that the process may be put on are the limit.
                notes.append(f"cgroup: {_reason(error)}")
        cores = float(sources.cores())
        return {"cpuLimitCores": cores if self._quota_cores is None else round(min(cores, self._quota_cores), 3)}

    def _memory(self, sources: SamplerSources) -> Mapping[str, object]:
        machine = sources.host.memory()
        group = self._limits.memory() if self._limits is not None else None
        group = group or MemoryLimit(machine.total_bytes, machine.available_bytes)
        return {
            "memoryAvailableMb": _mib(min(machine.available_bytes, group.available_bytes)),
            "memoryLimitMb": _mib(min(machine.total_bytes, group.limit_bytes)),
        }

    def _news(self, notes: Iterable[str]) -> list[str]:
        """Return the notes that are new, or were last told 60 samples ago."""
        before, self._told = self._told, {}
        news = []
        for note in dict.fromkeys(notes):
            told_at = before.get(note)
            if told_at is None or self._ticks - told_at >= _NOTES_EVERY:
                news.append(note)
                told_at = self._ticks
            self._told[note] = told_at
        return news


class _Rates:
    """The counters at the last reading, and what became of them."""

    def __init__(self) -> None:
        self._tree = TreeMeter()
        self._tree_at_s: float | None = None
        self._use: dict[str, object] = {}
        self._cpu, self._network, self._disks = Rate(), Rate(), Rate()

    def of_tree(self, tree: ProcessTree, now_s: float, notes: list[str]) -> Mapping[str, object]:
        passed_s = now_s - self._tree_at_s if self._tree_at_s is not None else None
        if passed_s is not None and passed_s < _LEAST_RATE_S:
            return self._use
        members = tree.read()
        if not members:
            notes.append("process: it has ended")
        use = self._tree.update(members)
        self._tree_at_s = now_s
        self._use = {"processes": use.processes, "memoryRssMb": _mib(use.rss_bytes), **_tree_rates(use, passed_s)}
        if use.secret and use.processes:
            notes.append(f"disk: {use.secret} of {use.processes} processes do not tell what they read and write")
        return self._use

    def of_cpu(self, host: Host) -> Mapping[str, object]:
        busy, total = host.cpu()
        shares = self._cpu.update(busy, 0.0, total)
        return {"cpuPercentSystem": round(min(100.0, 100.0 * shares[0]), 1)} if shares else {}

    def of_network(self, host: Host, now_s: float) -> Mapping[str, object]:
        rates = self._network.update(*host.network(), now_s)
        return {"netSentMbPerSec": _rate(rates[0]), "netReceivedMbPerSec": _rate(rates[1])} if rates else {}

    def of_disks(self, host: Host, now_s: float) -> Mapping[str, object]:
        rates = self._disks.update(*host.disks(), now_s)
        return {"diskReadMbPerSec": _rate(rates[0]), "diskWriteMbPerSec": _rate(rates[1])} if rates else {}


def _tree_rates(use: TreeUse, passed_s: float | None) -> dict[str, object]:
    if passed_s is None or use.cpu_s is None:
        return {}
    # Counters are in steps of 10 ms, so that the sum can pass what the machine has.
    most = 100.0 * (os.cpu_count() or 1)
    rates: dict[str, object] = {"cpuPercentProcess": round(min(most, max(0.0, 100.0 * use.cpu_s / passed_s)), 1)}
    if use.io_bytes is not None:
        read, written = use.io_bytes
        rates.update(diskReadMbPerSec=_rate(read / passed_s), diskWriteMbPerSec=_rate(written / passed_s))
    return rates


def _gpu(meter: GpuMeter | None, now_s: float, notes: list[str]) -> Mapping[str, object]:
    if meter is None:
        return {}
    reading = meter.read(now_s)
    notes.extend(reading.notes)
    figures: dict[str, object] = {"gpuDevices": list(reading.devices)} if reading.devices else {}
    loads = _numbers(reading.devices, "utilPercent")
    if loads:
        figures["gpuUtilPercent"] = round(sum(loads) / len(loads), 1)
    for name, field in (("gpuMemUsedMb", "memoryUsedMb"), ("gpuMemTotalMb", "memoryTotalMb")):
        held = _numbers(reading.devices, field)
        if held:
            figures[name] = round(sum(held), 1)
    return figures


def _numbers(devices: Sequence[Mapping[str, object]], field: str) -> list[float]:
    return [value for device in devices if isinstance(value := device.get(field), float)]


def _provided(provider: Provider, notes: list[str]) -> Mapping[str, object]:
    given = dict(provider())
    unknown = sorted(given.keys() - _PROVIDED)
    if unknown:
        notes.append(f"provider: unknown figures {', '.join(unknown)}")
    return {name: value for name, value in given.items() if name in _PROVIDED}


def _add(figures: dict[str, object], notes: list[str], name: str, part: Callable[[], Mapping[str, object]]) -> None:
    """Add what ``part`` finds; whatever it raises becomes a note, and the other parts go on."""
    try:
        found = part()
    except Exception as error:
        notes.append(f"{name}: {_reason(error)}")
        return
    for figure, value in found.items():
        if isinstance(value, float) and not isfinite(value):
            notes.append(f"{figure}: not a finite number")
        else:
            figures[figure] = value


def _reason(error: Exception) -> str:
    """Return what went wrong in a few words: the class, and the text of the system for an OSError."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _mib(size_bytes: float) -> float:
    return round(size_bytes / _MIB, 1)


def _rate(bytes_per_s: float) -> float:
    return round(bytes_per_s / _MIB, 3)
