"""The CSV of a capture: what is written, what is read, and what is refused with its line."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from flowtime.errors import TelemetryError
from flowtime.telemetry.capture_csv import CaptureCsvWriter, parse_capture_csv

HEAD = b"bin_index,classId,value\n"


def test_text_is_what_the_format_says() -> None:
    values = np.array([1.0, 0.1, np.nan, np.inf, -np.inf, 5.0])
    missing = np.array([False, False, False, False, False, True])
    text = CaptureCsvWriter(6).text(values, "Vip", missing)
    assert text == HEAD + b"0,Vip,1\n1,Vip,0.1\n2,Vip,NaN\n3,Vip,Infinity\n4,Vip,-Infinity\n5,Vip,\n"


@pytest.mark.parametrize("bins", [9_999, 10_000, 10_001, 20_000, 100_001])
def test_pieces_are_the_lines_of_all_bins(bins: int) -> None:
    values = np.arange(bins) + 0.5
    missing = np.arange(bins) % 9_999 == 0
    expected = "".join(f"{index},A,{'' if missing[index] else index + 0.5}\n" for index in range(bins))
    pieces = list(CaptureCsvWriter(bins).chunks(values, "A", missing))
    assert b"".join(pieces) == HEAD + expected.encode()
    assert len(pieces) == 1 + math.ceil(bins / 10_000)
    assert max(map(len, pieces)) < 300_000


def test_memory_does_not_grow_with_the_bins() -> None:
    values = np.full(300_000, 0.1)
    tracemalloc.start()
    size = sum(len(piece) for piece in CaptureCsvWriter(300_000).chunks(values, "DEFAULT"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 5_000_000
    assert peak < 10_000_000


def test_no_bins_are_a_header() -> None:
    assert CaptureCsvWriter(0).text(np.empty(0), "DEFAULT") == HEAD


@pytest.mark.parametrize("class_id", [pytest.param(text, id=repr(text)) for text in ("", "a,b", 'a"', "a\nb", "a\r")])
def test_a_class_that_no_cell_can_hold_is_refused(class_id: str) -> None:
    with pytest.raises(TelemetryError, match="can not be the class"):
        CaptureCsvWriter(1).text(np.zeros(1), class_id)


@pytest.mark.parametrize(
    ("body", "values", "missing"),
    [
        pytest.param(b"0,A,1\n1,A,2.5\n", [1.0, 2.5], [0, 0], id="as written"),
        pytest.param(b"0,A,1\n1,A,2.5", [1.0, 2.5], [0, 0], id="no last line end"),
        pytest.param(b"0,A,1\r\n1,A,2.5\r\n", [1.0, 2.5], [0, 0], id="CRLF"),
        pytest.param(b"1,A,2.5\n0,A,1\n", [1.0, 2.5], [0, 0], id="any order"),
        pytest.param(b"0,A,\n1,A,2.5\n", [np.nan, 2.5], [1, 0], id="empty cell"),
        pytest.param(b"1,A,2.5\n", [np.nan, 2.5], [1, 0], id="no line"),
        pytest.param(b"0,A,NaN\n1,A,2.5\n", [np.nan, 2.5], [0, 0], id="spelled NaN"),
        pytest.param(b"0,A,-Infinity\n1,A,Infinity\n", [-np.inf, np.inf], [0, 0], id="infinities"),
        pytest.param(b"0,A,.5\n1,A,+1\n", [0.5, 1.0], [0, 0], id="numbers that JSON spells otherwise"),
        pytest.param(b"0,A,-0\n1,A,1e-300\n", [-0.0, 1e-300], [0, 0], id="minus zero"),
        pytest.param(b"0,A,\n1,A,\n", [np.nan, np.nan], [1, 1], id="all missing"),
    ],
)
def test_numbers_and_gaps_are_read(body: bytes, values: list[float], missing: list[int]) -> None:
    column = parse_capture_csv(HEAD + body, 2, file="f.csv")["A"]
    assert column.values.tobytes() == np.array(values).tobytes()
    assert column.missing.tolist() == [bool(flag) for flag in missing]
    assert column.points == 2 - sum(missing)


def test_classes_may_share_a_file() -> None:
    columns = parse_capture_csv(HEAD + b"0,A,1\n0,B,2\n1,A,3\n1,B,4\n", 2, file="f.csv")
    assert {name: column.values.tolist() for name, column in columns.items()} == {"A": [1.0, 3.0], "B": [2.0, 4.0]}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_capture_csv(b"\xef\xbb\xbf" + HEAD + b"0,A,1\n", 1, file="f.csv")["A"].values.tolist() == [1.0]


def test_a_class_may_be_called_like_a_bin() -> None:
    assert parse_capture_csv(HEAD + b"0,1,7\n1,1,1\n", 2, file="f.csv")["1"].values.tolist() == [7.0, 1.0]


@pytest.mark.parametrize(
    ("data", "code", "match"),
    [
        pytest.param(b"", "telemetry.invalid", "header", id="empty file"),
        pytest.param(b"bin_index,value\n0,1\n", "telemetry.invalid", "header", id="CSV of a run"),
        pytest.param(HEAD + b"0,A\n", "telemetry.invalid", "f.csv:2: expected three cells, found 2", id="two cells"),
        pytest.param(HEAD + b"0,A,1,2\n", "telemetry.invalid", "f.csv:2: expected three", id="four cells"),
        pytest.param(HEAD + b"0,A,1\n\n", "telemetry.invalid", "f.csv:3: expected three", id="empty line"),
        pytest.param(HEAD + b"0,,1\n1,,2\n", "telemetry.invalid", "f.csv:2: '' is no class", id="no class"),
        pytest.param(HEAD + b"0,\xff,1\n1,\xff,1\n", "telemetry.invalid", "is no class", id="class is not UTF-8"),
        pytest.param(HEAD + b"0,A,one\n1,A,2\n", "telemetry.invalid", "f.csv:2: 'one' is no number", id="text"),
        pytest.param(HEAD + b"0,A,1_0\n1,A,2\n", "telemetry.invalid", "'1_0' is no number", id="grouped digits"),
        pytest.param(HEAD + b"0,A,[1]\n1,A,2\n", "telemetry.invalid", "is no number", id="JSON"),
        pytest.param(HEAD + b"0,A,true\n1,A,2\n", "telemetry.invalid", "'true' is no number", id="JSON literal"),
        pytest.param(HEAD + b"x,A,1\n", "telemetry.invalid", "f.csv:2: 'x' is no bin", id="bin is a text"),
        pytest.param(HEAD + b"-1,A,1\n", "telemetry.invalid", "'-1' is no bin", id="negative bin"),
        pytest.param(HEAD + b"2,A,1\n", "telemetry.bin_out_of_range", "f.csv:2: bin '2' is not", id="bin too high"),
        pytest.param(HEAD + b"9" * 99 + b",A,1\n", "telemetry.bin_out_of_range", "bin '999", id="endless bin"),
        pytest.param(HEAD + b"0,A,1\n0,A,1\n", "telemetry.duplicate_bin", "f.csv:3: bin 0 is there twice", id="twice"),
        pytest.param(HEAD + b"0,A,\n0,A,1\n", "telemetry.duplicate_bin", "bin 0 is there twice", id="empty and not"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(data: bytes, code: str, match: str) -> None:
    with pytest.raises(TelemetryError, match=match.replace("[", r"\[")) as caught:
        parse_capture_csv(data, 2, file="f.csv")
    assert caught.value.code == code
