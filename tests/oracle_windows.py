"""The slow obvious twins of the kernels of windows: a list a window, and the standard library's arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

__all__ = ["aggregate", "fixed_windows", "known", "quantile", "rolling_windows"]

NAN = math.nan


def fixed_windows(row: Sequence[float], edges: Sequence[int]) -> list[list[float]]:
    """The values of windows that stand one behind the other."""
    return [list(row[edges[k] : edges[k + 1]]) for k in range(len(edges) - 1)]


def rolling_windows(row: Sequence[float], width: int) -> list[list[float]]:
    """The values of the window that ends with each bin."""
    return [list(row[max(0, t + 1 - width) : t + 1]) for t in range(len(row))]


def known(window: Sequence[float]) -> list[float]:
    """The values that are there."""
    return [value for value in window if not math.isnan(value)]


def aggregate(name: str, window: Sequence[float]) -> float:
    """One aggregate of one window, exact but for the last rounding where all values are finite."""
    values = known(window)
    if name == "count":
        return float(len(values))
    if not values:
        return NAN
    if name == "sum":
        return _total(values)
    if name == "mean":
        return _total(values) / len(values)
    if name == "min":
        return min(values)
    if name == "max":
        return max(values)
    if name == "last":
        return values[-1]
    if name == "std":
        return _deviation(values)
    return quantile(values, float(name.removeprefix("q")))


def _total(values: Sequence[float]) -> float:
    if math.inf in values and -math.inf in values:
        return NAN
    return math.fsum(values)


def _deviation(values: Sequence[float]) -> float:
    if not all(math.isfinite(value) for value in values):
        return NAN
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    return math.sqrt(sum((value - mean) ** 2 for value in exact) / len(exact))


def quantile(values: Sequence[float], probability: float) -> float:
    """Between two of the sorted values, in proportion."""
    ordered = sorted(values)
    place = probability * (len(ordered) - 1)
    low = math.floor(place)
    share = place - low
    a, b = ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    if a == b or share == 0.0:
        return a
    if math.isinf(a) or math.isinf(b):
        return a + b
    return float(Fraction(a) + (Fraction(b) - Fraction(a)) * Fraction(share))
