"""Where things stand in a row of the op table and in the arrays that describe columns.

An op table is int64 (ops, WIDTH).  A column is a series, a temporary or a scalar in one flat float64
buffer, described by three int64 arrays: ``base`` (offset of its first value), ``stride`` (1: a value
per bin, 0: one value for all bins) and ``local`` (1: holds the current block only).
"""

from __future__ import annotations

from typing import Final

__all__ = ["CODE", "IN0", "IN1", "IN2", "IN3", "LENGTH", "OUT0", "OUT1", "OUT2", "OUT3", "PARAM", "PHASE", "WIDTH"]

CODE: Final = 0
OUT0: Final = 1
OUT1: Final = 2
OUT2: Final = 3
OUT3: Final = 4
IN0: Final = 5
IN1: Final = 6
IN2: Final = 7
IN3: Final = 8
# A lag, a period, a number of taps or of further operands.
LENGTH: Final = 9
PHASE: Final = 10
# Index into the parameters: initial value, smoothing factor, amplitude, first tap or first further operand.
PARAM: Final = 11
WIDTH: Final = 12
