"""What whoever works is handed to tell of it: one object instead of three."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from flowtime.events.log import EventLog, SilentLog
from flowtime.events.meter import Meter, SilentMeter

__all__ = ["Observer", "silent_observer"]


@dataclass(frozen=True)
class Observer:
    """Where events and figures go; ``timer`` gives seconds and only goes forward."""

    events: EventLog
    meter: Meter
    timer: Callable[[], float]


def silent_observer() -> Observer:
    """Return one that nobody listens to."""
    return Observer(SilentLog(), SilentMeter(), perf_counter)
