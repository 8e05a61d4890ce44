"""Volumes over the edges of a result, by edge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.edge_flows import EDGE_UNITS, EdgeColumns, EdgeInfo, edge_series_name
from flowtime.engine.edge_rules import EdgeQuality
from flowtime.engine.overrides import unknown_name
from flowtime.engine.tolerance import apart
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["EdgeSeries", "Edges"]


class EdgeSeries(Mapping[str, FloatArray]):
    """The volumes over one edge: metric -> read-only float64 (bins,); those of a class are ``metric@class``.

    ``info`` says where the edge leads and how its flow was found.
    """

    def __init__(self, result: Result, info: EdgeInfo, names: tuple[str, ...]) -> None:
        self.info = info
        self._result = result
        self._names = names

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._names:
            raise KeyError(f"{self.info.id} has no volume {name!r}; it has {', '.join(self._names) or 'none'}")
        return self._result.metric(edge_series_name(self.info.id, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<edge {self.info.id}: {', '.join(self._names) or 'none'}>"

    def unit(self, name: str) -> str:
        """The unit of a volume, of all flow or of a class."""
        return EDGE_UNITS[name.partition("@")[0]]


class Edges(Mapping[str, EdgeSeries]):
    """Volumes by edge id, in the order of the model."""

    def __init__(self, result: Result, edges: EdgeColumns) -> None:
        suffixes = ["", *(f"@{class_id}" for class_id in result.compiled.flow.class_ids)]
        self._edges = MappingProxyType(
            {
                edge.id: EdgeSeries(
                    result,
                    edge,
                    tuple(
                        metric + suffix
                        for suffix in suffixes
                        for metric in edge.metrics
                        if edge_series_name(edge.id, metric + suffix) in edges.columns
                    ),
                )
                for edge in edges.edges.values()
            }
        )
        self._result = result

    def __getitem__(self, edge: str) -> EdgeSeries:
        if edge not in self._edges:
            raise KeyError(str(unknown_name("edge", edge, tuple(self._edges), code="parameter.unknown_edge")))
        return self._edges[edge]

    def __iter__(self) -> Iterator[str]:
        return iter(self._edges)

    def __len__(self) -> int:
        return len(self._edges)

    def __repr__(self) -> str:
        return f"<Edges {', '.join(self._edges) or 'none'}>"

    def quality(self, edge: str) -> EdgeQuality:
        """How far the volumes of an edge can be relied on.

        Exact; approx where weights decided; partialClass where some class is not known; missing where nothing
        is.  A share by weight is exact after all where it is just what arrives at a target without other edges.
        """
        info = self[edge].info
        if info.quality != "approx" or "flowVolume" not in info.metrics:
            return info.quality
        station = self._result.compiled.station(info.target)
        arrivals = station.series.get("arrivals")
        others = [other for other in self.values() if other.info.target == info.target and other.info.metrics]
        if len(others) != 1 or arrivals is None or arrivals not in self._result:
            return "approx"
        differ = apart(self[edge]["flowVolume"], self._result[arrivals])
        return "approx" if np.any(differ) else "exact"
