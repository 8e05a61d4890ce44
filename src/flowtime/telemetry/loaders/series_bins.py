"""Where loaders put what they read: series on one grid that is found while rows come by, in memory per bin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from flowtime.telemetry.loaders.accumulators import Accumulator, BinArray, accumulator, last_of_each
from flowtime.telemetry.loaders.axis import BinAxis, GridStep
from flowtime.telemetry.loaders.base import ImportOptions, SourceError
from flowtime.telemetry.loaders.cells import BoolArray, FloatArray, IntArray
from flowtime.telemetry.loaders.labels import NO_CLASS, Labels
from flowtime.telemetry.loaders.mapping import How, Target
from flowtime.telemetry.loaders.moments import moment_text
from flowtime.telemetry.loaders.notes import NOTES
from flowtime.telemetry.manifest import DEFAULT_CLASS

__all__ = ["Located", "Measured", "MeasuredSeries", "Remark", "SeriesBins", "Where"]

Where = Callable[[int], int]
"""From a row of a batch, counted from 0, to its line or row in the source, counted from 1."""

# 320 MB of numbers; a model has at most 10,000,000 bins.
_MOST_VALUES: Final = 40_000_000
_MOST_BINS: Final = 10_000_000
# A model with more would be no help to anybody; it is a column of ids that has so many.
_MOST_CLASSES: Final = 200


class Located(NamedTuple):
    """Rows of a batch with their bins: ``bins`` (kept,), and which rows they are, ``rows`` (kept,), None for all."""

    bins: IntArray
    rows: IntArray | None

    def of(self, values: FloatArray) -> FloatArray:
        """Return the values (rows,) of the rows that were kept, (kept,)."""
        return values if self.rows is None else values[self.rows]

    def only(self, chosen: BoolArray) -> Located:
        """Return those of the rows that are ``chosen`` (rows,)."""
        if chosen.all():
            return self
        rows = np.flatnonzero(chosen) if self.rows is None else self.rows
        kept = chosen if self.rows is None else chosen[self.rows]
        return Located(self.bins[kept], rows if self.rows is None else rows[kept])


class MeasuredSeries(NamedTuple):
    """One series: ``values`` (bins,), NaN where ``missing`` (bins,)."""

    target: Target
    values: FloatArray
    missing: BoolArray


class Remark(NamedTuple):
    """A note on some bins of a series, or of all; ``chosen`` (bins,), ``rows`` how many rows it is about."""

    code: str
    target: Target | None
    rows: int
    chosen: BoolArray


class Measured(NamedTuple):
    """All that an import found: ``start`` is the start of bin 0 in nanoseconds since 1970 in UTC, None where
    the source has no clock."""

    start: int | None
    step: GridStep
    bins: int
    rows: int
    series: tuple[MeasuredSeries, ...]
    remarks: tuple[Remark, ...]
    classes: tuple[str, ...] = ()


class _Mark:
    """The bins of one remark, while rows come by."""

    def __init__(self) -> None:
        self.rows = 0
        self._bins = BinArray(0, np.bool_)

    def add(self, bins: IntArray, rows: int) -> None:
        self.rows += rows
        if bins.size:
            first = int(bins.min())
            self._bins.over(first, int(bins.max()))[bins - first] = True

    def cut(self, first: int, last: int) -> BoolArray:
        return self._bins.cut(first, last)


class SeriesBins:
    """Series under way.  A loader first locates the moments of a batch, then adds numbers there.

    Memory grows with the bins and the series, not with the rows.  ``rows`` is for the loader to count.
    """

    def __init__(self, options: ImportOptions, *, file: str, local: Callable[[int], int] = lambda _: 0) -> None:
        """Prepare an import; ``file`` is for messages, ``local`` as for ``BinAxis``."""
        self._options = options
        self._file = file
        self._are_bins = any(measure.how == "column" for measure in options.measures)
        self._axis = BinAxis(options.step, options.start, options.end, is_exact=self._are_bins, local=local)
        self._series: dict[Target, Accumulator] = {}
        self._marks: dict[tuple[str, Target | None], _Mark] = {}
        self._seen: dict[str, BinArray[np.bool_]] = {}
        self._classes: set[str] = set()
        self._bins: tuple[int, int] | None = None
        self._moments: tuple[int, int] | None = None
        self._latest: int | None = None
        self._has_clock = True
        self.rows = 0

    def number_bins(self) -> int:
        """Say that rows number their bins from 0, and have no clock; return when bin 0 starts, in nanoseconds."""
        self._has_clock = self._options.start is not None
        self._axis.begin_at(0)
        return self._axis.start or 0

    def declare(self, target: Target, how: How) -> None:
        """Name a series before its first row, so that it is there even if no row comes.

        Raises SourceError ``telemetry.source_range`` for one more than there is room for.
        """
        if target in self._series:
            return
        self._series[target] = accumulator(how)
        bins = 1 if self._bins is None else self._bins[1] - self._bins[0] + 1
        if bins * len(self._series) > _MOST_VALUES:
            raise SourceError(
                "telemetry.source_range",
                f"{len(self._series)} series of {bins:,} bins are more than {_MOST_VALUES:,} values",
                file=self._file,
                hint="choose a longer bin, or cut with --start and --end",
            )

    def meet_class(self, class_id: str, line: int) -> None:
        """Take note of a class; raises SourceError ``telemetry.source_class``, with its line, for one too many."""
        self._classes |= {class_id} - {NO_CLASS}
        if len(self._classes) > _MOST_CLASSES:
            raise SourceError(
                "telemetry.source_class",
                f"{class_id!r} is one class more than the {_MOST_CLASSES} that can be imported",
                file=self._file,
                line=line,
                hint="choose a column that holds the kind of a row, not its id",
            )

    def note(self, code: str, rows: int, bins: IntArray | None = None, target: Target | None = None) -> None:
        """Remark on ``rows`` rows, and on the bins (any number,) that they are in; codes are those of ``NOTES``."""
        if rows and code in NOTES:
            self._marks.setdefault((code, target), _Mark()).add(np.empty(0, np.int64) if bins is None else bins, rows)

    def locate(self, nanos: IntArray, where: Where, *, in_order: bool = False) -> Located:
        """Find the bins of moments, nanoseconds since 1970 in UTC (rows,), and leave out what is not in the window.

        With ``in_order`` rows that go back in time are remarked on.  Raises SourceError
        ``telemetry.source_range`` for a row that makes the grid too long.
        """
        kept = self._axis.inside(nanos)
        if kept is not None:
            self.note("bin_out_of_range", int(nanos.size - np.count_nonzero(kept)))
        rows = None if kept is None else np.flatnonzero(kept)
        times = nanos if rows is None else nanos[rows]
        if not times.size:
            return Located(np.empty(0, np.int64), rows)
        bins = self._axis.bins_of(times)
        self._reach(bins, times, lambda row: where(row if rows is None else int(rows[row])))
        if in_order:
            self._check_order(times, bins)
        return Located(bins, rows)

    def locate_bins(self, nanos: IntArray, where: Where, classes: Labels | None = None) -> Located:
        """Find the bins of rows that each are one, of their class, and drop the rows of a bin that do not count.

        Raises SourceError ``telemetry.source_off_grid`` and ``telemetry.source_duplicate`` unless the options
        say what to do then, and as ``locate`` does.
        """
        located = self.locate(nanos, where, in_order=True)
        rows = np.arange(nanos.size) if located.rows is None else located.rows
        if rows.size:
            self._check_edges(nanos[rows], located.bins, lambda row: where(int(rows[row])))
        if classes is None:
            return self._once(located.bins, rows, where, DEFAULT_CLASS)
        codes = classes.codes[rows]
        parts = [
            self._once(located.bins[chosen], rows[chosen], where, class_id)
            for code, class_id in enumerate(classes.texts)
            if (chosen := codes == code).any()
        ]
        if not parts:
            return Located(located.bins, rows)
        bins, kept = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.argsort(kept)
        return Located(bins[order], kept[order])

    def add(self, target: Target, how: How, located: Located, values: FloatArray | None = None) -> None:
        """Put rows together: their numbers (rows,), NaN for none, or None for a plain count.

        Where rows are bins (``column``) every number counts, NaN and infinity too; else those are remarked on.
        """
        self.declare(target, how)
        bins, numbers = located.bins, None if values is None else located.of(values)
        if numbers is not None and how != "column":
            finite = np.isfinite(numbers)
            if not finite.all():
                # Once is enough: the same rows are of a class too.
                if target.class_id == DEFAULT_CLASS:
                    self.note("values_missing", int(numbers.size - np.count_nonzero(finite)), bins[~finite], target)
                bins, numbers = bins[finite], numbers[finite]
        if bins.size:
            self._series[target].add(bins, numbers)

    def finish(self) -> Measured:
        """Return the grid and every series on it, nodes before edges, and the whole before what classes have of it.

        Raises SourceError ``telemetry.source_empty`` when no row came, or none in the window.
        """
        if self._bins is None or self._moments is None:
            left_out = ("bin_out_of_range", None) in self._marks
            hint = "every row is before --start or after --end" if left_out else None
            if ("rows_filtered", None) in self._marks:
                hint = "no row matches --where, or none that does is in the window"
            raise SourceError(
                "telemetry.source_empty", "the source holds no row to measure", file=self._file, hint=hint
            )
        first, last = self._bins
        first = 0 if self._axis.start is not None else first
        last = self._end_bin(last)
        self._note_partial(first, last, self._moments)
        remarks = (
            Remark(code, target, mark.rows, mark.cut(first, last)) for (code, target), mark in self._marks.items()
        )
        return Measured(
            self._axis.start_of(first) if self._has_clock else None,
            self._axis.step,
            last + 1 - first,
            self.rows,
            tuple(self._results(first, last)),
            tuple(sorted(remarks, key=lambda remark: (remark.code, str(remark.target or "")))),
            tuple(sorted(self._classes)),
        )

    def _results(self, first: int, last: int) -> Iterator[MeasuredSeries]:
        families: dict[Target, list[Target]] = {}
        for target in self._series:
            families.setdefault(target.of_class(DEFAULT_CLASS), []).append(target)
        for whole in sorted(families, key=lambda target: target.kind != "node"):
            members = sorted(families[whole], key=lambda target: (target != whole, target.class_id))
            found = [MeasuredSeries(target, *self._series[target].result(first, last)) for target in members]
            if whole not in self._series:
                yield _added_up(whole, found)
            yield from (series for series in found if series.target.class_id != NO_CLASS)

    def _reach(self, bins: IntArray, times: IntArray, where: Where) -> None:
        """Widen the grid to some bins; raises SourceError for the first row that lies too far off."""
        old = self._bins or (int(bins[0]), int(bins[0]))
        low, high = min(int(bins.min()), old[0]), max(int(bins.max()), old[1])
        most = min(_MOST_BINS, _MOST_VALUES // max(1, len(self._series)))
        if high - low >= most:
            reach = np.maximum.accumulate(np.maximum(bins, old[1])) - np.minimum.accumulate(np.minimum(bins, old[0]))
            far = int(np.argmax(reach >= most))
            raise SourceError(
                "telemetry.source_range",
                f"{moment_text(int(times[far]))} is {int(reach[far]):,} bins from the rows before it; "
                f"at most {most:,} bins can be imported",
                file=self._file,
                line=where(far),
                hint="mend the time stamp, choose a longer bin, or cut with --start and --end",
            )
        self._bins = low, high
        earliest, latest = int(times.min()), int(times.max())
        held = self._moments or (earliest, latest)
        self._moments = min(earliest, held[0]), max(latest, held[1])

    def _check_order(self, times: IntArray, bins: IntArray) -> None:
        previous = np.concatenate((times[:1] if self._latest is None else [self._latest], times[:-1]))
        early = times < previous
        self.note("rows_unsorted", int(np.count_nonzero(early)), bins[early])
        self._latest = int(times[-1])

    def _check_edges(self, nanos: IntArray, bins: IntArray, where: Where) -> None:
        off = ~self._axis.on_edge(nanos)
        if not off.any():
            return
        row = int(np.flatnonzero(off)[0])
        if self._options.off_grid == "error":
            nearest = moment_text(self._axis.start_of(int(bins[row])))
            raise SourceError(
                "telemetry.source_off_grid",
                f"{moment_text(int(nanos[row]))} is not the start of a bin; the bin before it starts at {nearest}",
                file=self._file,
                line=where(row),
                hint="if rows are finer than the grid, map sum(column) or mean(column); "
                "if their times only jitter, add --off-grid floor",
            )
        self.note("bin_shifted", int(np.count_nonzero(off)), bins[off])

    def _once(self, bins: IntArray, rows: IntArray, where: Where, class_id: str) -> Located:
        """Keep one row of each bin of a class, the first or the last of all, as the options say."""
        if not bins.size:
            return Located(bins, rows)
        low = int(bins.min())
        seen = self._seen.setdefault(class_id, BinArray(0, np.bool_)).over(low, int(bins.max()))
        again = seen[bins - low]
        if not again.any() and last_of_each(bins) is None:
            seen[bins - low] = True
            return Located(bins, rows)
        first_here = np.zeros(bins.size, np.bool_)
        first_here[np.unique(bins, return_index=True)[1]] = True
        again |= ~first_here
        if again.any():
            self._duplicates(bins, again, lambda row: where(int(rows[row])))
        seen[bins - low] = True
        if self._options.duplicates == "first":
            return Located(bins[~again], rows[~again])
        kept = last_of_each(bins)
        return Located(bins, rows) if kept is None else Located(bins[kept], rows[kept])

    def _duplicates(self, bins: IntArray, again: BoolArray, where: Where) -> None:
        if self._options.duplicates == "error":
            row = int(np.flatnonzero(again)[0])
            raise SourceError(
                "telemetry.source_duplicate",
                f"the bin that starts at {moment_text(self._axis.start_of(int(bins[row])))} has a row already",
                file=self._file,
                line=where(row),
                hint="map sum(column) to add rows up, or say --duplicates first or last",
            )
        self.note("duplicate_bin", int(np.count_nonzero(again)), bins[again])

    def _end_bin(self, last: int) -> int:
        end = self._options.end
        if end is None:
            return last
        return (end - 1 - (self._axis.origin or 0)) // self._axis.step.nanos

    def _note_partial(self, first: int, last: int, moments: tuple[int, int]) -> None:
        """Remark on an event log that begins or ends within a bin, unless a window was asked for."""
        if self._are_bins:
            return
        ends = np.array(
            [
                number
                for number, asked, moment in ((first, self._axis.start, moments[0]), (last, self._axis.end, moments[1]))
                if asked is None and moment != self._axis.start_of(number)
            ],
            dtype=np.int64,
        )
        self.note("partial_bin", ends.size, ends)


def _added_up(whole: Target, parts: Sequence[MeasuredSeries]) -> MeasuredSeries:
    """Return the sum of what classes have; missing where it is missing of all of them."""
    total = np.zeros(parts[0].values.size)
    for part in parts:
        total += np.where(part.missing, 0.0, part.values)
    missing = np.logical_and.reduce([part.missing for part in parts])
    return MeasuredSeries(whole, np.where(missing, np.nan, total), missing)
