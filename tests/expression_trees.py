"""Expression trees in a form that is easy to write down and to compare in tests."""

from __future__ import annotations

from typing import TypeAlias

from flowtime.model.expression import Binary, Call, Expression, Name, Number, Unary, Vector

__all__ = ["Plain", "plain"]

Plain: TypeAlias = float | str | list[float] | tuple["Plain", ...]


def plain(expression: Expression) -> Plain:
    """Return the tree without offsets: numbers, names, lists of taps, and ``(operator or function, *operands)``."""
    match expression:
        case Number(value=value):
            return value
        case Vector(values=values):
            return list(values)
        case Name(id=name):
            return name
        case Unary(operator=operator, operand=operand):
            return operator, plain(operand)
        case Binary(operator=operator, left=left, right=right):
            return operator, plain(left), plain(right)
        case Call(function=function, arguments=arguments):
            return function, *map(plain, arguments)
