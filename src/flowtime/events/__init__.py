"""What the program tells of its work while it works: log events, counters and histograms, all handed in.

Names are loaded when first used: the bus of the run tracker needs nothing of the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowtime.events.bus import EventBus
    from flowtime.events.log import (
        EVENTS,
        BoundLog,
        Event,
        EventKind,
        EventLog,
        JsonLog,
        MemoryLog,
        SilentLog,
        StandardLog,
    )
    from flowtime.events.meter import INSTRUMENTS, Counter, Histogram, Instrument, MemoryMeter, Meter, SilentMeter
    from flowtime.events.observer import Observer, silent_observer

__all__ = [
    "EVENTS",
    "INSTRUMENTS",
    "BoundLog",
    "Counter",
    "Event",
    "EventBus",
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

_HOMES = (
    ("flowtime.events.bus", ("EventBus",)),
    (
        "flowtime.events.log",
        ("EVENTS", "BoundLog", "Event", "EventKind", "EventLog", "JsonLog", "MemoryLog", "SilentLog", "StandardLog"),
    ),
    (
        "flowtime.events.meter",
        ("INSTRUMENTS", "Counter", "Histogram", "Instrument", "MemoryMeter", "Meter", "SilentMeter"),
    ),
    ("flowtime.events.observer", ("Observer", "silent_observer")),
)


def __getattr__(name: str) -> object:
    for module, names in _HOMES:
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'flowtime.events' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
