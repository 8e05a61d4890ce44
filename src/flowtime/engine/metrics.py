"""Derived metrics of topology nodes, as operations of the plan (reference: engine.md 6).

Undefined is NaN.  A ratio wants a positive, finite denominator; a queue that holds work and serves
nothing has no waiting time, so its cycle time is undefined too.  Times are in ms.  Every metric of a node is
there once for all flow and once for each class (``node.metric@class``), by the same formula on what the class
adds to each series; capacity and parallelism are those of the node, shared by all classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from flowtime.engine.builder import FlowBuilder
from flowtime.engine.edge_flows import EdgeColumns
from flowtime.engine.flow_latency import lower_flow_latency
from flowtime.engine.flow_parts import FlowPart, flow_parts
from flowtime.engine.ir import ColumnKind
from flowtime.engine.retry_kernel import retry_taps
from flowtime.engine.stations import Station
from flowtime.model.naming import is_sink
from flowtime.model.spec import UNIT_SECONDS, Grid, ModelSpec
from flowtime_kernels import opcodes as op

__all__ = ["METRIC_UNITS", "bin_milliseconds", "effective_capacity", "lower_metrics"]

METRIC_UNITS: Mapping[str, str] = {
    "utilization": "ratio",
    "queueTimeMs": "ms",
    "latencyMinutes": "minutes",
    "serviceTimeMs": "ms",
    "cycleTimeMs": "ms",
    "flowEfficiency": "ratio",
    "throughputRatio": "ratio",
    "attempts": "entities/bin",
    "retryEcho": "entities/bin",
    "retryTax": "ratio",
    "flowLatencyMs": "ms",
    "kingmanQueueTimeMs": "ms",
}


def bin_milliseconds(grid: Grid) -> float:
    """The length of one bin in ms."""
    return grid.bin_size * UNIT_SECONDS[grid.bin_unit] * 1000.0


def effective_capacity(builder: FlowBuilder, station: Station, columns: Mapping[str, int]) -> int | None:
    """The column of capacity times parallelism, or None where no capacity is bound.

    Parallelism that is not positive and finite is ignored (engine.md 2.10).
    """
    bound = station.series.get("capacity")
    if bound is None:
        return None
    capacity, owner = columns[bound], f"{station.id} effective capacity"
    servers = station.series.get("parallelism")
    if servers is not None:
        factor = builder.emit(op.POSITIVE_OR_ONE, columns[servers], owner=owner)
    elif station.parallelism is None or not 0.0 < station.parallelism < math.inf or station.parallelism == 1.0:
        return capacity
    else:
        factor = builder.scalar(float(station.parallelism))
    return builder.emit(op.MUL, capacity, factor, owner=owner)


def lower_metrics(
    builder: FlowBuilder,
    nodes: Sequence[Station],
    columns: Mapping[str, int],
    spec: ModelSpec,
    classes: Mapping[str, Sequence[int]],
    class_ids: Sequence[str],
    edges: EdgeColumns,
) -> dict[str, int]:
    """Add the operations of every derived metric; return the column of each ``node.metric``.

    ``classes`` maps a series to the columns of its parts in the order of ``class_ids``; ``edges`` are what
    ``lower_edges`` gave for the same model.
    """
    parts = flow_parts(columns, classes, class_ids, builder.scalar(0.0))
    made: dict[str, int] = {}
    milliseconds = bin_milliseconds(spec.grid)
    for station in nodes:
        for part in parts:
            metrics = _StationMetrics(builder, station, columns, part, milliseconds).lower()
            made.update({f"{station.id}.{name}{part.suffix}": column for name, column in metrics.items()})
    if edges.edges:
        made.update(lower_flow_latency(builder, nodes, parts, edges, made, milliseconds))
    return made


# What classes share, and what gives a time only together.
_SHARED = ("capacity", "parallelism")
_SERVICE_TIME = ("processingTimeMsSum", "servedCount")


def _part_columns(station: Station, columns: Mapping[str, int], part: FlowPart) -> dict[str, int]:
    """The columns of the series of a station, by role, for the whole flow or one class."""
    whole = {role: columns[name] for role, name in station.series.items() if name in columns}
    if part.class_id is None:
        return whole
    found = {role: part.columns[name] for role, name in station.series.items() if name in part.columns}
    found.update((role, whole[role]) for role in _SHARED if role in whole)
    if not all(role in found for role in _SERVICE_TIME):
        # Times that nobody counted by class are the same for all of them.
        found.update((role, whole[role]) for role in _SERVICE_TIME if role in whole)
    return found


class _StationMetrics:
    """The metrics of one topology node, for the whole flow or one class."""

    def __init__(
        self,
        builder: FlowBuilder,
        station: Station,
        columns: Mapping[str, int],
        part: FlowPart,
        milliseconds: float,
    ) -> None:
        self._builder = builder
        self._station = station
        self._all = columns
        self._column = _part_columns(station, columns, part)
        self._milliseconds = milliseconds
        self._made: dict[str, int] = {}

    def lower(self) -> dict[str, int]:
        """Return the columns of those metrics whose series are there."""
        served = self._column.get("served")
        # What overflows from other nodes comes in as well.
        arrivals = self._column.get("inflow", self._column.get("arrivals"))
        if served is not None:
            self._of_work(served)
            if arrivals is not None and not is_sink(self._station.node):
                ratio = self._emit("throughputRatio", op.RATIO, served, arrivals, keep=False)
                above = self._emit("throughputRatio", op.MAX, ratio, self._builder.scalar(0.0), keep=False)
                self._emit("throughputRatio", op.MIN, above, self._builder.scalar(1.0))
            if self._station.has_service:
                self._retries(served)
        return self._made

    def _of_work(self, served: int) -> None:
        capacity = effective_capacity(self._builder, self._station, self._all)
        if capacity is not None:
            self._emit("utilization", op.RATIO, served, capacity)
        depth = self._column.get("queueDepth") if self._station.has_queue else None
        waiting = service = None
        if depth is not None:
            bins_waiting = self._emit("queueTimeMs", op.RATIO, depth, served, keep=False)
            waiting = self._emit("queueTimeMs", op.MUL, bins_waiting, self._builder.scalar(self._milliseconds))
            self._emit("latencyMinutes", op.DIV, waiting, self._builder.scalar(60_000.0))
        spent, count = self._column.get("processingTimeMsSum"), self._column.get("servedCount")
        if self._station.has_service and spent is not None and count is not None:
            service = self._emit("serviceTimeMs", op.RATIO, spent, count)
        if waiting is not None and service is not None and depth is not None:
            self._cycle_time(waiting, service, depth)
        elif waiting is not None or service is not None:
            self._made["cycleTimeMs"] = waiting if waiting is not None else service or 0
        if service is not None:
            self._emit("flowEfficiency", op.RATIO, service, self._made["cycleTimeMs"])

    def _cycle_time(self, waiting: int, service: int, depth: int) -> None:
        # A missing part counts as nothing, but where work waits for an undefined time all is undefined.
        holds = self._emit("cycleTimeMs", op.LT, self._builder.scalar(0.0), depth, keep=False)
        known = self._emit("cycleTimeMs", op.SAFE, service, keep=False)
        whole = self._emit("cycleTimeMs", op.ADD, waiting, known, keep=False)
        parts = self._emit("cycleTimeMs", op.PAIR_SUM, waiting, service, keep=False)
        self._emit("cycleTimeMs", op.IF, holds, whole, parts)

    def _retries(self, served: int) -> None:
        # Where failures are not counted apart, errors are what failed: those that happened, where that is known.
        failed = (self._column[role] for role in ("failures", "loss", "errors") if role in self._column)
        failures = next(failed, None)
        if failures is not None and "retryEcho" not in self._column:
            self._retry_echo(failures)
        attempts = self._column.get("attempts")
        if attempts is not None:
            self._made["attempts"] = attempts
        elif failures is not None:
            attempts = self._emit("attempts", op.ADD, served, failures)
        else:
            return
        over = self._emit("retryTax", op.SUB, attempts, served, keep=False)
        wasted = self._emit("retryTax", op.MAX, over, self._builder.scalar(0.0), keep=False)
        self._emit("retryTax", op.RATIO, wasted, attempts)

    def _retry_echo(self, failures: int) -> None:
        taps = retry_taps(self._station.node.semantics.retry_kernel)
        if self._builder.columns[failures].kind is ColumnKind.SCALAR:
            # A look back needs bins to look back at.
            failures = self._emit("retryEcho", op.COPY, failures, keep=False)
        owner = f"{self._station.id}.retryEcho"
        column = self._builder.emit(op.CONV, failures, owner=owner, length=len(taps), params=taps)
        self._made["retryEcho"] = column

    def _emit(self, metric: str, code: int, *ins: int, keep: bool = True) -> int:
        column = self._builder.emit(code, *ins, owner=f"{self._station.id}.{metric}")
        if keep:
            self._made[metric] = column
        return column
