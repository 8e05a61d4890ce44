"""The grid of an import while it is being found: length of a bin, where bin 0 starts, which bins there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from flowtime.errors import TelemetryError
from flowtime.model.spec import UNIT_SECONDS, BinUnit
from flowtime.telemetry.loaders.cells import BoolArray, IntArray

__all__ = ["BinAxis", "GridStep", "parse_step"]

_SECOND: Final = 1_000_000_000
_SPELLINGS: Final[dict[str, BinUnit]] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "seconds"),
    **dict.fromkeys(("m", "min", "minute", "minutes"), "minutes"),
    **dict.fromkeys(("h", "hour", "hours"), "hours"),
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("w", "week", "weeks"), "weeks"),
}
_STEP = re.compile(r"(\d{1,4}) *([a-z]+)")
_MOST_UNITS: Final = 1000
# 1970-01-01 was a Thursday, and weeks begin on Mondays.
_MONDAY: Final = 4 * 86_400 * _SECOND


class GridStep(NamedTuple):
    """The length of a bin: ``size`` times ``unit``."""

    size: int
    unit: BinUnit

    @property
    def nanos(self) -> int:
        """The length in nanoseconds."""
        return self.size * UNIT_SECONDS[self.unit] * _SECOND

    def __str__(self) -> str:
        """Return ``5m``, as it is written on the command line."""
        return f"{self.size}{self.unit[0]}"


def parse_step(text: str) -> GridStep:
    """Read ``30s``, ``5m``, ``1h``, ``1d`` or ``1w``; raises TelemetryError ``telemetry.grid_invalid``."""
    match = _STEP.fullmatch(text.strip().lower())
    unit = _SPELLINGS.get(match[2]) if match else None
    if match is None or unit is None or not 1 <= int(match[1]) <= _MOST_UNITS:
        raise TelemetryError(
            f"{text!r} is no length of a bin",
            code="telemetry.grid_invalid",
            hint=f"write 1 to {_MOST_UNITS} of s, m, h, d or w: 30s, 5m, 1h, 1d",
        )
    return GridStep(int(match[1]), unit)


class BinAxis:
    """Bins of one length from ``origin``, numbered from there, also below 0.

    Without a ``start`` the first moment that is seen fixes the origin: itself where each row is a bin (so bins may
    start at minute 4), else the whole bin that it lies in, counted from 1970, weeks from a Monday.  ``local`` says
    by how many nanoseconds the clocks that days are counted by are ahead of UTC then.
    """

    def __init__(
        self, step: GridStep, start: int | None, end: int | None, *, is_exact: bool, local: Callable[[int], int]
    ) -> None:
        self.step = step
        self.start = start
        self.origin = start
        self.end = end
        self._is_exact = is_exact
        self._local = local

    def begin_at(self, start: int) -> None:
        """Let bin 0 start at a moment unless a start was given."""
        if self.start is None:
            self.start = self.origin = start

    def bins_of(self, nanos: IntArray) -> IntArray:
        """Return the bin of each moment, nanoseconds since 1970 in UTC (rows,)."""
        if self.origin is None:
            self.origin = self._origin(int(nanos[0]))
        return (nanos - self.origin) // self.step.nanos

    def on_edge(self, nanos: IntArray) -> BoolArray:
        """Return which moments (rows,) are exactly the start of a bin."""
        edges: BoolArray = (nanos - (self.origin or 0)) % self.step.nanos == 0
        return edges

    def inside(self, nanos: IntArray) -> BoolArray | None:
        """Return which moments (rows,) are in the window that was asked for; None where all are."""
        if self.start is None and self.end is None:
            return None
        kept = np.ones(len(nanos), np.bool_)
        if self.start is not None:
            kept &= nanos >= self.start
        if self.end is not None:
            kept &= nanos < self.end
        return None if kept.all() else kept

    def start_of(self, number: int) -> int:
        """Return when a bin starts, in nanoseconds since 1970 in UTC."""
        return (self.origin or 0) + number * self.step.nanos

    def _origin(self, first: int) -> int:
        if self._is_exact:
            return first
        monday = _MONDAY if self.step.unit == "weeks" else 0
        return first - (first + self._local(first) - monday) % self.step.nanos
