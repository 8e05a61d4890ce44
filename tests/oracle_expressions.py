"""Expressions of the oracle: the value of a syntax tree at one bin, asked of the trees below it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import oracle_kernels as kernels
from flowtime.model.expression import Binary, Call, Expression, Name, Number, Unary, Vector

if TYPE_CHECKING:
    from oracle import Evaluation

__all__ = ["BINARY", "UNARY", "Expressions", "initial_value", "literal", "taps_of"]

UNARY: Mapping[str, Callable[[float], float]] = {
    "-": lambda a: -a,
    "NOT": kernels.logical_not,
    "FLOOR": kernels.floor,
    "CEIL": kernels.ceiling,
    "ROUND": kernels.round_half_away,
    "ABS": kernels.absolute,
    "SQRT": kernels.square_root,
    "EXP": kernels.exponential,
    "LOG": kernels.natural_log,
}
BINARY: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": kernels.divide,
    "<": kernels.less,
    "<=": kernels.less_equal,
    ">": lambda a, b: kernels.less(b, a),
    ">=": lambda a, b: kernels.less_equal(b, a),
    "==": kernels.equal,
    "!=": kernels.not_equal,
    "AND": kernels.logical_and,
    "OR": kernels.logical_or,
    "MIN": kernels.minimum,
    "MAX": kernels.maximum,
    "MOD": kernels.modulo,
    "STEP": kernels.step,
    "POW": kernels.power,
}


class Expressions:
    """The values of the trees of one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.memories: dict[tuple[int, int], float] = {}

    def value(self, tree: Expression, t: int) -> float:
        """The value of an expression at a bin; both branches of an IF are evaluated, as in the engine."""
        match tree:
            case Number(value=value):
                return value
            case Name(id=name):
                return self.evaluation.read(self.evaluation.resolve(name), t)
            case Unary(operator=operator, operand=operand):
                return UNARY[operator](self.value(operand, t))
            case Binary(operator=operator, left=left, right=right):
                return BINARY[operator](self.value(left, t), self.value(right, t))
            case Call(function="SHIFT" | "DELAY" | "CONV" | "EMA" | "CUMSUM" | "PULSE"):
                return self._with_memory(tree, t)
            case Call(function=function, arguments=arguments):
                return self._without_memory(function, [self.value(argument, t) for argument in arguments])
            case _:
                raise ValueError(f"no value: {tree!r}")

    def _without_memory(self, function: str, values: list[float]) -> float:
        if function == "IF":
            return kernels.select(*values)
        if function == "CLAMP":
            return kernels.clamp(*values)
        if function in UNARY:
            return UNARY[function](*values)
        result = values[0]
        for value in values[1:]:
            result = BINARY[function](result, value)
        return result

    def _with_memory(self, tree: Call, t: int) -> float:
        match tree.function, tree.arguments:
            case "PULSE", arguments:
                period, phase, amplitude = [literal(a) for a in arguments] + [0.0, 1.0][len(arguments) - 1 :]
                return kernels.pulse_at(t, int(period), int(phase), amplitude)
            case "SHIFT" | "DELAY", (source, lag, *_):
                before = t - int(literal(lag))
                return self.value(source, before) if before >= 0 else initial_value(self.evaluation, tree)
            case "CONV", (source, taps):
                return sum(
                    (
                        kernels.safe(self.value(source, t - place)) * weight
                        for place, weight in enumerate(taps_of(taps)[: t + 1])
                        # A tap of 0 adds nothing and must not ask: CONV(x, [0, 1]) may look back at its own node.
                        if weight != 0.0
                    ),
                    0.0,
                )
            case "EMA", (source, alpha):
                before_this = self._remembered(tree, t - 1, math.nan)
                return self._remember(tree, t, kernels.ema_step(before_this, self.value(source, t), literal(alpha)))
            case _, (source,):
                so_far = self._remembered(tree, t - 1, 0.0)
                return self._remember(tree, t, so_far + kernels.safe(self.value(source, t)))
        raise ValueError(f"no value: {tree!r}")

    def _remembered(self, tree: Call, t: int, start: float) -> float:
        if t < 0:
            return start
        return self.memories[id(tree), t] if (id(tree), t) in self.memories else self._with_memory(tree, t)

    def _remember(self, tree: Call, t: int, value: float) -> float:
        self.memories[id(tree), t] = value
        return value


def initial_value(evaluation: Evaluation, tree: Call) -> float:
    """What SHIFT and DELAY give before bin 0: the stock that a queue starts from, or what DELAY says."""
    if tree.function == "DELAY":
        return literal(tree.arguments[2]) if len(tree.arguments) > 2 else 0.0
    source = tree.arguments[0]
    return evaluation.initial.get(evaluation.resolve(source.id), 0.0) if isinstance(source, Name) else 0.0


def taps_of(tree: Expression) -> tuple[float, ...]:
    """The taps of a CONV, which may be one number."""
    return tree.values if isinstance(tree, Vector) else (literal(tree),)


def literal(tree: Expression) -> float:
    """The value of an argument that is written out."""
    if not isinstance(tree, Number):
        raise ValueError(f"{tree} is no literal")
    return tree.value
