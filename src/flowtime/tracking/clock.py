"""The two clocks of a run: one for what people read, one for how long things took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["SYSTEM_CLOCK", "Clock", "utc_text"]


class Clock(NamedTuple):
    """The wall clock, which may be set, and the monotonic one, which never jumps; both in nanoseconds."""

    wall_ns: Callable[[], int]
    monotonic_ns: Callable[[], int]


SYSTEM_CLOCK = Clock(time.time_ns, time.monotonic_ns)


def utc_text(wall_ns: int) -> str:
    """Return a time as ``2025-01-31T23:59:59.000Z``, as records carry it."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{rest // 1_000_000:03d}Z"
