"""The functions of the expression language as one frozen table.

The parser takes arity and literal arguments from here, so that its faults carry positions; the documentation
is made from the same rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from math import inf, isfinite
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from flowtime.model.expression.syntax import Expression, Number, Unary

__all__ = ["FUNCTIONS", "FunctionRule", "LiteralRule", "literal_number", "similar_function"]

# Lags and periods go into 32-bit fields of the plan; no horizon is near this.
_MOST_BINS: Final = 2_147_483_647


class LiteralRule(NamedTuple):
    """What an argument that must be written out may be; ``argument`` counts from 0.

    ``integer`` and ``number`` are one number from ``least`` (itself left out where ``open``) to ``most``;
    ``taps`` is a list of numbers or one number.
    """

    argument: int
    noun: str
    kind: Literal["integer", "number", "taps"]
    least: float = -inf
    most: float = inf
    open: bool = False

    def accepts(self, value: float) -> bool:
        """Whether a number that was written out is one that the argument takes."""
        if not isfinite(value) or (self.kind == "integer" and not value.is_integer()):
            return False
        return (value > self.least if self.open else value >= self.least) and value <= self.most

    @property
    def wanted(self) -> str:
        """What the argument takes, in words: ``a whole number of 0 or more``."""
        if self.kind == "taps":
            return "a list of numbers such as [0, 0.6, 0.4], or one number"
        if self.kind == "integer":
            return f"a whole number of {self.least:.0f} or more, at most {self.most:.0f}"
        if self.open:
            return f"a number above {self.least:g}, at most {self.most:g}"
        return "a number"


class FunctionRule(NamedTuple):
    """One function: how many arguments it takes (``most`` None: any number) and which must be literal."""

    name: str
    least: int
    most: int | None
    literals: tuple[LiteralRule, ...]
    doc: str
    example: str

    def literal(self, argument: int) -> LiteralRule | None:
        """Return the rule of the argument at that place, counted from 0; None where it is an expression."""
        return next((rule for rule in self.literals if rule.argument == argument), None)

    @property
    def arity(self) -> str:
        """How many arguments, in words: ``2``, ``1 to 3`` or ``2 or more``."""
        if self.most is None:
            return f"{self.least} or more"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


def literal_number(expression: Expression) -> float | None:
    """Return the value of a number that is written out, with or without a sign; None for all else."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Unary) and expression.operator == "-" and isinstance(expression.operand, Number):
        return -expression.operand.value
    return None


def similar_function(name: str) -> str | None:
    """Return the name of the function that was probably meant, or None."""
    wanted = name.upper()
    if wanted in _SYNONYMS:
        return _SYNONYMS[wanted]
    # Comparing names takes the product of their lengths, and the text is not ours.
    close = difflib.get_close_matches(wanted, FUNCTIONS, n=1) if len(wanted) <= 32 else []
    return close[0] if close else None


_SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {"LAG": "SHIFT", "LN": "LOG", "POWER": "POW", "SMOOTH": "EMA", "SUM": "CUMSUM", "WHERE": "IF"}
)

_RULES: Final = (
    FunctionRule(
        "SHIFT",
        2,
        2,
        (LiteralRule(1, "lag", "integer", 0, _MOST_BINS),),
        "x as it was k bins ago; before bin 0 the initial condition of x, else 0.",
        "SHIFT(queue_depth, 1)",
    ),
    FunctionRule(
        "DELAY",
        2,
        3,
        (LiteralRule(1, "lag", "integer", 1, _MOST_BINS), LiteralRule(2, "initial value", "number")),
        "x as it was k bins ago; before bin 0 the initial value, which is 0 where it is left out.",
        "DELAY(arrivals, 2, 10)",
    ),
    FunctionRule(
        "CONV",
        2,
        2,
        (LiteralRule(1, "kernel", "taps"),),
        "Causal convolution: the sum of x[t-i] * taps[i]; samples that are not finite are left out.",
        "CONV(failures, [0, 0.6, 0.3, 0.1])",
    ),
    FunctionRule("MIN", 2, None, (), "The least of its arguments; NaN where one is NaN.", "MIN(demand, capacity)"),
    FunctionRule("MAX", 2, None, (), "The greatest of its arguments; NaN where one is NaN.", "MAX(0, a - b)"),
    FunctionRule("CLAMP", 3, 3, (), "v held between lo and hi: MAX(lo, MIN(hi, v)).", "CLAMP(load, 0, 1)"),
    FunctionRule("MOD", 2, 2, (), "Remainder with the sign of the divisor; 0 where that is 0.", "MOD(total, 24)"),
    FunctionRule("FLOOR", 1, 1, (), "The greatest whole number that is not above x.", "FLOOR(x)"),
    FunctionRule("CEIL", 1, 1, (), "The least whole number that is not below x.", "CEIL(arrivals / batch)"),
    FunctionRule("ROUND", 1, 1, (), "The nearest whole number; halves go away from zero.", "ROUND(x)"),
    FunctionRule("STEP", 2, 2, (), "1 where a >= b, else 0 (also where one is NaN).", "STEP(queue_depth, 100)"),
    FunctionRule(
        "PULSE",
        1,
        3,
        (
            LiteralRule(0, "period", "integer", 1, _MOST_BINS),
            LiteralRule(1, "phase", "integer", 0, _MOST_BINS),
            LiteralRule(2, "amplitude", "number"),
        ),
        "The amplitude (1 where it is left out) in every period-th bin from the phase on, else 0.",
        "PULSE(24, 6, 100)",
    ),
    FunctionRule("IF", 3, 3, (), "a where c is not 0, b where it is 0, NaN where it is NaN.", "IF(q > 10, a, b)"),
    FunctionRule("ABS", 1, 1, (), "The value without its sign.", "ABS(a - b)"),
    FunctionRule("SQRT", 1, 1, (), "The square root; NaN below 0.", "SQRT(x)"),
    FunctionRule("POW", 2, 2, (), "a to the power of b.", "POW(load, 2)"),
    FunctionRule("EXP", 1, 1, (), "e to the power of x.", "EXP(-x)"),
    FunctionRule("LOG", 1, 1, (), "The natural logarithm; NaN at 0 and below.", "LOG(x)"),
    FunctionRule(
        "EMA",
        2,
        2,
        (LiteralRule(1, "alpha", "number", 0, 1, open=True),),
        "Exponential moving average that starts at x[0]; a sample that is not finite keeps the value before.",
        "EMA(arrivals, 0.3)",
    ),
    FunctionRule("CUMSUM", 1, 1, (), "The sum up to and with this bin; NaN and infinity count 0.", "CUMSUM(served)"),
)

FUNCTIONS: Final[Mapping[str, FunctionRule]] = MappingProxyType({rule.name: rule for rule in _RULES})
