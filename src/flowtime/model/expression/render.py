"""From the tree of an expression back to a text that parses to the same tree."""

from __future__ import annotations

from flowtime.model.expression.parse import BINARY_PRECEDENCE, COMPARISON, PREFIX_PRECEDENCE
from flowtime.model.expression.syntax import Binary, Call, Expression, Name, Number, Unary, Vector

__all__ = ["render"]


def render(expression: Expression) -> str:
    """Return a text with as few brackets as will do; ``parse_expression`` gives the same tree but for ``at``.

    The text is in one spelling whatever the source was; near the bounds of length it may exceed them.
    """
    pieces: list[str] = []
    # What is still to write, the next at the end: a text, or a tree with the weakest precedence it may have.
    stack: list[str | tuple[Expression, int]] = [(expression, 0)]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
        else:
            stack += reversed(_parts(*item))
    return "".join(pieces)


def _parts(node: Expression, weakest: int) -> list[str | tuple[Expression, int]]:
    match node:
        case Number(value=value):
            return [_number(value)]
        case Vector(values=values):
            return [f"[{', '.join(map(_number, values))}]"]
        case Name(id=name):
            return [name]
        case Call(function=function, arguments=arguments):
            return [f"{function}(", *_separated(arguments), ")"]
        case Unary(operator=operator, operand=operand):
            own = PREFIX_PRECEDENCE[operator]
            return _bracketed(["NOT " if operator == "NOT" else "-", (operand, own)], own, weakest)
        case Binary(operator=operator, left=left, right=right):
            own = BINARY_PRECEDENCE[operator]
            # Comparisons do not chain, all others are left-associative.
            left_weakest = own + 1 if own == COMPARISON else own
            return _bracketed([(left, left_weakest), f" {operator} ", (right, own + 1)], own, weakest)


def _separated(arguments: tuple[Expression, ...]) -> list[str | tuple[Expression, int]]:
    parts: list[str | tuple[Expression, int]] = []
    for argument in arguments:
        parts += (", ", (argument, 0))
    return parts[1:]


def _bracketed(parts: list[str | tuple[Expression, int]], own: int, weakest: int) -> list[str | tuple[Expression, int]]:
    return ["(", *parts, ")"] if own < weakest else parts


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
