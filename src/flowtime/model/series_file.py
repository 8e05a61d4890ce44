"""Values kept beside a model: one column of a CSV, NPY or Parquet file.

The path comes from a document, so it is checked before it touches the disk: relative, downwards, no
link out of the folder, a regular file of bounded size.  NPY is read without pickle.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import numpy as np

from flowtime.errors import FlowtimeError, MissingExtraError
from flowtime.model.spec import FloatArray, SeriesFile
from flowtime.model.yaml_numbers import number_of, read_numbers, read_only

__all__ = ["MAX_SERIES_BYTES", "MAX_SERIES_ROWS", "SeriesFileFault", "read_series_file"]

MAX_SERIES_BYTES = 1024 * 1024 * 1024
MAX_SERIES_ROWS = 10_000_000

_INDEX_COLUMN = "bin_index"
_VALUE_COLUMN = "value"
_GAPS = frozenset({"", "nan", "NaN", "NAN"})
# What numbers, gaps and their separators are made of.
_PLAIN_BYTES = b"0123456789+-.eEnaNA, \n"


class SeriesFileFault(FlowtimeError):
    """A series file that can not be read; ``line`` (from 1) is a line of that file, where there is one."""

    code = "model.series_file"

    def __init__(self, problem: str, message: str, *, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=f"model.series_file_{problem}", hint=hint)
        self.line = line


@dataclass(frozen=True)
class _Source:
    """A checked file, and what the model wants of it."""

    path: Path
    name: str
    column: str | None


def read_series_file(
    folder: Path, reference: SeriesFile, *, max_bytes: int = MAX_SERIES_BYTES, max_rows: int = MAX_SERIES_ROWS
) -> FloatArray:
    """Return the values of a file under ``folder`` as a read-only float64 array (rows,); a gap is NaN.

    Raises SeriesFileFault (``model.series_file_path``, ``_missing``, ``_too_large``, ``_format``, ``_column``,
    ``_value``), and MissingExtraError for Parquet without pyarrow.
    """
    path = _checked_path(folder, reference.file)
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise SeriesFileFault("too_large", f"{reference.file} has {size:,} bytes; at most {max_bytes:,} are read")
        read = _READERS[path.suffix.lower()]
        values = read(_Source(path, reference.file, reference.column))
    except OSError as error:
        raise SeriesFileFault("missing", f"{reference.file} can not be read: {error.strerror}") from error
    if len(values) > max_rows:
        raise SeriesFileFault("too_large", f"{reference.file} has {len(values):,} rows; at most {max_rows:,} are read")
    return read_only(np.ascontiguousarray(values, dtype=np.float64))


def _checked_path(folder: Path, text: str) -> Path:
    """Return the file that a relative path means, once it is known to lie under ``folder``."""
    posix, windows = PurePosixPath(text), PureWindowsPath(text)
    parts = {*posix.parts, *windows.parts}
    if not text.strip() or posix.is_absolute() or windows.anchor or ".." in parts or not text.isprintable():
        hint = "write it relative to the folder of the model, without .."
        raise SeriesFileFault("path", f"{text!r} is not a file under the model's folder", hint=hint)
    if posix.suffix.lower() not in _READERS:
        raise SeriesFileFault("format", f"{text!r} is no kind of file that is known", hint=f"use {', '.join(_READERS)}")
    try:
        path = (folder / text).resolve(strict=True)
        inside = path.is_relative_to(folder.resolve(strict=True))
    except (OSError, RuntimeError) as error:
        raise SeriesFileFault("missing", f"there is no file {text!r} in the model's folder") from error
    if not inside:
        raise SeriesFileFault("path", f"{text!r} leads out of the model's folder", hint="copy the file into it")
    if not path.is_file():
        raise SeriesFileFault("missing", f"{text!r} is not a file")
    return path


def _choose(source: _Source, columns: Sequence[str]) -> int:
    """Return which of the named columns holds the values."""
    listed = ", ".join(columns[:20])
    if source.column is not None:
        if columns.count(source.column) == 1:
            return columns.index(source.column)
        how_often = "has two columns" if source.column in columns else "has no column"
        raise SeriesFileFault("column", f"{source.name} {how_often} {source.column!r}", hint=f"it has {listed}")
    data = [index for index, name in enumerate(columns) if name != _INDEX_COLUMN]
    if columns.count(_VALUE_COLUMN) == 1:
        return columns.index(_VALUE_COLUMN)
    if len(data) != 1:
        raise SeriesFileFault("column", f"{source.name} has several columns", hint=f"add column: one of {listed}")
    return data[0]


# --- CSV ------------------------------------------------------------------------------------------------------


def _read_csv(source: _Source) -> FloatArray:
    try:
        text = source.path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
    except UnicodeDecodeError as error:
        raise SeriesFileFault("format", f"{source.name} is not UTF-8") from error
    header = _header(source, text)
    column = _choose(source, header)
    wanted = [column]
    if _INDEX_COLUMN in header and header.index(_INDEX_COLUMN) != column:
        wanted.append(header.index(_INDEX_COLUMN))
    table = _plain_table(text, len(header))
    found = _read_cells(source, text, wanted, len(header)) if table is None else [table[:, which] for which in wanted]
    return found[0] if len(found) == 1 else _by_index(source, found[1], found[0])


def _header(source: _Source, text: str) -> list[str]:
    with _csv_faults(source, text) as rows:
        header = [cell.strip() for cell in next(rows, [])]
    if not header or all(number_of(cell) is not None for cell in header):
        raise SeriesFileFault("format", f"{source.name} has no header", line=1, hint="name the columns in line 1")
    return header


@contextlib.contextmanager
def _csv_faults(source: _Source, text: str) -> Iterator[Iterator[list[str]]]:
    """Give the rows of a text; what csv says of it becomes a fault with its line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield reader
    except csv.Error as error:
        raise SeriesFileFault("format", f"{source.name} is not CSV: {error}", line=reader.line_num) from error


