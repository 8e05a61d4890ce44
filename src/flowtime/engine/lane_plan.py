"""What a sweep has to compute per scenario, laid out for the lane kernel.

Only what an override reaches varies; the rest is evaluated once and shared by all scenarios.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowtime.engine.ir import Flow, Operation
from flowtime.engine.plan import LOOKS_BACK, REMEMBERS, IndexArray, Schedule, pack_rows, share_rows
from flowtime.model.spec import FloatArray
from flowtime_kernels import opcodes as op
from flowtime_kernels import table

# Stocks start from a value of their own, and their kernel may overwrite the bin before.
_STOCKS = frozenset({op.QUEUE, op.SERVE, op.LINE, op.BOUND_QUEUE, op.BOUND_SERVE, op.MIX})

__all__ = ["LanePlan", "Source", "plan_lanes", "varying_columns"]


@dataclass(frozen=True)
class Source:
    """How an overridden input comes into a scenario: ``number`` (one value a scenario), ``factor`` (times
    the model's series) or ``series`` (a series a scenario)."""

    column: int
    how: str


@dataclass(frozen=True)
class LanePlan:
    """Tables for ``run_lanes``; see there for ``ops``, ``rings`` and ``params``.

    ``size`` values of buffer; ``number_at`` maps an overridden input to the offset of its number or factor;
    ``initials`` lists (offset, end, value) of rings to fill; ``uniform`` the shared columns in the order of
    their rows; ``place`` maps a column to its lane column.
    """

    ops: IndexArray
    rings: IndexArray
    params: FloatArray
    size: int
    number_at: Mapping[int, int]
    initials: tuple[tuple[int, int, float], ...]
    uniform: tuple[int, ...]
    place: Mapping[int, int]


def varying_columns(operations: Iterable[Operation], overridden: Iterable[int]) -> frozenset[int]:
    """Every column that an overridden input reaches, in the same bin or later."""
    readers: dict[int, list[Operation]] = {}
    for operation in operations:
        for column in operation.ins:
            readers.setdefault(column, []).append(operation)
    found = set(overridden)
    waiting = list(found)
    while waiting:
        for operation in readers.get(waiting.pop(), ()):
            fresh = set(operation.outs) - found
            found |= fresh
            waiting.extend(fresh)
    return frozenset(found)


def plan_lanes(flow: Flow, order: Schedule, sources: Sequence[Source], lanes: int) -> LanePlan:
    """Lay out the part of a schedule that the overridden ``sources`` reach, ``lanes`` scenarios wide."""
    scheduled = [operation for stage in order.stages for operation in stage.operations]
    varying = varying_columns(scheduled, (source.column for source in sources))
    operations = [operation for operation in scheduled if varying.intersection(operation.outs)]
    return _LaneLayout(flow, order, sources, operations, varying, lanes).plan()


class _LaneLayout:
    """Numbers of lane columns and the rings behind them."""

    def __init__(
        self,
        flow: Flow,
        order: Schedule,
        sources: Sequence[Source],
        operations: Sequence[Operation],
        varying: frozenset[int],
        lanes: int,
    ) -> None:
        self._flow = flow
        self._order = order
        self._sources = sources
        self._varying = varying
        self._lanes = lanes
        self._operations = operations
        used = {c for o in operations for c in (*o.ins, *o.outs)} | order.wanted
        self._used = sorted(used | {source.column for source in sources})
        self._place = {column: i for i, column in enumerate(self._used)}
        # A factor has a column of its own, and so has the series it multiplies.
        self._factors = [source.column for source in sources if source.how == "factor"]

    def plan(self) -> LanePlan:
        """Return the tables."""
        count = len(self._used)
        factor_place = {column: count + i for i, column in enumerate(self._factors)}
        base_place = {column: count + len(self._factors) + i for i, column in enumerate(self._factors)}
        uniform = [c for c in self._used if c not in self._varying] + self._factors
        total = count + 2 * len(self._factors)
        rings = np.zeros((3, total + 1), dtype=np.int64)
        rings[2, :] = -1
        for row, column in enumerate(uniform):
            rings[2, base_place[column] if column in base_place else self._place[column]] = row
        size = self._lay_rings(rings)
        rings[0, -1] = size
        number = np.zeros(max(self._used, default=0) + 1, dtype=np.int64)
        number[self._used] = np.arange(count)
        rows, params = pack_rows(self._operations, number)
        numbers = {s.column: factor_place.get(s.column, self._place[s.column]) for s in self._sources}
        return LanePlan(
            ops=np.concatenate((self._source_rows(factor_place, base_place), rows)),
            rings=rings,
            params=params,
            size=size + 4 * self._lanes,
            number_at={column: int(rings[0, place]) for column, place in numbers.items()},
            initials=self._initials(rings),
            uniform=tuple(uniform),
            place=self._place,
        )

    def _source_rows(self, factors: Mapping[int, int], bases: Mapping[int, int]) -> IndexArray:
        rows, loaded = [], 0
        for source in self._sources:
            place = self._place[source.column]
            if source.how == "factor":
                base = bases[source.column]
                rows.append((op.MUL, *(place,) * 4, base, factors[source.column], base, base, 0, 0, 0))
            elif source.how == "series":
                rows.append((op.LANE_LOAD, *(place,) * 8, loaded, 0, 0))
                loaded += 1
        return np.array(rows, dtype=np.int64).reshape(-1, table.WIDTH)

    def _lay_rings(self, rings: IndexArray) -> int:
        """Give every varying column its ring and return the size of all.

        A column that nothing looks back at, or asks for at the end of a bin, lends its place to others
        after its last reading: what a bin needs then fits the L1 cache.
        """
        depth = self._depths()
        kept = self._order.wanted | depth.keys() | {source.column for source in self._sources}
        made = {column for operation in self._operations for column in operation.outs}
        passing, rows = share_rows([o.outs + o.ins for o in self._operations], frozenset(made - kept))
        size = rows * self._lanes
        for i in range(rings.shape[1] - 1):
            column = self._used[i] if i < len(self._used) else None
            if column in passing:
                rings[0, i] = passing[column] * self._lanes
            elif rings[2, i] < 0:
                bins = depth.get(column, 1) if column is not None else 1
                rings[0, i], rings[1, i] = size, bins - 1
                size += bins * self._lanes
        return size

    def _depths(self) -> dict[int, int]:
        """How many bins of each column must be kept, as a power of two."""
        bins: dict[int, int] = {}
        for operation in self._operations:
            if operation.code in LOOKS_BACK:
                source = operation.ins[0]
                # What DEMAND looks back at is a stock, which later in the bin is updated in place.
                bins[source] = max(bins.get(source, 1), max(operation.length, int(operation.code == op.DEMAND)) + 1)
            if operation.code in REMEMBERS:
                stock = operation.outs[-1]
                bins[stock] = max(bins.get(stock, 1), 1 if operation.code in _STOCKS else 2)
        # A number stands in every bin, so its one row is every bin that is looked back at.
        bins.update({source.column: 1 for source in self._sources if source.how == "number"})
        return {column: 1 << (needed - 1).bit_length() for column, needed in bins.items()}

    def _initials(self, rings: IndexArray) -> tuple[tuple[int, int, float], ...]:
        filled = []
        for operation in self._operations:
            if operation.code in _STOCKS:
                place = self._place[operation.outs[-1]]
                first = int(rings[0, place])
                end = first + (int(rings[1, place]) + 1) * self._lanes
                filled.append((first, end, operation.params[0]))
        return tuple(filled)
