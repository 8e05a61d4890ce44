"""The limits that a control group (version 1 or 2) sets a process: cores, and memory with what is left of it.

A limit of any group above counts too, so the way is walked up to the mount point and the tightest one wins.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from flowtime.tracking.sampling.kernel_files import read_kernel_file

__all__ = ["CgroupLimits", "MemoryLimit"]

# Version 1 writes "no limit" as the largest multiple of the page size.
_NO_LIMIT = 1 << 60


class MemoryLimit(NamedTuple):
    """The tightest limit in bytes, and the bytes left below it.

    Files that can be dropped count as left, but below half of the limit, where nothing rests on it: asking for them
    makes the kernel add up all cores.
    """

    limit_bytes: int
    available_bytes: int


class _Mount(NamedTuple):
    """A mounted hierarchy: the group that its mount point shows, and the controllers (none: version 2)."""

    point: str
    root: str
    controllers: frozenset[str]


class _MemoryNames(NamedTuple):
    """What a version calls its files, and the line of files that can be dropped."""

    limit: str
    used: str
    droppable: str


_MEMORY_V1 = _MemoryNames("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_MEMORY_V2 = _MemoryNames("memory.max", "memory.current", "inactive_file")


class CgroupLimits:
    """The groups of ``pid`` and which of them limit memory, found once; the limits themselves are read anew.

    Raises OSError where the groups can not be read, or there are none.

    ``root`` is put before every path, for tests.
    """

    def __init__(self, pid: int, *, root: str = "") -> None:
        self._root = root
        mounts = list(_mounts(_text(f"{root}/proc/{pid}/mountinfo")))
        paths = dict(_paths(_text(f"{root}/proc/{pid}/cgroup")))
        self._unified = self._folders(mounts, paths, "")
        self._cpu = self._folders(mounts, paths, "cpu")
        self._memory = self._folders(mounts, paths, "memory")
        # Most groups set no limit: they are asked once, not at every tick.
        self._limiting = [
            (folder, _MEMORY_V2) for folder in self._unified if _limit(folder, _MEMORY_V2) is not None
        ] + [(folder, _MEMORY_V1) for folder in self._memory if _limit(folder, _MEMORY_V1) is not None]

    def cpu_cores(self) -> float | None:
        """Return the cores that the quotas allow, or None without a quota."""
        quotas = [_quota_v2(folder) for folder in self._unified] + [_quota_v1(folder) for folder in self._cpu]
        return min((quota for quota in quotas if quota is not None), default=None)

    def memory(self) -> MemoryLimit | None:
        """Return the tightest limit, or None without one."""
        limits = [_memory(folder, names) for folder, names in self._limiting]
        given = [limit for limit in limits if limit is not None]
        if not given:
            return None
        return MemoryLimit(min(limit.limit_bytes for limit in given), min(limit.available_bytes for limit in given))

    def _folders(self, mounts: list[_Mount], paths: dict[str, str], controller: str) -> tuple[str, ...]:
        """Return the folders of a controller ("" is version 2), the innermost first; none if it is not mounted."""
        path = paths.get(controller)
        mount = next((mount for mount in mounts if _holds(mount, controller)), None)
        if path is None or mount is None:
            return ()
        parts = _below_mount(path, mount)
        folders = ["/".join([f"{self._root}{mount.point}", *parts[:depth]]) for depth in range(len(parts), -1, -1)]
        return tuple(folder for folder in folders if os.path.isdir(folder))


def _below_mount(path: str, mount: _Mount) -> list[str]:
    """Return the folders from the mount point to a group; none where what is mounted is the group itself.

    Inside a container the path may be that of the host, or lead out of what can be seen.
    """
    root = "" if mount.root == "/" else mount.root
    below = path.removeprefix(root) if path.startswith(root) else ""
    parts = [part for part in below.split("/") if part]
    return [] if ".." in parts else parts


def _holds(mount: _Mount, controller: str) -> bool:
    return controller in mount.controllers if controller else not mount.controllers


def _mounts(text: str) -> Iterator[_Mount]:
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        fields, kind = head.split(), tail.split()
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = frozenset() if kind[0] == "cgroup2" else frozenset(kind[2].split(","))
        # The kernel writes a space in a name as \040.
        yield _Mount(fields[4].replace("\\040", " "), fields[3].replace("\\040", " "), controllers)


def _paths(text: str) -> Iterator[tuple[str, str]]:
    """Yield (controller, path of the group); the controller of version 2 is ""."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _quota_v2(folder: str) -> float | None:
    words = _words(f"{folder}/cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1(folder: str) -> float | None:
    quota, period = _number(f"{folder}/cpu.cfs_quota_us"), _number(f"{folder}/cpu.cfs_period_us")
    return quota / period if quota is not None and period and quota > 0 else None


def _limit(folder: str, names: _MemoryNames) -> int | None:
    limit = _number(f"{folder}/{names.limit}")
    return limit if limit is not None and limit < _NO_LIMIT else None


def _memory(folder: str, names: _MemoryNames) -> MemoryLimit | None:
    limit, used = _limit(folder, names), _number(f"{folder}/{names.used}")
    if limit is None or used is None:
        return None
    if used > limit // 2:
        words = _words(f"{folder}/memory.stat")
        used -= int(words[words.index(names.droppable) + 1]) if names.droppable in words else 0
    return MemoryLimit(limit, min(limit, max(0, limit - used)))


def _number(path: str) -> int | None:
    """Return the number in a file; None where there is no such file or it says "max"."""
    words = _words(path)
    return int(words[0]) if words and words[0] != "max" else None


def _words(path: str) -> list[str]:
    try:
        return _text(path).split()
    except FileNotFoundError:
        # Not every group has every file: the topmost has no limits, and a controller may be off.
        return []


def _text(path: str) -> str:
    return read_kernel_file(path).decode("utf-8", "replace")
