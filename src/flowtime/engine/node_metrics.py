"""Derived metrics of a result, by topology node."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.metrics import METRIC_UNITS
from flowtime.engine.overrides import unknown_name
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["Metrics", "NodeMetrics", "dispersion", "kingman_queue_time"]


class NodeMetrics(Mapping[str, FloatArray]):
    """The metrics of one topology node: name -> read-only float64 (bins,), NaN where undefined.

    Those of a class are called ``metric@class`` and come after those of the whole flow.
    """

    def __init__(self, result: Result, node: str, names: tuple[str, ...]) -> None:
        self._result = result
        self._node = node
        self._names = names

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._names:
            raise KeyError(f"{self._node} has no metric {name!r}; it has {', '.join(self._names) or 'none'}")
        if name == "kingmanQueueTimeMs":
            return self._kingman()
        return self._result.metric(f"{self._node}.{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<metrics of {self._node}: {', '.join(self._names) or 'none'}>"

    def unit(self, name: str) -> str:
        """The unit of a metric, of all flow or of a class (``metric@class``)."""
        return METRIC_UNITS[name.partition("@")[0]]

    def _kingman(self) -> FloatArray:
        station = self._result.compiled.station(self._node)
        return kingman_queue_time(self["utilization"], self["serviceTimeMs"], self._result[station.inflow or ""])


class Metrics(Mapping[str, NodeMetrics]):
    """Metrics by topology node id, in the order of the model."""

    def __init__(self, result: Result) -> None:
        names: dict[str, list[str]] = {station.id: [] for station in result.compiled.stations}
        for full in result.compiled.flow.metrics:
            node, _, metric = full.rpartition(".")
            # Volumes over edges are metrics too, of no node.
            if node in names and metric.partition("@")[0] in METRIC_UNITS:
                names[node].append(metric)
        for station in result.compiled.stations:
            own = names[station.id]
            if {"utilization", "serviceTimeMs"} <= set(own) and "arrivals" in station.series:
                own.append("kingmanQueueTimeMs")
            own.sort(key=lambda name: "@" in name)
        self._nodes = MappingProxyType({node: NodeMetrics(result, node, tuple(own)) for node, own in names.items()})

    def __getitem__(self, node: str) -> NodeMetrics:
        if node not in self._nodes:
            known = tuple(self._nodes)
            raise KeyError(str(unknown_name("topology node", node, known, code="parameter.unknown_node")))
        return self._nodes[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return f"<Metrics of {', '.join(self._nodes) or 'no node'}>"


def kingman_queue_time(utilization: FloatArray, service_ms: FloatArray, arrivals: FloatArray) -> FloatArray:
    """Kingman's estimate of the wait in a queue, in ms, per bin; NaN unless 0 < utilization < 1.

    ``rho / (1 - rho) * (Ca^2 + Cs^2) / 2 * E[S]`` (Kingman 1961).  Ca^2 is the index of dispersion of arrivals
    per bin over the horizon (Gusella 1991, "Characterizing the variability of arrival processes with indexes of
    dispersion"): 1 for Poisson arrivals however long the bins are, if the arrivals are counted in items.  A course
    of the day counts as variation.  Cs is the coefficient of variation of the mean service times of the bins, so
    how single services vary within a bin is missed: for random services the estimate is too small.
    All float64 (bins,).
    """
    spread = dispersion(arrivals) + variation(service_ms) ** 2
    estimate = np.full(utilization.shape, math.nan)
    stable = (utilization > 0.0) & (utilization < 1.0) & (service_ms > 0.0)
    rho = utilization[stable]
    estimate[stable] = rho / (1.0 - rho) * spread / 2.0 * service_ms[stable]
    estimate.flags.writeable = False
    return estimate


def dispersion(values: FloatArray) -> float:
    """Population variance over mean of the finite values, in their unit; 0 for a mean that is not positive."""
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if known.size else 0.0
    return float(known.var()) / mean if mean > 0.0 else 0.0


def variation(values: FloatArray) -> float:
    """Population standard deviation over the size of the mean, of the finite values; 0 for a mean of 0."""
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if known.size else 0.0
    return float(known.std()) / abs(mean) if mean != 0.0 else 0.0
