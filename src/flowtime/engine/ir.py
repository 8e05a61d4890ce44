"""What a model says, as columns and operations on them, before anything is laid out in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from flowtime.engine.lazy import Lazy
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.edge_flows import EdgeColumns
    from flowtime.engine.stations import Station

__all__ = ["Column", "ColumnKind", "Derived", "Flow", "Operation", "SeriesInfo"]


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


class Column(NamedTuple):
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


class Derived(NamedTuple):
    """What a flow has beyond its series.

    ``columns`` and ``operations`` are all there are, those of the series first.  ``metrics`` maps ``node.metric``
    and ``edge_<id>_<volume>`` to the column of a derived metric or of a volume over an edge; ``edges`` is what is
    known of edges.
    """

    columns: tuple[Column, ...]
    operations: tuple[Operation, ...]
    metrics: Mapping[str, int]
    edges: EdgeColumns


@dataclass(frozen=True)
class Flow:
    """A lowered model: columns, operations in the order of the file, and what the names stand for.

    ``names`` maps every series to its column, parts by class (``name@class``) behind all totals; ``classes``
    maps the series that have such parts to their columns, in the order of ``class_ids``; ``stations`` are the
    topology nodes; ``parameters`` maps inputs that may be overridden to their columns.

    Metrics and volumes over edges are lowered (``derived``) and series described (``described``) when somebody
    first asks, which most evaluations do not.  The ``whole`` flow has the operations of the ``derived`` in
    ``operations[metric_start:]``.
    """

    bins: int
    columns: tuple[Column, ...]
    operations: tuple[Operation, ...]
    metric_start: int
    names: Mapping[str, int]
    stations: tuple[Station, ...]
    described: Lazy[Mapping[str, SeriesInfo]]
    derived: Lazy[Derived]
    classes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    class_ids: tuple[str, ...] = ()
    parameters: Mapping[str, int] = field(default_factory=dict)

    @property
    def info(self) -> Mapping[str, SeriesInfo]:
        """What each series is."""
        return self.described.value

    @property
    def metrics(self) -> Mapping[str, int]:
        """The columns of metrics and volumes, in the whole flow."""
        return self.derived.value.metrics

    @property
    def edges(self) -> EdgeColumns:
        """What is known of edges, and the columns of volumes over them, in the whole flow."""
        return self.derived.value.edges

    @cached_property
    def whole(self) -> Flow:
        """The same flow with the columns and operations of metrics and volumes behind those of the series."""
        return replace(self, columns=self.derived.value.columns, operations=self.derived.value.operations)

    def holding(self, columns: Iterable[int]) -> Flow:
        """Return a flow that has all these columns: this one, or the whole where derived ones are among them."""
        return self.whole if max(columns, default=0) >= len(self.columns) else self
