"""Stations in a row, item by item: Poisson arrivals, one server each, exponential service."""

import random
from collections.abc import Callable, Generator

import numpy as np
import simpy
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Line:
    """What happened at each station, in order: ``arrived``, ``started``, ``left`` are lists of minutes by station."""

    def __init__(
        self, stations: int, load: Callable[[float], float], minutes: float, seed: int, speed: float = 1.0
    ) -> None:
        """Run it: a station can do ``speed`` items a minute, of which a share ``load(minute)``, at most 2, arrives."""
        self.minutes = minutes
        self.arrived: list[list[float]] = [[] for _ in range(stations)]
        self.started: list[list[float]] = [[] for _ in range(stations)]
        self.left: list[list[float]] = [[] for _ in range(stations)]
        self._random = random.Random(seed)
        self._load = load
        self._speed = speed
        self._world = simpy.Environment()
        self._servers = [simpy.Resource(self._world) for _ in range(stations)]
        self._world.process(self._source())
        self._world.run(until=minutes)

    def _source(self) -> Generator[simpy.Event, None, None]:
        while True:
            yield self._world.timeout(self._random.expovariate(2.0 * self._speed))
            if self._random.random() * 2.0 < self._load(self._world.now):  # thinning, since the load may change
                self._world.process(self._item())

    def _item(self) -> Generator[simpy.Event, None, None]:
        for station, server in enumerate(self._servers):
            self.arrived[station].append(self._world.now)
            with server.request() as turn:
                yield turn
                self.started[station].append(self._world.now)
                yield self._world.timeout(self._random.expovariate(self._speed))
            self.left[station].append(self._world.now)

    def number_at(self, station: int, times: FloatArray) -> FloatArray:
        """How many items are at a station, waiting or being served, at some times."""
        came = np.searchsorted(self.arrived[station], times, side="right")
        return (came - np.searchsorted(self.left[station], times, side="right")).astype(np.float64)

    def mean_number(self, station: int, since: float) -> float:
        """The mean number of items at a station, from ``since`` to the end."""
        area = np.sum(self.minutes - np.maximum(self.arrived[station], since))
        area -= np.sum(self.minutes - np.maximum(self.left[station], since))
        return float(area / (self.minutes - since))

    def mean_wait(self, station: int, since: float) -> float:
        """The mean time before service, of those who started after ``since``, in minutes."""
        started = np.array(self.started[station])
        waits = started - np.array(self.arrived[station][: started.size])
        return float(waits[started >= since].mean())

    def throughput(self, station: int, since: float) -> float:
        """How many left a station a minute, after ``since``."""
        return float(np.sum(np.array(self.left[station]) >= since) / (self.minutes - since))


if __name__ == "__main__":
    line = Line(3, lambda _: 0.8, minutes=20_000, seed=1)
    for station in range(3):
        print(f"station {station + 1}: {line.mean_number(station, since=1000):.2f} items on the average")
