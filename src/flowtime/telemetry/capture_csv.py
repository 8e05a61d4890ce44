"""The CSV of captured numbers: ``bin_index,classId,value``, a line per bin and class, empty where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from flowtime.bundle.series_csv import number_texts
from flowtime.errors import TelemetryError

__all__ = ["HEADER", "CaptureCsvWriter", "CsvColumn", "parse_capture_csv"]

HEADER = b"bin_index,classId,value"
_DIGITS = b"0123456789+-.eE,"
_NOT_IN_CLASSES = frozenset(',"\r\n')
_MAX_SHOWN = 40
# Of a piece that is written at once.  A power of ten, so that bins of all pieces have the same last digits.
_ROWS = 10_000

BoolArray = NDArray[np.bool_]


class CsvColumn(NamedTuple):
    """The numbers of one class, float64 (bins,): NaN where ``missing`` (bins,), which a spelled NaN is not."""

    values: NDArray[np.float64]
    missing: BoolArray

    @property
    def points(self) -> int:
        """How many values are there."""
        return int(self.missing.size - np.count_nonzero(self.missing))


class CaptureCsvWriter:
    """Writes CSVs of series of one length, in pieces of some hundred kilobytes however long they are."""

    def __init__(self, bins: int) -> None:
        """Prepare for series of ``bins`` values."""
        rows = min(bins, _ROWS)
        self._first = [b"%d" % index for index in range(rows)]
        # Bins of a later piece are its number and then these digits.
        self._later = [b"%04d" % index for index in range(rows)] if bins > _ROWS else []

    def text(self, values: NDArray[np.float64], class_id: str, missing: BoolArray | None = None) -> bytes:
        """Return the CSV of ``values`` (bins,) as a whole; see ``chunks``."""
        return b"".join(self.chunks(values, class_id, missing))

    def chunks(self, values: NDArray[np.float64], class_id: str, missing: BoolArray | None = None) -> Iterator[bytes]:
        """Yield the CSV of ``values`` (bins,): LF endings, zero-based bins, shortest round-trip numbers.

        Where ``missing`` (bins,) the cell is empty; ``NaN``, ``Infinity`` and ``-Infinity`` are spelled out.
        Raises TelemetryError for a class that no cell can hold.
        """
        if not class_id or not _NOT_IN_CLASSES.isdisjoint(class_id):
            raise TelemetryError(f"{class_id!r} can not be the class of a captured series")
        between = b",%s," % class_id.encode("utf-8")
        yield HEADER + b"\n"
        for piece, start in enumerate(range(0, values.size, _ROWS)):
            part = slice(start, start + _ROWS)
            yield self._lines(piece, between, number_texts(values[part]), None if missing is None else missing[part])

    def _lines(self, piece: int, between: bytes, tokens: list[bytes], missing: BoolArray | None) -> bytes:
        """Return the lines of the piece of that number, of which these are the values."""
        if missing is not None:
            for index in np.flatnonzero(missing).tolist():
                tokens[index] = b""
        ends = [b"\n%d" % piece if piece else b"\n"] * len(tokens)
        pieces = [b""] * (4 * len(tokens))
        pieces[0::4] = ends
        pieces[1::4] = (self._later if piece else self._first)[: len(tokens)]
        pieces[2::4] = [between] * len(tokens)
        pieces[3::4] = tokens
        # The line end before the first line would be that of the piece before.
        pieces[0] = ends[0][1:]
        pieces.append(b"\n")
        return b"".join(pieces)


def parse_capture_csv(data: bytes, bins: int, *, file: str) -> dict[str, CsvColumn]:
    """Read the CSV of a capture, of ``bins`` bins, by class.

    An empty cell and a bin without a line are missing.  A byte order mark and CRLF are passed over; lines may
    come in any order.  Raises TelemetryError naming ``file`` and the line: ``telemetry.duplicate_bin``,
    ``telemetry.bin_out_of_range``, else ``telemetry.invalid``.
    """
    header, _, body = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").partition(b"\n")
    if header != HEADER:
        raise TelemetryError(f"{file}: the header must be {HEADER.decode()}")
    body = body.removesuffix(b"\n")
    plain = _parse_plain(body, bins, file)
    return _parse_lines(body, bins, file) if plain is None else plain


def _parse_plain(body: bytes, bins: int, file: str) -> dict[str, CsvColumn] | None:
    """Read lines of one class, every bin once and in order, as we write them; None where they are otherwise."""
    # The line ends become cells of their own, so that three cells a line can be told from four and two.
    cells = body.replace(b"\n", b",;,").split(b",")
    if len(cells) != 4 * bins - 1 or cells[0::4] != [b"%d" % index for index in range(bins)]:
        return None
    classes, ends = set(cells[1::4]), set(cells[3::4])
    if len(classes) != 1 or not ends <= {b";"}:
        return None
    # Most files miss nothing: one look at all cells together is then enough.
    texts = cells[2::4]
    missing = np.zeros(bins, dtype=np.bool_)
    joined = b",".join(texts)
    if b",," in b",%s," % joined:
        missing[:] = [not text for text in texts]
        texts = [text or b"NaN" for text in texts]
        joined = b",".join(texts)
    return {_class_text(classes.pop(), file, 2): CsvColumn(_numbers(texts, joined, file), missing)}


def _numbers(texts: list[bytes], joined: bytes, file: str) -> NDArray[np.float64]:
    """Return the numbers in cells; ``joined`` are the same cells with commas between them."""
    # orjson takes a quarter of the time, but knows neither NaN nor the sign of -0, and takes more than numbers.
    if not joined.translate(None, _DIGITS) and b"-0," not in joined + b",":
        with suppress(orjson.JSONDecodeError):  # numbers that JSON spells otherwise, such as .5 and +1
            return np.array(orjson.loads(b"[%s]" % joined), dtype=np.float64)
    return np.array([_number(text, file, line) for line, text in enumerate(texts, start=2)], dtype=np.float64)


def _parse_lines(body: bytes, bins: int, file: str) -> dict[str, CsvColumn]:
    """Read lines in any order and of any classes, one by one."""
    columns: dict[bytes, CsvColumn] = {}
    seen: dict[bytes, BoolArray] = {}
    for line, cells in _lines(body, file):
        class_id = cells[1]
        if class_id not in columns:
            _class_text(class_id, file, line)
            columns[class_id] = CsvColumn(np.full(bins, np.nan), np.ones(bins, dtype=np.bool_))
            seen[class_id] = np.zeros(bins, dtype=np.bool_)
        index = _bin(cells[0], bins, file, line)
        if seen[class_id][index]:
            raise TelemetryError(f"{file}:{line}: bin {index} is there twice", code="telemetry.duplicate_bin")
        seen[class_id][index] = True
        if cells[2]:
            columns[class_id].values[index] = _number(cells[2], file, line)
            columns[class_id].missing[index] = False
    return {class_id.decode("utf-8"): column for class_id, column in columns.items()}


def _lines(body: bytes, file: str) -> Iterator[tuple[int, list[bytes]]]:
    for line, text in enumerate(body.split(b"\n") if body else (), start=2):
        cells = text.split(b",")
        if len(cells) != 3:
            raise TelemetryError(f"{file}:{line}: expected three cells, found {len(cells)}")
        yield line, cells


def _bin(text: bytes, bins: int, file: str, line: int) -> int:
    if not text.isdigit():
        raise TelemetryError(f"{file}:{line}: {_shown(text)} is no bin")
    # As a text first: a number of a million digits would take minutes to read.
    index = int(text) if len(text) <= 18 else bins
    if index >= bins:
        message = f"{file}:{line}: bin {_shown(text)} is not one of the {bins:,} of the grid"
        raise TelemetryError(message, code="telemetry.bin_out_of_range")
    return index


def _number(text: bytes, file: str, line: int) -> float:
    try:
        if b"_" in text:  # Python's own digits group, no CSV's
            raise ValueError
        return float(text)
    except ValueError as error:
        raise TelemetryError(f"{file}:{line}: {_shown(text)} is no number") from error


def _class_text(text: bytes, file: str, line: int) -> str:
    try:
        if not text:
            raise UnicodeError
        return text.decode("utf-8")
    except UnicodeError as error:
        raise TelemetryError(f"{file}:{line}: {_shown(text)} is no class") from error


def _shown(text: bytes) -> str:
    return repr(text[:_MAX_SHOWN].decode("utf-8", "replace"))
