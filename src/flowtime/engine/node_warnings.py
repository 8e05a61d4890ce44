"""Checks of one topology node: signs, bounds, the balance of its queue, and series that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from flowtime.engine.run_warning import RunWarning
from flowtime.engine.station_view import StationView
from flowtime.engine.tolerance import apart, exceeds, finite_or_zero
from flowtime.model.naming import has_buffer, is_sink
from flowtime.model.spec import FloatArray

__all__ = ["node_warnings"]

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


def node_warnings(view: StationView, *, is_terminal: bool) -> Iterator[RunWarning]:
    """Yield what is wrong with a node, signs first; ``is_terminal`` says that only terminal edges lead to it."""
    for role, code in _NEGATIVE.items():
        values = view.series.get(role)
        if values is not None:
            yield from view.subject.where(code, f"{role} is negative", exceeds(np.zeros(1), values), values)
    yield from _work(view)
    yield from _queue(view)
    yield from _stuck(view, is_terminal)
    yield from _missing(view)
    yield from _missing_times(view)


def _work(view: StationView) -> Iterator[RunWarning]:
    subject, kind, served, inflow = view.subject, view.station.node.kind, view.served, view.inflow
    has_queue, capacity = view.station.has_queue, view.capacity
    # What a gate held back may leave all at once.
    is_immediate = not view.accumulates
    if is_immediate and not has_queue and kind != "dependency":
        yield from subject.above("served_exceeds_arrivals", "served exceeds arrivals", served, inflow)
    if is_immediate and kind not in ("queue", "dlq"):
        yield from subject.above("served_exceeds_capacity", "served exceeds capacity", served, capacity)
    if not has_queue:
        errors = view.series.get("errors")
        yield from subject.above("errors_exceed_arrivals", "errors exceed arrivals", errors, inflow)
    if capacity is not None and not np.isnan(capacity).all() and not np.any(capacity > 0.0):
        yield subject.note("capacity_all_zero", "capacity is 0 in every bin, so utilization is undefined")


def _queue(view: StationView) -> Iterator[RunWarning]:
    depth, earlier, inflow, served = view.depth, view.depth_before, view.inflow, view.served
    if depth is None or earlier is None or inflow is None or served is None:
        return
    subject = view.subject
    present = earlier + finite_or_zero(inflow)
    if "loss" in view.series and "errors" in view.series:
        message = "errors exceed what is there to lose"
        asked = finite_or_zero(view.series["errors"])
        yield from subject.above("loss_exceeds_available", message, asked, present)
    if view.is_gated_at_its_queue and view.accumulates:
        # What such a gate holds is not a series, so the balance can not be told from outside.
        return
    gone = finite_or_zero(served) + view.lost
    message = "served (and errors) exceed arrivals and queue: the difference is work out of nothing"
    yield from subject.above("served_exceeds_available", message, gone, present)
    if view.station.made.queue is None:
        expected = np.maximum(0.0, present - gone) - _overflow(view)
        message = "the queue depth is not what arrivals, served and errors make of it"
        yield from subject.where("queue_depth_mismatch", message, apart(depth, expected), depth - expected)


def _overflow(view: StationView) -> FloatArray:
    found = view.series.get("overflow")
    return np.zeros(view.bins) if found is None else finite_or_zero(found)


def _stuck(view: StationView, is_terminal: bool) -> Iterator[RunWarning]:
    depth, served = view.depth, view.served
    # Dead letters, and what only failures lead to, are meant to lie there.
    if depth is None or served is None or view.station.node.kind != "queue" or is_terminal:
        return
    stuck = exceeds(depth, np.zeros(1)) & ~exceeds(served, np.zeros(1))
    message = "work waits at a closed gate, so the waiting time is undefined"
    closed = stuck & ~view.gate_is_open
    yield from view.subject.where("queue_latency_gate_closed", message, closed, depth, "info")
    message = "work waits and none is served, so the waiting time is undefined"
    yield from view.subject.where("queue_latency_unreported", message, stuck & ~closed, depth, "info")


def _missing(view: StationView) -> Iterator[RunWarning]:
    subject, node = view.subject, view.station.node
    if node.kind == "dependency":
        if view.lacks("arrivals"):
            yield subject.note("missing_dependency_arrivals", "no number in the arrivals of a dependency")
        if view.lacks("served"):
            yield subject.note("missing_dependency_served", "no number in what a dependency served")
        return
    if view.lacks("served"):
        yield subject.note("missing_served_series", "no number in what is served, so nothing follows from it")
    if view.lacks_values("queueDepth"):
        yield subject.note("missing_queue_depth_series", "no number in the queue depth that is bound")
    is_plain_queue = has_buffer(node) and node.kind != "serviceWithBuffer"
    if not is_sink(node) and (view.lacks_values("capacity") or (view.lacks("capacity") and not is_plain_queue)):
        yield subject.note("missing_capacity_series", "no capacity series: utilization is unknown")


def _missing_times(view: StationView) -> Iterator[RunWarning]:
    # A service time takes both; without both nobody asked for one.
    if not view.station.has_service:
        return
    has_time, has_count = (not view.lacks(role) for role in ("processingTimeMsSum", "servedCount"))
    if has_count and not has_time:
        yield view.subject.note("missing_processing_time_series", "servedCount without processingTimeMsSum")
    if has_time and not has_count:
        yield view.subject.note("missing_served_count_series", "processingTimeMsSum without servedCount")
