"""The derived metrics of the slow oracle: one formula, one bin at a time; what is undefined is NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flowtime.model.spec import QueueNode
from oracle import BUFFER_KINDS, Evaluation, is_sink
from oracle_kernels import convolve
from oracle_profiles import UNIT_SECONDS
from oracle_retries import taps_of_kernel

if TYPE_CHECKING:
    from flowtime.model import Model

__all__ = ["evaluate_metrics", "kingman"]


def ratio(a: float, b: float) -> float:
    """a / b where b is positive and both are finite; undefined (NaN) elsewhere."""
    return a / b if math.isfinite(a) and math.isfinite(b) and b > 0.0 else math.nan


def evaluate_metrics(model: Model, series: Mapping[str, list[float]]) -> dict[str, dict[str, list[float]]]:
    """The derived metrics of each topology node, those only that its bindings allow; undefined is NaN."""
    evaluation = Evaluation(model)
    evaluation.remember(series)
    grid = model.spec.grid
    bin_ms = grid.bin_size * UNIT_SECONDS[grid.bin_unit] * 1000.0
    return {
        station.id: _station_metrics(evaluation, index, bin_ms) for index, station in enumerate(evaluation.stations)
    }


def _station_metrics(evaluation: Evaluation, index: int, bin_ms: float) -> dict[str, list[float]]:
    rows = [_bin_metrics(evaluation, index, t, bin_ms) for t in range(evaluation.model.spec.grid.bins)]
    metrics = {metric: [row[metric] for row in rows] for metric in rows[0]}
    if "retryEcho" in metrics:
        metrics["retryEcho"] = convolve(
            metrics["retryEcho"], taps_of_kernel(evaluation.stations[index].semantics.retry_kernel)
        )
    return metrics


def kingman(utilization: list[float], service_ms: list[float], arrivals: list[float]) -> list[float]:
    """The wait by Kingman, with Ca^2 as variance over mean of the arrivals per bin; undefined is NaN.

    No part of ``evaluate_metrics``: variances of what is all but alike have few digits in common.
    """
    count_mean, count_variance = _moments(arrivals)
    service_mean, service_variance = _moments(service_ms)
    spread = count_variance / count_mean if count_mean > 0.0 else 0.0
    spread += service_variance / service_mean**2 if service_mean != 0.0 else 0.0
    return [
        rho / (1.0 - rho) * spread / 2.0 * service if 0.0 < rho < 1.0 and service > 0.0 else math.nan
        for rho, service in zip(utilization, service_ms, strict=True)
    ]


def _moments(values: list[float]) -> tuple[float, float]:
    """Mean and population variance of the finite values; 0 and 0 where there are none."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 0.0
    mean = math.fsum(known) / len(known)
    return mean, math.fsum((value - mean) ** 2 for value in known) / len(known)


def _bin_metrics(evaluation: Evaluation, index: int, t: int, bin_ms: float) -> dict[str, float]:
    station, names = evaluation.stations[index], evaluation.names[index]
    semantics = station.semantics

    def bound(reference: str | None) -> float | None:
        return None if reference is None else evaluation.bound(reference, t, index)

    really_served = names.served or names.gated_outflow
    served = evaluation.read(really_served, t) if really_served else bound(semantics.served)
    has_service = station.kind in ("service", "serviceWithBuffer") and not is_sink(station)
    metrics: dict[str, float] = {}
    if served is not None:
        arrivals, attempts, failures = bound(semantics.arrivals), bound(semantics.attempts), bound(semantics.failures)
        if semantics.capacity is not None:
            metrics["utilization"] = ratio(served, evaluation.flows.capacity(index, t))
        if arrivals is not None and not is_sink(station):
            metrics["throughputRatio"] = _clamped(ratio(served, arrivals))
        if failures is None:
            failures = evaluation.read(names.loss, t) if names.loss else bound(semantics.errors)
        if attempts is None and failures is not None:
            attempts = served + failures
        if attempts is not None and has_service:
            metrics |= {"attempts": attempts, "retryTax": _retry_tax(attempts, served)}
        if failures is not None and has_service and semantics.retry_echo is None:
            metrics["retryEcho"] = failures
    queue = _queue_of(evaluation, index)
    depth = evaluation.read(queue, t) if queue and served is not None else None
    total, count = bound(semantics.processing_time_ms_sum), bound(semantics.served_count)
    service = ratio(total, count) if has_service and total is not None and count is not None else None
    return metrics | _times(depth, served, service, bin_ms)


def _clamped(share: float) -> float:
    return share if math.isnan(share) else min(1.0, max(0.0, share))


def _retry_tax(attempts: float, served: float) -> float:
    if math.isnan(attempts) or math.isnan(served):
        return math.nan
    return ratio(max(0.0, attempts - served), attempts)


def _queue_of(evaluation: Evaluation, index: int) -> str | None:
    """The queue of a station that has one: a buffer, or one that names a declared queue."""
    name = evaluation.queue_name(index)
    is_buffer = evaluation.stations[index].kind in BUFFER_KINDS
    return name if name and (is_buffer or isinstance(evaluation.nodes.get(name), QueueNode)) else None


def _times(depth: float | None, served: float | None, service: float | None, bin_ms: float) -> dict[str, float]:
    """Waiting, service and cycle times of a bin; None is a part that the node does not have."""
    times: dict[str, float] = {}
    waiting = None
    is_stuck = False
    if depth is not None and served is not None:
        waiting = ratio(depth, served) * bin_ms
        # Work that waits for an unknown time, or an unknown amount of work: no cycle time either.
        is_stuck = not depth <= 0.0 and math.isnan(waiting)
        times |= {"queueTimeMs": waiting, "latencyMinutes": waiting / 60_000.0}
    if service is not None:
        times["serviceTimeMs"] = service
    parts = [part for part in (waiting, service) if part is not None]
    if parts:
        defined = [part for part in parts if not math.isnan(part)]
        cycle = sum(defined) if defined and not is_stuck else math.nan
        times["cycleTimeMs"] = cycle
        if service is not None:
            times["flowEfficiency"] = ratio(service, cycle)
    return times
