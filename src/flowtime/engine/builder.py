"""A table of columns and operations under construction, in which equal work is done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from flowtime.engine.ir import Column, ColumnKind, Operation
from flowtime.model.spec import FloatArray
from flowtime_kernels import opcodes as op

__all__ = ["FlowBuilder"]

# Folding these in Python gives the bytes that the kernel would; exp, log and powers might not.
_FOLDED: Mapping[int, Callable[..., float]] = MappingProxyType(
    {
        op.NEG: lambda x: -x,
        op.ABS: abs,
        op.ADD: lambda x, y: x + y,
        op.SUB: lambda x, y: x - y,
        op.MUL: lambda x, y: x * y,
        op.DIV: lambda x, y: x / y if y != 0.0 else 0.0,
    }
)


class FlowBuilder:
    """Columns and operations so far.

    Operations are pure functions of their columns, so one that was asked for before (same code,
    operands and parameters) is not repeated: its column is handed out again.
    """

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.operations: list[Operation] = []
        self._known: dict[tuple[object, ...], int] = {}
        self._scalars: dict[str, int] = {}

    def column(self, owner: str) -> int:
        """Add a column that an operation will fill."""
        self.columns.append(Column(ColumnKind.COMPUTED, owner))
        return len(self.columns) - 1

    def series(self, owner: str, values: FloatArray) -> int:
        """Add an input column, float64 (bins,)."""
        return self._add(Column(ColumnKind.SERIES, owner, values=values, parameter=owner))

    def parameter(self, owner: str, value: float) -> int:
        """Add an input that is one number for all bins and may be overridden, so it is never folded."""
        return self._add(Column(ColumnKind.SCALAR, owner, value=value, parameter=owner))

    def scalar(self, value: float) -> int:
        """Return the column of a literal; equal literals share it."""
        # By spelling, so that 0.0 and -0.0, which compare equal, stay two.
        key = repr(value)
        if key not in self._scalars:
            self._scalars[key] = self._add(Column(ColumnKind.SCALAR, key, value=value))
        return self._scalars[key]

    def emit(
        self,
        code: int,
        *ins: int,
        owner: str,
        out: int | None = None,
        length: int = 0,
        phase: int = 0,
        params: tuple[float, ...] = (),
        lag: int = 0,
    ) -> int:
        """Return the column of an operation with one result; ``out`` asks for a column of its own."""
        folded = self._fold(code, ins)
        if folded is not None:
            known = self.scalar(folded)
        else:
            key = (code, ins, length, phase, tuple(map(repr, params)) if params else ())
            found = self._known.get(key)
            if found is None:
                target = self.column(owner) if out is None else out
                self._known[key] = target
                self.operations.append(Operation(code, (target,), ins, length, phase, params, lag))
                return target
            known = found
        return known if out is None else self.copy(known, out)

    def copy(self, source: int, out: int) -> int:
        """Fill ``out`` with what another column holds."""
        self.operations.append(Operation(op.COPY, (out,), (source,)))
        return out

    def emit_many(
        self, code: int, outs: Sequence[int], ins: Sequence[int], params: tuple[float, ...] = (), lag: int = 0
    ) -> None:
        """Add an operation that fills several columns at once, or looks back at its first operand by ``lag`` bins."""
        self.operations.append(Operation(code, tuple(outs), tuple(ins), params=params, lag=lag))

    def _fold(self, code: int, ins: tuple[int, ...]) -> float | None:
        if code not in _FOLDED:
            return None
        columns = [self.columns[i] for i in ins]
        for column in columns:
            if column.kind is not ColumnKind.SCALAR or column.parameter is not None:
                return None
        return _FOLDED[code](*(column.value for column in columns))

    def _add(self, column: Column) -> int:
        self.columns.append(column)
        return len(self.columns) - 1
