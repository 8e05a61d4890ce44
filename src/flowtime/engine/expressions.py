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

__all__ = ["ExpressionLowering"]

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
        "CUMSUM": op.CUMSUM,
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
            self._builder.copy(self._value(expression, owner), out)
        else:
            self._value(expression, owner, out)

    def _value(self, node: Expression, owner: str, out: int | None = None) -> int:
        match node:
            case Number(value, _):
                return self._builder.scalar(value)
            case Name(name, _):
                return self._column_of(name)
            case Unary(operator, operand, _):
                column = self._value(operand, owner)
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
        column = self._value(first, owner)
        for link in reversed(links):
            right = self._value(link.right, owner)
            target = out if link is node else None
            if link.operator in _EXCHANGED:
                column = self._builder.emit(_EXCHANGED[link.operator], right, column, owner=owner, out=target)
            else:
                column = self._builder.emit(_BINARY[link.operator], column, right, owner=owner, out=target)
        return column

    def _call(self, node: Call, owner: str, out: int | None) -> int:
        name, given = node.function, node.arguments
        if name in _PLAIN:
            columns = [self._value(argument, owner) for argument in given]
            return self._builder.emit(_PLAIN[name], *columns, owner=owner, out=out)
        if name in ("MIN", "MAX"):
            return self._fold(op.MIN if name == "MIN" else op.MAX, given, owner, out)
        if name == "CLAMP":
            value, low, high = (self._value(argument, owner) for argument in given)
            # max(lo, min(hi, v)): with lo > hi the result is lo (engine.md 3).
            inner = self._builder.emit(op.MIN, high, value, owner=owner)
            return self._builder.emit(op.MAX, low, inner, owner=owner, out=out)
        return self._timed(node, owner, out)

    def _fold(self, code: int, given: tuple[Expression, ...], owner: str, out: int | None) -> int:
        column = self._value(given[0], owner)
        for number, argument in enumerate(given[1:], start=2):
            right = self._value(argument, owner)
            target = out if number == len(given) else None
            column = self._builder.emit(code, column, right, owner=owner, out=target)
        return column

    def _timed(self, node: Call, owner: str, out: int | None) -> int:
        name, given = node.function, node.arguments
        builder = self._builder
        if name == "PULSE":
            period, phase, amplitude = (*map(literal, given), *_PULSE_DEFAULTS[len(given) :])
            params = (amplitude,)
            return builder.emit(
                op.PULSE, builder.scalar(0.0), owner=owner, out=out, length=int(period), phase=int(phase), params=params
            )
        source = self._value(given[0], owner)
        if name != "EMA":
            source = self._row(source, owner)
        if name == "CONV":
            taps = given[1].values if isinstance(given[1], Vector) else (literal(given[1]),)
            lead = next((k for k, tap in enumerate(taps) if tap != 0.0), len(taps))
            return builder.emit(
                op.CONV, source, owner=owner, out=out, length=len(taps), params=taps or (0.0,), lag=lead
            )
        if name == "EMA":
            return builder.emit(op.EMA, source, owner=owner, out=out, params=(literal(given[1]),))
        lag = int(literal(given[1]))
        explicit = literal(given[2]) if len(given) > 2 else 0.0
        initial = explicit if name == "DELAY" else self._initial_of(source)
        return builder.emit(op.SHIFT, source, owner=owner, out=out, length=lag, params=(initial,), lag=lag)

    def _row(self, column: int, owner: str) -> int:
        """A column with a value per bin, since a lagged reading of a scalar has bins before bin 0 too."""
        if self._builder.columns[column].kind is not ColumnKind.SCALAR:
            return column
        return self._builder.emit(op.COPY, column, owner=owner)


def literal(node: Expression) -> float:
    """The number that a literal argument stands for; the parser lets nothing else through."""
    return node.value if isinstance(node, Number) else 0.0
