"""A plan: the tables that the kernels interpret, and where each series stands in the buffer."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.fusion import fuse_line
from flowtime.engine.ir import ColumnKind, Flow, Operation
from flowtime.engine.ordering import (
    NOBODY,
    Component,
    SameBinCycle,
    needed_operations,
    order_operations,
    producers,
)
from flowtime.errors import FlowtimeError
from flowtime.model.spec import FloatArray
from flowtime_kernels import opcodes as op
from flowtime_kernels import table

__all__ = [
    "BLOCK_BINS",
    "LOOKS_BACK",
    "REMEMBERS",
    "IndexArray",
    "Plan",
    "Schedule",
    "Stage",
    "pack_rows",
    "plan_flow",
    "schedule",
    "share_rows",
]

IndexArray = NDArray[np.int64]

# Two rows of a block and their result fit the L1 cache beside each other; longer blocks gain little.
BLOCK_BINS = 2048

# Operations that read earlier bins of their operand, and those that go on from their own last result.
LOOKS_BACK = frozenset({op.SHIFT, op.CONV, op.DEMAND})
REMEMBERS = frozenset({op.QUEUE, op.SERVE, op.LINE, op.BOUND_QUEUE, op.BOUND_SERVE, op.MIX, op.CUMSUM, op.EMA})


@dataclass(frozen=True)
class Stage:
    """Operations that run together: bin by bin where they are feedback, else one after the other."""

    operations: tuple[Operation, ...]
    is_feedback: bool
    is_metric: bool


@dataclass(frozen=True)
class Schedule:
    """The stages of the operations that some results need, in order, and the columns of those results."""

    stages: tuple[Stage, ...]
    wanted: frozenset[int]
    cycles: tuple[SameBinCycle, ...]


@dataclass(frozen=True)
class Plan:
    """What one evaluation needs, all of it constant.

    ``ops`` int64 (ops, WIDTH); ``steps`` and ``metric_steps`` int64 (n, 3); ``layout`` int64 (3, columns + 1);
    ``params`` float64; ``size`` values of the buffer for a block of ``block`` bins, of which the first
    ``rows * bins`` are whole series, inputs (``constants``, float64 (inputs, bins)) first.  ``row_of`` maps a
    column to its row, ``slot_of`` a scalar column to its place; ``full`` are the scalar columns with a row.
    """

    ops: IndexArray
    steps: IndexArray
    metric_steps: IndexArray
    layout: IndexArray
    params: FloatArray
    constants: FloatArray
    scalars: FloatArray
    rows: int
    size: int
    block: int
    full: frozenset[int]
    row_of: Mapping[int, int]
    slot_of: Mapping[int, int]
    stages: tuple[Stage, ...]

    @property
    def first_scalar(self) -> int:
        """Offset of the scalars in the buffer."""
        return self.rows * int(self.constants.shape[1])


def schedule(flow: Flow, wanted: Sequence[int]) -> Schedule:
    """Order the operations that the ``wanted`` columns need, fuse what can be, and leave the rest out.

    Operations of derived metrics come after all others, so that they can be run later or not at all.
    """
    flow = flow.holding(wanted)
    names = frozenset(wanted)
    made_by = producers(flow.operations, len(flow.columns))
    needed = needed_operations(flow.operations, made_by, names)
    _require_all_filled(flow, needed, made_by, names)
    first_metric = bisect_left(needed, flow.metric_start)
    lines = _Lines(flow, Counter(chain.from_iterable([flow.operations[i].ins for i in needed])), names)
    stages: list[Stage] = []
    cycles: list[SameBinCycle] = []
    for part, is_metric in ((needed[:first_metric], False), (needed[first_metric:], True)):
        ordered = order_operations(flow.operations, part, made_by)
        cycles.extend(component for component in ordered if isinstance(component, SameBinCycle))
        stages.extend(_stages(flow, [c for c in ordered if isinstance(c, Component)], lines, is_metric))
    return Schedule(tuple(stages), names, tuple(cycles))


def _require_all_filled(flow: Flow, needed: Sequence[int], made_by: Sequence[int], wanted: frozenset[int]) -> None:
    """A column that nothing fills would hold what the memory held before; no result may."""
    read = wanted.union(*[flow.operations[i].ins for i in needed])
    for column in read:
        if made_by[column] == NOBODY and flow.columns[column].kind is ColumnKind.COMPUTED:
            raise FlowtimeError(
                f"nothing computes {flow.columns[column].owner!r}",
                code="flowtime.internal",
                hint="this is a defect of flowtime: please report it with the model",
            )


@dataclass(frozen=True)
class _Lines:
    """What it takes to fuse the queue lines of a flow: how many operations read a column, and which are wanted."""

    flow: Flow
    readers: Mapping[int, int]
    wanted: frozenset[int]

    def fused(self, group: tuple[Operation, ...]) -> tuple[Operation, ...] | None:
        """The plain operations that take the place of a feedback component, or None if it is no such line."""
        fused = fuse_line(self.flow.columns, group, self.readers, self.wanted)
        if fused is None:
            return None
        return (fused.line,) if fused.shift is None else (fused.line, fused.shift)


def _stages(flow: Flow, components: Iterable[Component], lines: _Lines, is_metric: bool) -> list[Stage]:
    """Make stages of components; what has no feedback, or lost it by fusion, joins its neighbors in one stage."""
    stages: list[Stage] = []
    plain: list[Operation] = []
    for component in components:
        group = tuple([flow.operations[i] for i in component.operations])
        simple = lines.fused(group) if component.is_feedback else group
        if simple is not None:
            plain.extend(simple)
            continue
        if plain:
            stages.append(Stage(tuple(plain), False, is_metric))
            plain = []
        stages.append(Stage(group, True, is_metric))
    return [*stages, Stage(tuple(plain), False, is_metric)] if plain else stages


def plan_flow(flow: Flow, order: Schedule, *, block: int = BLOCK_BINS, full: frozenset[int] = frozenset()) -> Plan:
    """Lay a schedule out in memory.

    A column is a whole row if it was asked for or later bins look back at it, else a row of one block,
    used again once nothing reads it.  ``full`` names scalar inputs that get a row, to hold a series.
    """
    return _Layout(flow.holding(order.wanted), order, min(block, flow.bins), full).plan()


def pack_rows(operations: Sequence[Operation], number: IndexArray) -> tuple[IndexArray, FloatArray]:
    """Return the op table, int64 (ops, WIDTH), and its parameters; there ``number[column]`` stands for a column."""
    rows = np.zeros((len(operations), table.WIDTH), dtype=np.int64)
    if not operations:
        return rows, np.zeros(1)
    codes, outs, ins, lengths, phases, params, _ = zip(*operations, strict=True)
    listed: Sequence[Sequence[float]] = params
    read: Sequence[Sequence[int]] = ins
    if op.LEVEL in codes:
        # As many operands as there are demands: their column numbers stand among the parameters.
        paired = list(zip(codes, ins, params, strict=True))
        listed = [number[list(i[1:])].tolist() if code == op.LEVEL else given for code, i, given in paired]
        read = [i[:1] if code == op.LEVEL else i for code, i, _ in paired]
    rows[:, table.CODE] = codes
    rows[:, table.OUT0 : table.IN0] = number[_padded(outs)]
    rows[:, table.IN0 : table.LENGTH] = number[_padded(read)]
    rows[:, table.LENGTH] = lengths
    rows[:, table.PHASE] = phases
    rows[1:, table.PARAM] = np.cumsum([len(given) for given in listed])[:-1]
    # One more, since operations without parameters point behind those of the one before.
    return rows, np.array([*chain.from_iterable(listed), 0.0])


def _padded(groups: Sequence[Sequence[int]]) -> IndexArray:
    """Return one to four columns each, int64 (groups, 4); in place of those that an operation does not have
    stands its first, so that reading them is harmless."""
    counts = np.array([len(group) for group in groups])[:, None]
    first = np.cumsum(counts)[:, None] - counts
    place = np.arange(4)
    flat = np.array(list(chain.from_iterable(groups)), dtype=np.int64)
    columns: IndexArray = flat[first + np.where(place < counts, place, 0)]
    return columns


def share_rows(groups: Iterable[Sequence[int]], columns: frozenset[int]) -> tuple[dict[int, int], int]:
    """Give each of ``columns`` a row, used again after its last reading; return the rows and how many there are.

    ``groups`` are the columns that are touched together, one after the other; they are alive at the same time.
    """
    last: dict[int, int] = {}
    touched: list[frozenset[int]] = []
    for group in groups:
        seen = columns.intersection(group)
        if seen:
            for column in seen:
                last[column] = len(touched)
            touched.append(seen)
    free: list[int] = []
    row: dict[int, int] = {}
    depth = 0
    for moment, seen in enumerate(touched):
        for column in sorted([c for c in seen if c not in row]):
            if free:
                row[column] = free.pop()
            else:
                row[column] = depth
                depth += 1
        free += sorted([row[c] for c in seen if last[c] == moment], reverse=True)
    return row, depth


def _touched_columns(order: Schedule) -> frozenset[int]:
    operations = [o for stage in order.stages for o in stage.operations]
    return order.wanted.union(*[o.ins for o in operations], *[o.outs for o in operations])


class _Layout:
    """Places of columns: inputs, results and looked-back-at series, scalars, block rows, scratch."""

    def __init__(self, flow: Flow, order: Schedule, block: int, full: frozenset[int]) -> None:
        self._flow = flow
        self._stages = order.stages
        self._block = block
        self._full = full
        self._used = sorted(_touched_columns(order))
        kinds = [flow.columns[c].kind for c in self._used]
        paired = list(zip(self._used, kinds, strict=True))
        self._inputs = [c for c, kind in paired if kind is ColumnKind.SERIES or c in full]
        self._scalars = [c for c, kind in paired if kind is ColumnKind.SCALAR and c not in full]
        computed = {c for c, kind in paired if kind is ColumnKind.COMPUTED}
        kept = self._kept(computed, order.wanted)
        self._rows = [*self._inputs, *kept]
        self._passing = frozenset(computed.difference(kept))

    def _kept(self, computed: set[int], wanted: frozenset[int]) -> list[int]:
        late = {c for stage in self._stages if stage.is_metric for o in stage.operations for c in o.outs}
        # Metrics may be computed later, when the rows of a block hold something else.
        handed_on = {c for stage in self._stages if stage.is_metric for o in stage.operations for c in o.ins} - late
        kept = handed_on.union(wanted)
        for stage in self._stages:
            kept.update([o.ins[0] for o in stage.operations if o.code in LOOKS_BACK])
            kept.update([o.outs[-1] for o in stage.operations if o.code in REMEMBERS])
        kept &= computed
        # Metrics last: a buffer whose metrics nobody asks for never touches their memory.
        return sorted(kept - late) + sorted(kept & late)

    def plan(self) -> Plan:
        """Return the tables."""
        block, bins = self._block, self._flow.bins
        first_scalar = len(self._rows) * bins
        first_local = first_scalar + len(self._scalars)
        local, depth = share_rows(self._touched(), self._passing) if self._passing else ({}, 0)
        # Where each column begins, by its number in the flow; only what is used counts.
        base = np.zeros(len(self._flow.columns), dtype=np.int64)
        base[self._rows] = np.arange(len(self._rows)) * bins
        base[self._scalars] = first_scalar + np.arange(len(self._scalars))
        base[list(local)] = first_local + np.array(list(local.values()), dtype=np.int64) * block
        layout = np.zeros((3, len(self._used) + 1), dtype=np.int64)
        layout[0, :-1] = base[self._used]
        layout[0, -1] = first_local + depth * block
        number = np.zeros(len(self._flow.columns), dtype=np.int64)
        number[self._used] = np.arange(len(self._used))
        layout[1, number[self._rows + list(local)]] = 1
        layout[2, number[list(local)]] = 1
        ops, params = pack_rows([o for stage in self._stages for o in stage.operations], number)
        return Plan(
            ops=ops,
            steps=self._steps(metric=False),
            metric_steps=self._steps(metric=True),
            layout=layout,
            params=params,
            constants=self._constants(),
            scalars=np.array([self._flow.columns[c].value for c in self._scalars]),
            rows=len(self._rows),
            size=first_local + (depth + 4) * block,
            block=block,
            full=self._full,
            row_of=MappingProxyType({column: row for row, column in enumerate(self._rows)}),
            slot_of=MappingProxyType({column: first_scalar + i for i, column in enumerate(self._scalars)}),
            stages=self._stages,
        )

    def _constants(self) -> FloatArray:
        constants = np.empty((len(self._inputs), self._flow.bins))
        for row, column in enumerate(self._inputs):
            values = self._flow.columns[column].values
            constants[row] = self._flow.columns[column].value if values is None else values
        return constants

    def _steps(self, *, metric: bool) -> IndexArray:
        rows, first = [], 0
        for stage in self._stages:
            end = first + len(stage.operations)
            if stage.is_metric == metric:
                rows.append((first, end, int(stage.is_feedback)))
            first = end
        return np.array(rows, dtype=np.int64).reshape(-1, 3)

    def _touched(self) -> Iterator[Sequence[int]]:
        for stage in self._stages:
            if stage.is_feedback:
                # The rows of a feedback component are all alive from its first bin to its last.
                yield [column for o in stage.operations for column in o.outs + o.ins]
            else:
                yield from (o.outs + o.ins for o in stage.operations)
