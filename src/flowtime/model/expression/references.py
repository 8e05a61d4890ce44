"""Which series an expression reads, and how many bins back."""

from __future__ import annotations

from typing import NamedTuple

from flowtime.model.expression.functions import literal_number
from flowtime.model.expression.syntax import Binary, Call, Expression, Name, Number, Unary, Vector

__all__ = ["Reference", "references"]


class Reference(NamedTuple):
    """One reading of a series: ``lag`` is the least number of bins back, ``at`` the offset of the name."""

    id: str
    lag: int
    at: int


def references(expression: Expression) -> tuple[Reference, ...]:
    """Return every reading of a name, in the order of the text; a name that is read twice is there twice.

    Lags add up through SHIFT, DELAY (their k) and CONV (place of its first tap that is not 0; the number of
    taps where all are 0).  A lag of 0 means that the value of the same bin is needed.
    """
    found: list[Reference] = []
    # A stack and no recursion, since chains of operators make trees as deep as they are long.
    stack: list[tuple[Expression, int]] = [(expression, 0)]
    while stack:
        node, lag = stack.pop()
        match node:
            case Name(id=name, at=at):
                found.append(Reference(name, lag, at))
            case Unary(operand=operand):
                stack.append((operand, lag))
            case Binary(left=left, right=right):
                stack += ((right, lag), (left, lag))
            case Call(function="SHIFT" | "DELAY", arguments=(source, Number(value=amount), *_)):
                stack.append((source, lag + int(amount)))
            case Call(function="CONV", arguments=(source, taps)):
                stack.append((source, lag + _first_tap(taps)))
            case Call(arguments=arguments):
                stack += ((argument, lag) for argument in reversed(arguments))
            case _:
                continue
    return tuple(found)


def _first_tap(taps: Expression) -> int:
    values = taps.values if isinstance(taps, Vector) else (literal_number(taps) or 0.0,)
    return next((place for place, tap in enumerate(values) if tap != 0.0), len(values))
