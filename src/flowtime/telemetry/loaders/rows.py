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
from flowtime.telemetry.loaders.labels import NO_CLASS, Labels
from flowtime.telemetry.loaders.mapping import Measure
from flowtime.telemetry.loaders.moments import moment_text, read_moments
from flowtime.telemetry.loaders.numerals import NumberColumn, read_numbers
from flowtime.telemetry.loaders.series_bins import Located, SeriesBins, Where
from flowtime.telemetry.loaders.zones import to_utc

__all__ = ["Columns", "RowBatch", "TimeReader", "feed", "number_column", "pick_columns"]

_INDEX: Final = "bin_index"
# By rising rank; compared without case, spaces and underscores.
_TIME_NAMES: Final = ("timestamp", "time", "datetime", "date", "ts", "starttime", "eventtime", "t", "binindex")
_MOST_INDEX: Final = 10_000_000


class Columns(NamedTuple):
    """Which columns of a table are wanted: that of the time (or of bin indexes), those of numbers, and those of texts
    that say which rows count and of what class they are; each once."""

    time: str
    is_index: bool
    numbers: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((self.time, *self.numbers, *self.labels)))


class RowBatch(NamedTuple):
    """Rows of a table: ``nanos`` (rows,) since 1970 in UTC, numbers by column, where rows are in the source, the
    class of each where somebody asked, and how many rows beside them do not count."""

    nanos: IntArray
    numbers: Mapping[str, NumberColumn]
    where: Where
    classes: Labels | None = None
    left_out: int = 0


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
    _check_classes(options, file)
    time = options.time_column if options.time_column is not None else _time_column(names, file)
    numbers = dict.fromkeys(measure.column for measure in options.measures if measure.column is not None)
    labels = dict.fromkeys(name for name, _ in options.where)
    if options.class_column is not None:
        labels[options.class_column] = None
    for name in (time, *numbers, *labels):
        _check_column(name, names, file)
    return Columns(time, _plain(time) == _plain(_INDEX), tuple(numbers), tuple(labels))


def feed(batches: Iterable[RowBatch], options: ImportOptions, bins: SeriesBins) -> None:
    """Put the rows of a table into bins as the options map them."""
    are_bins = any(measure.how == "column" for measure in options.measures)
    for measure in options.measures:
        if options.class_column is None or not are_bins:
            bins.declare(measure.target, measure.how)
    for batch in batches:
        bins.rows += batch.nanos.size + batch.left_out
        bins.note("rows_filtered", batch.left_out)
        if not batch.nanos.size:
            continue
        located = (
            bins.locate_bins(batch.nanos, batch.where, batch.classes)
            if are_bins
            else bins.locate(batch.nanos, batch.where, in_order=True)
        )
        parts = {} if batch.classes is None else _by_class(batch.classes, located, batch.where, bins)
        for measure in options.measures:
            _add(measure, batch, located, parts, bins)


def _by_class(classes: Labels, located: Located, where: Where, bins: SeriesBins) -> dict[str, Located]:
    """Return the rows of each class that are in the window, and note those that have none."""
    chosen = {class_id: located.only(classes.equal(class_id)) for class_id in classes.texts}
    parts = {class_id: part for class_id, part in chosen.items() if part.bins.size}
    for class_id in parts:
        bins.meet_class(class_id, where(int(np.argmax(classes.equal(class_id)))))
    if NO_CLASS in parts:
        bins.note("rows_unclassed", parts[NO_CLASS].bins.size, parts[NO_CLASS].bins)
    return parts


def _add(measure: Measure, batch: RowBatch, located: Located, parts: Mapping[str, Located], bins: SeriesBins) -> None:
    """Put the rows of a batch into the series of one measure: the whole, and the part of each class."""
    target, how, name = measure
    column = None if name is None else batch.numbers[name]
    values = None if column is None else column.values
    is_bin = column is not None and how == "column"
    known = ~column.missing if column is not None and is_bin else None
    # Where rows are bins of classes, the whole is added up in the end: a later row may take the place of one.
    if batch.classes is None or not is_bin:
        bins.add(target, how, located if known is None else located.only(known), values)
    for class_id, part in parts.items() if measure.adds_up else ():
        if class_id != NO_CLASS or is_bin:
            bins.add(target.of_class(class_id), how, part if known is None else part.only(known), values)


class TimeReader:
    """Reads the time column of a table into nanoseconds since 1970 in UTC."""

    def __init__(self, columns: Columns, options: ImportOptions, bins: SeriesBins, *, file: str) -> None:
        """Prepare for the rows of one source."""
        self._columns = columns
        self._options = options
        self._bins = bins
        self.file = file
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
            file=self.file,
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


def _check_classes(options: ImportOptions, file: str) -> None:
    """Refuse what a row of one class can not tell: a bin of something that is not the sum over the classes."""
    if options.class_column is not None and not any(measure.adds_up for measure in options.measures):
        raise SourceError(
            "telemetry.map_invalid",
            "no map has parts by class",
            file=file,
            hint="count, sum(COLUMN) and columns of counts do; leave out --class-column",
        )
    for measure in options.measures if options.class_column is not None else ():
        if measure.how == "column" and not measure.adds_up:
            raise SourceError(
                "telemetry.map_invalid",
                f"all classes share the {measure.target.metric} of a node: it has none by class",
                file=file,
                hint="import it without --class-column",
            )


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
