"""Arithmetic of derived values on arrays, as the scalar kernels of the engine have it.

To be called where NumPy does not warn of what is undefined (``np.errstate(all="ignore")``).
"""

from __future__ import annotations

import numpy as np

from flowtime.model.spec import FloatArray

__all__ = ["pair_sum", "positive_or_one", "ratio", "round_in_place", "rounded"]

_DECIMALS = 1e6
# Above it six decimals are more than a float64 has.
_EXACT = 1e9
_PIECE = 1 << 14


def ratio(values: FloatArray, by: FloatArray) -> FloatArray:
    """``values / by`` where ``by`` is positive and both are finite, else NaN."""
    known = (by > 0.0) & (by < np.inf) & np.isfinite(values)
    result: FloatArray = np.where(known, values / by, np.nan)
    return result


def pair_sum(left: FloatArray, right: FloatArray) -> FloatArray:
    """The sum, a NaN counting as nothing; NaN where both are."""
    result: FloatArray = np.where(np.isnan(left), right, np.where(np.isnan(right), left, left + right))
    return result


def positive_or_one(values: FloatArray) -> FloatArray:
    """The values, 1 where they are not positive and finite."""
    result: FloatArray = np.where((values > 0.0) & (values < np.inf), values, 1.0)
    return result


def rounded(values: FloatArray) -> FloatArray:
    """The values with 6 decimals, halves away from zero; those of 1e9 and more as they are.  Never -0.0."""
    result = np.array(values, dtype=np.float64, order="C")
    round_in_place(result)
    return result


def round_in_place(values: FloatArray) -> None:
    """Round an array without gaps as ``rounded`` does."""
    flat = values.reshape(-1)
    # Piece by piece, so that what is between the steps stays in the nearest cache.
    for first in range(0, flat.size, _PIECE):
        piece = flat[first : first + _PIECE]
        cut = piece * _DECIMALS
        half = np.copysign(0.5, piece)
        np.trunc(np.add(cut, half, out=cut), out=cut)
        np.divide(cut, _DECIMALS, out=cut)
        np.add(cut, 0.0, out=cut)
        large = np.abs(piece, out=half) >= _EXACT
        if large.any():
            np.copyto(cut, piece, where=large)
        piece[...] = cut
