"""What each class adds to an expression (reference: engine.md 2.11).

Sums go class by class, products and quotients by the operand without classes, and what is not linear is
split as its operand is.  The parts of a result add up to it wherever those of its operands do.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowtime.engine.context import Amount, LoweringContext, Parts
from flowtime.engine.expressions import ExpressionLowering
from flowtime.model.expression.syntax import Binary, Call, Expression, Name, Unary
from flowtime_kernels import opcodes as op

__all__ = ["ClassExpressions"]

_SCALED = frozenset({"ABS", "SQRT", "EXP", "LOG", "FLOOR", "CEIL", "ROUND", "MOD", "POW"})
_TIMED = frozenset({"SHIFT", "DELAY", "CONV", "EMA", "CUMSUM"})


class ClassExpressions:
    """Splits the values of expressions whose totals ``lowering`` computes."""

    def __init__(self, context: LoweringContext, lowering: ExpressionLowering) -> None:
        self._context = context
        self._builder = context.builder
        self._lowering = lowering

    def lower(self, expression: Expression, owner: str, outs: Parts) -> None:
        """Fill ``outs`` with what each class adds to an expression; nothing where no class reaches it."""
        parts = self._amount(expression, owner).parts
        self._context.fill(self._context.zeros() if parts is None else parts, outs)

    def _amount(self, node: Expression, owner: str) -> Amount:
        match node:
            case Name(id=name):
                found = self._context.of_reference(name)
                return self._whole(node, owner, None) if found is None else found
            case Unary(operator="-", operand=operand):
                parts = self._amount(operand, owner).parts
                return self._whole(node, owner, self._each(op.NEG, owner, parts))
            case Binary():
                return self._chain(node, owner)
            case Call(function="MIN" | "MAX" as function, arguments=arguments):
                amounts = [self._amount(argument, owner) for argument in arguments]
                return self._extremes(op.MIN if function == "MIN" else op.MAX, amounts, owner)
            case Call(function="CLAMP", arguments=(value, low, high)):
                inner = self._extremes(op.MIN, [self._amount(high, owner), self._amount(value, owner)], owner)
                return self._extremes(op.MAX, [self._amount(low, owner), inner], owner)
            case Call():
                return self._whole(node, owner, self._of_call(node, owner))
        return self._whole(node, owner, None)

    def _whole(self, node: Expression, owner: str, parts: Parts | None) -> Amount:
        return Amount(self._lowering.value(node, owner), parts)

    def _each(self, code: int, owner: str, *operands: Sequence[int] | None) -> Parts | None:
        known = [operand for operand in operands if operand is not None]
        if len(known) < len(operands):
            return None
        return tuple(self._builder.emit(code, *columns, owner=owner) for columns in zip(*known, strict=True))

    # Operators

    def _chain(self, node: Binary, owner: str) -> Amount:
        links: list[Binary] = []
        first: Expression = node
        while isinstance(first, Binary):
            links.append(first)
            first = first.left
        amount = self._amount(first, owner)
        for link in reversed(links):
            right = self._amount(link.right, owner)
            amount = self._operator(link, amount, right, owner)
        return amount

    def _operator(self, link: Binary, left: Amount, right: Amount, owner: str) -> Amount:
        total = self._lowering.apply(link.operator, left.total, right.total, owner)
        if link.operator == "*":
            return Amount(total, self._product(left, right, owner))
        if link.operator == "/":
            divisor = (right.total,) * len(self._context.class_ids)
            return Amount(total, self._each(op.DIV, owner, left.parts, divisor))
        if link.operator in ("+", "-"):
            return Amount(total, self._sum(op.ADD if link.operator == "+" else op.SUB, total, left, right, owner))
        return Amount(total)

    def _product(self, left: Amount, right: Amount, owner: str) -> Parts | None:
        if left.parts is None:
            left, right = right, left
        factor = (right.total,) * len(self._context.class_ids)
        return self._each(op.MUL, owner, left.parts, factor)

    def _sum(self, code: int, total: int, left: Amount, right: Amount, owner: str) -> Parts | None:
        if left.parts is not None and right.parts is not None:
            return self._each(code, owner, left.parts, right.parts)
        if left.parts is None and right.parts is None:
            return None
        zeros = self._context.zeros()
        if left.parts is None and right.parts is not None:
            if self._is_zero(left.total):
                return self._each(code, owner, zeros, right.parts)
            return self._context.scaled(right.parts, right.total, total, owner)
        if left.parts is None or self._is_zero(right.total):
            return left.parts
        return self._context.scaled(left.parts, left.total, total, owner)

    def _is_zero(self, column: int) -> bool:
        return column == self._context.builder.scalar(0.0)

    def _extremes(self, code: int, amounts: Sequence[Amount], owner: str) -> Amount:
        result = amounts[0]
        for amount in amounts[1:]:
            result = self._extreme(code, result, amount, owner)
        return result

    def _extreme(self, code: int, left: Amount, right: Amount, owner: str) -> Amount:
        builder = self._builder
        total = builder.emit(code, left.total, right.total, owner=owner)
        if left.parts is not None and right.parts is not None:
            sides = (left.total, right.total) if code == op.MIN else (right.total, left.total)
            chosen = (builder.emit(op.LE, *sides, owner=owner),) * len(left.parts)
            return Amount(total, self._each(op.IF, owner, chosen, left.parts, right.parts))
        one = left if left.parts is not None else right
        return Amount(total, None if one.parts is None else self._context.scaled(one.parts, one.total, total, owner))

    # Functions

    def _of_call(self, node: Call, owner: str) -> Parts | None:
        if node.function == "IF":
            return self._if(node, owner)
        if node.function in _SCALED:
            source = self._amount(node.arguments[0], owner)
            if source.parts is None:
                return None
            result = self._lowering.value(node, owner)
            return self._context.scaled(source.parts, source.total, result, owner)
        return self._timed(node, owner) if node.function in _TIMED else None

    def _if(self, node: Call, owner: str) -> Parts | None:
        condition = self._amount(node.arguments[0], owner)
        yes, no = (self._amount(argument, owner) for argument in node.arguments[1:])
        if yes.parts is None and no.parts is None:
            return None
        conditions = (condition.total,) * len(self._context.class_ids)
        return self._each(op.IF, owner, conditions, self._like(yes, no, owner), self._like(no, yes, owner))

    def _like(self, amount: Amount, other: Amount, owner: str) -> Parts:
        """The parts of a branch; where it has none it is split as the other branch is."""
        if amount.parts is not None:
            return amount.parts
        if other.parts is None or self._is_zero(amount.total):
            return self._context.zeros()
        return self._context.scaled(other.parts, other.total, amount.total, owner)

    def _timed(self, node: Call, owner: str) -> Parts | None:
        source = self._amount(node.arguments[0], owner)
        if source.parts is None:
            return None
        start = self._lowering.start_of(node, source.total)
        starts = self._context.initial_parts(start) if start else (0.0,) * len(source.parts)
        return tuple(
            self._lowering.timed(node, part, owner, start=first)
            for part, first in zip(source.parts, starts, strict=True)
        )
