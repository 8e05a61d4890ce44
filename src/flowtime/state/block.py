"""The values of a stretch of a run: bin by bin as they are mapped, or so many bins to a point.

Beside the points that were asked for there are points before them, for what looks back (retries, lags).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flowtime.model.spec import FloatArray
from flowtime.state.places import RowTable
from flowtime.state.windows import fixed

__all__ = ["Block", "BlockReader", "Span"]

# Values above which threads save more than they cost.
_MANY = 1 << 20


@dataclass(frozen=True)
class Span:
    """Bins ``start`` up to ``end`` (not inside), ``width`` of them a point; ``context`` points lie before them."""

    start: int
    end: int
    width: int = 1
    context: int = 0

    @property
    def points(self) -> int:
        """How many points were asked for."""
        return -(-(self.end - self.start) // self.width)

    @property
    def first(self) -> int:
        """The first bin that is read, context and all."""
        return self.start - self.context * self.width

    @property
    def firsts(self) -> RowTable:
        """The first bin of each point, context first; (context + points,)."""
        return np.arange(self.first, self.end, self.width)

    @property
    def counts(self) -> FloatArray:
        """How many bins each point stands for; (context + points,)."""
        firsts = self.firsts
        return np.minimum(firsts + self.width, self.end).astype(np.float64) - firsts


@dataclass(frozen=True)
class Block:
    """Values of all series that nodes and edges use, context first.

    ``means`` and ``sums`` are (slots, context + points), one array where a point is a bin; the last two slots
    are NaN and 0, which ``ABSENT`` and ``NOTHING`` lead to.  ``slots`` maps a row of the run to its slot.
    """

    span: Span
    means: FloatArray
    sums: FloatArray
    slots: RowTable

    def mean(self, rows: RowTable) -> FloatArray:
        """The mean a bin of each row; the shape of ``rows`` and then the points."""
        values: FloatArray = self.means[self.slots[rows]]
        return values

    def sum(self, rows: RowTable) -> FloatArray:
        """The sum over the bins of a point of each row; the shape of ``rows`` and then the points."""
        values: FloatArray = self.sums[self.slots[rows]]
        return values


class BlockReader:
    """Reads stretches of ``matrix`` (series, bins); ``used`` are the rows that answers are made from."""

    def __init__(self, matrix: FloatArray, used: RowTable) -> None:
        self.matrix = matrix
        self._used = used
        # Negative rows lead to the end: -1 to NaN, -2 to zeros.
        self._slots = np.full(matrix.shape[0] + 2, used.size, dtype=np.int64)
        self._slots[used] = np.arange(used.size)
        self._slots[-1], self._slots[-2] = used.size, used.size + 1

    def read(self, span: Span) -> Block:
        """Return the values of a span."""
        if span.width == 1:
            values = self._padded(self.matrix[self._used, span.first : span.end])
            return Block(span, values, values, self._slots)
        sums, means = self.aggregate(self._used, span, ("sum", "mean"))
        return Block(span, self._padded(means), self._padded(sums), self._slots)

    def aggregate(self, rows: RowTable, span: Span, aggregates: Sequence[str]) -> tuple[FloatArray, ...]:
        """Return each aggregate of some rows by point, (rows, context + points), missing values left out."""
        values = self.matrix[:, span.first : span.end]
        if span.width == 1:
            return (values[rows],) * len(aggregates)
        threads = 0 if rows.size * values.shape[1] > _MANY else 1
        found = fixed(values, span.width, aggregates, rows=rows, threads=threads)
        return tuple(found[name] for name in aggregates)

    @staticmethod
    def _padded(values: FloatArray) -> FloatArray:
        padded = np.empty((values.shape[0] + 2, values.shape[1]))
        padded[:-2] = values
        padded[-2], padded[-1] = np.nan, 0.0
        return padded
