"""The CSV of a series: exact text, exact numbers, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flowtime.bundle.series_csv import SeriesCsvWriter, estimate_csv_bytes, parse_series_csv
from flowtime.errors import RunCorruptError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (100.0, "100"),
        (-7.0, "-7"),
        (0.1, "0.1"),
        (1.05, "1.05"),
        (10.01, "10.01"),
        (1 / 3, "0.3333333333333333"),
        (1e-7, "1e-7"),
        (1e15, "1000000000000000"),
        (1e16, "1e16"),
        (1e22, "1e22"),
        (1.5e300, "1.5e300"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e308"),
        (123456789.0, "123456789"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
    ids=str,
)
def test_a_number_is_written_as_short_as_it_reads_back(value: float, text: str) -> None:
    written = SeriesCsvWriter(3).text(np.array([1.5, value, 2.0]))
    assert written == f"bin_index,value\n0,1.5\n1,{text}\n2,2\n".encode()


@pytest.mark.parametrize("bins", [0, 1, 2, 1000])
def test_every_bin_has_a_line(bins: int) -> None:
    lines = SeriesCsvWriter(bins).text(np.zeros(bins)).split(b"\n")
    assert lines == [b"bin_index,value", *(b"%d,0" % index for index in range(bins)), b""]


def test_a_strided_series_is_written() -> None:
    assert SeriesCsvWriter(2).text(np.array([1.0, 9.0, 2.0, 9.0])[::2]) == b"bin_index,value\n0,1\n1,2\n"


@pytest.mark.parametrize(
    ("data", "values"),
    [
        pytest.param(b"bin_index,value\n0,1\n1,2.5\n", [1.0, 2.5], id="plain"),
        pytest.param(b"\xef\xbb\xbfbin_index,value\n0,1\n1,2.5\n", [1.0, 2.5], id="byte order mark"),
        pytest.param(b"bin_index,value\r\n0,1\r\n1,2.5\r\n", [1.0, 2.5], id="CRLF"),
        pytest.param(b"bin_index,value\n0,1\n1,2.5", [1.0, 2.5], id="no last newline"),
        pytest.param(b"bin_index,value\n0,\n1,NaN\n", [math.nan, math.nan], id="empty is NaN"),
        pytest.param(b"bin_index,value\n0,Infinity\n1,-Infinity\n", [math.inf, -math.inf], id="infinities"),
    ],
)
def test_a_csv_is_read(data: bytes, values: list[float]) -> None:
    np.testing.assert_array_equal(parse_series_csv(data, 2, file="a.csv"), values)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "header", id="nothing"),
        pytest.param(b"t,value\n0,1\n1,2\n", "header", id="another header"),
        pytest.param(b"bin_index,value\n0,1\n", "expected 2 lines", id="a bin is missing"),
        pytest.param(b"bin_index,value\n0,1\n1,2\n2,3\n", "expected 2 lines", id="a bin too many"),
        pytest.param(b"bin_index,value\n0,1,1,2\n", "expected 2 lines", id="one line of four"),
        pytest.param(b"bin_index,value\n0,1,1\n2\n", "expected 2 lines", id="lines of three and one"),
        pytest.param(b"bin_index,value\n0,1\n0,2\n", "line 3 should be bin 1", id="a bin twice"),
        pytest.param(b"bin_index,value\n1,1\n0,2\n", "line 2 should be bin 0", id="out of order"),
        pytest.param(b"bin_index,value\n0,1\nx,2\n", r"a\.csv", id="an index that is no number"),
        pytest.param(b"bin_index,value\n0,1\n1,two\n", r"a\.csv", id="a value that is no number"),
    ],
)
def test_a_wrong_csv_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RunCorruptError, match=message):
        parse_series_csv(data, 2, file="a.csv")


def test_the_estimate_is_near_for_integers_and_above() -> None:
    size = len(SeriesCsvWriter(1000).text(np.full(1000, 1 / 3)))
    assert 0.7 * size < estimate_csv_bytes(1, 1000) < 1.3 * size
