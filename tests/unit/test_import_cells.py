"""Columns of numbers and times: many cells at a time give what one at a time gives."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pytest

from flowtime.errors import TelemetryError
from flowtime.telemetry.loaders.cells import cells_of
from flowtime.telemetry.loaders.moments import moment_text, read_moments
from flowtime.telemetry.loaders.numerals import read_numbers
from flowtime.telemetry.loaders.zones import find_zone, offset_at, parse_moment, to_utc

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "7",
        "-7",
        "94.0",
        "0.1",
        "-0.5",
        ".5",
        "5.",
        "123456789012345",
        "1234567890123456789",
        "0.30000000000000004",
        "1e3",
        "-2.5E-3",
        "+4",
        " 12 ",
        "999999999999999.9",
        "inf",
        "-Infinity",
    ],
)
def test_number_is_what_float_reads(text: str) -> None:
    column = read_numbers(cells_of(["1.25", text, "3"]))
    assert column.values.tolist() == [1.25, float(text), 3.0]
    assert (column.wrong, column.missing.any()) == (-1, False)


@pytest.mark.parametrize("text", ["", "null", "NULL", "None", "NA", "n/a", "-", "  "])
def test_no_value_is_missing(text: str) -> None:
    column = read_numbers(cells_of(["1", text]))
    assert column.missing.tolist() == [False, True]
    assert math.isnan(column.values[1])


def test_nan_is_a_value_and_not_missing() -> None:
    column = read_numbers(cells_of(["NaN", "1"]))
    assert (column.missing.any(), math.isnan(column.values[0])) == (False, True)


@pytest.mark.parametrize("text", ["x", "1_000", "1,5", "--1", "1.2.3", "-.", "0x1F", "1e", "\u0661"])
def test_what_is_no_number_is_told_by_its_row(text: str) -> None:
    assert read_numbers(cells_of(["1", "2", text, "3"])).wrong == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("2023-11-16 18:17:03", "2023-11-16T18:17:03", id="space"),
        pytest.param("2023-11-16T18:17", "2023-11-16T18:17:00", id="minutes"),
        pytest.param("2023-11-16", "2023-11-16T00:00:00", id="date"),
        pytest.param("2023-11-16T18:17:03Z", "2023-11-16T18:17:03", id="utc"),
        pytest.param("2023-11-16T18:17:03+01:30", "2023-11-16T16:47:03", id="ahead"),
        pytest.param("2023-11-16T18:17:03-0130", "2023-11-16T19:47:03", id="behind, without a colon"),
        pytest.param("2023-11-16 18:17:03.9799600", "2023-11-16T18:17:03.979960", id="seven digits"),
        pytest.param("2023-11-16 18:17:03,5", "2023-11-16T18:17:03.500000", id="comma"),
        pytest.param("2024-02-29 00:00:00", "2024-02-29T00:00:00", id="leap day"),
        pytest.param("1969-12-31T23:59:59Z", "1969-12-31T23:59:59", id="before 1970"),
        pytest.param("1700158623", "2023-11-16T18:17:03", id="seconds"),
        pytest.param("1700158623.25", "2023-11-16T18:17:03.250000", id="seconds with a fraction"),
        pytest.param("1700158623979", "2023-11-16T18:17:03.979000", id="milliseconds"),
        pytest.param("1700158623979960", "2023-11-16T18:17:03.979960", id="microseconds"),
        pytest.param("1700158623979960000", "2023-11-16T18:17:03.979960", id="nanoseconds"),
    ],
)
@pytest.mark.parametrize("others", [[], ["2025-01-01T00:00:00Z"], ["1700158623"]], ids=["alone", "by iso", "by count"])
def test_moment_is_the_same_in_any_company(text: str, wanted: str, others: list[str]) -> None:
    found = read_moments(cells_of([*others, text]))
    assert found.wrong == -1
    assert moment_text(int(found.nanos[-1])).removesuffix("Z") == datetime.fromisoformat(wanted).isoformat()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2023-02-29 00:00:00",
        "2023-13-01 00:00:00",
        "2023-11-16 24:00:00",
        "2023-11-16 18:60:00",
        "2023-11-16 18:17:61",
        "0001-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "16.11.2023 18:17",
        "20231116",
        "202311161817",
        "99999999999999999999",
    ],
)
def test_what_is_no_time_is_told_by_its_row(text: str) -> None:
    assert read_moments(cells_of(["2023-11-16 18:17:03", text, "2023-11-16 18:17:03"])).wrong == 1


@pytest.mark.parametrize(
    ("unit", "nanos"),
    [("s", 20231116 * SECOND), ("ms", 20231116 * SECOND // 1000), ("us", 20231116000), ("ns", 20231116)],
)
def test_unit_of_a_count_can_be_told(unit: str, nanos: int) -> None:
    assert read_moments(cells_of(["20231116"]), unit).nanos.tolist() == [nanos]


def test_nanoseconds_are_kept() -> None:
    texts = ["2023-11-16T18:17:03.123456789Z", "1700158623123456789"]
    assert np.diff(read_moments(cells_of(texts)).nanos).tolist() == [0]


def test_zone_is_told_apart_from_none() -> None:
    texts = ["2023-11-16 18:17:03", "2023-11-16 18:17:03Z", "1700158623", "2023-11-16T18:17:03+00:00"]
    assert read_moments(cells_of(texts)).zoned.tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("local", "wanted", "twice", "skipped"),
    [
        pytest.param("2025-01-15T12:00:00", "2025-01-15T11:00:00Z", False, False, id="winter"),
        pytest.param("2025-07-15T12:00:00", "2025-07-15T10:00:00Z", False, False, id="summer"),
        pytest.param("2025-10-26T02:30:00", "2025-10-26T00:30:00Z", True, False, id="shown twice"),
        pytest.param("2025-03-30T02:30:00", None, False, True, id="never shown"),
    ],
)
def test_local_clock_in_utc(local: str, wanted: str | None, twice: bool, skipped: bool) -> None:
    found = to_utc(read_moments(cells_of([local])).nanos, find_zone("Europe/Berlin"))
    assert (bool(found.twice[0]), bool(found.skipped[0])) == (twice, skipped)
    assert skipped or moment_text(int(found.nanos[0])) == wanted


def test_offset_of_a_zone() -> None:
    assert offset_at(1_735_689_600 * SECOND, find_zone("Asia/Kolkata")) == 19_800 * SECOND


@pytest.mark.parametrize(
    ("text", "zone", "wanted"),
    [
        ("2025-01-01", None, "2025-01-01T00:00:00Z"),
        ("2025-01-01T00:00", "Europe/Berlin", "2024-12-31T23:00:00Z"),
        ("2025-01-01T00:00+05:00", "Europe/Berlin", "2024-12-31T19:00:00Z"),
    ],
)
def test_moment_of_the_command_line(text: str, zone: str | None, wanted: str) -> None:
    known = None if zone is None else find_zone(zone)
    assert moment_text(parse_moment(text, known, "--start")) == wanted


@pytest.mark.parametrize("text", ["tomorrow", "2025-03-30T02:30"])
def test_no_moment_of_the_command_line(text: str) -> None:
    with pytest.raises(TelemetryError, match="--start") as caught:
        parse_moment(text, find_zone("Europe/Berlin"), "--start")
    assert caught.value.code == "telemetry.grid_invalid"


@pytest.mark.parametrize("name", ["Middle/Earth", "../etc/passwd", ""])
def test_unknown_zone(name: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        find_zone(name)
    assert caught.value.code == "telemetry.unknown_zone"
