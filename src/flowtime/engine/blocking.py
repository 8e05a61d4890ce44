"""When a node stands still though there is work, and when it has nothing to do.

*Blocked*: work waits at the end of a bin and something other than the pace of the node holds it back: its
``gate`` is closed, a shared ``constraint`` granted less than it asked for, its ``limit`` is reached so that work
is turned away, or its ``capacity`` is 0.  *Starved*: the node could serve more than it did, and nothing waits:
too little arrived.  A node is neither where it serves all that it can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.station_view import StationView, station_view
from flowtime.engine.tolerance import BoolArray, exceeds

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["Blocking", "find_blocking", "node_blocking"]


@dataclass(frozen=True)
class Blocking:
    """Where a node is blocked and where it is starved, bool (bins,) each.

    ``reasons`` maps gate, constraint, limit and capacity, as far as the node has them, to the bins that each
    of them blocks; ``blocked`` are those of any.
    """

    node_id: str
    reasons: Mapping[str, BoolArray]
    blocked: BoolArray
    starved: BoolArray

    @property
    def blocked_share(self) -> float:
        """Share of the bins in which the node is blocked, 0 to 1."""
        return float(self.blocked.mean())

    @property
    def starved_share(self) -> float:
        """Share of the bins in which the node is starved, 0 to 1."""
        return float(self.starved.mean())


def find_blocking(result: Result, node: str) -> Blocking:
    """Say when a topology node is blocked and starved; raises ParameterError for one that does not exist."""
    return node_blocking(station_view(result, node))


def node_blocking(view: StationView) -> Blocking:
    """The same of a node that is looked at already."""
    nothing = np.zeros(view.bins, dtype=np.bool_)
    depth, overflow = view.depth, view.series.get("overflow")
    waits = nothing if depth is None else exceeds(depth, 0.0)
    reasons: dict[str, BoolArray] = {}
    if view.schedule is not None:
        reasons["gate"] = waits & ~view.gate_is_open
    if "shortfall" in view.series:
        # Where nothing can wait, what was not granted is refused.
        refused = exceeds(view.series["shortfall"], 0.0)
        reasons["constraint"] = refused & waits if view.station.has_queue else refused
    if depth is not None and overflow is not None:
        reasons["limit"] = exceeds(overflow, 0.0)
    if view.capacity is not None:
        reasons["capacity"] = waits & ~(view.capacity > 0.0)
    blocked = np.any([nothing, *reasons.values()], axis=0)
    return Blocking(view.station.id, MappingProxyType(reasons), blocked, _starved(view, waits) & ~blocked)


def _starved(view: StationView, waits: BoolArray) -> BoolArray:
    served, capacity = view.served, view.capacity
    if served is None or capacity is None:
        return np.zeros(view.bins, dtype=np.bool_)
    return exceeds(capacity, served) & ~waits & view.gate_is_open
