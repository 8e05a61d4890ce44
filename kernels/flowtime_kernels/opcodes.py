"""Operation codes of a plan, grouped so that a range test finds the family."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ABS",
    "ADD",
    "ALLOWANCE",
    "AND",
    "BINARY_FIRST",
    "BOUND_QUEUE",
    "BOUND_SERVE",
    "CAPPED",
    "CEIL",
    "CONV",
    "COPY",
    "CUMSUM",
    "DEMAND",
    "DIV",
    "EMA",
    "EQ",
    "EXP",
    "FLOOR",
    "FLOW_FIRST",
    "GRANT",
    "IF",
    "LANE_LOAD",
    "LE",
    "LEVEL",
    "LINE",
    "LOG",
    "LT",
    "MAX",
    "MIN",
    "MIX",
    "MOD",
    "MUL",
    "NE",
    "NEG",
    "NOT",
    "OR",
    "PAIR_SUM",
    "POSITIVE_OR_ONE",
    "POW",
    "PULSE",
    "QUEUE",
    "RATIO",
    "ROUND",
    "SAFE",
    "SERVE",
    "SERVICE",
    "SHIFT",
    "SQRT",
    "STEP",
    "SUB",
    "TIMED_FIRST",
]  # fmt: skip

# One series in, one out, bin by bin.
COPY: Final = 0
NEG: Final = 1
ABS: Final = 2
SQRT: Final = 3
EXP: Final = 4
LOG: Final = 5
FLOOR: Final = 6
CEIL: Final = 7
ROUND: Final = 8
NOT: Final = 9
SAFE: Final = 10
POSITIVE_OR_ONE: Final = 11
ALLOWANCE: Final = 12

# Two series in, one out, bin by bin.
BINARY_FIRST: Final = 20
ADD: Final = 20
SUB: Final = 21
MUL: Final = 22
DIV: Final = 23
MIN: Final = 24
MAX: Final = 25
MOD: Final = 26
POW: Final = 27
LT: Final = 28
LE: Final = 29
EQ: Final = 30
NE: Final = 31
STEP: Final = 32
AND: Final = 33
OR: Final = 34
RATIO: Final = 35
PAIR_SUM: Final = 36
CAPPED: Final = 37

# Three series in, one or more out, bin by bin.
IF: Final = 40
SERVICE: Final = 41
GRANT: Final = 42

# One series in, one out; the bin number or earlier bins matter.
TIMED_FIRST: Final = 50
SHIFT: Final = 50
CONV: Final = 51
CUMSUM: Final = 52
EMA: Final = 53
PULSE: Final = 54
LANE_LOAD: Final = 55

# Stocks: what is left over from the bin before matters.
FLOW_FIRST: Final = 60
QUEUE: Final = 60
SERVE: Final = 61
LINE: Final = 62
BOUND_QUEUE: Final = 63
BOUND_SERVE: Final = 64
MIX: Final = 65
DEMAND: Final = 66
LEVEL: Final = 67
