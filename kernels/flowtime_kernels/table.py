"""Where things stand in a row of the op table and in the arrays that describe columns.

An op table is int64 (ops, WIDTH).  A column is a series, a temporary or a scalar in one flat float64
buffer, described by three int64 arrays: ``base`` (offset of its first value), ``stride`` (1: a value
per bin, 0: one value for all bins) and ``local`` (1: holds the current block only).
"""

from __future__ import annotations

from typing import Final

__all__ = ["CODE", "IN0", "IN1", "IN2", "LENGTH", "OUT0", "OUT1", "OUT2", "PARAM", "PHASE", "WIDTH"]

CODE: Final = 0
OUT0: Final = 1
OUT1: Final = 2
OUT2: Final = 3
IN0: Final = 4
IN1: Final = 5
IN2: Final = 6
# A lag, a period or a number of taps.
LENGTH: Final = 7
PHASE: Final = 8
# Index into the parameters: initial value, smoothing factor, amplitude or first tap.
PARAM: Final = 9
WIDTH: Final = 10
