"""CSV files, plain or gzipped, of any length: a piece at a time, as bytes wherever cells are plain.

A piece without quotes whose lines all have one width is cut up by NumPy; from the first one that is otherwise
on, the standard library's reader takes over, which knows quotes and can say what is wrong with a line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from operator import add
from pathlib import Path
from typing import Final

import numpy as np

from flowtime.telemetry.loaders.base import ImportOptions, SourceError
from flowtime.telemetry.loaders.cells import Cells, IntArray, cells_of
from flowtime.telemetry.loaders.labels import choose_rows, read_labels
from flowtime.telemetry.loaders.numerals import read_numbers
from flowtime.telemetry.loaders.pieces import read_pieces
from flowtime.telemetry.loaders.rows import Columns, RowBatch, TimeReader, feed, number_column, pick_columns
from flowtime.telemetry.loaders.series_bins import SeriesBins, Where

__all__ = ["load"]

_ROWS_AT_ONCE: Final = 50_000
_DELIMITERS: Final = (",", ";", "\t", "|")
_LF, _CR = ord("\n"), ord("\r")


def load(source: Path, options: ImportOptions, bins: SeriesBins) -> None:
    """Read the rows of a CSV with a header; a ``Loader``.  The delimiter is one of those that the header holds."""
    pieces = read_pieces(source, options)
    head, _, rest = next(pieces, b"").partition(b"\n")
    text = head.decode("utf-8", errors="replace").rstrip("\r")
    delimiter = next((mark for mark in _DELIMITERS if mark in text), _DELIMITERS[0])
    names = _names(text, delimiter, source.name)
    columns = pick_columns(names, options, file=source.name)
    times = TimeReader(columns, options, bins, file=source.name)
    reader = _Reader(names, delimiter, columns, times, options)
    feed(reader.batches(chain((rest,), pieces)), options, bins)


def _names(text: str, delimiter: str, file: str) -> list[str]:
    names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])]
    if not any(names):
        raise SourceError("telemetry.source_empty", "the file is empty", file=file)
    if read_numbers(cells_of(names)).wrong < 0:
        raise SourceError(
            "telemetry.source_format", "there is no header", file=file, line=1, hint="name the columns in line 1"
        )
    return names


class _Reader:
    """Reads the lines below the header."""

    def __init__(
        self, names: Sequence[str], delimiter: str, columns: Columns, times: TimeReader, options: ImportOptions
    ) -> None:
        self._file = times.file
        self._width = len(names)
        self._delimiter = delimiter
        self._times = times
        self._time = names.index(columns.time)
        self._numbers = {name: names.index(name) for name in columns.numbers}
        self._labels = {name: names.index(name) for name in columns.labels}
        self._wanted = {self._time, *self._numbers.values(), *self._labels.values()}
        self._options = options

    def batches(self, pieces: Iterator[bytes]) -> Iterator[RowBatch]:
        """Yield the rows of pieces of whole lines."""
        line = 2
        for piece in filter(None, pieces):
            ends = _cell_ends(piece, self._width, self._delimiter)
            if ends is None:
                yield from self._slow_batches(chain((piece,), pieces), line)
                return
            yield self._batch(self._plain_cells(piece, ends), partial(add, line))
            line += len(ends)

    def _plain_cells(self, piece: bytes, ends: IntArray) -> dict[int, Cells]:
        """Return the wanted columns of plain lines, whose cells end at ``ends`` (lines, columns)."""
        data = np.frombuffer(piece, dtype=np.uint8)
        starts = np.concatenate((np.zeros(1, np.int64), ends.reshape(-1)[:-1] + 1)).reshape(ends.shape)
        if b"\r" in piece:
            ends = ends.copy()
            last = ends[:, -1]
            ends[:, -1] -= (last > starts[:, -1]) & (data[last - 1] == _CR)
        return {column: Cells(data, starts[:, column], ends[:, column]) for column in self._wanted}

    def _slow_batches(self, pieces: Iterator[bytes], first: int) -> Iterator[RowBatch]:
        rows = self._slow_rows(pieces, first)
        while taken := list(islice(rows, _ROWS_AT_ONCE)):
            lines, cells = zip(*taken, strict=True)
            by_column = {column: cells_of([row[column] for row in cells]) for column in self._wanted}
            yield self._batch(by_column, lines.__getitem__)

    def _slow_rows(self, pieces: Iterator[bytes], first: int) -> Iterator[tuple[int, list[str]]]:
        """Yield rows with the lines they begin in; empty lines are passed over."""
        reader = csv.reader(_text_lines(pieces), delimiter=self._delimiter, strict=True)
        line = first
        try:
            for row in reader:
                if row and len(row) != self._width:
                    raise self._wrong(f"the row has {len(row)} cells, and the header {self._width}", line)
                if row:
                    yield line, row
                line = first + reader.line_num
        except csv.Error as error:
            raise self._wrong(f"not CSV: {error}", first + reader.line_num - 1) from error

    def _batch(self, cells: dict[int, Cells], where: Where) -> RowBatch:
        labels = {name: read_labels(cells[column]) for name, column in self._labels.items()}
        chosen = choose_rows(labels, self._options, where, file=self._file)
        rows = len(cells[self._time].starts)
        left_out = 0 if chosen.rows is None else rows - chosen.rows.size
        if left_out == rows:
            return RowBatch(np.empty(0, np.int64), {}, where, None, left_out)
        nanos = self._times.read(chosen.of(cells[self._time]), chosen.where)
        numbers = {
            name: number_column(chosen.of(cells[column]), name, chosen.where, file=self._file)
            for name, column in self._numbers.items()
        }
        return RowBatch(nanos, numbers, chosen.where, chosen.classes, left_out)

    def _wrong(self, message: str, line: int) -> SourceError:
        return SourceError("telemetry.source_row", message, file=self._file, line=line)


def _cell_ends(piece: bytes, width: int, delimiter: str) -> IntArray | None:
    """Return where the cells of whole lines end, (lines, width); None where the lines are not all plain."""
    if b'"' in piece:
        return None
    data = np.frombuffer(piece, dtype=np.uint8)
    marks = np.flatnonzero((data == ord(delimiter)) | (data == _LF))
    lines, odd = divmod(marks.size, width)
    if odd or piece.count(b"\n") != lines:
        return None
    ends = marks.reshape(-1, width)
    # As many line feeds as lines, and one at the end of each: none is elsewhere.
    if not (data[ends[:, -1]] == _LF).all():
        return None
    # A line of one column may be an empty line, which the reader of the library passes over.
    return None if width == 1 and (b"\n\n" in piece or piece[:1] in b"\r\n") else ends


def _text_lines(pieces: Iterator[bytes]) -> Iterator[str]:
    for piece in pieces:
        # What is no UTF-8 only matters in a cell that is wanted, and is no number there.
        yield from io.StringIO(piece.decode("utf-8", errors="replace"), newline="")
