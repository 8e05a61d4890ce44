"""The sampler: what a sample holds, that each metric fails alone, what it costs, and how often it comes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flowtime.tracking.clock import SYSTEM_CLOCK, Clock
from flowtime.tracking.records import TelemetrySnapshot
from flowtime.tracking.sampling.gpu import GpuMeter
from flowtime.tracking.sampling.host_rates import MachineMemory
from flowtime.tracking.sampling.process_tree import ProcessReading
from flowtime.tracking.sampling.sampler import Sampler, SamplerSources
from nvmlfakes import FakeDevice, FakeNvml

MIB = 1 << 20
NEEDS_PROC = pytest.mark.skipif(sys.platform != "linux", reason="what ended children used is known on Linux only")
BUSY = "import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


class FakeTime:
    """Both clocks, one second further at each sample."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def clock(self) -> Clock:
        return Clock(lambda: round(self.now_s * 1e9), lambda: round(self.now_s * 1e9))


class FakeMachine:
    """Sources that the tests turn at will; a source that is an exception is raised."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.io_bytes: tuple[int, int] | None = (0, 0)
        self.ticks = (0.0, 0.0)
        self.sent = (0.0, 0.0)
        self.fault: dict[str, Exception] = {}

    def sources(self) -> SamplerSources:
        return SamplerSources(
            tree=self, host=self, limits=lambda: self, gpu=None, cores=lambda: self._or_fault("cores", 8)
        )

    def read(self) -> dict[int, ProcessReading]:
        reading = ProcessReading(1, 0, 1.0, self.cpu_s, 0.0, 100 * MIB, self.io_bytes)
        return self._or_fault("tree", {1: reading})

    def cpu(self) -> tuple[float, float]:
        return self._or_fault("cpu", self.ticks)

    def cpu_cores(self) -> float | None:
        return self._or_fault("quota", 2.5)

    def memory(self) -> Any:
        # Machine and group in one: the group has a quarter of the machine.
        return self._or_fault("memory", _Memory())

    def network(self) -> tuple[float, float]:
        return self._or_fault("net", self.sent)

    def disks(self) -> tuple[float, float]:
        return self._or_fault("disk", (7.0 * MIB, 3.0 * MIB))

    def _or_fault(self, name: str, value: Any) -> Any:
        if name in self.fault:
            raise self.fault[name]
        return value


class _Memory(MachineMemory):
    limit_bytes = 2048 * MIB

    def __new__(cls) -> _Memory:
        return super().__new__(cls, 8192 * MIB, 512 * MIB)


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def now() -> FakeTime:
    return FakeTime()


@pytest.fixture
def sampler(machine: FakeMachine, now: FakeTime, tmp_path: Path) -> Sampler:
    return Sampler(1, disk_path=tmp_path, clock=now.clock(), sources=machine.sources())


def real_sampler(tmp_path: Path, **options: Any) -> Sampler:
    return Sampler(os.getpid(), disk_path=tmp_path, clock=SYSTEM_CLOCK, gpu=False, **options)


def later(now: FakeTime, seconds: float) -> None:
    now.now_s += seconds


def test_a_sample_decodes_as_a_snapshot(tmp_path: Path) -> None:
    sampler = real_sampler(tmp_path)
    sampler.sample()
    time.sleep(0.15)
    snapshot = msgspec.convert(sampler.sample("collect", 12.5), TelemetrySnapshot)
    assert (snapshot.step_id, snapshot.steps_per_sec, snapshot.notes) == ("collect", 12.5, ())
    assert snapshot.memory_rss_mb > 1.0
    assert None not in (snapshot.cpu_percent_process, snapshot.cpu_percent_system, snapshot.net_sent_mb_per_sec)
    assert snapshot.memory_available_mb <= snapshot.memory_limit_mb


def test_figures_are_rates_between_two_samples(sampler: Sampler, machine: FakeMachine, now: FakeTime) -> None:
    sampler.sample()
    later(now, 2.0)
    machine.cpu_s, machine.io_bytes = 3.0, (4 * MIB, 2 * MIB)
    machine.ticks, machine.sent = (30.0, 40.0), (1.0 * MIB, 10.0 * MIB)
    sample = sampler.sample()
    wanted = {
        "cpuPercentProcess": 150.0,
        "cpuPercentSystem": 75.0,
        "diskReadMbPerSec": 2.0,
        "diskWriteMbPerSec": 1.0,
        "netSentMbPerSec": 0.5,
        "netReceivedMbPerSec": 5.0,
    }
    assert {name: sample[name] for name in wanted} == wanted


def test_the_first_sample_has_levels_and_no_rates(sampler: Sampler) -> None:
    sample = sampler.sample()
    assert "cpuPercentProcess" not in sample
    assert (sample["memoryRssMb"], sample["processes"], sample["timestampMs"]) == (100.0, 1, 1_000_000)


def test_limits_are_the_tightest(sampler: Sampler) -> None:
    sample = sampler.sample()
    assert (sample["cpuLimitCores"], sample["memoryLimitMb"], sample["memoryAvailableMb"]) == (2.5, 2048.0, 512.0)


@pytest.mark.parametrize(
    ("source", "missing", "note"),
    [
        pytest.param("tree", "cpuPercentProcess", "process", id="process tree"),
        pytest.param("cpu", "cpuPercentSystem", "cpuPercentSystem", id="machine"),
        pytest.param("cores", "cpuLimitCores", "cpuLimitCores", id="cores"),
        pytest.param("memory", "memoryAvailableMb", "memory", id="memory"),
        pytest.param("net", "netSentMbPerSec", "net", id="network"),
    ],
)
def test_a_metric_fails_alone(
    sampler: Sampler, machine: FakeMachine, now: FakeTime, source: str, missing: str, note: str
) -> None:
    machine.fault[source] = PermissionError(13, "Permission denied")
    sampler.sample()
    later(now, 1.0)
    machine.ticks = (1.0, 2.0)
    machine.fault[source] = ValueError("gone")
    sample = sampler.sample()
    others = {"cpuPercentProcess", "cpuPercentSystem", "cpuLimitCores", "memoryAvailableMb", "netSentMbPerSec"}
    assert missing not in sample
    assert others - {missing} <= sample.keys()
    assert sample["notes"] == [f"{note}: ValueError: gone"]


def test_a_missing_folder_costs_only_the_free_space(machine: FakeMachine, now: FakeTime, tmp_path: Path) -> None:
    sampler = Sampler(1, disk_path=tmp_path / "gone", clock=now.clock(), sources=machine.sources())
    sample = sampler.sample()
    assert "diskFreeMb" not in sample
    assert sample["notes"] == ["diskFreeMb: FileNotFoundError: No such file or directory"]


def test_a_quota_that_can_not_be_read_leaves_the_cores(sampler: Sampler, machine: FakeMachine) -> None:
    machine.fault["quota"] = PermissionError(13, "Permission denied")
    sample = sampler.sample()
    assert sample["cpuLimitCores"] == 8.0
    assert sample["notes"] == ["cgroup: PermissionError: Permission denied"]


def test_bytes_kept_secret_are_replaced_by_the_machine(sampler: Sampler, machine: FakeMachine, now: FakeTime) -> None:
    machine.io_bytes = None
    first = sampler.sample()
    later(now, 1.0)
    assert sampler.sample()["diskReadMbPerSec"] == 0.0
    assert first["notes"] == ["disk: 1 of 1 processes do not tell what they read and write"]


def test_a_process_that_ended_is_noted(machine: FakeMachine, now: FakeTime, tmp_path: Path) -> None:
    machine.read = dict  # type: ignore[method-assign]
    sampler = Sampler(1, disk_path=tmp_path, clock=now.clock(), sources=machine.sources())
    assert "process: it has ended" in sampler.sample()["notes"]


def test_a_note_is_told_again_every_60th_sample(sampler: Sampler, machine: FakeMachine, now: FakeTime) -> None:
    machine.fault["net"] = OSError("no")
    told = [number for number in range(130) if "notes" in sampler.sample()]
    assert told == [0, 60, 120]


def test_two_samples_at_once_keep_the_rates(sampler: Sampler, machine: FakeMachine, now: FakeTime) -> None:
    sampler.sample()
    later(now, 1.0)
    machine.cpu_s = 0.5
    sampler.sample()
    later(now, 0.001)
    machine.cpu_s = 0.51
    assert sampler.sample()["cpuPercentProcess"] == 50.0


@pytest.mark.parametrize(
    ("provider", "expected", "note"),
    [
        pytest.param(lambda: {"stepsPerSec": 3.0, "frameIdx": 7}, 3.0, None, id="replaces"),
        pytest.param(lambda: {"stepsPerSec": math.nan}, 1.0, "stepsPerSec: not a finite number", id="no number"),
        pytest.param(lambda: {"speed": 3.0}, 1.0, "provider: unknown figures speed", id="unknown"),
        pytest.param(lambda: 1 / 0, 1.0, "provider: ZeroDivisionError: division by zero", id="raises"),
    ],
)
def test_providers_add_figures(
    machine: FakeMachine,
    now: FakeTime,
    tmp_path: Path,
    provider: Callable[[], Mapping[str, object]],
    expected: float,
    note: str | None,
) -> None:
    sampler = Sampler(1, disk_path=tmp_path, clock=now.clock(), sources=machine.sources(), providers=[provider])
    sample = sampler.sample("collect", 1.0)
    assert sample["stepsPerSec"] == expected
    assert sample.get("notes", [None]) == [note]
    msgspec.convert(sample, TelemetrySnapshot)


def test_devices_are_summed_up(machine: FakeMachine, now: FakeTime, tmp_path: Path) -> None:
    nvml = FakeNvml(FakeDevice("GPU-a", util=80, used_mb=1000), FakeDevice("GPU-b", util=20, used_mb=3000))
    sources = machine.sources()._replace(gpu=GpuMeter({}, load=lambda: nvml))
    sampler = Sampler(1, disk_path=tmp_path, clock=now.clock(), sources=sources)
    sample = msgspec.convert(sampler.sample(), TelemetrySnapshot)
    sampler.close()
    assert (sample.gpu_util_percent, sample.gpu_mem_used_mb, sample.gpu_mem_total_mb) == (50.0, 4000.0, 160000.0)
    assert len(sample.gpu_devices) == 2


def test_a_source_that_can_not_be_opened_is_a_note(tmp_path: Path) -> None:
    sampler = real_sampler(tmp_path)
    sampler._open = lambda: 1 / 0  # type: ignore[assignment, return-value]
    assert sampler.sample()["notes"] == ["sampler: ZeroDivisionError: division by zero"]


@NEEDS_PROC
def test_work_of_a_child_between_two_samples_is_counted(tmp_path: Path) -> None:
    sampler = real_sampler(tmp_path)
    sampler.sample()
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", BUSY.format(seconds=0.3)], check=True)
    sample = sampler.sample()
    used_s = sample["cpuPercentProcess"] / 100.0 * (time.monotonic() - started)
    assert used_s >= 0.28
    assert sample["processes"] >= 1


def test_children_are_in_the_sample(tmp_path: Path) -> None:
    sampler = real_sampler(tmp_path)
    alone = sampler.sample()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        time.sleep(0.3)
        together = sampler.sample()
        child.communicate(b"\n")
    assert together["processes"] == alone["processes"] + 1
    assert together["memoryRssMb"] > alone["memoryRssMb"]


@NEEDS_PROC
def test_a_tick_costs_at_most_a_millisecond_of_processor_time(tmp_path: Path) -> None:
    sampler = real_sampler(tmp_path)
    costs = []
    for _ in range(30):
        time.sleep(0.02)
        costs.append(sampler.sample()["samplerMs"])
    assert sorted(costs)[15] <= 1.0


@pytest.mark.parametrize(
    ("elapsed_s", "cost_ms", "interval_s"),
    [
        pytest.param(0.0, 0.3, 1.0, id="start"),
        pytest.param(600.0, 0.3, 1.0, id="ten minutes"),
        pytest.param(1800.0, 0.3, 3.0, id="half an hour"),
        pytest.param(86400.0, 0.3, 10.0, id="a day"),
        pytest.param(0.0, 4.0, 4.0, id="costly ticks"),
        pytest.param(0.0, 400.0, 10.0, id="very costly ticks"),
    ],
)
def test_the_interval_adapts(sampler: Sampler, elapsed_s: float, cost_ms: float, interval_s: float) -> None:
    sampler._cost_s = cost_ms / 1000.0
    assert sampler.next_interval(elapsed_s) == pytest.approx(interval_s)


def test_a_long_base_interval_is_kept(machine: FakeMachine, now: FakeTime, tmp_path: Path) -> None:
    sampler = Sampler(1, disk_path=tmp_path, clock=now.clock(), sources=machine.sources(), interval_s=30.0)
    assert sampler.next_interval(1e6) == 30.0


@NEEDS_PROC
def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from flowtime.tracking.clock import SYSTEM_CLOCK\n"
        "from flowtime.tracking.sampling.sampler import Sampler\n"
        "from flowtime.tracking.advice.advisor import Advisor\n"
        "sampler = Sampler(os.getpid(), disk_path='.', clock=SYSTEM_CLOCK, gpu=False)\n"
        "Advisor().feed(sampler.sample(), 0)\n"
        "heavy = {'psutil', 'pynvml', 'numpy', 'msgspec', 'statistics', 'dataclasses', 'shutil', 'orjson', 'sqlite3'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "[]\n"
