"""Counters and histograms behind one small interface; who exposes them, and how, is not known here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from threading import Lock
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, TypeAlias

__all__ = ["INSTRUMENTS", "Counter", "Histogram", "Instrument", "MemoryMeter", "Meter", "SilentMeter"]

Labels: TypeAlias = Mapping[str, str]
_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


class Meter(Protocol):
    """Counts and measures; may be called from several threads at once."""

    def count(self, name: str, labels: Labels, amount: int = 1) -> None:
        """Add to a counter of ``INSTRUMENTS``."""

    def observe(self, name: str, value: float, labels: Labels) -> None:
        """Add a value to a histogram of ``INSTRUMENTS``."""


class Instrument(NamedTuple):
    """What is counted or measured, under which labels; ``bounds`` are the upper ends of a histogram's buckets."""

    kind: Literal["counter", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    bounds: tuple[float, ...] = ()


# From a small model (0.1 ms) to a million bins.
_MILLISECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4)

INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {
        "run_created_total": Instrument(
            "counter", ("templateId", "mode"), "Runs that were published; not dry ones, and none that was reused."
        ),
        "run_failed_total": Instrument("counter", ("templateId", "mode"), "Runs that ended by an error; not dry ones."),
        "simulation_evaluation_duration_ms": Instrument(
            "histogram",
            ("templateId", "mode"),
            "How long the evaluation of a model took, compilation and files not counted.",
            _MILLISECONDS,
        ),
    }
)


class Counter(NamedTuple):
    """A counter as it stands."""

    name: str
    labels: Labels
    value: int


class Histogram(NamedTuple):
    """A histogram as it stands: how many values, and what they add up to.

    ``buckets`` has one count for each of ``bounds``, of the values at most that bound and above the one before,
    and one more for the rest.
    """

    name: str
    labels: Labels
    observations: int
    sum: float
    bounds: tuple[float, ...]
    buckets: tuple[int, ...]


class SilentMeter:
    """Counts nothing."""

    def count(self, name: str, labels: Labels, amount: int = 1) -> None:
        """Do nothing."""

    def observe(self, name: str, value: float, labels: Labels) -> None:
        """Do nothing."""


class _Buckets:
    """The running figures of one histogram."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value into its bucket."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class MemoryMeter:
    """Keeps the figures of this process in memory, for several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counters: dict[_Key, int] = {}
        self._histograms: dict[_Key, _Buckets] = {}

    def count(self, name: str, labels: Labels, amount: int = 1) -> None:
        """Add to a counter."""
        key = _key(name, labels)
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + amount

    def observe(self, name: str, value: float, labels: Labels) -> None:
        """Add a value to a histogram; a name that is not in ``INSTRUMENTS`` has a single bucket."""
        key = _key(name, labels)
        with self._lock:
            if key not in self._histograms:
                self._histograms[key] = _Buckets(INSTRUMENTS[name].bounds if name in INSTRUMENTS else ())
            self._histograms[key].add(value)

    def counters(self) -> tuple[Counter, ...]:
        """Return every counter that was used, by name and labels."""
        with self._lock:
            return tuple(
                Counter(name, dict(labels), self._counters[name, labels]) for name, labels in sorted(self._counters)
            )

    def histograms(self) -> tuple[Histogram, ...]:
        """Return every histogram that was used, by name and labels."""
        with self._lock:
            return tuple(
                Histogram(name, dict(labels), sum(kept.counts), kept.sum, kept.bounds, tuple(kept.counts))
                for (name, labels), kept in sorted(self._histograms.items(), key=lambda item: item[0])
            )


def _key(name: str, labels: Labels) -> _Key:
    return name, tuple(sorted(labels.items()))
