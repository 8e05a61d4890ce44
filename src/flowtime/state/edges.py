"""The edges of a run: which rows hold their volumes, and how far these can be relied on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowtime.engine.edge_flows import EDGE_UNITS, edge_series_name
from flowtime.engine.edge_rules import EdgeLink, Measured, edge_links, measure_edges
from flowtime.engine.stations import Station
from flowtime.engine.tolerance import apart
from flowtime.model.spec import FloatArray, ModelSpec, RouterNode
from flowtime.state.documents import EdgeQuality
from flowtime.state.places import ABSENT, RowTable

__all__ = ["EdgePlace", "edge_qualities", "find_edges"]

# Bins of two series that are compared at a time.
_CHUNK = 1 << 16


@dataclass(frozen=True)
class EdgePlace:
    """One edge: ``rows`` maps each of its volumes to the row of all flow and of each class, (parts,)."""

    link: EdgeLink
    rows: Mapping[str, RowTable]
    measured: Measured | None

    @property
    def id(self) -> str:
        """The id of the edge."""
        return self.link.id

    def row(self, metric: str, parts: int) -> RowTable:
        """The rows of a volume, ``ABSENT`` where it has none."""
        found = self.rows.get(metric)
        return np.full(parts, ABSENT, dtype=np.int64) if found is None else found


def find_edges(
    spec: ModelSpec, stations: Sequence[Station], class_ids: Sequence[str], rows: Mapping[str, int]
) -> tuple[EdgePlace, ...]:
    """Return the edges in the order of the model; ``rows`` maps the name of each series to its row."""
    links = edge_links(spec, stations)
    routers = tuple(node for node in spec.nodes if isinstance(node, RouterNode))
    measured = measure_edges(links, routers) if links else {}
    parts = (None, *class_ids)
    found = []
    for index, link in enumerate(links):
        volumes = {}
        for metric in EDGE_UNITS:
            names = (edge_series_name(link.id, metric, class_id) for class_id in parts)
            own = np.array([rows.get(name, ABSENT) for name in names], dtype=np.int64)
            if own[0] != ABSENT:
                volumes[metric] = own
        found.append(EdgePlace(link, volumes, measured.get(index)))
    return tuple(found)


def edge_qualities(edges: Sequence[EdgePlace], matrix: FloatArray, rows: Mapping[str, int]) -> tuple[EdgeQuality, ...]:
    """Say of each edge how far its volumes can be relied on, as ``engine.edge_series.Edges.quality`` does.

    Reads two series of the ``matrix`` (series, bins) for an edge whose flow was shared out by weight.
    """
    return tuple(_quality(edge, edges, matrix, rows) for edge in edges)


def _quality(edge: EdgePlace, edges: Sequence[EdgePlace], matrix: FloatArray, rows: Mapping[str, int]) -> EdgeQuality:
    quality: EdgeQuality = "exact" if edge.rows else "missing"
    if edge.measured is not None and "flowVolume" in edge.rows:
        quality = edge.measured.quality
    if quality == "exact" and any((volume == ABSENT).any() for volume in edge.rows.values()):
        return "partialClass"
    # A share by weight is exact after all where it is just what arrives at a target without other edges.
    return "exact" if quality == "approx" and _is_all_that_arrives(edge, edges, matrix, rows) else quality


def _is_all_that_arrives(
    edge: EdgePlace, edges: Sequence[EdgePlace], matrix: FloatArray, rows: Mapping[str, int]
) -> bool:
    target, flow = edge.link.target, int(edge.rows["flowVolume"][0])
    arrivals = rows.get(target.series.get("arrivals", ""))
    others = sum(other.link.target.id == target.id and bool(other.rows) for other in edges)
    if arrivals is None or others != 1:
        return False
    chunks = (slice(first, first + _CHUNK) for first in range(0, matrix.shape[1], _CHUNK))
    return not any(apart(matrix[flow, chunk], matrix[arrivals, chunk]).any() for chunk in chunks)
