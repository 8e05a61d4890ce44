"""What a process and all its descendants use: processor time, memory, bytes read and written.

On Linux ``/proc`` is read directly (about 15 us a process), elsewhere psutil.  Children come and go between two
readings; what they used is not lost: a parent that waits for a child takes over its counters, so growth of the
parents' counters of ended children, less what was already seen of those children, is what they used unseen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from flowtime.tracking.sampling.kernel_files import read_kernel_file

__all__ = ["ProcTree", "ProcessReading", "ProcessTree", "PsutilTree", "TreeMeter", "TreeUse", "open_tree"]

# New processes show in the last process id of /proc/loadavg; now and then the tree is walked all the same.
_WALK_EVERY = 30


class ProcessReading(NamedTuple):
    """One process: counters since its start.

    ``reaped_s`` is processor time of ended children that it waited for; ``io_bytes`` (read, written) includes
    theirs, and is None where the system keeps it secret.
    """

    pid: int
    parent: int
    started: float
    own_s: float
    reaped_s: float
    rss_bytes: int
    io_bytes: tuple[int, int] | None
    is_ended: bool = False


class ProcessTree(Protocol):
    """Reads a process and its descendants."""

    def read(self) -> dict[int, ProcessReading]:
        """Return the readings by process id; empty when the root has ended and left nobody."""


class ProcTree:
    """The tree below ``pid`` from ``/proc``.  A descendant stays in it when its parent ends before it."""

    def __init__(self, pid: int, *, proc: Path = Path("/proc")) -> None:
        self._proc = str(proc)
        self._root = pid
        self._starts: dict[int, float] = {}
        self._last_pid = b""
        self._reads = 0
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def read(self) -> dict[int, ProcessReading]:
        """Return the readings by process id; empty when the root has ended and left nobody."""
        children = self._children_finder() if self._has_births() else _nobody
        queue = list(self._starts) or [self._root]
        found: dict[int, ProcessReading] = {}
        for pid in queue:
            reading = self._process(pid)
            if reading is None or not self._belongs(reading, found):
                continue
            found[pid] = reading
            # The queue grows while it is walked: children of children are found in the same reading.
            queue += [child for child in children(pid) if child not in found and child not in self._starts]
        self._starts = {pid: reading.started for pid, reading in found.items()}
        return found

    def _belongs(self, reading: ProcessReading, found: Mapping[int, ProcessReading]) -> bool:
        """Tell a member from a stranger that was given the process id of one that has ended."""
        started = self._starts.get(reading.pid)
        if started is not None:
            return started == reading.started
        return reading.parent in found or (reading.pid == self._root and not self._starts)

    def _has_births(self) -> bool:
        """Say whether processes were born since the last reading, or it is time to look anyhow."""
        try:
            last_pid = read_kernel_file(f"{self._proc}/loadavg").split()[-1]
        except (OSError, IndexError):
            return True
        is_due = last_pid != self._last_pid or self._reads % _WALK_EVERY == 0
        self._last_pid = last_pid
        self._reads += 1
        return is_due

    def _children_finder(self) -> Callable[[int], Iterable[int]]:
        """Return what finds the children of a process: the kernel's list, or parents of all where it keeps none."""
        if os.path.exists(f"{self._proc}/{self._root}/task/{self._root}/children"):
            return self._children
        if not os.path.exists(f"{self._proc}/{self._root}/task"):
            return self._children
        by_parent: dict[int, list[int]] = {}
        for name in os.listdir(self._proc):
            reading = self._process(int(name), with_io=False) if name.isdigit() else None
            if reading is not None:
                by_parent.setdefault(reading.parent, []).append(reading.pid)
        return lambda pid: by_parent.get(pid, ())

    def _children(self, pid: int) -> list[int]:
        """Return the children of every thread: a child belongs to the thread that made it."""
        folder = f"{self._proc}/{pid}/task"
        children: list[int] = []
        try:
            for thread in os.listdir(folder):
                children += map(int, read_kernel_file(f"{folder}/{thread}/children").split())
        except OSError:
            # The process or a thread of it ended meanwhile; what is left is found at the next reading.
            self._last_pid = b""
        return children

    def _process(self, pid: int, *, with_io: bool = True) -> ProcessReading | None:
        try:
            text = read_kernel_file(f"{self._proc}/{pid}/stat")
        except OSError:
            return None
        # The name in parentheses may hold anything, spaces and parentheses too.
        fields = text[text.rfind(b")") + 2 :].split()
        tick_s = self._tick_s
        return ProcessReading(
            pid=pid,
            parent=int(fields[1]),
            started=float(fields[19]),
            own_s=(int(fields[11]) + int(fields[12])) * tick_s,
            reaped_s=(int(fields[13]) + int(fields[14])) * tick_s,
            rss_bytes=int(fields[21]) * self._page_bytes,
            io_bytes=self._io(pid) if with_io else None,
            is_ended=fields[0] in (b"Z", b"X"),
        )

    def _io(self, pid: int) -> tuple[int, int] | None:
        try:
            words = read_kernel_file(f"{self._proc}/{pid}/io").split()
            return int(words[words.index(b"read_bytes:") + 1]), int(words[words.index(b"write_bytes:") + 1])
        except (OSError, ValueError):
            return None


