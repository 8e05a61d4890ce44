"""Columns of a table that are read as texts: which rows count (``--where``), and of what class each is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from flowtime.telemetry.loaders.base import ImportOptions, SourceError
from flowtime.telemetry.loaders.cells import BoolArray, Cells, IntArray, same_length
from flowtime.telemetry.manifest import DEFAULT_CLASS

__all__ = ["NO_CLASS", "Chosen", "Labels", "choose_rows", "labels_of", "read_labels"]

NO_CLASS: Final = ""
"""The class of a row whose cell is empty: it counts in the total alone."""

_LONGEST = 64
# As a model names its classes.
_CLASS = re.compile(r"[A-Za-z0-9_-]+")
_MOST_SHOWN = 40


class Labels(NamedTuple):
    """A column of texts: row ``i`` holds ``texts[codes[i]]``, codes (rows,); no two texts are equal."""

    texts: tuple[str, ...]
    codes: IntArray

    def equal(self, text: str) -> BoolArray:
        """Return which rows (rows,) hold a text."""
        if text not in self.texts:
            return np.zeros(self.codes.size, np.bool_)
        found: BoolArray = self.codes == self.texts.index(text)
        return found

    def only(self, rows: IntArray) -> Labels:
        """Return the column of some rows, by their numbers (kept,)."""
        return labels_of(self.texts, self.codes[rows])


class Chosen(NamedTuple):
    """Which rows of a batch count, by number (kept,), None for all; their classes (kept,), None where nobody asked;
    and where they are in the source."""

    rows: IntArray | None
    classes: Labels | None
    where: Callable[[int], int]

    def of(self, cells: Cells) -> Cells:
        """Return the cells of the rows that count."""
        return cells if self.rows is None else Cells(cells.data, cells.starts[self.rows], cells.ends[self.rows])


def labels_of(texts: Sequence[str], codes: IntArray) -> Labels:
    """Return a column from texts, which may repeat or be of no row, and codes (rows,)."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(texts)))
    places: dict[str, int] = {}
    new = np.zeros(len(texts), np.int64)
    for code in used.tolist():
        new[code] = places.setdefault(texts[code], len(places))
    return Labels(tuple(places), new[codes])


def read_labels(cells: Cells) -> Labels:
    """Read a column as texts, without spaces around them."""
    codes = np.zeros(len(cells.starts), np.int64)
    texts: list[str] = [""]
    for rows, data in same_length(cells, _LONGEST):
        words = np.ascontiguousarray(data).view(f"S{data.shape[1]}").reshape(-1)
        first, inverse = np.unique(words, return_index=True, return_inverse=True)[1:]
        numbers = np.arange(codes.size)[rows]
        codes[rows] = inverse.reshape(-1) + len(texts)
        texts += [cells.text(row) for row in numbers[first].tolist()]
    for row in np.flatnonzero(cells.ends - cells.starts > _LONGEST).tolist():
        codes[row] = len(texts)
        texts.append(cells.text(row))
    return labels_of(texts, codes)


def choose_rows(
    columns: Mapping[str, Labels], options: ImportOptions, where: Callable[[int], int], *, file: str
) -> Chosen:
    """Find the rows of a batch that count, by the label columns that the options name.

    Raises SourceError ``telemetry.source_class`` for a class that no model can have.
    """
    rows: IntArray | None = None
    if options.where:
        matches = [columns[name].equal(text.strip()) for name, text in options.where]
        rows = np.flatnonzero(np.logical_and.reduce(matches))
        where = partial(_line, where, rows)
    if options.class_column is None:
        return Chosen(rows, None, where)
    classes = columns[options.class_column]
    classes = classes if rows is None else classes.only(rows)
    for code, text in enumerate(classes.texts):
        if text != NO_CLASS and (text == DEFAULT_CLASS or not _CLASS.fullmatch(text)):
            raise _no_class(text, file, where(int(np.argmax(classes.codes == code))))
    return Chosen(rows, classes, where)


def _line(where: Callable[[int], int], rows: IntArray, row: int) -> int:
    return where(int(rows[row]))


def _no_class(text: str, file: str, line: int) -> SourceError:
    shown = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
    hint = "a class is named by letters, digits, _ and -"
    if text == DEFAULT_CLASS:
        hint = "that is what all classes together are called, and those are added up: leave such rows out of the source"
    return SourceError("telemetry.source_class", f"{shown!r} is no class", file=file, line=line, hint=hint)
