"""From the text of an expression to its tree, by operator precedence.

By rising precedence: OR, AND, NOT, comparisons (not chainable), + -, * /, unary minus.  One call reads one
nesting level with stacks of its own, so that only brackets, calls and prefix operators nest: these are bounded
by ``MOST_LEVELS``, while ``a + b + c ...`` may be as long as ``MOST_NODES`` lets it.  Trees of such chains are
deep: walk them with a stack, as ``references`` and ``render`` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn, TypeVar

from flowtime.model.expression.fault import ExpressionFault
from flowtime.model.expression.functions import (
    FUNCTIONS,
    FunctionRule,
    LiteralRule,
    literal_number,
    similar_function,
)
from flowtime.model.expression.lexer import Token, tokenize
from flowtime.model.expression.syntax import Binary, Call, Expression, Name, Number, Unary, Vector

__all__ = [
    "BINARY_PRECEDENCE",
    "COMPARISON",
    "MOST_LEVELS",
    "MOST_NODES",
    "PREFIX_PRECEDENCE",
    "parse_expression",
]

MOST_LEVELS: Final = 48
MOST_NODES: Final = 5_000
COMPARISON: Final = 4
BINARY_PRECEDENCE: Final[Mapping[str, int]] = MappingProxyType(
    {"OR": 1, "AND": 2}
    | dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), COMPARISON)
    | {"+": 5, "-": 5, "*": 6, "/": 6}
)
PREFIX_PRECEDENCE: Final[Mapping[str, int]] = MappingProxyType({"NOT": 3, "-": 7})

_Node = TypeVar("_Node", Number, Vector, Name, Unary, Binary, Call)


def parse_expression(text: str) -> Expression:
    """Return the tree of an expression; arguments that must be literal come as ``Number`` or ``Vector``.

    Raises ``ExpressionFault`` with the offset of what is wrong: ``expression.empty``, ``.syntax``,
    ``.unknown_function``, ``.arity``, ``.literal_required``, ``.bad_literal``, ``.vector_not_allowed``,
    ``.chained_comparison``, ``.too_deep``, ``.too_long``.
    """
    tokens = tokenize(text)
    if tokens[0].kind == "end":
        raise ExpressionFault("expression.empty", "the expression is empty", 0)
    parser = _Parser(tokens)
    tree = parser.expression()
    parser.finish()
    return tree


class _Pending(NamedTuple):
    """An operator whose right operand is not complete."""

    token: Token
    precedence: int
    is_prefix: bool


class _Parser:
    """One pass over the tokens of one expression."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._levels = 0
        self._nodes = 0

    def expression(self) -> Expression:
        """Read the longest expression that starts here, at this nesting level."""
        operands: list[Expression] = []
        pending: list[_Pending] = []
        while True:
            self._read_prefixes(pending)
            operands.append(self._operand())
            token = self._peek()
            precedence = BINARY_PRECEDENCE.get(token.text, 0) if token.kind == "operator" else 0
            self._reduce(operands, pending, token, precedence)
            if not precedence:
                return operands[0]
            pending.append(_Pending(self._take(), precedence, is_prefix=False))

    def finish(self) -> None:
        """Refuse whatever follows the expression."""
        token = self._peek()
        if token.kind != "end":
            self._refuse_follower(token, None)

    def _read_prefixes(self, pending: list[_Pending]) -> None:
        while self._peek().kind == "operator" and self._peek().text in PREFIX_PRECEDENCE:
            token = self._take()
            precedence = PREFIX_PRECEDENCE[token.text]
            # A * NOT b + c could only mean A * (NOT (b + c)), which no reader would guess.
            if pending and pending[-1].precedence > precedence:
                message = f"NOT binds weaker than the {pending[-1].token.text} before it"
                raise ExpressionFault("expression.syntax", message, token.at, "write (NOT ...) in brackets")
            self._enter(token.at)
            pending.append(_Pending(token, precedence, is_prefix=True))

    def _reduce(self, operands: list[Expression], pending: list[_Pending], token: Token, precedence: int) -> None:
        """Build the nodes of all pending operators that bind at least as strongly as the one that follows."""
        while pending and pending[-1].precedence >= precedence:
            (_, operator, at), own, is_prefix = pending.pop()
            if own == COMPARISON == precedence:
                hint = f"write a {operator} b AND b {token.text} c"
                raise ExpressionFault("expression.chained_comparison", "comparisons do not chain", token.at, hint)
            right = operands.pop()
            if is_prefix:
                self._levels -= 1
                operands.append(self._count(Unary(operator, right, at)))
            else:
                operands.append(self._count(Binary(operator, operands.pop(), right, at)))

    def _operand(self) -> Expression:
        token = self._take()
        if token.kind == "number":
            return self._count(Number(_number(token), token.at))
        if token.kind == "name":
            return self._call(token) if self._peek().kind == "(" else self._count(Name(token.text, token.at))
        if token.kind == "(":
            self._enter(token.at)
            inner = self.expression()
            self._close(token)
            return inner
        return self._refuse_operand(token)

    def _call(self, name: Token) -> Call:
        rule = FUNCTIONS.get(name.text.upper())
        if rule is None:
            similar = similar_function(name.text)
            hint = f"did you mean {similar}?" if similar else f"there are {', '.join(FUNCTIONS)}"
            raise ExpressionFault("expression.unknown_function", f"unknown function {name.text!r}", name.at, hint)
        self._enter(name.at)
        arguments = self._arguments(rule, name)
        if len(arguments) < rule.least:
            raise _arity_fault(rule, len(arguments), name.at)
        return self._count(Call(rule.name, tuple(arguments), name.at))

    def _arguments(self, rule: FunctionRule, name: Token) -> list[Expression]:
        opening = self._take()
        arguments: list[Expression] = []
        if self._peek().kind == ")":
            self._close(opening)
            return arguments
        while True:
            start = self._peek().at
            argument = self._argument(rule, len(arguments))
            # Refused here and not at the closing bracket, so that the fault points at the one too many.
            if rule.most is not None and len(arguments) == rule.most:
                raise _arity_fault(rule, len(arguments) + 1, start)
            arguments.append(argument)
            if self._peek().kind != ",":
                self._close(opening)
                return arguments
            self._take()

    def _argument(self, rule: FunctionRule, index: int) -> Expression:
        start = self._peek()
        literal = rule.literal(index)
        if literal is None:
            return self.expression()
        if literal.kind == "taps" and start.kind == "[":
            return self._vector()
        return _checked_literal(rule, literal, self.expression(), start.at)

    def _vector(self) -> Vector:
        opening = self._take()
        values: list[float] = []
        if self._peek().kind != "]":
            values.append(self._tap(opening))
        while self._peek().kind == ",":
            self._take()
            values.append(self._tap(opening))
        if self._peek().kind != "]":
            self._refuse_tap(opening, "a , or ]")
        self._take()
        return self._count(Vector(tuple(values), opening.at))

    def _tap(self, opening: Token) -> float:
        is_negative = self._peek().kind == "operator" and self._peek().text == "-"
        if is_negative:
            self._take()
        if self._peek().kind != "number":
            self._refuse_tap(opening, "a number")
        value = _number(self._take())
        return -value if is_negative else value

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        # The end stays: whoever wants more finds it again.
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _enter(self, at: int) -> None:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            message = f"the expression nests deeper than {MOST_LEVELS} levels"
            raise ExpressionFault("expression.too_deep", message, at, "give a part of it a node of its own")

    def _close(self, opening: Token) -> None:
        if self._peek().kind != ")":
            self._refuse_follower(self._peek(), opening)
        self._take()
        self._levels -= 1

    def _count(self, node: _Node) -> _Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            message = f"the expression has more than {MOST_NODES} terms and operators"
            raise ExpressionFault("expression.too_long", message, node.at, "split it over several nodes")
        return node

    def _refuse_operand(self, token: Token) -> NoReturn:
        if token.kind == "[":
            message = "a list of numbers may only be the taps of CONV"
            raise ExpressionFault("expression.vector_not_allowed", message, token.at, "CONV(x, [0, 0.6, 0.4])")
        hint = "there is no unary plus; leave it out" if token.text == "+" else None
        raise ExpressionFault("expression.syntax", f"expected a value, found {_shown(token)}", token.at, hint)

    def _refuse_follower(self, token: Token, opening: Token | None) -> NoReturn:
        if token.kind == "end" and opening is not None:
            raise ExpressionFault("expression.syntax", "this ( is never closed", opening.at)
        if token.kind == ")":
            raise ExpressionFault("expression.syntax", "this ) closes nothing", token.at)
        hint = "two values need an operator between them" if token.kind in ("name", "number", "(") else None
        raise ExpressionFault("expression.syntax", f"expected an operator, found {_shown(token)}", token.at, hint)

    def _refuse_tap(self, opening: Token, wanted: str) -> NoReturn:
        token = self._peek()
        if token.kind == "end":
            raise ExpressionFault("expression.syntax", "this [ is never closed", opening.at)
        message = f"expected {wanted} in the list, found {_shown(token)}"
        raise ExpressionFault("expression.syntax", message, token.at, "taps are numbers that are written out")


def _number(token: Token) -> float:
    value = float(token.text)
    if not isfinite(value):
        raise ExpressionFault("expression.bad_literal", f"{token.text} is too large for a number", token.at)
    return value


def _checked_literal(rule: FunctionRule, literal: LiteralRule, argument: Expression, at: int) -> Number:
    """Return the number that an argument is; ``-2`` is one too, so that readers of the tree need not look again."""
    value = literal_number(argument)
    wanted = f"{rule.name} needs {literal.wanted} as its {literal.noun}"
    if value is None:
        raise ExpressionFault("expression.literal_required", f"{wanted}, written out", at, rule.example)
    if not literal.accepts(value):
        raise ExpressionFault("expression.bad_literal", f"{wanted}, not {value:g}", at, rule.example)
    return Number(value, at)


def _arity_fault(rule: FunctionRule, count: int, at: int) -> ExpressionFault:
    noun = "argument" if rule.arity == "1" else "arguments"
    given = f"{count} or more" if rule.most is not None and count > rule.most else str(count)
    return ExpressionFault("expression.arity", f"{rule.name} takes {rule.arity} {noun}, not {given}", at, rule.example)


def _shown(token: Token) -> str:
    return "the end" if token.kind == "end" else repr(token.text)
