"""What a model says, as columns and operations on them, before anything is laid out in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.edge_flows import EdgeColumns
    from flowtime.engine.stations import Station

__all__ = ["Column", "ColumnKind", "Flow", "Operation", "SeriesInfo"]


class ColumnKind(Enum):
    """Where the values of a column come from."""

    SERIES = "series"
    SCALAR = "scalar"
    COMPUTED = "computed"


class SeriesInfo(NamedTuple):
    """What a named series is: ``kind`` (const, expr, pmf, queue, served, loss, overflow), unit, and the
    part (``role``) that it plays at a topology ``node``; ``class_id`` where it is what one class adds to it."""

    name: str
    kind: str
    unit: str
    node: str | None
    role: str | None
    synthesized: bool
    class_id: str | None = None


@dataclass(frozen=True)
class Column:
    """One series, scalar or intermediate result; ``owner`` is the name that messages use for it."""

    kind: ColumnKind
    owner: str
    value: float = 0.0
    values: FloatArray | None = None
    parameter: str | None = None


class Operation(NamedTuple):
    """One row of the op table with column numbers: ``outs`` and ``ins``, a ``length`` (lag, period, taps),
    a ``phase`` and float ``params``; ``lag`` is the least number of bins by which ``ins[0]`` is read."""

    code: int
    outs: tuple[int, ...]
    ins: tuple[int, ...]
    length: int = 0
    phase: int = 0
    params: tuple[float, ...] = ()
    lag: int = 0


@dataclass(frozen=True)
class Flow:
    """A lowered model: columns, operations in the order of the file, and what the names stand for.

    ``names`` maps every series to its column, parts by class (``name@class``) behind all totals; ``classes``
    maps the series that have such parts to their columns, in the order of ``class_ids``; ``metrics`` maps
    ``node.metric`` and ``edge_<id>_<volume>`` to the column of a derived metric or of a volume over an edge, whose
    operations are ``operations[metric_start:]``; ``stations`` are the topology nodes, ``edges`` what is known of edges.
    """

    bins: int
    columns: tuple[Column, ...]
    operations: tuple[Operation, ...]
    metric_start: int
    names: Mapping[str, int]
    metrics: Mapping[str, int]
    info: Mapping[str, SeriesInfo]
    stations: tuple[Station, ...]
    edges: EdgeColumns
    classes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    class_ids: tuple[str, ...] = ()
    parameters: Mapping[str, int] = field(default_factory=dict)
