"""How long it takes until what waits at a node is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.station_view import station_view
from flowtime.engine.tolerance import exceeds
from flowtime.errors import ParameterError
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["DrainTime", "find_drain_time"]


@dataclass(frozen=True)
class DrainTime:
    """Bins until a queue is empty, from the end of each bin; float64 (bins,) each.

    ``computed``: until the queue really is empty, as capacity and arrivals go on from there; 0 where nothing
    waits, infinite where it is not empty again within the horizon.  ``estimate``: the queue over capacity less
    arrivals of the bin itself, infinite where no more is served than arrives, NaN where no capacity is known.
    """

    node_id: str
    computed: FloatArray
    estimate: FloatArray


def find_drain_time(result: Result, node: str) -> DrainTime:
    """Return the drain times of a topology node.

    Raises ParameterError ``parameter.no_queue`` for one without a queue.
    """
    view = station_view(result, node)
    depth = view.depth
    if depth is None:
        raise ParameterError(f"nothing waits at the node {node!r}", code="parameter.no_queue")
    bins = np.arange(view.bins, dtype=np.float64)
    empty_at = np.where(exceeds(depth, 0.0), np.inf, bins)
    next_empty: FloatArray = np.minimum.accumulate(empty_at[::-1])[::-1]
    return DrainTime(node, next_empty - bins, _estimate(depth, view.capacity, view.inflow))


def _estimate(depth: FloatArray, capacity: FloatArray | None, inflow: FloatArray | None) -> FloatArray:
    if capacity is None or inflow is None:
        return np.full(depth.size, np.nan)
    with np.errstate(invalid="ignore"):
        spare = capacity - inflow
        drains = exceeds(capacity, inflow)
        waits = exceeds(depth, 0.0)
    estimate = np.full(depth.size, np.inf)
    np.divide(depth, spare, out=estimate, where=drains)
    estimate[~waits] = 0.0
    estimate[np.isnan(spare) & waits] = np.nan
    return estimate
