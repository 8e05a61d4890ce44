"""Tables in CSV and Parquet: bins and events, what is imperfect, and what can not be read."""

from __future__ import annotations

import gzip
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from flowtime.errors import MissingExtraError, TelemetryError
from flowtime.telemetry.loaders.base import SourceError
from flowtime.telemetry.loaders.zones import find_zone
from importfakes import COUNTS, measured, moment, options, series, write

BINS = "A.arrivals=value"
EVENTS = """\
time,tokens,kind
2025-03-01 00:07:30,10,x
2025-03-01 00:08:00,,y
2025-03-01 00:01:00,5,x
2025-03-01 00:16:00,2.5,x
"""


def rows(*times: str, zone: str = "Z") -> str:
    """Return a CSV with a value of 1 at each of some times of 2025-03-01."""
    return "time,value\n" + "".join(f"2025-03-01T{time}{zone},1\n" for time in times)


def codes(path: Path, wanted: Any) -> dict[str, tuple[int, list[int]]]:
    """Return the rows and the bins of each remark by its code."""
    return {
        remark.code: (remark.rows, remark.chosen.nonzero()[0].tolist()) for remark in measured(path, wanted).remarks
    }


def test_bins_start_with_the_first_row_and_gaps_stay_open(tmp_path: Path) -> None:
    found = measured(write(tmp_path, COUNTS), options(BINS))
    assert (found.start, found.bins, found.rows) == (moment("2025-03-01T00:04:00"), 6, 5)
    assert found.series[0].values[[0, 1, 3, 5]].tolist() == [5.0, 7.5, 0.0, 100.0]
    assert found.series[0].missing.tolist() == [False, False, True, False, True, False]


def test_events_start_with_a_whole_bin_and_nothing_is_zero(tmp_path: Path) -> None:
    path = write(tmp_path, EVENTS)
    found = measured(path, options("P.arrivals=count", "P.served=sum(tokens)"))
    assert found.start == moment("2025-03-01T00:00:00")
    assert series(found) == {"P.arrivals": [1.0, 2.0, 0.0, 1.0], "P.served": [5.0, 10.0, 0.0, 2.5]}


@pytest.mark.parametrize(
    ("how", "wanted"),
    [("mean", [2.0, 7.0]), ("min", [1.0, 7.0]), ("max", [3.0, 7.0]), ("last", [2.0, 7.0])],
)
def test_rows_of_a_bin_are_put_together(tmp_path: Path, how: str, wanted: list[float]) -> None:
    text = "t,n\n2025-03-01 00:00,1\n2025-03-01 00:01,3\n2025-03-01 00:02,2\n2025-03-01 00:12,7\n"
    found = measured(write(tmp_path, text), options(f"A.capacity={how}(n)")).series[0]
    assert found.values[[0, 2]].tolist() == wanted
    assert found.missing.tolist() == [False, True, False]


def test_what_is_imperfect_is_remarked_on(tmp_path: Path) -> None:
    assert codes(write(tmp_path, EVENTS), options("P.served=sum(tokens)")) == {
        "partial_bin": (2, [0, 3]),
        "rows_unsorted": (1, [0]),
        "time_zone_assumed": (4, []),
        "values_missing": (1, [1]),
    }


def test_nan_of_a_bin_is_a_value(tmp_path: Path) -> None:
    found = measured(write(tmp_path, "t,value\n2025-03-01T00:00Z,NaN\n"), options(BINS)).series[0]
    assert (math.isnan(found.values[0]), found.missing.tolist()) == (True, [False])


@pytest.mark.parametrize(
    ("start", "end", "wanted", "left_out"),
    [
        pytest.param("00:05", None, [0.0, 1.0, 1.0], 1, id="start"),
        pytest.param(None, "00:15", [1.0, 0.0, 1.0], 1, id="end"),
        pytest.param("00:00", "00:30", [1.0, 0.0, 1.0, 1.0, 0.0, 0.0], 0, id="wider than the rows"),
        pytest.param("00:02", "00:16", [0.0, 0.0, 2.0], 1, id="start within a bin"),
    ],
)
def test_window_cuts(tmp_path: Path, start: str | None, end: str | None, wanted: list[float], left_out: int) -> None:
    limits = {
        name: None if text is None else moment(f"2025-03-01T{text}:00")
        for name, text in (("start", start), ("end", end))
    }
    found = measured(write(tmp_path, rows("00:01", "00:13", "00:15")), options("A.arrivals=count", **limits))
    assert series(found) == {"A.arrivals": wanted}
    assert sum(remark.rows for remark in found.remarks if remark.code == "bin_out_of_range") == left_out


