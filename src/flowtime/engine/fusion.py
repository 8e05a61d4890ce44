"""Recognises the queue line that authors write by hand and makes one operation of its four.

``avail = in + SHIFT(q, 1)``, ``served = MIN(avail, capacity)``, ``q = queue(in, served)`` is the
recurrence of nearly every model of the published format.  Fused it runs in one pass over a block
instead of bin by bin, with the same results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowtime.engine.ir import Column, ColumnKind, Operation
from flowtime_kernels import opcodes as op

__all__ = ["FusedLine", "fuse_line"]


@dataclass(frozen=True)
class FusedLine:
    """The operation that takes the place of a component, and its SHIFT where others read that too."""

    line: Operation
    shift: Operation | None


def fuse_line(
    columns: Sequence[Column], group: Sequence[Operation], readers: Mapping[int, int], wanted: frozenset[int]
) -> FusedLine | None:
    """Return the fused form of a feedback component, or None if it is not such a line.

    ``readers`` counts the operations that read each column, ``wanted`` are columns somebody asked for.
    """
    by_code = {operation.code: operation for operation in group}
    if len(group) != 4 or by_code.keys() != {op.SHIFT, op.ADD, op.MIN, op.QUEUE}:
        return None
    parts = _Parts(by_code[op.SHIFT], by_code[op.ADD], by_code[op.MIN], by_code[op.QUEUE])
    capacity = parts.capacity()
    if capacity is None or not _is_zero(columns[parts.queue.ins[2]]):
        return None
    depth, lagged, available = parts.queue.outs[0], parts.shift.outs[0], parts.add.outs[0]
    kept = available in wanted or readers.get(available, 0) > 1
    outs = (available, parts.least.outs[0], depth)
    line = Operation(op.LINE, outs, (parts.queue.ins[0], capacity), length=int(kept), params=parts.queue.params)
    shared = lagged in wanted or readers.get(lagged, 0) > 1
    return FusedLine(line, parts.shift if shared else None)


class _Parts(NamedTuple):
    """One operation of each code that a line has."""

    shift: Operation
    add: Operation
    least: Operation
    queue: Operation

    def capacity(self) -> int | None:
        """The column that served is held to, or None where the four are wired in another way."""
        depth, lagged, available = self.queue.outs[0], self.shift.outs[0], self.add.outs[0]
        inflow, served, _ = self.queue.ins
        looks_back_once = self.shift.ins == (depth,) and self.shift.length == 1
        # The queue and what looks back at it must agree on what was there before bin 0.
        same_start = self.shift.params == self.queue.params
        adds_up = sorted(self.add.ins) == sorted((inflow, lagged))
        limits = [column for column in self.least.ins if column != available]
        if not (looks_back_once and same_start and adds_up and served == self.least.outs[0] and len(limits) == 1):
            return None
        return None if limits[0] in (depth, lagged, served) else limits[0]


def _is_zero(column: Column) -> bool:
    return column.kind is ColumnKind.SCALAR and column.parameter is None and column.value == 0.0
