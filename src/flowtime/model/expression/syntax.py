"""The syntax tree of an expression: plain tuples, each with the offset it was read at.

``at`` is the zero-based character offset into the expression text.  Values of comparisons and logic
are 1.0 and 0.0.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

__all__ = ["Binary", "Call", "Expression", "Name", "Number", "Unary", "Vector"]


class Number(NamedTuple):
    """A literal number."""

    value: float
    at: int


class Vector(NamedTuple):
    """A literal list of numbers, ``[0.0, 0.6, 0.3]``; only functions that want taps accept it."""

    values: tuple[float, ...]
    at: int


class Name(NamedTuple):
    """A reference to a series by its id (case-sensitive)."""

    id: str
    at: int


class Unary(NamedTuple):
    """``-x`` or ``NOT x``; ``operator`` is ``-`` or ``NOT``."""

    operator: str
    operand: Expression
    at: int


class Binary(NamedTuple):
    """``left operator right``; operator is one of ``+ - * / < <= > >= == != AND OR``."""

    operator: str
    left: Expression
    right: Expression
    at: int


class Call(NamedTuple):
    """``FUNCTION(arguments)``; ``function`` is the upper-cased name."""

    function: str
    arguments: tuple[Expression, ...]
    at: int


Expression: TypeAlias = Number | Vector | Name | Unary | Binary | Call
