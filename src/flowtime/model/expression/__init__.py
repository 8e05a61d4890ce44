"""The expression language: text -> tree with positions, and what a tree reads.

No ``eval``; depth and size are bounded; time is linear in the text.
"""

from __future__ import annotations

from flowtime.model.expression.fault import ExpressionFault
from flowtime.model.expression.functions import FUNCTIONS, FunctionRule, LiteralRule
from flowtime.model.expression.parse import parse_expression
from flowtime.model.expression.references import Reference, references
from flowtime.model.expression.render import render
from flowtime.model.expression.syntax import Binary, Call, Expression, Name, Number, Unary, Vector

__all__ = [
    "FUNCTIONS",
    "Binary",
    "Call",
    "Expression",
    "ExpressionFault",
    "FunctionRule",
    "LiteralRule",
    "Name",
    "Number",
    "Reference",
    "Unary",
    "Vector",
    "parse_expression",
    "references",
    "render",
]
