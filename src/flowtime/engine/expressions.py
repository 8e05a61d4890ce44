"""Expressions to operations.

A chain of left-associative operators is as deep as it is long, so trees are walked with a stack of
their own where a chain can grow, and by recursion, which the parser bounds, where nesting grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from flowtime.engine.builder import FlowBuilder
from flowtime.engine.ir import ColumnKind
from flowtime.model.expression.syntax import Binary, Call, Expression, Name, Number, Unary, Vector
from flowtime_kernels import opcodes as op

__all__ = ["ExpressionLowering", "convolve", "literal", "whole_row"]

_UNARY: Mapping[str, int] = MappingProxyType({"-": op.NEG, "NOT": op.NOT})
_BINARY: Mapping[str, int] = MappingProxyType(
    {
        "+": op.ADD,
        "-": op.SUB,
        "*": op.MUL,
        "/": op.DIV,
        "<": op.LT,
        "<=": op.LE,
        "==": op.EQ,
        "!=": op.NE,
        "AND": op.AND,
        "OR": op.OR,
    }
)
# a > b is b < a: the same comparison with its sides exchanged.
_EXCHANGED: Mapping[str, int] = MappingProxyType({">": op.LT, ">=": op.LE})
_PLAIN: Mapping[str, int] = MappingProxyType(
    {
        "ABS": op.ABS,
        "SQRT": op.SQRT,
        "EXP": op.EXP,
        "LOG": op.LOG,
        "FLOOR": op.FLOOR,
        "CEIL": op.CEIL,
        "ROUND": op.ROUND,
        "MOD": op.MOD,
        "POW": op.POW,
        "STEP": op.STEP,
        "IF": op.IF,
    }
)

# PULSE(period[, phase[, amplitude]])
_PULSE_DEFAULTS = (1.0, 0.0, 1.0)


class ExpressionLowering:
    """Lowers expressions into a builder.

    ``column_of`` finds the column of a name; ``initial_of`` the value of a column before bin 0, which
    SHIFT shows in the first bins.
    """

    def __init__(
        self, builder: FlowBuilder, column_of: Callable[[str], int], initial_of: Callable[[int], float]
    ) -> None:
        self._builder = builder
        self._column_of = column_of
        self._initial_of = initial_of

    def lower(self, expression: Expression, owner: str, out: int) -> None:
        """Fill column ``out``, which belongs to series ``owner``, with the expression."""
        if isinstance(expression, Name | Number):
            self._builder.copy(self.value(expression, owner), out)
        else:
            self.value(expression, owner, out)

    def value(self, node: Expression, owner: str, out: int | None = None) -> int:
        """Return the column of an expression, computed on behalf of series ``owner``."""
        match node:
            case Number(value, _):
                return self._builder.scalar(value)
            case Name(name, _):
                return self._column_of(name)
            case Unary(operator, operand, _):
                column = self.value(operand, owner)
                return self._builder.emit(_UNARY[operator], column, owner=owner, out=out)
            case Binary():
                return self._chain(node, owner, out)
            case Call():
                return self._call(node, owner, out)
        return self._builder.scalar(0.0)

    def _chain(self, node: Binary, owner: str, out: int | None) -> int:
        links: list[Binary] = []
        first: Expression = node
        while isinstance(first, Binary):
            links.append(first)
            first = first.left
        column = self.value(first, owner)
        for link in reversed(links):
            right = self.value(link.right, owner)
            column = self.apply(link.operator, column, right, owner, out if link is node else None)
        return column

    def apply(self, operator: str, left: int, right: int, owner: str, out: int | None = None) -> int:
        """Return the column of an operator between two columns."""
        if operator in _EXCHANGED:
            return self._builder.emit(_EXCHANGED[operator], right, left, owner=owner, out=out)
        return self._builder.emit(_BINARY[operator], left, right, owner=owner, out=out)

    def _call(self, node: Call, owner: str, out: int | None) -> int:
        name, given = node.function, node.arguments
        if name in _PLAIN:
            columns = [self.value(argument, owner) for argument in given]
            return self._builder.emit(_PLAIN[name], *columns, owner=owner, out=out)
        if name in ("MIN", "MAX"):
            return self._fold(op.MIN if name == "MIN" else op.MAX, given, owner, out)
        if name == "CLAMP":
            value, low, high = (self.value(argument, owner) for argument in given)
            # max(lo, min(hi, v)): with lo > hi the result is lo (engine.md 3).
            inner = self._builder.emit(op.MIN, high, value, owner=owner)
            return self._builder.emit(op.MAX, low, inner, owner=owner, out=out)
        if name == "PULSE":
            return self._pulse(node, owner, out)
        source = self.value(given[0], owner)
        return self.timed(node, source, owner, start=self.start_of(node, source), out=out)

    def _fold(self, code: int, given: tuple[Expression, ...], owner: str, out: int | None) -> int:
        column = self.value(given[0], owner)
        for number, argument in enumerate(given[1:], start=2):
            right = self.value(argument, owner)
            target = out if number == len(given) else None
            column = self._builder.emit(code, column, right, owner=owner, out=target)
        return column

    def _pulse(self, node: Call, owner: str, out: int | None) -> int:
        given = node.arguments
        period, phase, amplitude = (*map(literal, given), *_PULSE_DEFAULTS[len(given) :])
        nothing = self._builder.scalar(0.0)
        return self._builder.emit(
            op.PULSE, nothing, owner=owner, out=out, length=int(period), phase=int(phase), params=(amplitude,)
        )

    def start_of(self, node: Call, source: int) -> float:
        """The value that SHIFT and DELAY show before bin 0."""
        if node.function == "SHIFT":
            return self._initial_of(source)
        return literal(node.arguments[2]) if node.function == "DELAY" and len(node.arguments) > 2 else 0.0

    def timed(self, node: Call, source: int, owner: str, *, start: float, out: int | None = None) -> int:
        """Return the column of a function that looks at earlier bins of column ``source``."""
        builder = self._builder
        if node.function == "CUMSUM":
            return builder.emit(op.CUMSUM, source, owner=owner, out=out)
        if node.function == "EMA":
            return builder.emit(op.EMA, source, owner=owner, out=out, params=(literal(node.arguments[1]),))
        source = whole_row(builder, source, owner)
        if node.function == "CONV":
            given = node.arguments[1]
            taps = given.values if isinstance(given, Vector) else (literal(given),)
            return convolve(builder, source, taps, owner, out)
        lag = int(literal(node.arguments[1]))
        return builder.emit(op.SHIFT, source, owner=owner, out=out, length=lag, params=(start,), lag=lag)


def whole_row(builder: FlowBuilder, column: int, owner: str) -> int:
    """A column with a value per bin, since a lagged reading of a scalar has bins before bin 0 too."""
    if builder.columns[column].kind is not ColumnKind.SCALAR:
        return column
    return builder.emit(op.COPY, column, owner=owner)


def convolve(builder: FlowBuilder, source: int, taps: tuple[float, ...], owner: str, out: int | None = None) -> int:
    """The column of ``CONV``; leading taps of 0 make it look at earlier bins only."""
    source = whole_row(builder, source, owner)
    lead = next((k for k, tap in enumerate(taps) if tap != 0.0), len(taps))
    return builder.emit(op.CONV, source, owner=owner, out=out, length=len(taps), params=taps or (0.0,), lag=lead)


def literal(node: Expression) -> float:
    """The number that a literal argument stands for; the parser lets nothing else through."""
    return node.value if isinstance(node, Number) else 0.0