def _plain_table(text: str, width: int) -> FloatArray | None:
    """Return all cells (rows, width) of a table that holds numbers and gaps only, by one call; else None."""
    _, line_end, rows = text.partition("\n")
    data = rows.encode()
    if not line_end or '"' in text or data.translate(None, _PLAIN_BYTES):
        return None
    codes = np.frombuffer(data, dtype=np.uint8)
    separators = codes[(codes == ord(",")) | (codes == ord("\n"))]
    if (separators.size + 1) % width:
        return None
    ends = np.append(separators, np.uint8(ord("\n"))).reshape(-1, width) == ord("\n")
    # A row with a cell too few before one with a cell too many would pass a count alone.
    if not ends[:, -1].all() or ends[:, :-1].any():
        return None
    values = read_numbers(f"[{_with_gaps(rows)}]")
    return values.reshape(-1, width) if values is not None and values.size == ends.size else None


def _with_gaps(rows: str) -> str:
    """Return the cells in one line, with a spelled gap in each empty one."""
    cells = rows.replace("\n", ",").replace("NaN", ".nan").replace("NAN", ".nan")
    cells = re.sub(r"(?<!\.)nan", ".nan", cells) if "nan" in cells else cells
    while ",," in cells:
        cells = cells.replace(",,", ",.nan,")
    return f"{'.nan' if cells.startswith(',') else ''}{cells}{'.nan' if cells.endswith(',') else ''}"


def _read_cells(source: _Source, text: str, wanted: Sequence[int], width: int) -> list[FloatArray]:
    """Return some columns (rows,), read cell by cell."""
    found: list[list[float]] = [[] for _ in wanted]
    line = 1
    with _csv_faults(source, text) as rows:
        next(rows)
        for row in rows:
            line = getattr(rows, "line_num", line)
            # A line with nothing in it is the gap of a file with one column.
            cells = row or [""]
            if len(cells) != width:
                message = f"{source.name} has {len(cells)} cells in a row of {width} columns"
                raise SeriesFileFault("value", message, line=line)
            for values, which in zip(found, wanted, strict=True):
                values.append(_cell(source, cells[which].strip(), line))
    return [np.array(values, dtype=np.float64) for values in found]