@pytest.mark.parametrize(("rule", "wanted"), [("first", 1.0), ("last", 3.0)])
@pytest.mark.parametrize("piece", [32, 1 << 20], ids=["pieces", "whole"])
def test_duplicate_bins_by_rule(tmp_path: Path, rule: str, wanted: float, piece: int) -> None:
    text = "t,value\n2025-03-01T00:05Z,1\n2025-03-01T00:00Z,9\n2025-03-01T00:05Z,2\n2025-03-01T00:05Z,3\n"
    path = write(tmp_path, text)
    wish = options(BINS, duplicates=rule, piece_bytes=piece, start=moment("2025-03-01T00:00:00"))
    assert series(measured(path, wish)) == {"A.arrivals": [9.0, wanted]}
    assert codes(path, wish)["duplicate_bin"] == (2, [1])


def test_jitter_is_moved_back_on_request(tmp_path: Path) -> None:
    path = write(tmp_path, rows("00:00:00", "00:05:02", "00:10:00"))
    wish = options(BINS, off_grid="floor")
    assert series(measured(path, wish)) == {"A.arrivals": [1.0, 1.0, 1.0]}
    assert codes(path, wish) == {"bin_shifted": (1, [1])}


def test_days_follow_the_clock_of_the_zone(tmp_path: Path) -> None:
    path = write(tmp_path, rows("00:30", "22:59", "23:01", zone=""))
    found = measured(path, options("A.arrivals=count", grid="1d", zone=find_zone("America/New_York")))
    assert (found.start, series(found)) == (moment("2025-03-01T05:00:00"), {"A.arrivals": [3.0]})


def test_weeks_start_on_mondays(tmp_path: Path) -> None:
    found = measured(write(tmp_path, rows("00:30")), options("A.arrivals=count", grid="1w"))
    assert found.start == moment("2025-02-24T00:00:00")


def test_hour_that_clocks_show_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "t,value\n2025-10-26 02:30,1\n2025-10-26 03:30,1\n")
    wish = options("A.arrivals=count", grid="1h", zone=find_zone("Europe/Berlin"))
    assert codes(path, wish)["time_ambiguous"] == (1, [])


@pytest.mark.parametrize("name", ["bin_index", "Bin Index"])
def test_bins_may_be_numbered(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"{name},value\n1,5\n3,7\n")
    found = measured(path, options(BINS))
    assert (found.start, found.bins) == (None, 4)
    assert found.series[0].missing.tolist() == [True, False, True, False]


def test_numbered_bins_take_a_start(tmp_path: Path) -> None:
    start = moment("2025-03-01T00:04:00")
    found = measured(write(tmp_path, "bin_index,value\n0,5\n1,7\n"), options(BINS, start=start))
    assert (found.start, series(found)) == (start, {"A.arrivals": [5.0, 7.0]})


PLAIN = "time,value\n2025-03-01T00:00Z,1\n2025-03-01T00:05Z,2\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PLAIN.encode(), id="plain"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), id="byte order mark"),
        pytest.param(PLAIN.replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(PLAIN.rstrip("\n").replace("\n", "\r\n").encode(), id="crlf and no last one"),
        pytest.param(PLAIN.rstrip("\n").encode(), id="no line feed at the end"),
        pytest.param((PLAIN + "\n\n").encode(), id="empty lines at the end"),
        pytest.param(PLAIN.replace("\n", "\n\n").encode(), id="empty lines between"),
        pytest.param(PLAIN.replace(",", ";").encode(), id="semicolons"),
        pytest.param(PLAIN.replace(",", "\t").encode(), id="tabs"),
        pytest.param(PLAIN.replace(",1", ',"1"').replace("time", '"time"').encode(), id="quotes"),
        pytest.param(PLAIN.replace("\n", ",\xe9\n").encode("latin-1"), id="latin-1 in a column nobody wants"),
        pytest.param(
            b'time,note,value\n2025-03-01T00:00Z,"a\nb, c",1\n2025-03-01T00:05Z,,2\n', id="line feed in quotes"
        ),
    ],
)
@pytest.mark.parametrize("piece", [24, 1 << 20], ids=["pieces", "whole"])
def test_spellings_of_csv(tmp_path: Path, data: bytes, piece: int) -> None:
    path = tmp_path / "source.csv"
    path.write_bytes(data)
    assert series(measured(path, options(BINS, piece_bytes=piece))) == {"A.arrivals": [1.0, 2.0]}


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "source.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode()))
    assert series(measured(path, options(BINS))) == {"A.arrivals": [1.0, 2.0]}


