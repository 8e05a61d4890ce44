"""Tables, whatever file they are in: which column is the time, and from batches of rows to series.

A loader of tables only has to yield batches (``RowBatch``) and hand them to ``feed``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from flowtime.telemetry.loaders.base import ImportOptions, SourceError
from flowtime.telemetry.loaders.cells import BoolArray, Cells, IntArray
from flowtime.telemetry.loaders.moments import moment_text, read_moments
from flowtime.telemetry.loaders.numerals import NumberColumn, read_numbers
from flowtime.telemetry.loaders.series_bins import SeriesBins, Where
from flowtime.telemetry.loaders.zones import to_utc

__all__ = ["Columns", "RowBatch", "TimeReader", "feed", "number_column", "pick_columns"]

_INDEX: Final = "bin_index"
# By rising rank; compared without case, spaces and underscores.
_TIME_NAMES: Final = ("timestamp", "time", "datetime", "date", "ts", "starttime", "eventtime", "t", "binindex")
_MOST_INDEX: Final = 10_000_000


class Columns(NamedTuple):
    """Which columns of a table are wanted: that of the time (or of bin indexes), and those of numbers, each once."""

    time: str
    is_index: bool
    numbers: tuple[str, ...]


class RowBatch(NamedTuple):
    """Rows of a table: ``nanos`` (rows,) since 1970 in UTC, numbers by column, and where rows are in the source."""

    nanos: IntArray
    numbers: Mapping[str, NumberColumn]
    where: Where


def pick_columns(names: Sequence[str], options: ImportOptions, *, file: str) -> Columns:
    """Find the columns that the options want among those of a table.

    Raises SourceError ``telemetry.source_column`` for one that is not there, or there twice, and
    ``telemetry.map_invalid`` where nothing is mapped or ``count`` may mean a column.
    """
    if not options.measures:
        raise SourceError(
            "telemetry.map_invalid",
            "nothing says what to measure",
            file=file,
            hint=f"add --map NODE.METRIC=COLUMN, or =count; columns are {_listed(names)}",
        )
    if "count" in names and any(measure.column is None for measure in options.measures):
        raise SourceError(
            "telemetry.map_invalid",
            "count may be the number of rows, or the column of that name",
            file=file,
            hint="name the column column(count); to count rows, rename it",
        )
    time = options.time_column if options.time_column is not None else _time_column(names, file)
    numbers = dict.fromkeys(measure.column for measure in options.measures if measure.column is not None)
    for name in (time, *numbers):
        _check_column(name, names, file)
    return Columns(time, _plain(time) == _plain(_INDEX), tuple(numbers))


def feed(batches: Iterable[RowBatch], options: ImportOptions, bins: SeriesBins) -> None:
    """Put the rows of a table into bins as the options map them."""
    are_bins = any(measure.how == "column" for measure in options.measures)
    for measure in options.measures:
        bins.declare(measure.target, measure.how)
    for batch in batches:
        if not batch.nanos.size:
            continue
        bins.rows += batch.nanos.size
        located = (
            bins.locate_bins(batch.nanos, batch.where)
            if are_bins
            else bins.locate(batch.nanos, batch.where, in_order=True)
        )
        for target, how, name in options.measures:
            if name is None:
                bins.add(target, how, located)
                continue
            column = batch.numbers[name]
            there = located.only(~column.missing) if how == "column" else located
            bins.add(target, how, there, column.values)


class TimeReader:
    """Reads the time column of a table into nanoseconds since 1970 in UTC."""

    def __init__(self, columns: Columns, options: ImportOptions, bins: SeriesBins, *, file: str) -> None:
        """Prepare for the rows of one source."""
        self._columns = columns
        self._options = options
        self._bins = bins
        self._file = file
        self._first = bins.number_bins() if columns.is_index else 0

    def read(self, cells: Cells, where: Where) -> IntArray:
        """Return the moments of cells (rows,); raises SourceError ``telemetry.source_time`` for one that is none."""
        if self._columns.is_index:
            return self._from_index(cells, where)
        found = read_moments(cells, self._options.time_unit)
        if found.wrong >= 0:
            raise self._wrong(f"{_shown(cells, found.wrong)} is no time", where(found.wrong))
        return self.in_utc(found.nanos, found.zoned, where)

    def in_utc(self, nanos: IntArray, zoned: BoolArray, where: Where) -> IntArray:
        """Return moments (rows,) in UTC: where ``zoned`` (rows,) is false they are by the clocks of the zone."""
        if zoned.all():
            return nanos
        if self._options.zone is None:
            self._bins.note("time_zone_assumed", int(zoned.size - np.count_nonzero(zoned)))
            return nanos
        local = to_utc(nanos, self._options.zone)
        if (local.skipped & ~zoned).any():
            row = int(np.flatnonzero(local.skipped & ~zoned)[0])
            told = moment_text(int(nanos[row])).removesuffix("Z")
            raise self._wrong(f"clocks never showed {told} there: summer time began", where(row))
        self._bins.note("time_ambiguous", int(np.count_nonzero(local.twice & ~zoned)))
        return np.where(zoned, nanos, local.nanos)

    def _from_index(self, cells: Cells, where: Where) -> IntArray:
        indexes = read_numbers(cells)
        values = indexes.values
        wrong = np.flatnonzero(~((values >= 0) & (values < _MOST_INDEX) & (values == np.floor(values))))
        if indexes.wrong >= 0 or wrong.size:
            row = indexes.wrong if indexes.wrong >= 0 else int(wrong[0])
            raise self._wrong(f"{_shown(cells, row)} is no bin", where(row))
        return values.astype(np.int64) * self._options.step.nanos + self._first

    def _wrong(self, message: str, line: int) -> SourceError:
        return SourceError(
            "telemetry.source_time",
            message,
            file=self._file,
            line=line,
            hint="write ISO 8601, as 2025-01-31T08:00:00Z; for counts since 1970 say --time-unit s, ms, us or ns",
        )


def number_column(cells: Cells, name: str, where: Where, *, file: str) -> NumberColumn:
    """Read a column of numbers; raises SourceError ``telemetry.source_value`` for a cell that holds none."""
    column = read_numbers(cells)
    if column.wrong >= 0:
        raise SourceError(
            "telemetry.source_value",
            f"{_shown(cells, column.wrong)} in column {name!r} is no number",
            file=file,
            line=where(column.wrong),
        )
    return column


def _time_column(names: Sequence[str], file: str) -> str:
    plain = [_plain(name) for name in names]
    for known in _TIME_NAMES:
        if known in plain:
            return names[plain.index(known)]
    raise SourceError(
        "telemetry.source_column",
        "no column is known to be the time",
        file=file,
        hint=f"name it with --time; columns are {_listed(names)}",
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")


def _check_column(name: str, names: Sequence[str], file: str) -> None:
    if names.count(name) == 1:
        return
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near and name not in names else f"columns are {_listed(names)}"
    told = f"there are two columns {name!r}" if name in names else f"there is no column {name!r}"
    raise SourceError("telemetry.source_column", told, file=file, hint=hint)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")


def _shown(cells: Cells, row: int) -> str:
    text = cells.text(row)
    return repr(text if len(text) <= 40 else text[:40] + "...")
