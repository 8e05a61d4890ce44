"""Limits of control groups of both versions, and the counters of the machine, from written-out kernel files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flowtime.tracking.sampling.cgroup import CgroupLimits, MemoryLimit
from flowtime.tracking.sampling.host_rates import LinuxHost, MachineMemory, PsutilHost, Rate, disk_free_bytes, open_host

V1_NO_LIMIT = "9223372036854771712"
V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
V1_MOUNTS = (
    "32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 31 0:30 / /cg/memory rw - cgroup cgroup rw,memory\n"
)
CASES = [
    pytest.param(
        V2_MOUNT,
        "0::/job/run\n",
        {
            "sys/fs/cgroup/job/run/cpu.max": "max 100000",
            "sys/fs/cgroup/job/cpu.max": "150000 100000",
            "sys/fs/cgroup/job/run/memory.max": "max",
            "sys/fs/cgroup/job/memory.max": "1000",
            "sys/fs/cgroup/job/memory.current": "900",
            "sys/fs/cgroup/job/memory.stat": "anon 500\ninactive_file 300\n",
        },
        1.5,
        MemoryLimit(1000, 400),
        id="version 2, limits of the group above",
    ),
    pytest.param(
        V2_MOUNT,
        "0::/job\n",
        {
            "sys/fs/cgroup/job/cpu.max": "400000 100000",
            "sys/fs/cgroup/job/memory.max": "1000",
            "sys/fs/cgroup/job/memory.current": "100",
        },
        4.0,
        MemoryLimit(1000, 900),
        id="version 2, half empty: files do not matter",
    ),
    pytest.param(
        V1_MOUNTS,
        "4:memory:/job\n1:cpu,cpuacct:/job\n0::/\n",
        {
            "cg/cpu/job/cpu.cfs_quota_us": "50000",
            "cg/cpu/job/cpu.cfs_period_us": "100000",
            "cg/memory/memory.limit_in_bytes": V1_NO_LIMIT,
            "cg/memory/memory.usage_in_bytes": "77",
            "cg/memory/job/memory.limit_in_bytes": "2000",
            "cg/memory/job/memory.usage_in_bytes": "1500",
            "cg/memory/job/memory.stat": "cache 9\ntotal_inactive_file 500\n",
        },
        0.5,
        MemoryLimit(2000, 1000),
        id="version 1",
    ),
    pytest.param(
        V1_MOUNTS,
        "4:memory:/\n1:cpu,cpuacct:/\n",
        {"cg/cpu/cpu.cfs_quota_us": "-1", "cg/cpu/cpu.cfs_period_us": "100000"},
        None,
        None,
        id="version 1, no limit",
    ),
    pytest.param(
        "31 23 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "0::/docker/abc\n",
        {"sys/fs/cgroup/cpu.max": "200000 100000"},
        2.0,
        None,
        id="a container that sees the path of the host",
    ),
    pytest.param(
        V2_MOUNT, "0::/../..\n", {"sys/fs/cgroup/cpu.max": "300000 100000"}, 3.0, None, id="a path out of the namespace"
    ),
]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def limits(root: Path, mounts: str, groups: str, files: dict[str, str]) -> CgroupLimits:
    write(root, {"proc/7/mountinfo": mounts, "proc/7/cgroup": groups, **files})
    return CgroupLimits(7, root=str(root))


@pytest.mark.parametrize(("mounts", "groups", "files", "cores", "memory"), CASES)
def test_the_tightest_limit_wins(
    tmp_path: Path, mounts: str, groups: str, files: dict[str, str], cores: float | None, memory: MemoryLimit | None
) -> None:
    found = limits(tmp_path, mounts, groups, files)
    assert found.cpu_cores() == cores
    assert found.memory() == memory


def test_a_system_without_groups_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CgroupLimits(7, root=str(tmp_path))


@pytest.fixture
def host(tmp_path: Path) -> LinuxHost:
    cards = "  lo: 9 0 0 0 0 0 0 0 9 0\neth0: 100 0 0 0 0 0 0 0 7 0\nwlan0:50 0 0 0 0 0 0 0 1 0\n"
    disks = "8 0 sda 1 0 10 0 1 0 20 0\n8 1 sda1 1 0 10 0 1 0 20 0\n7 0 loop0 1 0 5 0 1 0 5 0\n"
    files = {
        "proc/stat": "cpu  10 1 4 80 5 2 1 3 7 0\ncpu0 1 1\n",
        "proc/meminfo": "MemTotal: 2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n",
        "proc/7/net/dev": f"Inter-| Receive\n face |bytes\n{cards}",
        "proc/diskstats": disks,
        "sys/block/sda/size": "1",
        "sys/block/loop0/size": "1",
    }
    write(tmp_path, files)
    return LinuxHost(7, root=str(tmp_path))


def test_counters_of_the_machine_are_read(host: LinuxHost) -> None:
    assert host.cpu() == (21.0, 106.0)
    assert host.memory() == MachineMemory(2048 << 10, 1024 << 10)
    assert host.network() == (8.0, 150.0)
    assert host.disks() == (10 * 512.0, 20 * 512.0)


@pytest.mark.skipif(sys.platform != "linux", reason="compares /proc with psutil")
def test_psutil_sees_the_same_machine() -> None:
    ours, theirs = open_host(1), PsutilHost()
    assert ours.memory().total_bytes == theirs.memory().total_bytes
    assert ours.network()[1] == pytest.approx(theirs.network()[1], rel=0.05, abs=1 << 20)
    assert theirs.cpu()[0] / theirs.cpu()[1] == pytest.approx(ours.cpu()[0] / ours.cpu()[1], abs=0.02)


@pytest.mark.parametrize(
    ("first", "second", "rates"),
    [
        pytest.param((10.0, 20.0, 1.0), (16.0, 20.0, 3.0), (3.0, 0.0), id="grows"),
        pytest.param((10.0, 20.0, 1.0), (6.0, 20.0, 3.0), None, id="went back"),
        pytest.param((10.0, 20.0, 1.0), (16.0, 20.0, 1.0), None, id="no time passed"),
    ],
)
def test_a_rate_is_growth_over_time(
    first: tuple[float, float, float], second: tuple[float, float, float], rates: tuple[float, float] | None
) -> None:
    rate = Rate()
    assert rate.update(*first) is None
    assert rate.update(*second) == rates


def test_free_space_is_that_of_the_folder(tmp_path: Path) -> None:
    assert disk_free_bytes(str(tmp_path)) > 0