def test_times_alone_are_events(tmp_path: Path) -> None:
    path = write(tmp_path, "time\n2025-03-01T00:00Z\n\n2025-03-01T00:01Z\n")
    assert series(measured(path, options("A.arrivals=count"))) == {"A.arrivals": [2.0]}


HEAD = "time,value\n2025-03-01T00:00:00Z,1\n"


@pytest.mark.parametrize(
    ("text", "maps", "code", "line"),
    [
        pytest.param("", [BINS], "empty", None, id="empty file"),
        pytest.param("time,value\n", [BINS], "empty", None, id="header alone"),
        pytest.param("1,2\n3,4\n", [BINS], "format", 1, id="no header"),
        pytest.param(HEAD, ["A.arrivals=valeu"], "column", None, id="unknown column"),
        pytest.param("value,value\n1,2\n", [BINS], "column", None, id="no time column"),
        pytest.param("time,value,value\n", [BINS], "column", None, id="column twice"),
        pytest.param(HEAD + "soon,1\n", [BINS], "time", 3, id="bad time"),
        pytest.param(HEAD + "2025-03-01T00:05:00Z,many\n", [BINS], "value", 3, id="bad number"),
        pytest.param(HEAD + "2025-03-01T00:05:00Z\n", [BINS], "row", 3, id="cell missing"),
        pytest.param(HEAD + "2025-03-01T00:05:00Z,1,2\n", [BINS], "row", 3, id="cell too many"),
        pytest.param(HEAD + '2025-03-01T00:05:00Z,"1"2\n', [BINS], "row", 3, id="quote within a cell"),
        pytest.param(HEAD + HEAD.partition("\n")[2], [BINS], "duplicate", 3, id="duplicate bin"),
        pytest.param(HEAD + "2025-03-01T00:06:00Z,1\n", [BINS], "off_grid", 3, id="off the grid"),
        pytest.param(HEAD + "1975-01-01T00:00:00Z,1\n2125-01-01T00:00:00Z,1\n", [BINS], "range", 4, id="far off"),
        pytest.param("time,value\n\x001,1\n", [BINS], "time", 2, id="zero byte"),
        pytest.param("bin_index,value\n-1,1\n", [BINS], "time", 2, id="negative bin"),
        pytest.param("bin_index,value\n0.5,1\n", [BINS], "time", 2, id="half a bin"),
    ],
)
@pytest.mark.parametrize("piece", [16, 1 << 20], ids=["pieces", "whole"])
def test_wrong_table(tmp_path: Path, text: str, maps: list[str], code: str, line: int | None, piece: int) -> None:
    with pytest.raises(SourceError) as caught:
        measured(write(tmp_path, text), options(*maps, piece_bytes=piece))
    assert (caught.value.code, caught.value.line) == (f"telemetry.source_{code}", line)
    assert caught.value.file == "source.csv"


def test_message_names_file_line_and_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        measured(write(tmp_path, rows("00:00:00", "00:01:00")), options(BINS))
    assert str(caught.value) == (
        "source.csv:3: 2025-03-01T00:01:00Z is not the start of a bin; the bin before it starts at "
        "2025-03-01T00:00:00Z [telemetry.source_off_grid]\n"
        "    hint: if rows are finer than the grid, map sum(column) or mean(column); if their times only jitter, "
        "add --off-grid floor"
    )


def test_line_after_many_quoted_ones(tmp_path: Path) -> None:
    good = "".join(f'2025-03-01T{hour:02}:{minute:02}Z,"1"\n' for hour in range(4) for minute in range(0, 60, 5))
    with pytest.raises(SourceError) as caught:
        measured(write(tmp_path, f"time,value\n{good}never,1\n"), options(BINS, piece_bytes=64))
    assert caught.value.line == 50


