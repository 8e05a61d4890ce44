"""What the program tells of its work while it works: log events, counters and histograms, all handed in."""

from __future__ import annotations

from flowtime.events.log import EVENTS, BoundLog, Event, EventKind, EventLog, JsonLog, MemoryLog, SilentLog, StandardLog
from flowtime.events.meter import INSTRUMENTS, Counter, Histogram, Instrument, MemoryMeter, Meter, SilentMeter
from flowtime.events.observer import Observer, silent_observer

__all__ = [
    "EVENTS",
    "INSTRUMENTS",
    "BoundLog",
    "Counter",
    "Event",
    "EventKind",
    "EventLog",
    "Histogram",
    "Instrument",
    "JsonLog",
    "MemoryLog",
    "MemoryMeter",
    "Meter",
    "Observer",
    "SilentLog",
    "SilentMeter",
    "StandardLog",
    "silent_observer",
]
