"""Broken invariants of a result: what the numbers say that a real flow could not do.

Each check replays what the plan did and compares with a relative and an absolute tolerance, so that
neither a billion requests nor a millionth of one hides or fakes a fault.  Codes are those of engine.md
8.1, but for two of ours: ``served_exceeds_available`` (a buffer serves more than it holds, so mass is
created) and ``loss_exceeds_available`` (more loss asked for than there was).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.run_warning import RunWarning
from flowtime.engine.stations import Station
from flowtime.model.naming import has_buffer, is_sink
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["ABSOLUTE_TOLERANCE", "RELATIVE_TOLERANCE", "RunWarning", "bin_ranges", "exceeds", "find_warnings"]

RELATIVE_TOLERANCE = 1e-9
ABSOLUTE_TOLERANCE = 1e-9

_NEGATIVE: Mapping[str, str] = MappingProxyType(
    {
        "arrivals": "arrivals_negative",
        "served": "served_negative",
        "errors": "errors_negative",
        "attempts": "attempts_negative",
        "failures": "failures_negative",
        "exhaustedFailures": "exhausted_failures_negative",
        "queueDepth": "queue_negative",
        "retryEcho": "retry_echo_negative",
        "retryBudgetRemaining": "retry_budget_negative",
    }
)


def find_warnings(result: Result) -> tuple[RunWarning, ...]:
    """Check every topology node of a result, in the order of the model.

    Results that keep chosen outputs only are checked as far as their series go.
    """
    found: list[RunWarning] = []
    # A flow may be infinite, or NaN where data is missing: comparisons with those are false, and that is all.
    with np.errstate(invalid="ignore", over="ignore"):
        for station in result.compiled.stations:
            series = {role: result[name] for role, name in station.series.items() if name in result}
            found.extend(_NodeChecks(station, series).run())
    found.extend(_edge_checks(result))
    return tuple(found)


def exceeds(left: FloatArray, right: FloatArray) -> NDArray[np.bool_]:
    """Where left > right by more than rounding; never where either is NaN.  All (bins,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        slack = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * np.maximum(np.abs(left), np.abs(right))
        return np.asarray(left - right > slack)


def bin_ranges(broken: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Return the bins where ``broken`` (bins,) is true as inclusive ranges."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], broken, [False])).astype(np.int8)))
    return tuple((int(first), int(end) - 1) for first, end in edges.reshape(-1, 2))


class _NodeChecks:
    """The checks of one topology node."""

    def __init__(self, station: Station, series: Mapping[str, FloatArray]) -> None:
        self._station = station
        self._series = series
        self._capacity = station.effective_capacity(series)

    def run(self) -> Iterator[RunWarning]:
        """Yield what is wrong, signs first."""
        for role, code in _NEGATIVE.items():
            values = self._series.get(role)
            if values is not None:
                yield from self._where(code, f"{role} is negative", exceeds(np.zeros(1), values), values)
        yield from self._work()
        yield from self._queue()
        yield from self._retries()
        yield from self._missing()

    def _pair(self, code: str, message: str, more: str, less: str) -> Iterator[RunWarning]:
        left, right = self._series.get(more), self._series.get(less)
        if left is not None and right is not None:
            yield from self._where(code, message, exceeds(left, right), left - right)

    def _work(self) -> Iterator[RunWarning]:
        station, served = self._station, self._series.get("served")
        if not station.has_queue and station.node.kind != "dependency":
            yield from self._pair("served_exceeds_arrivals", "served exceeds arrivals", "served", "arrivals")
        if served is not None and self._capacity is not None and station.node.kind not in ("queue", "dlq"):
            over = exceeds(served, self._capacity)
            yield from self._where("served_exceeds_capacity", "served exceeds capacity", over, served - self._capacity)
        if not station.has_queue:
            yield from self._pair("errors_exceed_arrivals", "errors exceed arrivals", "errors", "arrivals")
        if self._capacity is not None and not np.any(self._capacity > 0.0):
            yield self._note("capacity_all_zero", "capacity is 0 in every bin, so utilization is undefined")

    def _queue(self) -> Iterator[RunWarning]:
        station = self._station
        depth, arrivals, served = (self._series.get(role) for role in ("queueDepth", "arrivals", "served"))
        if depth is None or arrivals is None or served is None or not station.has_queue:
            return
        before = np.concatenate(([station.initial_depth], depth[:-1]))
        present = before + _known(arrivals)
        lost = self._lost(present)
        asked = self._series.get("errors")
        if "loss" in self._series and asked is not None:
            over = exceeds(_known(asked), present)
            message = "errors exceed what is there to lose"
            yield from self._where("loss_exceeds_available", message, over, asked - present)
        over = exceeds(_known(served) + lost, present)
        message = "served (and errors) exceed arrivals and queue: the difference is work out of nothing"
        yield from self._where("served_exceeds_available", message, over, served + lost - present)
        if station.made.queue is None:
            expected = np.maximum(0.0, present - _known(served) - lost)
            wrong = exceeds(depth, expected) | exceeds(expected, depth)
            message = "the queue depth is not what arrivals, served and errors make of it"
            yield from self._where("queue_depth_mismatch", message, wrong, depth - expected)
        if station.node.kind == "queue":
            stuck = exceeds(depth, np.zeros(1)) & ~exceeds(served, np.zeros(1))
            message = "work waits and none is served, so the waiting time is undefined"
            yield from self._where("queue_latency_unreported", message, stuck, depth, severity="info")

    def _lost(self, present: FloatArray) -> FloatArray:
        if "loss" in self._series:
            return self._series["loss"]
        asked = self._series.get("errors")
        return np.zeros_like(present) if asked is None else _known(asked)

    def _retries(self) -> Iterator[RunWarning]:
        yield from self._pair("attempts_below_arrivals", "arrivals exceed attempts", "arrivals", "attempts")
        yield from self._pair("failures_exceed_attempts", "failures exceed attempts", "failures", "attempts")
        cause = "failures" if "failures" in self._series else "errors"
        code = "exhausted_exceeds_failures" if cause == "failures" else "exhausted_exceeds_errors"
        yield from self._pair(code, f"exhausted failures exceed {cause}", "exhaustedFailures", cause)
        if self._station.node.semantics.max_attempts is not None:
            if "exhaustedFailures" not in self._series:
                message = "maxAttempts is set, but no exhaustedFailures series"
                yield self._note("missing_exhausted_failures_series", message, severity="warning")
            if "retryBudgetRemaining" not in self._series:
                message = "maxAttempts is set, but no retryBudgetRemaining series"
                yield self._note("missing_retry_budget_series", message, severity="warning")

    def _missing(self) -> Iterator[RunWarning]:
        station, bound = self._station, self._station.series
        if station.node.kind == "dependency" or is_sink(station.node):
            return
        if "capacity" not in bound and not (has_buffer(station.node) and station.node.kind != "serviceWithBuffer"):
            yield self._note("missing_capacity_series", "no capacity series: utilization is unknown")
        if station.has_service and "servedCount" in bound and "processingTimeMsSum" not in bound:
            yield self._note("missing_processing_time_series", "servedCount without processingTimeMsSum")
        if station.has_service and "processingTimeMsSum" in bound and "servedCount" not in bound:
            yield self._note("missing_served_count_series", "processingTimeMsSum without servedCount")

    def _note(self, code: str, message: str, severity: str = "info") -> RunWarning:
        return RunWarning(code=code, message=message, severity=severity, node_id=self._station.id)

    def _where(
        self, code: str, message: str, broken: NDArray[np.bool_], by: FloatArray, *, severity: str = "warning"
    ) -> Iterator[RunWarning]:
        if not broken.any():
            return
        worst = float(np.max(np.abs(by[broken])))
        count = int(np.count_nonzero(broken))
        yield RunWarning(
            code=code,
            message=message,
            severity=severity,
            node_id=self._station.id,
            bins=bin_ranges(broken),
            bin_count=count,
            value=worst,
        )


def _known(values: FloatArray) -> FloatArray:
    """Values with 0 for what is not finite, as the plan takes them."""
    known: FloatArray = np.where(np.isfinite(values), values, 0.0)
    return known


def _edge_checks(result: Result) -> Iterator[RunWarning]:
    topology = result.compiled.model.spec.topology
    for edge in topology.edges if topology else ():
        if edge.lag > 0:
            yield RunWarning(
                code="edge_behavior_violation_lag",
                message=f"the edge {edge.id or f'{edge.source}->{edge.target}'} has a lag of {edge.lag} bins, "
                "which flow latency does not count",
                severity="warning",
            )