@pytest.mark.parametrize(
    ("maps", "told"),
    [
        pytest.param([], "nothing says what to measure", id="no map"),
        pytest.param(["A.arrivals=count"], "column of that name", id="count may be a column"),
    ],
)
def test_map_that_a_table_can_not_follow(tmp_path: Path, maps: list[str], told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        measured(write(tmp_path, "time,count\n2025-03-01T00:00Z,1\n"), options(*maps))
    assert caught.value.code == "telemetry.map_invalid"


def test_near_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column") as caught:
        measured(write(tmp_path, HEAD), options("A.arrivals=valeu"))
    assert caught.value.hint == "did you mean 'value'?"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        pytest.param("there.csv", None, "source_not_found", id="no file"),
        pytest.param("there.xlsx", b"", "source_format", id="unknown kind"),
        pytest.param("there.csv.gz", b"time,value\n", "source_format", id="no gzip"),
        pytest.param("there.csv", "time,value\n".encode("utf-16"), "source_format", id="utf-16"),
        pytest.param("there.parquet", b"PAR1", "source_format", id="no parquet"),
    ],
)
def test_no_source(tmp_path: Path, name: str, data: bytes | None, code: str) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(TelemetryError) as caught:
        measured(path, options(BINS))
    assert caught.value.code == f"telemetry.{code}"


def parquet(path: Path, **columns: Any) -> Path:
    """Write a Parquet file of some columns and return its path."""
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, of the extra of that name")
    from pyarrow.parquet import write_table

    write_table(pyarrow.table(columns), path)
    return path


def stamps(unit: str, zone: str | None = None) -> Any:
    """Return two time stamps, five minutes apart, as a column of Parquet."""
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, of the extra of that name")
    from datetime import datetime

    return pyarrow.array([datetime(2025, 3, 1), datetime(2025, 3, 1, 0, 5)], pyarrow.timestamp(unit, tz=zone))


@pytest.mark.parametrize(("unit", "zone"), [("s", "UTC"), ("ms", "UTC"), ("us", "Europe/Berlin"), ("ns", None)])
def test_parquet_is_read(tmp_path: Path, unit: str, zone: str | None) -> None:
    path = parquet(tmp_path / "source.parquet", time=stamps(unit, zone), value=[1, None])
    found = measured(path, options(BINS))
    assert (found.start, found.series[0].missing.tolist()) == (moment("2025-03-01T00:00:00"), [False, True])


@pytest.mark.parametrize(
    ("times", "values"),
    [
        pytest.param(["2025-03-01T00:00Z", "2025-03-01 00:05:00+00:00"], [1.0, 2.0], id="texts"),
        pytest.param([1740787200, 1740787500], [1, 2], id="counts"),
        pytest.param(["2025-03-01T00:00Z", "2025-03-01T00:05Z"], ["1", "2.0"], id="numbers as texts"),
        pytest.param(["2025-03-01T00:00Z", "2025-03-01T00:05Z"], [True, 2], id="mixed"),
    ],
)
def test_parquet_of_other_types(tmp_path: Path, times: list[Any], values: list[Any]) -> None:
    path = parquet(tmp_path / "source.parquet", time=times, value=[*map(type(values[-1]), values)])
    assert series(measured(path, options(BINS))) == {"A.arrivals": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("columns", "code", "row"),
    [
        pytest.param({"time": [1740787200, 7], "value": [1, 2]}, "source_time", 2, id="bad time"),
        pytest.param({"time": [1740787200, None], "value": [1, 2]}, "source_time", 2, id="no time"),
        pytest.param({"time": [1740787200], "value": ["x"]}, "source_value", 1, id="bad number"),
        pytest.param({"time": [1740787200, 1740787200], "value": [1, 2]}, "source_duplicate", 2, id="duplicate"),
        pytest.param({"time": [1740787200], "count": [1]}, "source_column", None, id="unknown column"),
        pytest.param({"time": [], "value": []}, "source_empty", None, id="no row"),
    ],
)
def test_wrong_parquet(tmp_path: Path, columns: dict[str, list[Any]], code: str, row: int | None) -> None:
    path = parquet(tmp_path / "source.parquet", **columns)
    with pytest.raises(SourceError) as caught:
        measured(path, options(BINS))
    assert (caught.value.code, caught.value.line) == (f"telemetry.{code}", row)


def test_parquet_without_a_time_in_a_row(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, of the extra of that name")
    times = pyarrow.concat_arrays([stamps("us"), pyarrow.nulls(1, pyarrow.timestamp("us"))])
    with pytest.raises(SourceError, match="no time") as caught:
        measured(parquet(tmp_path / "source.parquet", time=times, value=[1, 2, 3]), options(BINS))
    assert caught.value.line == 3


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pyarrow"):
        measured(tmp_path / "source.parquet", options(BINS))