def _cell(source: _Source, cell: str, line: int) -> float:
    value = math.nan if cell in _GAPS else number_of(cell)
    if value is None or math.isinf(value):
        message = f"{cell!r} in {source.name} is not a finite number"
        raise SeriesFileFault("value", message, line=line, hint="leave the cell empty for a gap")
    return value


def _by_index(source: _Source, index: FloatArray, values: FloatArray) -> FloatArray:
    """Return the values in the order of their bins; a bin without a row is a gap."""
    whole = np.isfinite(index) & (index >= 0) & (index < MAX_SERIES_ROWS) & (index == np.floor(index))
    if not whole.all():
        row = int(np.argmin(whole))
        raise SeriesFileFault("value", f"{source.name} has a {_INDEX_COLUMN} that is no bin", line=row + 2)
    places = index.astype(np.int64)
    count = int(places.max()) + 1 if places.size else 0
    first = np.full(count, -1, dtype=np.int64)
    # Written backwards, so that the first row of a bin stays.
    first[places[::-1]] = np.arange(places.size)[::-1]
    repeated = np.flatnonzero(first[places] != np.arange(places.size))
    if repeated.size:
        row = int(repeated[0])
        message = f"{source.name} has two rows for bin {places[row]}"
        raise SeriesFileFault("value", message, line=row + 2)
    result = np.full(count, np.nan)
    result[places] = values
    return result


# --- NPY and Parquet ------------------------------------------------------------------------------------------


def _read_npy(source: _Source) -> FloatArray:
    try:
        # A map: its size is checked against the file's, and it holds no objects.
        data: Any = np.lib.format.open_memmap(source.path, mode="r")
    except (ValueError, EOFError, TypeError, OverflowError) as error:
        raise SeriesFileFault("format", f"{source.name} is not an NPY file of numbers: {error}") from error
    if data.dtype.names:
        data = data[data.dtype.names[_choose(source, list(data.dtype.names))]]
    elif data.ndim == 2:
        data = data[:, _choose(source, [str(index) for index in range(data.shape[1])])]
    elif source.column is not None:
        raise SeriesFileFault("column", f"{source.name} has no columns", hint="take column away")
    if data.ndim != 1 or data.dtype.kind not in "iuf":
        message = f"{source.name} holds {data.dtype} of {data.ndim} dimensions, not one row of numbers"
        raise SeriesFileFault("format", message)
    return np.array(data, dtype=np.float64)


def _read_parquet(source: _Source) -> FloatArray:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = f"{source.name} is a Parquet file, and pyarrow is not installed"
        raise MissingExtraError(message, hint="pip install 'flowtime[parquet]', or save it as CSV or NPY") from error
    try:
        # Read from an open file: given a path, pyarrow looks for partitions in the names of the folders.
        with source.path.open("rb") as stream:
            opened = parquet.ParquetFile(stream)
            if opened.metadata.num_rows > MAX_SERIES_ROWS:
                raise SeriesFileFault("too_large", f"{source.name} has {opened.metadata.num_rows:,} rows")
            names = opened.schema_arrow.names
            column = opened.read(columns=[names[_choose(source, names)]]).column(0)
        if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
            raise SeriesFileFault("format", f"the column in {source.name} holds {column.type}, not numbers")
        return np.array(column.cast(pyarrow.float64(), safe=False).to_numpy(), dtype=np.float64)
    except pyarrow.ArrowException as error:
        raise SeriesFileFault("format", f"{source.name} is not a Parquet file: {error}") from error


_READERS: Mapping[str, Callable[[_Source], FloatArray]] = MappingProxyType(
    {".csv": _read_csv, ".npy": _read_npy, ".parquet": _read_parquet}
)
