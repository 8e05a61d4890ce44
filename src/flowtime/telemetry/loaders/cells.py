"""Cells of a table as places in one buffer of bytes, so that a million of them are read without a million objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["BoolArray", "ByteArray", "Cells", "FloatArray", "IntArray", "cells_of", "same_length"]

ByteArray: TypeAlias = NDArray[np.uint8]
IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]


class Cells(NamedTuple):
    """The cells of one column: cell ``i`` is ``data[starts[i]:ends[i]]``; ``starts`` and ``ends`` are (rows,)."""

    data: ByteArray
    starts: IntArray
    ends: IntArray

    def text(self, row: int) -> str:
        """Return one cell as text, without spaces around it; what is no UTF-8 shows as question marks."""
        return self.data[self.starts[row] : self.ends[row]].tobytes().decode("utf-8", errors="replace").strip()


def cells_of(texts: Sequence[str]) -> Cells:
    """Return the cells of a column that was read as texts."""
    pieces = [text.encode("utf-8", errors="replace") for text in texts]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), ends))[:-1]
    return Cells(np.frombuffer(b"".join(pieces), dtype=np.uint8), starts, ends)


def same_length(cells: Cells, longest: int) -> Iterator[tuple[IntArray | slice, ByteArray]]:
    """Yield the cells by length: which rows, and their bytes (rows, length); empty and longer ones are left out."""
    lengths = cells.ends - cells.starts
    counts = np.bincount(np.minimum(lengths, longest + 1), minlength=longest + 2)
    for length in np.flatnonzero(counts[1 : longest + 1]) + 1:
        # A view of every run of that many bytes: taking rows of it copies bytes, and makes no index a byte.
        runs = sliding_window_view(cells.data, int(length))
        if counts[length] == lengths.size:
            yield slice(None), runs[cells.starts]
        else:
            rows = np.flatnonzero(lengths == length)
            yield rows, runs[cells.starts[rows]]
