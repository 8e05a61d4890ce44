"""What is true of nodes and edges in every bin: category, which questions make sense, gates, aliases; and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

import numpy as np

from flowtime.bundle.documents import ClassCoverage
from flowtime.engine.coverage import COVERAGE_TOLERANCE, least_coverage
from flowtime.engine.stations import Station
from flowtime.errors import StateError
from flowtime.model.naming import is_sink
from flowtime.model.spec import DispatchSchedule
from flowtime.state.block import Block
from flowtime.state.documents import Analytical, Category, ClassTruth, DispatchInfo
from flowtime.state.places import ABSENT, Places

__all__ = ["Choice", "NodeFacts", "category", "choose", "class_truths", "node_facts"]

_CATEGORIES: Final[Mapping[str, Category]] = MappingProxyType(
    {
        "service": "service",
        "serviceWithBuffer": "service",
        "queue": "queue",
        "dlq": "dlq",
        "router": "router",
        "dependency": "dependency",
        "sink": "sink",
    }
)
_CLASSED: Final = ("arrivals", "served", "queueDepth")


@dataclass(frozen=True)
class Choice:
    """Which nodes (by place) and classes (by part, from 1) an answer shows."""

    nodes: tuple[int, ...]
    parts: tuple[int, ...]


def choose(places: Places, nodes: Sequence[str] | None, classes: Sequence[str] | None) -> Choice:
    """Return the places of chosen nodes and classes, in the order of the model; None is all.

    Raises StateError ``state.unknown_node`` and ``state.unknown_class``.
    """
    node_ids = tuple(station.id for station in places.stations)
    return Choice(
        _places(node_ids, nodes, "topology node", "state.unknown_node"),
        tuple(1 + place for place in _places(places.class_ids, classes, "class", "state.unknown_class")),
    )


def _places(known: Sequence[str], wanted: Sequence[str] | None, noun: str, code: str) -> tuple[int, ...]:
    if wanted is None:
        return tuple(range(len(known)))
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else _those(known)
            raise StateError(f"the run has no {noun} {name!r}", code=code, hint=hint)
    return tuple(place for place, name in enumerate(known) if name in wanted)


def _those(known: Sequence[str]) -> str:
    if not known:
        return "it has none at all"
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"it has {', '.join(known[:8])}{more}"


@dataclass(frozen=True)
class NodeFacts:
    """What is true of a topology node in every bin."""

    category: Category
    analytical: Analytical
    dispatch: DispatchInfo | None


def node_facts(places: Places) -> tuple[NodeFacts, ...]:
    """Return the facts of every node."""
    return tuple(
        NodeFacts(category(station), _analytical(station), _dispatch_info(schedule))
        for station, schedule in zip(places.stations, places.schedules, strict=True)
    )


def category(station: Station) -> Category:
    """What sort of thing a topology node is; one with the role of a sink is one."""
    return "sink" if is_sink(station.node) else _CATEGORIES[station.node.kind]


def _analytical(station: Station) -> Analytical:
    """Which questions make sense at a node."""
    return Analytical(
        identity="sink" if is_sink(station.node) else station.node.kind,
        has_queue_semantics=station.has_queue,
        has_service_semantics=station.has_service,
        has_cycle_time_decomposition=station.has_queue and station.has_service,
        stationarity_warning_applicable=station.has_queue and station.node.kind != "dlq",
    )


def _dispatch_info(schedule: DispatchSchedule | None) -> DispatchInfo | None:
    """When the gate of a node opens, or None where there is none."""
    if schedule is None:
        return None
    return DispatchInfo(
        kind=schedule.kind,
        period_bins=schedule.period_bins,
        phase_offset=schedule.phase_offset,
        capacity_series=schedule.capacity_series,
    )


def class_truths(places: Places, block: Block) -> tuple[ClassTruth, ...]:
    """Say of each node how far its classes make up what arrives, is served and waits, in the bins of a block."""
    if not places.class_ids:
        return (_NO_CLASSES,) * len(places.stations)
    found: list[list[ClassCoverage]] = [[] for _ in places.stations]
    for role in _CLASSED:
        rows = places.rows.get(role)
        if rows is not None:
            values = block.sum(rows)[:, :, block.span.context :]
            for node in np.flatnonzero(rows[:, 0] != ABSENT):
                there = rows[node, 1:] != ABSENT
                found[node].append(_coverage(values[node, 0], values[node, 1:][there]))
    return tuple(_truth(least_coverage(own)) for own in found)


def _coverage(total: np.ndarray, parts: np.ndarray) -> ClassCoverage:
    """As ``engine.coverage.class_coverage``, for few bins at a time."""
    if not parts.size:
        return "missing"
    known = np.isfinite(total)
    off = np.abs(parts.sum(axis=0) - total)[known]
    if not (off > COVERAGE_TOLERANCE * np.maximum(1.0, np.abs(total[known]))).any():
        return "full"
    return "partial" if (parts[:, known] != 0.0).any() else "missing"


def _truth(coverage: ClassCoverage) -> ClassTruth:
    return ClassTruth(
        coverage=coverage, has_specific_classes=coverage != "missing", has_fallback_class=coverage != "full"
    )


_NO_CLASSES: Final = _truth("missing")
