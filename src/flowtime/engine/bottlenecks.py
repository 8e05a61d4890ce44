"""Which nodes hold the flow up, the worst first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from flowtime.engine.blocking import Blocking, node_blocking
from flowtime.engine.station_view import StationView, station_views
from flowtime.engine.tolerance import BoolArray, exceeds
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["BUSY_UTILIZATION", "Bottleneck", "rank_bottlenecks"]

# From here on a node counts as working at its limit.
BUSY_UTILIZATION: Final = 0.95


class Bottleneck(NamedTuple):
    """How much one node holds the flow up; shares are of the bins, 0 to 1.

    ``bound_share``: bins in which the node is at its limit.  ``mean_utilization``: mean of utilization over
    the bins that have one, NaN if none has.  ``queue_growth``: depth at the end less depth before bin 0, in
    entities; NaN for a node without a queue.
    """

    node_id: str
    bound_share: float
    mean_utilization: float
    queue_growth: float
    blocked_share: float
    starved_share: float


def rank_bottlenecks(result: Result) -> tuple[Bottleneck, ...]:
    """Rank the topology nodes that can hold a flow up: those with a capacity or a queue; dead letters can not.

    A node is *bound* in a bin where its utilization is 0.95 or more, where it turns work away (overflow), or
    where a constraint grants it less than it asks for; a node of unknown capacity is bound where its queue
    grows while it serves.  Nodes are ordered by the share of bins in which they are bound, then by mean
    utilization, then by growth of the queue, highest first; equals stay in the order of the model.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        found = [_rate(view, node_blocking(view)) for view in station_views(result) if _can_hold_up(view)]
    return tuple(sorted(found, key=_rank))


def _rank(node: Bottleneck) -> tuple[float, float, float]:
    return -node.bound_share, _last_if_unknown(node.mean_utilization), _last_if_unknown(node.queue_growth)


def _last_if_unknown(value: float) -> float:
    return math.inf if math.isnan(value) else -value


def _can_hold_up(view: StationView) -> bool:
    return view.station.node.kind != "dlq" and (view.depth is not None or view.capacity is not None)


def _rate(view: StationView, blocking: Blocking) -> Bottleneck:
    utilization, depth = _utilization(view), view.depth
    known = np.array([]) if utilization is None else utilization[np.isfinite(utilization)]
    return Bottleneck(
        node_id=view.station.id,
        bound_share=float(_bound(view, utilization).mean()),
        mean_utilization=float(known.mean()) if known.size else math.nan,
        queue_growth=math.nan if depth is None else float(depth[-1]) - view.station.initial_depth,
        blocked_share=blocking.blocked_share,
        starved_share=blocking.starved_share,
    )


def _utilization(view: StationView) -> FloatArray | None:
    served, capacity = view.served, view.capacity
    if served is None or capacity is None:
        return None
    is_known = (capacity > 0.0) & np.isfinite(capacity)
    ratio = np.full(view.bins, math.nan)
    np.divide(served, capacity, out=ratio, where=is_known)
    return ratio


def _bound(view: StationView, utilization: FloatArray | None) -> BoolArray:
    bound = np.zeros(view.bins, dtype=np.bool_)
    depth, earlier, served = view.depth, view.depth_before, view.served
    if utilization is not None:
        bound |= utilization >= BUSY_UTILIZATION
    elif depth is not None and earlier is not None and served is not None:
        bound |= exceeds(depth, earlier) & exceeds(served, 0.0)
    for role in ("overflow", "shortfall"):
        if role in view.series:
            bound |= exceeds(view.series[role], 0.0)
    return bound
