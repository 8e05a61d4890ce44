"""Derived values of nodes on the values of a block: the formulas of ``engine.metrics``, all nodes at once.

Where a point stands for several bins, they are of the means a bin, so that a ratio is one of sums and a wait is
what Little's law says of the stretch.  Arrays are (nodes, parts, context + points), NaN where undefined.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flowtime.engine.tolerance import finite_or_zero
from flowtime.model.spec import FloatArray
from flowtime.state.arithmetic import pair_sum, positive_or_one, ratio
from flowtime.state.block import Block, BlockReader, Span
from flowtime.state.latency import FlowOrder, flow_latency
from flowtime.state.places import ABSENT, Places

__all__ = ["context_points", "derive"]


def context_points(places: Places, order: FlowOrder, start: int, width: int) -> int:
    """How many points before bin ``start`` are needed, so that what looks back sees what there was."""
    taps = max((len(kernel) - 1 for kernel in places.taps), default=0)
    periods = max((schedule.period_bins - 1 for schedule in places.schedules if schedule), default=0)
    # The retry echo of a point of several bins looks back by itself.
    back = max(order.lag, periods, taps if width == 1 else 0)
    return min(-(-back // width), start // width)


def derive(
    places: Places, order: FlowOrder, block: Block, reader: BlockReader, milliseconds: float
) -> Mapping[str, FloatArray]:
    """Return every derived value by its name on the wire; ``milliseconds`` is the length of a bin.

    ``attempts`` and ``retryEcho`` are sums over the bins of a point.  A value that no node has is left out.
    """
    has = {name: table for name, table in places.has.items() if table.any()}
    made: dict[str, FloatArray] = {}
    served = block.mean(places.table("served"))
    if "utilization" in has:
        made["utilization"] = ratio(served, _effective_capacity(places, block, reader))
    if "cycleTimeMs" in has:
        _times(places, block, served, milliseconds, made)
    if "throughputRatio" in has:
        share = ratio(served, block.mean(places.coming))
        made["throughputRatio"] = np.clip(share, 0.0, 1.0)
    if "attempts" in has:
        _retries(places, block, made)
    if "retryEcho" in has:
        made["retryEcho"] = _retry_echo(places, block, reader)
    for name, values in made.items():
        if not has[name].all():
            values[~has[name]] = np.nan
    if order.has.any():
        cycle = made.get("cycleTimeMs", np.full(served.shape, np.nan))
        made["flowLatencyMs"] = flow_latency(order, places, block, cycle, milliseconds)
    return made


def _times(places: Places, block: Block, served: FloatArray, milliseconds: float, made: dict[str, FloatArray]) -> None:
    """Add waiting, service and cycle time and flow efficiency."""
    waits, works = places.has["queueTimeMs"], places.has["serviceTimeMs"]
    depth = block.mean(places.table("queueDepth"))
    waiting = ratio(depth, served) * milliseconds
    if not works.any():
        made.update(queueTimeMs=waiting, latencyMinutes=waiting / 60_000.0, cycleTimeMs=waiting)
        return
    service = ratio(block.mean(places.spent), block.mean(places.counted))
    # A missing part counts as nothing, but where work waits for an undefined time all is undefined.
    together = np.where(depth > 0.0, waiting + finite_or_zero(service), pair_sum(waiting, service))
    together = np.where(np.isnan(depth), np.nan, together)
    cycle = np.where(works[:, :, None], np.where(waits[:, :, None], together, service), waiting)
    if waits.any():
        made.update(queueTimeMs=waiting, latencyMinutes=waiting / 60_000.0)
    made.update(serviceTimeMs=service, cycleTimeMs=cycle, flowEfficiency=ratio(service, cycle))


def _effective_capacity(places: Places, block: Block, reader: BlockReader) -> FloatArray:
    """Capacity times parallelism, the mean a bin; (nodes, 1, points), since classes share it."""
    capacity = block.mean(places.table("capacity")[:, :1])
    numbers = [station.parallelism or 1.0 for station in places.stations]
    factor = positive_or_one(np.array(numbers))[:, None, None]
    bound = places.table("parallelism")[:, 0]
    if (bound == ABSENT).all():
        return capacity if (factor == 1.0).all() else capacity * factor
    servers = positive_or_one(block.mean(bound[:, None]))
    effective = capacity * np.where((bound != ABSENT)[:, None, None], servers, factor)
    if block.span.width > 1:
        for place in np.flatnonzero(bound != ABSENT):
            # The mean of a product is not the product of means.
            row = int(places.table("capacity")[place, 0])
            effective[place, 0] = _mean_product(reader, block.span, row, int(bound[place]))
    return effective


def _mean_product(reader: BlockReader, span: Span, capacity: int, servers: int) -> FloatArray:
    """The mean of capacity times servers a bin, by point."""
    if capacity == ABSENT:
        return np.full(span.counts.size, np.nan)
    values = reader.matrix[:, span.first : span.end]
    product = (values[capacity] * positive_or_one(values[servers]))[None]
    whole = BlockReader(product, np.arange(1))
    here = Span(0, product.shape[1], span.width)
    mean: FloatArray = whole.aggregate(np.arange(1), here, ("mean",))[0][0]
    return mean


def _retries(places: Places, block: Block, made: dict[str, FloatArray]) -> None:
    bound = places.table("attempts")
    if bound is not None and (bound != ABSENT).any():
        is_bound = (bound != ABSENT)[:, :, None]
        attempts = np.where(is_bound, block.sum(bound), block.sum(places.table("served")) + block.sum(places.failed))
    else:
        attempts = block.sum(places.table("served")) + block.sum(places.failed)
    served = block.sum(places.table("served"))
    wasted = attempts - served
    made["attempts"] = attempts
    made["retryTax"] = ratio(np.where(wasted < 0.0, 0.0, wasted), attempts)


def _retry_echo(places: Places, block: Block, reader: BlockReader) -> FloatArray:
    """What comes back of failures, after the kernel of each node."""
    echo = np.zeros((*places.shape, block.sums.shape[1]))
    for place, taps in enumerate(places.taps):
        if not taps:
            continue
        failed = finite_or_zero(block.sum(places.failed[place]))
        earlier = _earlier(places, block.span, reader, place, len(taps)) if block.span.width > 1 else None
        for back, tap in enumerate(taps):
            if tap != 0.0:
                echo[place] += tap * (_late(failed, back) if earlier is None else failed + earlier[:, :, back])
    return echo


def _late(values: FloatArray, bins: int) -> FloatArray:
    """The values ``bins`` later, 0 before there are any; (parts, bins)."""
    if bins == 0:
        return values
    late = np.zeros_like(values)
    late[:, bins:] = values[:, :-bins]
    return late


def _earlier(places: Places, span: Span, reader: BlockReader, place: int, taps: int) -> FloatArray:
    """What a sum over a point gains when it is taken k bins earlier; (parts, points, taps).

    It gains the k bins before its first and loses its own last k.
    """
    edges = np.append(span.firsts, span.end)
    bins = edges[:, None] - np.arange(1, taps)
    known = bins >= 0
    rows = places.failed[place]
    values = np.zeros((rows.size, *bins.shape))
    for part, row in enumerate(rows):
        if row >= 0:
            values[part] = np.where(known, finite_or_zero(reader.matrix[row, np.maximum(bins, 0)]), 0.0)
    before = np.zeros((rows.size, edges.size, taps))
    before[:, :, 1:] = np.cumsum(values, axis=2)
    gained: FloatArray = before[:, :-1] - before[:, 1:]
    return gained
