"""A plan: the tables that the kernels interpret, and where each series stands in the buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.fusion import fuse_line
from flowtime.engine.ir import ColumnKind, Flow, Operation
from flowtime.engine.ordering import Component, SameBinCycle, order_operations
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
    column to its row, ``slot_of`` a scalar column to its place.
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
    names = frozenset(wanted)
    needed = _needed(flow, names)
    _require_all_filled(flow, needed, names)
    series = [i for i in needed if i < flow.metric_start]
    derived = [i for i in needed if i >= flow.metric_start]
    stages: list[Stage] = []
    cycles: list[SameBinCycle] = []
    readers: dict[int, int] = {}
    for i in needed:
        for column in flow.operations[i].ins:
            readers[column] = readers.get(column, 0) + 1
    for part, is_metric in ((series, False), (derived, True)):
        for component in order_operations(flow.operations, part):
            if isinstance(component, SameBinCycle):
                cycles.append(component)
            else:
                stages.extend(_stages_of(flow, component, readers, names, is_metric))
    return Schedule(tuple(_joined(stages)), names, tuple(cycles))


def _require_all_filled(flow: Flow, needed: Sequence[int], wanted: frozenset[int]) -> None:
    """A column that nothing fills would hold what the memory held before; no result may."""
    filled = {column for i in needed for column in flow.operations[i].outs}
    read = {column for i in needed for column in flow.operations[i].ins} | wanted
    for column in read - filled:
        if flow.columns[column].kind is ColumnKind.COMPUTED:
            raise FlowtimeError(
                f"nothing computes {flow.columns[column].owner!r}",
                code="flowtime.internal",
                hint="this is a defect of flowtime: please report it with the model",
            )


def _needed(flow: Flow, wanted: frozenset[int]) -> list[int]:
    made_by = {column: i for i, operation in enumerate(flow.operations) for column in operation.outs}
    found: set[int] = set()
    waiting = [made_by[column] for column in wanted if column in made_by]
    while waiting:
        i = waiting.pop()
        if i not in found:
            found.add(i)
            waiting.extend(made_by[column] for column in flow.operations[i].ins if column in made_by)
    return sorted(found)


def _stages_of(
    flow: Flow, component: Component, readers: Mapping[int, int], wanted: frozenset[int], is_metric: bool
) -> list[Stage]:
    group = tuple(flow.operations[i] for i in component.operations)
    fused = fuse_line(flow.columns, group, readers, wanted) if component.is_feedback else None
    if fused is None:
        return [Stage(group, component.is_feedback, is_metric)]
    plain = (fused.line,) if fused.shift is None else (fused.line, fused.shift)
    return [Stage(plain, False, is_metric)]


def _joined(stages: Sequence[Stage]) -> list[Stage]:
    """Neighboring stages without feedback are one stage."""
    joined: list[Stage] = []
    for (is_feedback, is_metric), alike in groupby(stages, key=lambda stage: (stage.is_feedback, stage.is_metric)):
        if is_feedback:
            joined.extend(alike)
        else:
            operations = tuple(chain.from_iterable(stage.operations for stage in alike))
            joined.append(Stage(operations, False, is_metric))
    return joined


def plan_flow(flow: Flow, order: Schedule, *, block: int = BLOCK_BINS, full: frozenset[int] = frozenset()) -> Plan:
    """Lay a schedule out in memory.

    A column is a whole row if it was asked for or later bins look back at it, else a row of one block,
    used again once nothing reads it.  ``full`` names scalar inputs that get a row, to hold a series.
    """
    return _Layout(flow, order, min(block, flow.bins), full).plan()


def pack_rows(operations: Sequence[Operation], number: Mapping[int, int]) -> tuple[IndexArray, FloatArray]:
    """Return the op table, int64 (ops, WIDTH), with columns renumbered by ``number``, and its parameters."""
    params: list[float] = []
    rows = np.zeros((len(operations), table.WIDTH), dtype=np.int64)
    for row, operation in zip(rows, operations, strict=True):
        outs = [number[column] for column in operation.outs]
        ins = [number[column] for column in operation.ins]
        listed = operation.params
        if operation.code == op.LEVEL:
            # As many operands as there are demands: their column numbers stand among the parameters.
            listed, ins = tuple(map(float, ins[1:])), ins[:1]
        # Unused operands point at the first one, so that reading them is harmless.
        outs += [outs[0]] * (4 - len(outs))
        ins += [ins[0]] * (4 - len(ins))
        row[:] = (operation.code, *outs, *ins, operation.length, operation.phase, len(params))
        params.extend(listed)
    # One more, since operations without parameters point behind those of the one before.
    return rows, np.array([*params, 0.0])


def share_rows(groups: Sequence[Sequence[Operation]], columns: frozenset[int]) -> tuple[dict[int, int], int]:
    """Give each of ``columns`` a row, used again after its last reading; return the rows and how many there are.

    ``groups`` run one after the other; what one group touches is alive all through it.
    """
    last: dict[int, int] = {}
    for moment, operations in enumerate(groups):
        for operation in operations:
            last.update(dict.fromkeys((*operation.ins, *operation.outs), moment))
    free: list[int] = []
    row: dict[int, int] = {}
    depth = 0
    for moment, operations in enumerate(groups):
        seen = columns.intersection(chain.from_iterable((*o.ins, *o.outs) for o in operations))
        for column in sorted(c for c in seen if c not in row):
            if free:
                row[column] = free.pop()
            else:
                row[column] = depth
                depth += 1
        free.extend(sorted((row[c] for c in seen if last[c] == moment), reverse=True))
    return row, depth


class _Layout:
    """Places of columns: inputs, results and looked-back-at series, scalars, block rows, scratch."""

    def __init__(self, flow: Flow, order: Schedule, block: int, full: frozenset[int]) -> None:
        self._flow = flow
        self._order = order
        self._block = block
        used = {c for stage in order.stages for o in stage.operations for c in (*o.ins, *o.outs)} | order.wanted
        self._inputs = [c for c in sorted(used) if flow.columns[c].kind is ColumnKind.SERIES or c in full]
        self._scalars = [c for c in sorted(used) if flow.columns[c].kind is ColumnKind.SCALAR and c not in full]
        kept = self._kept(used)
        self._row_of = {column: row for row, column in enumerate([*self._inputs, *kept])}
        self._used = sorted(used)

    def _kept(self, used: set[int]) -> list[int]:
        stages = self._order.stages
        late = {c for stage in stages if stage.is_metric for o in stage.operations for c in o.outs}
        # Metrics may be computed later, when the rows of a block hold something else.
        handed_on = {c for stage in stages if stage.is_metric for o in stage.operations for c in o.ins} - late
        kept = (used & self._order.wanted) | handed_on
        for stage in stages:
            for operation in stage.operations:
                if operation.code in LOOKS_BACK:
                    kept.add(operation.ins[0])
                if operation.code in REMEMBERS:
                    kept.add(operation.outs[-1])
        # Metrics last: a buffer whose metrics nobody asks for never touches their memory.
        return sorted((c for c in kept if self._is_computed(c)), key=lambda c: (c in late, c))

    def plan(self) -> Plan:
        """Return the tables."""
        flow, block, bins = self._flow, self._block, self._flow.bins
        rows = len(self._row_of)
        slot_of = {column: rows * bins + place for place, column in enumerate(self._scalars)}
        local, depth = share_rows(self._moments(), frozenset(c for c in self._used if self._is_local(c)))
        first_local = rows * bins + len(self._scalars)
        number = {column: i for i, column in enumerate(self._used)}
        layout = np.zeros((3, len(self._used) + 1), dtype=np.int64)
        for column, i in number.items():
            if column in self._row_of:
                layout[:, i] = (self._row_of[column] * bins, 1, 0)
            elif column in slot_of:
                layout[:, i] = (slot_of[column], 0, 0)
            else:
                layout[:, i] = (first_local + local[column] * block, 1, 1)
        layout[0, -1] = first_local + depth * block
        ops, params = pack_rows([o for stage in self._order.stages for o in stage.operations], number)
        return Plan(
            ops=ops,
            steps=self._steps(metric=False),
            metric_steps=self._steps(metric=True),
            layout=layout,
            params=params,
            constants=self._constants(),
            scalars=np.array([flow.columns[c].value for c in self._scalars]),
            rows=rows,
            size=first_local + (depth + 4) * block,
            block=block,
            row_of=MappingProxyType(self._row_of),
            slot_of=MappingProxyType(slot_of),
            stages=self._order.stages,
        )

    def _constants(self) -> FloatArray:
        constants = np.empty((len(self._inputs), self._flow.bins))
        for row, column in enumerate(self._inputs):
            values = self._flow.columns[column].values
            constants[row] = self._flow.columns[column].value if values is None else values
        return constants

    def _steps(self, *, metric: bool) -> IndexArray:
        rows, first = [], 0
        for stage in self._order.stages:
            end = first + len(stage.operations)
            if stage.is_metric == metric:
                rows.append((first, end, int(stage.is_feedback)))
            first = end
        return np.array(rows, dtype=np.int64).reshape(-1, 3)

    def _moments(self) -> list[tuple[Operation, ...]]:
        # The rows of a feedback component are all alive from its first bin to its last.
        return [
            group
            for stage in self._order.stages
            for group in ([stage.operations] if stage.is_feedback else [(o,) for o in stage.operations])
        ]

    def _is_local(self, column: int) -> bool:
        return self._is_computed(column) and column not in self._row_of

    def _is_computed(self, column: int) -> bool:
        return self._flow.columns[column].kind is ColumnKind.COMPUTED
