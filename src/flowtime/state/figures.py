"""What is reported of nodes: which values each has, how several bins become a point, and the numbers.

The tables are found once a run; the numbers are read for each answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from flowtime.model.spec import FloatArray
from flowtime.state.arithmetic import round_in_place, rounded
from flowtime.state.block import Block, BlockReader, Span
from flowtime.state.derived import context_points, derive
from flowtime.state.documents import Aggregation, NodeSeries, SeriesMetadata
from flowtime.state.latency import FlowOrder
from flowtime.state.places import ABSENT, BoolTable, Places, RowTable

__all__ = ["ATTRIBUTES", "Figures", "NodeFields", "read_figures"]

ATTRIBUTES: Final[Mapping[str, str]] = {field.encode_name: field.name for field in msgspec.structs.fields(NodeSeries)}
"""The attribute of each value, by its name on the wire."""


class _Field(NamedTuple):
    """One value: its name on the wire, the role whose series it is, and how it is aggregated."""

    name: str
    role: str | None
    aggregation: Aggregation


_FIELDS: Final = (
    _Field("arrivals", "arrivals", "sum"),
    _Field("served", "served", "sum"),
    _Field("errors", "errors", "sum"),
    _Field("attempts", "attempts", "sum"),
    _Field("failures", "failures", "sum"),
    _Field("exhaustedFailures", "exhaustedFailures", "sum"),
    _Field("retryEcho", "retryEcho", "sum"),
    _Field("retryBudgetRemaining", "retryBudgetRemaining", "last"),
    _Field("queue", "queueDepth", "mean"),
    _Field("capacity", "capacity", "sum"),
    _Field("parallelism", "parallelism", "mean"),
    _Field("externalDemand", "externalDemand", "sum"),
    _Field("processingTimeMsSum", "processingTimeMsSum", "sum"),
    _Field("servedCount", "servedCount", "sum"),
    _Field("loss", "loss", "sum"),
    _Field("overflow", "overflow", "sum"),
    _Field("inflow", "inflow", "sum"),
    _Field("shortfall", "shortfall", "sum"),
    _Field("utilization", None, "ratio"),
    _Field("latencyMinutes", None, "ratio"),
    _Field("serviceTimeMs", None, "ratio"),
    _Field("queueTimeMs", None, "ratio"),
    _Field("cycleTimeMs", None, "ratio"),
    _Field("flowLatencyMs", None, "ratio"),
    _Field("flowEfficiency", None, "ratio"),
    _Field("throughputRatio", None, "ratio"),
    _Field("retryTax", None, "ratio"),
)
# Of the node, whatever the class.
_UNSHARED: Final = ("capacity", "parallelism")
_QUEUE_MAX: Final = "queueMax"
_AGGREGATIONS: Final[Mapping[str, Aggregation]] = {field.name: field.aggregation for field in _FIELDS}


class NodeFields:
    """Which value which node and part has."""

    def __init__(self, places: Places, order: FlowOrder) -> None:
        self.places = places
        self.order = order

    @cached_property
    def rows(self) -> Mapping[str, RowTable]:
        """The rows of each value that is a series of the run, by its name on the wire; (nodes, parts)."""
        found = {}
        for field in _FIELDS:
            if field.role is None:
                continue
            rows = self.places.table(field.role)
            if field.name == "failures":
                # Where failures are not counted apart, what was lost is what failed.
                rows = np.where((rows == ABSENT) & self.places.has["failures"], self.places.failed, rows)
            if (rows != ABSENT).any():
                found[field.name] = rows
        return found

    @cached_property
    def plain(self) -> Mapping[str, RowTable]:
        """The values that are a series of the run at every node, with their rows; (nodes, parts)."""
        return {name: rows for name, rows in self.rows.items() if name not in ("attempts", "retryEcho", "parallelism")}

    @cached_property
    def has(self) -> Mapping[str, BoolTable]:
        """Who has which value, by its name on the wire; (nodes, parts)."""
        found = {}
        for field in _FIELDS:
            derived = self.order.has if field.name == "flowLatencyMs" else self.places.has.get(field.name)
            bound = self.rows.get(field.name)
            has = np.zeros(self.places.shape, dtype=np.bool_) if bound is None else bound != ABSENT
            if derived is not None and field.name != "failures":
                has = has | derived
            if field.name == "parallelism":
                has[:, 0] |= [station.parallelism is not None for station in self.places.stations]
            if field.name in _UNSHARED:
                has[:, 1:] = False
            if has.any():
                found[field.name] = has
        return found

    @cached_property
    def names(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """The values that each part of each node has, by node and then part."""
        nodes, parts = self.places.shape
        return tuple(
            tuple(tuple(name for name, has in self.has.items() if has[node, part]) for part in range(parts))
            for node in range(nodes)
        )

    @cached_property
    def metadata(self) -> tuple[Mapping[str, SeriesMetadata], ...]:
        """How each value of each node is aggregated and where it comes from, by node."""
        return tuple(
            {
                name: SeriesMetadata(aggregation=_AGGREGATIONS[name], origin=self._origin(node, name))
                for name in parts[0]
            }
            for node, parts in enumerate(self.names)
        )

    def _origin(self, node: int, name: str) -> Literal["explicit", "derived"]:
        if name == "parallelism":
            return "explicit"
        role = next(field.role for field in _FIELDS if field.name == name)
        is_bound = role is not None and self.places.table(role)[node, 0] != ABSENT
        return "explicit" if is_bound else "derived"


@dataclass(frozen=True)
class Figures:
    """Numbers of all nodes over a span.

    ``values`` maps names on the wire to rounded (nodes, parts, points); ``exact`` has the derived ones as they
    are, context and all, ``block`` the series.
    """

    span: Span
    block: Block
    values: Mapping[str, FloatArray]
    exact: Mapping[str, FloatArray]
    fields: NodeFields
    # Where two names are one array: the place of that among those that differ.
    places: Mapping[str, int]
    _made: dict[tuple[str | int, ...], FloatArray] = dataclasses.field(default_factory=dict)

    def series(self, name: str, node: int, part: int = 0) -> FloatArray:
        """The numbers of one value, (points,): the same object whenever they are the same numbers.

        So an encoder writes them once: what one node serves is what the next one gets.
        """
        rows = self.fields.plain.get(name)
        key: tuple[str | int, ...] = (self.places[name], node, part)
        if rows is not None:
            key = (_AGGREGATIONS[name], int(rows[node, part]))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self.values[name][node, part]
        return found

    def sums(self, rows: Sequence[int]) -> list[FloatArray]:
        """The sums over the bins of each point of some rows of the run, (points,) each; shared as ``series`` are."""
        missing = [row for row in dict.fromkeys(rows) if ("sum", row) not in self._made]
        if missing:
            with np.errstate(all="ignore"):
                made = rounded(self.block.sum(np.array(missing))[:, self.span.context :])
            self._made.update((("sum", row), values) for row, values in zip(missing, made, strict=True))
        return [self._made["sum", row] for row in rows]


def read_figures(
    fields: NodeFields, reader: BlockReader, milliseconds: float, start: int, end: int, width: int
) -> Figures:
    """Return the numbers of bins ``start`` up to ``end`` (not inside), ``width`` bins to a point."""
    span = Span(start, end, width, context_points(fields.places, fields.order, start, width))
    block = reader.read(span)
    # Undefined is the rule here and no accident: once around all, since setting it takes longer than a division.
    with np.errstate(all="ignore"):
        derived = derive(fields.places, fields.order, block, reader, milliseconds)
        made = {
            field.name: _values(field, fields, block, reader, derived) for field in _FIELDS if field.name in fields.has
        }
        if width > 1 and "queue" in fields.has:
            made[_QUEUE_MAX] = _aggregated(reader, span, fields.rows["queue"], "max")
        # What is one thing under two names is rounded once, and stays one array.
        different = list({id(values): values for values in made.values()}.values())
        every = np.stack([values[:, :, span.context :] for values in different])
        round_in_place(every)
    order = {id(values): place for place, values in enumerate(different)}
    places = {name: order[id(values)] for name, values in made.items()}
    values = {name: every[place] for name, place in places.items()}
    return Figures(span, block, values, derived, fields, places)


def _values(
    field: _Field, fields: NodeFields, block: Block, reader: BlockReader, derived: Mapping[str, FloatArray]
) -> FloatArray:
    rows = fields.rows.get(field.name)
    own = derived.get(field.name)
    if rows is None:
        return own if own is not None else _servers(fields.places, block)
    if field.aggregation == "last" and block.span.width > 1:
        values = _aggregated(reader, block.span, rows, "last")
    else:
        values = block.sum(rows) if field.aggregation == "sum" else block.mean(rows)
    if field.name == "parallelism":
        own = _servers(fields.places, block)
    return values if own is None else np.where((rows != ABSENT)[:, :, None], values, own)


def _servers(places: Places, block: Block) -> FloatArray:
    """The number of servers of each node that the model gives as a number; (nodes, parts, points)."""
    numbers = [np.nan if station.parallelism is None else station.parallelism for station in places.stations]
    shape = (*places.shape, block.means.shape[1])
    return np.broadcast_to(np.array(numbers, dtype=np.float64)[:, None, None], shape)


def _aggregated(reader: BlockReader, span: Span, rows: RowTable, aggregate: str) -> FloatArray:
    """An aggregate of rows that the block does not have; the shape of ``rows`` and then the points."""
    known = np.unique(rows[rows >= 0])
    (found,) = reader.aggregate(known, span, (aggregate,))
    values = np.full((*rows.shape, found.shape[1]), np.nan)
    there = rows >= 0
    values[there] = found[np.searchsorted(known, rows[there])]
    return values
