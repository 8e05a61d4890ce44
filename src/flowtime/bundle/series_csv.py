"""The CSV of one series: ``bin_index,value``, a line per bin, numbers that read back to the same bits."""

from __future__ import annotations

import numpy as np
import orjson
from numpy.typing import NDArray

from flowtime.errors import RunCorruptError

__all__ = ["HEADER", "SeriesCsvWriter", "estimate_csv_bytes", "number_texts", "parse_series_csv"]

HEADER = b"bin_index,value"
# A guess from the shape alone, so that a dry run and the run itself decide alike.
_GUESSED_VALUE_BYTES = 16


class SeriesCsvWriter:
    """Writes CSVs of series of one length; keeps the text before each value, the same for all of them."""

    def __init__(self, bins: int) -> None:
        """Prepare for series of ``bins`` values."""
        self._prefixes = [b"\n%d," % index for index in range(bins)]

    def text(self, values: NDArray[np.float64]) -> bytes:
        """Return the CSV of ``values`` (bins,): LF endings, zero-based bins, shortest round-trip numbers.

        Whole numbers have no ``.0``; ``NaN``, ``Infinity`` and ``-Infinity`` are spelled out.
        """
        tokens = number_texts(values)
        # 85 ns a value measured, of which 40 are the digits: a loop of "%d,%r" takes 700.
        pieces = [b""] * (2 * len(tokens))
        pieces[0::2] = self._prefixes
        pieces[1::2] = tokens
        return b"".join((HEADER, *pieces, b"\n"))


def parse_series_csv(data: bytes, bins: int, *, file: str) -> NDArray[np.float64]:
    """Read the CSV of a series of ``bins`` values; raises RunCorruptError naming ``file``.

    Every bin must be there once and in order: a missing one is an error, not a 0.  An empty value
    is NaN, and a byte order mark is passed over.
    """
    header, _, body = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").partition(b"\n")
    if header != HEADER:
        raise RunCorruptError(f"{file}: the header must be bin_index,value")
    # The line ends become cells of their own, so that two cells a line can be told from three and one.
    cells = body.rstrip(b"\n").replace(b"\n", b",;,").split(b",") if body else []
    if len(cells) != max(3 * bins - 1, 0) or not set(cells[2::3]) <= {b";"}:
        raise RunCorruptError(f"{file}: expected {bins} lines of two cells")
    try:
        indices = np.array(cells[0::3], dtype="S").astype(np.int64)
        values = np.array([cell or b"NaN" for cell in cells[1::3]], dtype="S").astype(np.float64)
    except ValueError as error:
        raise RunCorruptError(f"{file}: {error}") from error
    wrong = np.flatnonzero(indices != np.arange(bins))
    if wrong.size:
        raise RunCorruptError(f"{file}: line {wrong[0] + 2} should be bin {wrong[0]}")
    return values


def estimate_csv_bytes(series: int, bins: int) -> int:
    """Guess the size of all CSVs from the shape alone, in bytes."""
    return series * (len(HEADER) + 1 + bins * (len(str(bins)) + 2 + _GUESSED_VALUE_BYTES))


def number_texts(values: NDArray[np.float64]) -> list[bytes]:
    """Return each value as the text of a cell: the shortest that reads back the same, ``NaN``, ``Infinity``."""
    packed = np.ascontiguousarray(values, dtype=np.float64)
    if not packed.size:
        return []
    text = orjson.dumps(packed, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
    # Shortest digits never end in 0, so ".0," can only be the fraction of a whole number.
    # Exponents differ between versions of orjson (1e+16, 1e16): the bytes must not.
    tokens = text.replace(b".0,", b",").replace(b"e+", b"e")[:-1].split(b",")
    for index in np.flatnonzero(~np.isfinite(packed)).tolist():
        tokens[index] = _spell(float(packed[index]))
    return tokens


def _spell(value: float) -> bytes:
    if value != value:
        return b"NaN"
    return b"Infinity" if value > 0 else b"-Infinity"
