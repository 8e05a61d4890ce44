"""What the whole machine does: processor, memory, network, disks; counters, and rates made of them.

On Linux ``/proc`` is read directly, elsewhere psutil.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple, Protocol

from flowtime.tracking.sampling.kernel_files import read_kernel_file

__all__ = ["Host", "LinuxHost", "MachineMemory", "PsutilHost", "Rate", "disk_free_bytes", "open_host"]

# Devices whose bytes are those of other devices, or of memory.
_NO_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd")
_SECTOR_BYTES = 512  # in /proc/diskstats, whatever the device has


class MachineMemory(NamedTuple):
    """All memory, and what programs may still take of it without swapping, in bytes."""

    total_bytes: int
    available_bytes: int


class Host(Protocol):
    """Counters of the machine; each call may raise OSError, ValueError or psutil.Error on its own."""

    def cpu(self) -> tuple[float, float]:
        """Return the busy time and all time of all cores so far, in one unit; waiting for disks is not busy."""

    def memory(self) -> MachineMemory:
        """Return the memory of the machine."""

    def network(self) -> tuple[float, float]:
        """Return the bytes sent and received so far by all interfaces but the loopback."""

    def disks(self) -> tuple[float, float]:
        """Return the bytes read from and written to all disks so far."""


class LinuxHost:
    """The machine from ``/proc``; the network is that of the namespace of ``pid``.  ``root`` is for tests."""

    def __init__(self, pid: int, *, root: str = "") -> None:
        self._proc = f"{root}/proc"
        self._net = f"{self._proc}/{pid}/net/dev"
        self._block = f"{root}/sys/block"
        self._disks: frozenset[bytes] | None = None

    def cpu(self) -> tuple[float, float]:
        """Return the busy time and all time of all cores so far, in ticks."""
        first_line = read_kernel_file(f"{self._proc}/stat").split(b"\n", 1)[0]
        # user nice system idle iowait irq softirq steal; guests are counted in user.
        times = [int(word) for word in first_line.split()[1:9]]
        total = sum(times)
        return float(total - times[3] - times[4]), float(total)

    def memory(self) -> MachineMemory:
        """Return the memory of the machine."""
        words = read_kernel_file(f"{self._proc}/meminfo").split()
        total, available = (int(words[words.index(name) + 1]) << 10 for name in (b"MemTotal:", b"MemAvailable:"))
        return MachineMemory(total, available)

    def network(self) -> tuple[float, float]:
        """Return the bytes sent and received so far by all interfaces but the loopback."""
        sent, received = 0, 0
        for line in read_kernel_file(self._net).splitlines()[2:]:
            name, _, counters = line.rpartition(b":")
            if name.strip() != b"lo":
                fields = counters.split()
                sent, received = sent + int(fields[8]), received + int(fields[0])
        return float(sent), float(received)

    def disks(self) -> tuple[float, float]:
        """Return the bytes read from and written to all disks so far; partitions are part of their disk."""
        if self._disks is None:
            self._disks = frozenset(name.encode() for name in os.listdir(self._block) if not name.startswith(_NO_DISKS))
        read, written = 0, 0
        for line in read_kernel_file(f"{self._proc}/diskstats").splitlines():
            fields = line.split()
            if fields[2] in self._disks:
                read, written = read + int(fields[5]), written + int(fields[9])
        return float(read * _SECTOR_BYTES), float(written * _SECTOR_BYTES)


class PsutilHost:
    """The machine by psutil, for systems without ``/proc``."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil

    def cpu(self) -> tuple[float, float]:
        """Return the busy time and all time of all cores so far, in seconds."""
        times = self._psutil.cpu_times()
        # Linux counts a guest's time in user too; other systems have no such field.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return total - times.idle - getattr(times, "iowait", 0.0), total

    def memory(self) -> MachineMemory:
        """Return the memory of the machine."""
        memory = self._psutil.virtual_memory()
        return MachineMemory(memory.total, memory.available)

    def network(self) -> tuple[float, float]:
        """Return the bytes sent and received so far by all interfaces but the loopback."""
        cards = self._psutil.net_io_counters(pernic=True)
        real = [card for name, card in cards.items() if not name.lower().startswith("lo")]
        return float(sum(card.bytes_sent for card in real)), float(sum(card.bytes_recv for card in real))

    def disks(self) -> tuple[float, float]:
        """Return the bytes read from and written to all disks so far.  Raises OSError where there are none."""
        counters = self._psutil.disk_io_counters()
        if counters is None:
            raise OSError("no disk tells of its bytes")
        return float(counters.read_bytes), float(counters.write_bytes)


def open_host(pid: int) -> Host:
    """Return the reader for this system."""
    return LinuxHost(pid) if sys.platform == "linux" else PsutilHost()


def disk_free_bytes(path: str) -> int:
    """Return the bytes that may still be written at ``path`` without being root.  Raises OSError."""
    if hasattr(os, "statvfs"):
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize
    # Loads the archive modules with it, so only where there is no other way.
    import shutil

    return shutil.disk_usage(path).free


class Rate:
    """Turns two counters that only grow into growth per unit of a third, their clock."""

    def __init__(self) -> None:
        self._before: tuple[float, float, float] | None = None

    def update(self, first: float, second: float, clock: float) -> tuple[float, float] | None:
        """Return the growth of both per unit of ``clock`` since the last call.

        None at the first call, and when a counter went back, as when a network card was taken away.
        """
        before, self._before = self._before, (first, second, clock)
        if before is None or clock <= before[2] or first < before[0] or second < before[1]:
            return None
        passed = clock - before[2]
        return (first - before[0]) / passed, (second - before[1]) / passed
