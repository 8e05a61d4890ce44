"""The class algebra of the oracle: how the parts of an expression follow from the parts of what it reads.

A tree is classed where what it stands for belongs to classes; else it is classless, and has no parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import oracle_kernels as kernels
from flowtime.model.expression import Binary, Call, Expression, Name, Number, Unary
from oracle_expressions import UNARY, initial_value, literal, taps_of

if TYPE_CHECKING:
    from oracle import Evaluation

__all__ = ["Algebra", "Parts", "added", "is_classed_tree", "scaled"]

Parts: TypeAlias = tuple[float, ...]
ALL_OPERANDS = ("MIN", "MAX", "CLAMP")
FIRST_OPERAND = ("SHIFT", "DELAY", "CONV", "EMA", "CUMSUM", "MOD", "POW", *UNARY)


def scaled(parts: Iterable[float], whole: float, result: float) -> Parts:
    """The parts of a whole as those of another total: all times ``result / whole``, 0 where the whole is 0."""
    factor = kernels.divide(result, whole)
    return tuple(part * factor for part in parts)


def added(rows: Iterable[Sequence[float]], count: int) -> Parts:
    """The sum of several parts, class by class."""
    total = [0.0] * count
    for row in rows:
        total = [before + part for before, part in zip(total, row, strict=True)]
    return tuple(total)


def is_classed_tree(tree: Expression, is_classed: Callable[[str], bool]) -> bool:
    """Whether an expression belongs to classes, given which names do."""

    def ask(below: Expression) -> bool:
        return is_classed_tree(below, is_classed)

    match tree:
        case Name(id=name):
            return is_classed(name)
        case Unary(operator="-", operand=operand):
            return ask(operand)
        case Binary(operator="+" | "-" | "*", left=left, right=right):
            return ask(left) or ask(right)
        case Binary(operator="/", left=left):
            return ask(left)
        case Call(function="IF", arguments=(_, first, second)):
            return ask(first) or ask(second)
        case Call(function=function, arguments=arguments) if function in ALL_OPERANDS:
            return any(map(ask, arguments))
        case Call(function=function, arguments=arguments) if function in FIRST_OPERAND:
            return ask(arguments[0])
        case _:
            return False


class Algebra:
    """The parts of the trees of one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.memories: dict[tuple[int, int], Parts] = {}

    def _value(self, tree: Expression, t: int) -> float:
        return self.evaluation.expressions.value(tree, t)

    def parts(self, tree: Expression, t: int) -> Parts | None:
        """The parts of an expression at a bin; None where it is classless."""
        if not is_classed_tree(tree, lambda name: self.evaluation.is_classed(self.evaluation.resolve(name))):
            return None
        match tree:
            case Name(id=name):
                return self.evaluation.parts(self.evaluation.resolve(name), t)
            case Unary(operand=operand):
                return tuple(-part for part in self._some(operand, t))
            case Binary(operator="+" | "-", left=left, right=right):
                return self._sum(tree, left, right, t)
            case Binary(operator="*", left=left, right=right):
                return self._product(left, right, t)
            case Binary(operator="/", left=left, right=right):
                divisor = self._value(right, t)
                return tuple(kernels.divide(part, divisor) for part in self._some(left, t))
            case Call():
                return self._call(tree, t)
        raise ValueError(f"no parts: {tree!r}")

    def _some(self, tree: Expression, t: int) -> Parts:
        """The parts of what is known to be classed."""
        parts = self.parts(tree, t)
        assert parts is not None
        return parts

    def _sum(self, tree: Binary, left: Expression, right: Expression, t: int) -> Parts:
        a, b = self.parts(left, t), self.parts(right, t)
        sign = 1.0 if tree.operator == "+" else -1.0
        if a is not None and b is not None:
            return tuple(mine + sign * other for mine, other in zip(a, b, strict=True))
        if a is not None:
            return a if _is_zero(right) else scaled(a, self._value(left, t), self._value(tree, t))
        assert b is not None
        if _is_zero(left):
            return tuple(sign * part for part in b)
        return scaled(b, self._value(right, t), self._value(tree, t))

    def _product(self, left: Expression, right: Expression, t: int) -> Parts:
        a = self.parts(left, t)
        if a is not None:
            return tuple(part * self._value(right, t) for part in a)
        return tuple(part * self._value(left, t) for part in self._some(right, t))

    def _call(self, tree: Call, t: int) -> Parts:
        match tree.function, tree.arguments:
            case "MIN" | "MAX", arguments:
                return self._attaining(tree.function, [(self.parts(a, t), self._value(a, t)) for a in arguments])
            case "CLAMP", (value, low, high):
                inner = [(self.parts(a, t), self._value(a, t)) for a in (high, value)]
                held = kernels.minimum(inner[0][1], inner[1][1])
                inner_parts = self._attaining("MIN", inner) if inner[0][0] or inner[1][0] else None
                return self._attaining("MAX", [(self.parts(low, t), self._value(low, t)), (inner_parts, held)])
            case "IF", (condition, first, second):
                return self._chosen(self._value(condition, t), first, second, t)
            case "SHIFT" | "DELAY" | "CONV" | "EMA" | "CUMSUM", _:
                return self._looking_back(tree, t)
            case _, (source, *_):
                return scaled(self._some(source, t), self._value(source, t), self._value(tree, t))
        raise ValueError(f"no parts: {tree!r}")

    def _attaining(self, function: str, operands: list[tuple[Parts | None, float]]) -> Parts:
        """The parts of the operand that is the least or the greatest, the left one on ties."""
        (parts, value), *others = operands
        for other_parts, other in others:
            result = (kernels.minimum if function == "MIN" else kernels.maximum)(value, other)
            if parts is not None and other_parts is not None:
                parts = self._either(function, (parts, value), (other_parts, other), result)
            elif parts is not None:
                parts = scaled(parts, value, result)
            elif other_parts is not None:
                parts = scaled(other_parts, other, result)
            value = result
        assert parts is not None
        return parts

    def _either(self, function: str, left: tuple[Parts, float], right: tuple[Parts, float], result: float) -> Parts:
        if math.isnan(result):
            return tuple(math.nan for _ in left[0])
        is_left = left[1] <= right[1] if function == "MIN" else left[1] >= right[1]
        return left[0] if is_left else right[0]

    def _chosen(self, condition: float, first: Expression, second: Expression, t: int) -> Parts:
        a = self._branch(first, second, t)
        b = self._branch(second, first, t)
        return tuple(kernels.select(condition, mine, other) for mine, other in zip(a, b, strict=True))

    def _branch(self, tree: Expression, other: Expression, t: int) -> Parts:
        """The parts of a branch of an IF; a classless one is split like the other."""
        parts = self.parts(tree, t)
        if parts is not None:
            return parts
        if _is_zero(tree):
            return tuple(0.0 for _ in self._some(other, t))
        return scaled(self._some(other, t), self._value(other, t), self._value(tree, t))

    # What looks back, class by class

    def _looking_back(self, tree: Call, t: int) -> Parts:
        source = tree.arguments[0]
        if tree.function in ("SHIFT", "DELAY"):
            before = t - int(literal(tree.arguments[1]))
            if before >= 0:
                return self._some(source, before)
            return tuple(initial_value(self.evaluation, tree) * share for share in self.evaluation.classes.shares)
        if tree.function == "CONV":
            return self._convolved(source, taps_of(tree.arguments[1]), t)
        if (id(tree), t) not in self.memories:
            self.memories[id(tree), t] = self._remembering(tree, source, t)
        return self.memories[id(tree), t]

    def _remembering(self, tree: Call, source: Expression, t: int) -> Parts:
        samples = self._some(source, t)
        if tree.function == "EMA":
            start = tuple(math.nan for _ in samples)
            before = self._looking_back(tree, t - 1) if t else start
            alpha = literal(tree.arguments[1])
            return tuple(kernels.ema_step(*pair, alpha) for pair in zip(before, samples, strict=True))
        before = self._looking_back(tree, t - 1) if t else tuple(0.0 for _ in samples)
        return tuple(so_far + kernels.safe(sample) for so_far, sample in zip(before, samples, strict=True))

    def _convolved(self, source: Expression, taps: Sequence[float], t: int) -> Parts:
        rows = [
            [kernels.safe(part) * weight for part in self._some(source, t - place)]
            for place, weight in enumerate(taps[: t + 1])
            if weight != 0.0
        ]
        return added(rows, len(self.evaluation.class_ids))


def _is_zero(tree: Expression) -> bool:
    return isinstance(tree, Number) and tree.value == 0.0
