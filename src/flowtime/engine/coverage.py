"""How far the classes of a series make up its total."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from flowtime.model.spec import FloatArray

__all__ = ["COVERAGE_TOLERANCE", "Coverage", "class_coverage", "least_coverage"]

Coverage: TypeAlias = Literal["full", "partial", "missing"]

# Relative to the total, and absolute for totals below 1: parts are products of ratios, rounded bin by bin.
COVERAGE_TOLERANCE = 1e-9


def class_coverage(total: FloatArray, parts: Sequence[FloatArray]) -> Coverage:
    """Compare a total with its parts, float64 (bins,) each: full where they sum to it in every bin, missing
    where there are none or none has work though the total has, else partial.  Bins without a number say nothing.
    """
    if not parts:
        return "missing"
    known = np.isfinite(total)
    whole = np.sum(parts, axis=0)
    with np.errstate(invalid="ignore"):
        apart = np.abs(whole - total) > COVERAGE_TOLERANCE * np.maximum(1.0, np.abs(total))
    if not np.any(apart & known):
        return "full"
    return "partial" if any(np.any(part[known] != 0.0) for part in parts) else "missing"


def least_coverage(found: Iterable[Coverage]) -> Coverage:
    """Return the coverage of several series together: full or missing where all agree on it, else partial."""
    distinct = set(found)
    if len(distinct) == 1:
        return distinct.pop()
    return "partial" if distinct else "missing"