class PsutilTree:
    """The tree below ``pid`` by psutil, for systems without ``/proc``."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._psutil = psutil
        self._root = psutil.Process(pid)

    def read(self) -> dict[int, ProcessReading]:
        """Return the readings by process id; empty when the root has ended."""
        try:
            members = [self._root, *self._root.children(recursive=True)]
        except self._psutil.NoSuchProcess:
            return {}
        readings = (self._process(member) for member in members)
        return {reading.pid: reading for reading in readings if reading is not None}

    def _process(self, process: Any) -> ProcessReading | None:
        try:
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
                return ProcessReading(
                    pid=process.pid,
                    parent=process.ppid(),
                    started=process.create_time(),
                    own_s=times.user + times.system,
                    # Windows and macOS keep no such counter for others, and there it is 0.
                    reaped_s=getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0),
                    rss_bytes=memory.rss,
                    io_bytes=self._io(process),
                )
        except self._psutil.Error:
            return None

    def _io(self, process: Any) -> tuple[int, int] | None:
        # macOS has no such method at all.
        counters = getattr(process, "io_counters", None)
        if counters is None:
            return None
        try:
            counted = counters()
        except self._psutil.Error:
            return None
        return counted.read_bytes, counted.write_bytes


def open_tree(pid: int) -> ProcessTree:
    """Return the reader for this system.  Raises psutil.Error, off Linux, where there is no such process."""
    return ProcTree(pid) if sys.platform == "linux" else PsutilTree(pid)


class TreeUse(NamedTuple):
    """What the tree used between two readings: seconds of processor time and bytes; and what it holds now.

    ``cpu_s`` is None at the first reading; so is ``io_bytes``, and where no process tells of it.
    ``secret`` counts the processes whose bytes are kept secret.
    """

    cpu_s: float | None
    io_bytes: tuple[float, float] | None
    rss_bytes: int
    processes: int
    secret: int


class TreeMeter:
    """Turns readings of a tree into what was used between them."""

    def __init__(self) -> None:
        self._before: dict[int, ProcessReading] | None = None

    def update(self, members: dict[int, ProcessReading]) -> TreeUse:
        """Return what was used since the last call."""
        before, self._before = self._before, members
        living = [reading for reading in members.values() if not reading.is_ended]
        secret = sum(reading.io_bytes is None for reading in living)
        cpu_s, io_bytes = None, None
        if before is not None:
            seen = _seen_of_the_ended(before, members)
            cpu_s = _cpu_growth(before, members, seen)
            io_bytes = _io_growth(before, members, seen) if secret < len(living) else None
        return TreeUse(cpu_s, io_bytes, sum(reading.rss_bytes for reading in living), len(living), secret)


def _same(before: Mapping[int, ProcessReading], reading: ProcessReading) -> ProcessReading | None:
    """Return the earlier reading of the same process, not of one that had its process id before."""
    earlier = before.get(reading.pid)
    return earlier if earlier is not None and earlier.started == reading.started else None


def _seen_of_the_ended(
    before: Mapping[int, ProcessReading], members: Mapping[int, ProcessReading]
) -> dict[int, list[ProcessReading]]:
    """Group the processes that ended by the nearest ancestor that lives: its counters took theirs over."""
    ended: dict[int, list[ProcessReading]] = {}
    for reading in before.values():
        now = members.get(reading.pid)
        if now is not None and now.started == reading.started:
            continue
        heir = reading.parent
        while heir in before and heir not in members:
            heir = before[heir].parent
        ended.setdefault(heir, []).append(reading)
    return ended


def _cpu_growth(
    before: Mapping[int, ProcessReading],
    members: Mapping[int, ProcessReading],
    ended: Mapping[int, list[ProcessReading]],
) -> float:
    total = 0.0
    for pid, reading in members.items():
        earlier = _same(before, reading)
        own, reaped = (earlier.own_s, earlier.reaped_s) if earlier else (0.0, 0.0)
        seen = sum(child.own_s + child.reaped_s for child in ended.get(pid, ()))
        total += reading.own_s - own
        # Below zero where a child was not waited for, so that nobody took its counters over.
        total += max(0.0, reading.reaped_s - reaped - seen)
    return total


def _io_growth(
    before: Mapping[int, ProcessReading],
    members: Mapping[int, ProcessReading],
    ended: Mapping[int, list[ProcessReading]],
) -> tuple[float, float]:
    totals = [0.0, 0.0]
    for pid, reading in members.items():
        if reading.io_bytes is None:
            continue
        earlier = _same(before, reading)
        for way in (0, 1):
            known = earlier.io_bytes[way] if earlier and earlier.io_bytes else 0
            seen = sum(child.io_bytes[way] for child in ended.get(pid, ()) if child.io_bytes)
            totals[way] += max(0, reading.io_bytes[way] - known - seen)
    return totals[0], totals[1]


def _nobody(_pid: int) -> tuple[int, ...]:
    return ()
