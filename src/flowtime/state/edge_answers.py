"""Edges and constraints of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from flowtime.model.spec import FloatArray
from flowtime.state.arithmetic import ratio, rounded
from flowtime.state.documents import Aggregation, EdgeQuality, EdgeState, SeriesMetadata
from flowtime.state.edges import EdgePlace
from flowtime.state.facts import Choice
from flowtime.state.figures import Figures
from flowtime.state.open_run import OpenRun
from flowtime.state.places import ABSENT, RowTable

__all__ = ["constraint_metadata", "edge_answers"]

# By the name of a volume on the wire: that of all flow, then that of each class.
Volumes: TypeAlias = dict[str, list[FloatArray]]

_SUM: Final = SeriesMetadata(aggregation="sum", origin="explicit")
_RATE: Final = SeriesMetadata(aggregation="ratio", origin="explicit")
_MEAN: Final = SeriesMetadata(aggregation="mean", origin="explicit")
_EDGE_METADATA: Final[Mapping[str, SeriesMetadata]] = MappingProxyType(
    {
        "flowVolume": _SUM,
        "attemptsVolume": _SUM,
        "failuresVolume": _SUM,
        "retryVolume": _SUM,
        "retryRate": _RATE,
    }
)


def constraint_metadata(names: Iterable[str]) -> dict[str, SeriesMetadata]:
    """How the values of a constraint are aggregated: what is asked and granted adds up, a latency does not."""
    return {name: _MEAN if constraint_aggregation(name) == "mean" else _SUM for name in names}


def constraint_aggregation(name: str) -> Aggregation:
    """How one value of a constraint is aggregated."""
    return "mean" if name == "latencyMinutes" else "sum"


def edge_answers(run: OpenRun, figures: Figures, choice: Choice) -> tuple[EdgeState, ...]:
    """Return the edges from or to a chosen node, with what moves over them."""
    shown = _shown(run, choice)
    return tuple(
        _answer(edge, quality, volumes, _by_class(run, edge, volumes, choice))
        for (edge, quality), volumes in zip(shown, _volumes([edge for edge, _ in shown], figures), strict=True)
    )


def _shown(run: OpenRun, choice: Choice) -> list[tuple[EdgePlace, EdgeQuality]]:
    chosen = {run.places.stations[node].id for node in choice.nodes}
    return [
        (edge, quality)
        for edge, quality in zip(run.edges, run.qualities, strict=True)
        if edge.link.source.id in chosen or edge.link.target.id in chosen
    ]


def _volumes(edges: Sequence[EdgePlace], figures: Figures) -> Iterator[Volumes]:
    """Yield what moves over each edge."""
    # All at once: one look into the block for every volume of every edge.
    wanted = [row for edge in edges for rows in edge.rows.values() for row in rows.tolist()]
    found = iter(figures.sums(wanted))
    for edge in edges:
        volumes: Volumes = {name: list(islice(found, rows.size)) for name, rows in edge.rows.items()}
        if "retryRate" in volumes and figures.span.width > 1:
            volumes["retryRate"] = list(_rate(edge, figures))
        yield volumes


def _answer(
    edge: EdgePlace, quality: EdgeQuality, volumes: Volumes, by_class: dict[str, dict[str, FloatArray]]
) -> EdgeState:
    link = edge.link
    series = {name: values[0] for name, values in volumes.items()}
    return EdgeState(
        id=edge.id,
        source=link.source.id,
        target=link.target.id,
        edge_type=link.edge.type,
        field=link.measure,
        multiplier=link.edge.multiplier,
        lag=link.edge.lag,
        quality=quality,
        series=series,
        series_metadata={name: _EDGE_METADATA[name] for name in series},
        by_class=by_class,
    )


def _by_class(run: OpenRun, edge: EdgePlace, volumes: Volumes, choice: Choice) -> dict[str, dict[str, FloatArray]]:
    found = {}
    for part in choice.parts:
        own = {name: values[part] for name, values in volumes.items() if _has(edge.rows[name], part)}
        if own:
            found[run.places.class_ids[part - 1]] = own
    return found


def _has(rows: RowTable, part: int) -> bool:
    return bool(rows[part] != ABSENT)


def _rate(edge: EdgePlace, figures: Figures) -> FloatArray:
    """Failures over attempts of each point of several bins; (parts, points)."""
    failures, attempts = (figures.block.sum(edge.rows[name]) for name in ("failuresVolume", "attemptsVolume"))
    with np.errstate(all="ignore"):
        return rounded(ratio(failures, attempts)[:, figures.span.context :])
