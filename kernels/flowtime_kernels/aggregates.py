"""Codes of the aggregates of a window; plain numbers, so that callers need no Numba to name them."""

from __future__ import annotations

__all__ = ["COUNT", "LAST", "MAX", "MEAN", "MIN", "QUANTILE", "STD", "SUM"]

SUM = 0
MEAN = 1
MIN = 2
MAX = 3
LAST = 4
COUNT = 5
STD = 6
QUANTILE = 7
