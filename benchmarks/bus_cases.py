"""The event bus: what it costs to tell three subscribers, beside calling them without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Guardrail, Size, Timed, require

__all__ = ["BUS_CASES"]

EVENTS = 500
SUBSCRIBERS = 3


class _Counter:
    """A subscriber that does next to nothing."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, kind: str, payload: Any) -> None:
        self.count += 1


def _timed(counters: list[_Counter], call: Callable[[], None]) -> Timed:
    def check(_result: None) -> None:
        counts = [counter.count for counter in counters]
        require(counts == [counts[0]] * SUBSCRIBERS and counts[0] >= EVENTS, f"an event was lost: {counts}")

    return Timed(call, check)


def _publish(_folder: Path, _size: Size) -> Timed:
    from flowtime.events import EventBus

    bus, counters = EventBus(), [_Counter() for _ in range(SUBSCRIBERS)]
    for counter in counters:
        bus.subscribe("sample", counter)
    payload = {"value": 1.0}

    def call() -> None:
        for _ in range(EVENTS):
            bus.publish("sample", payload)

    return _timed(counters, call)


def _call_directly(_folder: Path, _size: Size) -> Timed:
    counters = [_Counter() for _ in range(SUBSCRIBERS)]
    payload = {"value": 1.0}

    def call() -> None:
        for _ in range(EVENTS):
            for counter in counters:
                counter("sample", payload)

    return _timed(counters, call)


# A host on which 500 times three calls take a millisecond, 20 times the usual, judges nothing.
_LIMITS = Guardrail({"mean_best_half": 0.01}, turns=1000, probe="call_three_directly", probe_limit_ms=1.0)

BUS_CASES = (
    Case("bus_dispatch_to_three", "dispatch", _publish, 8, items=EVENTS, gate=True, guardrail=_LIMITS),
    Case("call_three_directly", "dispatch", _call_directly, 8, items=EVENTS),
)
