"""Parquet files, batch by batch, through pyarrow, which the extra ``parquet`` brings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import add
from pathlib import Path
from typing import Any, Final

import numpy as np

from flowtime.errors import MissingExtraError
from flowtime.telemetry.loaders.base import ImportOptions, SourceError
from flowtime.telemetry.loaders.cells import IntArray, cells_of
from flowtime.telemetry.loaders.labels import Labels, choose_rows, labels_of
from flowtime.telemetry.loaders.numerals import NumberColumn
from flowtime.telemetry.loaders.rows import Columns, RowBatch, TimeReader, feed, number_column, pick_columns
from flowtime.telemetry.loaders.series_bins import SeriesBins, Where

__all__ = ["load"]

_ROWS_AT_ONCE: Final = 65_536


def load(source: Path, options: ImportOptions, bins: SeriesBins) -> None:
    """Read the rows of a Parquet file; a ``Loader``.  Rows are told by their number, from 1.

    Raises MissingExtraError without pyarrow.
    """
    arrow, parquet = _pyarrow()
    if options.stream is not None:
        raise SourceError(
            "telemetry.source_format", "Parquet is read from its end, which a stream has last", hint="save it as a file"
        )
    if not source.is_file():
        raise SourceError("telemetry.source_not_found", f"there is no file {source.name!r}")
    try:
        with parquet.ParquetFile(source, memory_map=True) as file:
            columns = pick_columns(file.schema_arrow.names, options, file=source.name)
            reader = _Reader(source.name, columns, TimeReader(columns, options, bins, file=source.name), arrow)
            feed(reader.batches(file, options), options, bins)
    except (arrow.ArrowException, OSError) as error:
        told = str(error).partition("\n")[0]
        raise SourceError("telemetry.source_format", f"not Parquet, or damaged: {told}", file=source.name) from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet needs pyarrow", hint="pip install 'flowtime[parquet]', or export the data as CSV"
        ) from error
    return pyarrow, pyarrow.parquet


class _Reader:
    """Reads the wanted columns of a file."""

    def __init__(self, file: str, columns: Columns, times: TimeReader, arrow: Any) -> None:
        self._file = file
        self._columns = columns
        self._times = times
        self._arrow = arrow

    def batches(self, file: Any, options: ImportOptions) -> Iterator[RowBatch]:
        """Yield the rows; the memory does not depend on how many there are in a row group."""
        first, total = 1, file.metadata.num_rows
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(self._columns.names)):
            yield self._batch(batch, options, partial(add, first))
            first += batch.num_rows
            if options.progress is not None:
                options.progress("reading", first - 1, total)

    def _batch(self, batch: Any, options: ImportOptions, where: Where) -> RowBatch:
        labels = {name: self._labels(batch.column(name)) for name in self._columns.labels}
        chosen = choose_rows(labels, options, where, file=self._file)
        kept = batch if chosen.rows is None else batch.take(self._arrow.array(chosen.rows))
        left_out = batch.num_rows - kept.num_rows
        if not kept.num_rows:
            return RowBatch(np.empty(0, np.int64), {}, where, None, left_out)
        numbers = {name: self._number(kept.column(name), name, chosen.where) for name in self._columns.numbers}
        nanos = self._time(kept.column(self._columns.time), chosen.where)
        return RowBatch(nanos, numbers, chosen.where, chosen.classes, left_out)

    def _labels(self, column: Any) -> Labels:
        """Return a column as texts; whatever is no text is written as a CSV would have it."""
        encoded = column if self._arrow.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = [_label(item) for item in encoded.dictionary.to_pylist()]
        codes = encoded.indices.cast(self._arrow.int64()).fill_null(len(texts))
        return labels_of([*texts, ""], codes.to_numpy(zero_copy_only=False))

    def _time(self, column: Any, where: Where) -> IntArray:
        """Return a column of times in UTC: time stamps and dates as they are, all else by its text."""
        types = self._arrow.types
        if self._columns.is_index or not (types.is_timestamp(column.type) or types.is_date(column.type)):
            return self._times.read(cells_of([_text(item) for item in column.to_pylist()]), where)
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise SourceError("telemetry.source_time", "the row has no time", file=self._file, line=where(row))
        is_zoned = types.is_timestamp(column.type) and column.type.tz is not None
        exact = column.cast(self._arrow.timestamp("ns", tz=column.type.tz if is_zoned else None))
        nanos = exact.cast(self._arrow.int64()).to_numpy()
        return self._times.in_utc(nanos, np.full(nanos.size, is_zoned), where)

    def _number(self, column: Any, name: str, where: Where) -> NumberColumn:
        types = self._arrow.types
        kind = column.type
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
        if not (is_number or types.is_decimal(kind)):
            return number_column(cells_of([_text(item) for item in column.to_pylist()]), name, where, file=self._file)
        missing = column.is_null().to_numpy(zero_copy_only=False)
        values = column.cast(self._arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        return NumberColumn(np.where(missing, np.nan, values), missing, -1)


def _label(item: object) -> str:
    return str(item).lower() if isinstance(item, bool) else _text(item).strip()


def _text(item: object) -> str:
    return "" if item is None else str(item)
