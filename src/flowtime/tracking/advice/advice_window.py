"""The last samples of a run, as the numbers that rules look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Point", "Window", "point_of"]


class Point(NamedTuple):
    """One sample; shares are from 0 to 1, None where the sample does not tell.

    ``cpu_share`` is of the ``cores`` that the run may use, ``memory_share`` of the memory it may use; ``gpus`` are
    utilizations in percent by index.
    """

    number: int
    at_ms: int
    step_id: str | None = None
    rate: float | None = None
    cpu_percent: float | None = None
    cpu_share: float | None = None
    cores: float | None = None
    system_percent: float | None = None
    processes: int | None = None
    memory_share: float | None = None
    rss_mb: float | None = None
    available_mb: float | None = None
    memory_limit_mb: float | None = None
    disk_free_mb: float | None = None
    disk_mb_per_s: float | None = None
    net_mb_per_s: float | None = None
    gpus: Mapping[int, float | None] = {}
    sampler_ms: float | None = None


def point_of(snapshot: Mapping[str, Any], number: int) -> Point:
    """Read a sample in the wire's names (see TelemetrySnapshot); ``number`` counts from 0 in the order of recording."""
    get = snapshot.get
    cpu, cores = get("cpuPercentProcess"), get("cpuLimitCores")
    rss, available, limit = get("memoryRssMb"), get("memoryAvailableMb"), get("memoryLimitMb")
    held = limit - available if limit and available is not None else rss
    return Point(
        number=number,
        at_ms=snapshot["timestampMs"],
        step_id=get("stepId"),
        rate=get("stepsPerSec"),
        cpu_percent=cpu,
        cpu_share=cpu / 100.0 / cores if cpu is not None and cores else None,
        cores=cores,
        system_percent=get("cpuPercentSystem"),
        processes=get("processes"),
        memory_share=held / limit if held is not None and limit else None,
        rss_mb=rss,
        available_mb=available,
        memory_limit_mb=limit,
        disk_free_mb=get("diskFreeMb"),
        disk_mb_per_s=_sum(get("diskReadMbPerSec"), get("diskWriteMbPerSec")),
        net_mb_per_s=_sum(get("netSentMbPerSec"), get("netReceivedMbPerSec")),
        gpus={device["index"]: device.get("utilPercent") for device in get("gpuDevices") or ()},
        sampler_ms=get("samplerMs"),
    )


class Window:
    """The samples of the last ``kept_s`` seconds.

    A gap (the machine slept) or a clock that was set starts it anew: time that nobody saw proves nothing.
    """

    def __init__(self, kept_s: float, *, gap_s: float) -> None:
        self._kept_ms = 1000.0 * kept_s
        self._gap_ms = 1000.0 * gap_s
        self._points: deque[Point] = deque()
        self._step_first: Point | None = None
        # Several rules look at the same time: the lists of the newest sample, by their seconds.
        self._lists: dict[float, list[Point]] = {}

    @property
    def newest(self) -> Point:
        """The last sample.  Raises IndexError before the first one."""
        return self._points[-1]

    def add(self, point: Point) -> float:
        """Add a sample; return the seconds since the one before, 0 where there is none, or a gap."""
        points = self._points
        self._lists.clear()
        passed_ms = point.at_ms - points[-1].at_ms if points else 0
        if passed_ms < 0 or passed_ms > self._gap_ms:
            points.clear()
            passed_ms = 0
        if self._step_first is None or self._step_first.step_id != point.step_id:
            self._step_first = point
        points.append(point)
        # One older than the window stays: it is where the window's first sample began.
        while len(points) > 2 and points[1].at_ms <= point.at_ms - self._kept_ms:
            points.popleft()
        return passed_ms / 1000.0

    def last(self, seconds: float) -> list[Point] | None:
        """Return the samples of the last ``seconds``, the oldest first; None unless they cover all of that time.

        The list is shared: do not change it.
        """
        points = self._points
        since_ms = points[-1].at_ms - 1000.0 * seconds
        if points[0].at_ms > since_ms:
            return None
        known = self._lists.get(seconds)
        if known is not None:
            return known
        found: list[Point] = []
        for point in reversed(points):
            if point.at_ms <= since_ms:
                break
            found.append(point)
        found.reverse()
        self._lists[seconds] = found
        return found

    def first_of_step(self, step_id: str) -> Point:
        """Return the first sample of the step of the newest one; the newest itself where that is not known."""
        first = self._step_first
        return first if first is not None and first.step_id == step_id else self.newest


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None and second is None else (first or 0.0) + (second or 0.0)
