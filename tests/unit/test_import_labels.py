"""Which rows of a source count, and of what class they are; and sources that are streams."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.engine import compile_model
from flowtime.errors import TelemetryError
from flowtime.model import parse_model
from flowtime.orchestration.telemetry_run import TelemetryRequest, bind_model
from flowtime.telemetry.importing import ImportRequest, import_telemetry
from flowtime.telemetry.loaders import ImportOptions
from flowtime.telemetry.loaders.cells import cells_of
from flowtime.telemetry.loaders.labels import labels_of, read_labels
from flowtime.telemetry.reader import read_capture
from flowtime.telemetry.verify import verify_capture
from importfakes import DAY_ONE, imported, manifest_warnings, measured, moment, options, series, span, write

# Two bins of five minutes; the last row has no class.
EVENTS = """\
time,kind,host,n
2025-03-01T00:00:00Z,gold,a,1.5
2025-03-01T00:01:00Z, basic ,a,2
2025-03-01T00:02:00Z,gold,b,3
2025-03-01T00:06:00Z,basic,b,4
2025-03-01T00:07:00Z,,a,5
"""
# A row is a bin of a class; gold has none in the second bin, and nobody has a number in the third.
COUNTS = """\
time,kind,n
2025-03-01T00:00Z,gold,1
2025-03-01T00:00Z,basic,2
2025-03-01T00:05Z,basic,3
2025-03-01T00:10Z,gold,
2025-03-01T00:10Z,basic,
2025-03-01T00:15Z,gold,4
2025-03-01T00:15Z,,0.5
2025-03-01T00:15Z,basic,6
"""
MODEL = """\
schemaVersion: 1
grid: {bins: 2, binSize: 5, binUnit: minutes, start: 2025-03-01T00:00:00Z}
classes: [{id: gold}, {id: basic}]
traffic:
  arrivals:
    - {nodeId: demand, classId: gold, pattern: {kind: constant, ratePerBin: 9}}
    - {nodeId: demand, classId: basic, pattern: {kind: constant, ratePerBin: 9}}
nodes: [{id: desks, kind: const, values: [2, 2]}]
topology:
  nodes: [{id: A, kind: serviceWithBuffer, semantics: {arrivals: demand, capacity: desks}}]
"""


def found_in(folder: Path, text: str, *maps: str, **others: Any) -> dict[str, list[float]]:
    """Return the values of each series that is found in a text."""
    return series(measured(write(folder, text), options(*maps, **others)))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(["a", "b", "a"], ["a", "b", "a"], id="repeated"),
        pytest.param([" a", "a ", "a", ""], ["a", "a", "a", ""], id="spaces and nothing"),
        pytest.param(["é" * 3, "x" * 100, "é" * 3, "x" * 100], ["ééé", "x" * 100, "ééé", "x" * 100], id="long"),
        pytest.param(["a\0", "a"], ["a\0", "a"], id="zero bytes"),
        pytest.param([], [], id="none"),
    ],
)
def test_labels_are_the_texts_of_their_rows(texts: list[str], expected: list[str]) -> None:
    labels = read_labels(cells_of(texts))
    assert [labels.texts[code] for code in labels.codes.tolist()] == expected
    assert len(set(labels.texts)) == len(labels.texts) <= max(1, len(texts))


def test_labels_that_no_row_has_are_gone() -> None:
    labels = labels_of(["a", "b", "a"], np.array([0, 2, 2]))
    assert (labels.texts, labels.codes.tolist()) == (("a",), [0, 0, 0])
    assert labels.equal("b").tolist() == [False, False, False]


def test_events_are_counted_by_class(tmp_path: Path) -> None:
    found = found_in(tmp_path, EVENTS, "A.arrivals=count", "A.served=sum(n)", class_column="kind")
    assert found == {
        "A.arrivals": [3.0, 2.0],
        "A.arrivals@basic": [1.0, 1.0],
        "A.arrivals@gold": [2.0, 0.0],
        "A.served": [6.5, 9.0],
        "A.served@basic": [2.0, 4.0],
        "A.served@gold": [4.5, 0.0],
    }


def test_what_does_not_add_up_has_no_classes(tmp_path: Path) -> None:
    maps = ("A.arrivals=count", "A.errors=mean(n)", "A.capacity=sum(n)", "A.queueDepth=max(n)")
    found = found_in(tmp_path, EVENTS, *maps, class_column="kind")
    assert [name for name in found if "@" in name] == ["A.arrivals@basic", "A.arrivals@gold"]


def test_counts_of_classes_are_added_up(tmp_path: Path) -> None:
    found = measured(write(tmp_path, COUNTS), options("A.arrivals=n", class_column="kind")).series
    assert [str(item.target) for item in found] == ["A.arrivals", "A.arrivals@basic", "A.arrivals@gold"]
    assert [item.missing.tolist() for item in found] == [
        [False, False, True, False],
        [False, False, True, False],
        [False, True, True, False],
    ]
    assert found[0].values[~found[0].missing].tolist() == [3.0, 3.0, 10.5]


@pytest.mark.parametrize(("which", "expected"), [("first", [3.0, 3.0]), ("last", [9.0, 3.0])])
def test_second_row_of_a_class_in_a_bin(tmp_path: Path, which: str, expected: list[float]) -> None:
    text = "".join(line + "\n" for line in COUNTS.splitlines()[:4]) + "2025-03-01T00:00Z,gold,7\n"
    found = measured(write(tmp_path, text), options("A.arrivals=n", class_column="kind", duplicates=which))
    assert found.series[0].values.tolist() == expected
    assert [remark.code for remark in found.remarks] == ["duplicate_bin", "rows_unsorted"]


def test_pieces_make_no_difference(tmp_path: Path) -> None:
    for_all = {"class_column": "kind", "where": (("kind", "gold"),)}
    whole, pieces = (
        measured(write(tmp_path, COUNTS), options("A.arrivals=n", piece_bytes=size, **for_all))
        for size in (1 << 20, 20)
    )
    assert np.array_equal(whole.series[0].values, pieces.series[0].values, equal_nan=True)
    assert [remark[:3] for remark in whole.remarks] == [remark[:3] for remark in pieces.remarks]


def test_capture_with_classes_is_sound(tmp_path: Path) -> None:
    report = imported(write(tmp_path, EVENTS), options("A.arrivals=count", class_column="kind"), tmp_path)
    folder = tmp_path / "captures" / "one"
    assert verify_capture(folder).valid
    assert read_capture(folder).series("A", "arrivals", class_id="gold").tolist() == [2.0, 0.0]
    assert [(item.class_id, item.path) for item in report.series] == [
        ("DEFAULT", "A_arrivals.csv"),
        ("basic", "A_arrivals_basic.csv"),
        ("gold", "A_arrivals_gold.csv"),
    ]
    assert (report.manifest.classes, report.manifest.class_coverage) == (("basic", "gold"), "partial")


def test_rows_without_a_class_are_told(tmp_path: Path) -> None:
    wanted = options("A.arrivals=count", class_column="kind")
    report = imported(write(tmp_path, EVENTS), wanted, tmp_path)
    whole = imported(write(tmp_path, EVENTS.replace(",,", ",gold,")), wanted, tmp_path, overwrite=True)
    assert manifest_warnings(report)["rows_unclassed"] == ((1, 1),)
    assert "rows_unclassed" not in manifest_warnings(whole)
    assert whole.manifest.class_coverage == "full"


def test_gap_of_a_class_is_told_with_it(tmp_path: Path) -> None:
    report = imported(write(tmp_path, COUNTS), options("A.arrivals=n", class_column="kind"), tmp_path)
    gaps = {w.class_id: w.bins for w in report.manifest.warnings if w.code == "data_gap"}
    assert gaps == {"DEFAULT": ((2, 2),), "basic": ((2, 2),), "gold": ((1, 2),)}


def test_class_outside_of_the_window_is_none(tmp_path: Path) -> None:
    wanted = options("A.arrivals=count", class_column="kind", start=moment("2025-03-01T00:05:00"))
    assert measured(write(tmp_path, EVENTS), wanted).classes == ("basic",)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param((("host", "a"),), [2.0, 1.0], id="one"),
        pytest.param((("host", "a"), ("kind", "basic")), [1.0], id="both must match"),
        pytest.param((("kind", ""),), [1.0], id="empty cells"),
        pytest.param((("kind", " basic "),), [1.0, 1.0], id="spaces around"),
        pytest.param((("n", "4"),), [1.0], id="text of a number"),
    ],
)
def test_only_rows_that_match_count(tmp_path: Path, where: tuple[tuple[str, str], ...], expected: list[float]) -> None:
    assert found_in(tmp_path, EVENTS, "A.arrivals=count", where=where) == {"A.arrivals": expected}


def test_rows_that_do_not_match_need_not_be_readable(tmp_path: Path) -> None:
    report = imported(
        write(tmp_path, EVENTS + "never,junk,c,x\n"),
        options("A.served=sum(n)", where=(("host", "b"),)),
        tmp_path,
    )
    assert (report.rows, report.series[0].total) == (6, 7.0)
    (told,) = (warning for warning in report.manifest.warnings if warning.code == "rows_filtered")
    assert told.message == "4 rows do not match --where, and were left out"
    assert report.manifest.provenance.parameters["where"] == {"host": "b"}


def test_line_of_a_row_is_that_of_the_source(tmp_path: Path) -> None:
    with pytest.raises(TelemetryError) as caught:
        found_in(tmp_path, EVENTS + "never,gold,b,1\n", "A.arrivals=count", where=(("host", "b"),))
    assert (caught.value.code, caught.value.faults[0].line) == ("telemetry.source_time", 7)


@pytest.mark.parametrize(
    ("text", "maps", "others", "code", "line"),
    [
        pytest.param(EVENTS, ["A.arrivals=count"], {"class_column": "n"}, "telemetry.source_class", 2, id="point"),
        pytest.param(
            EVENTS.replace("gold,b", "DEFAULT,b"),
            ["A.arrivals=count"],
            {"class_column": "kind"},
            "telemetry.source_class",
            4,
            id="the name of all",
        ),
        pytest.param(
            "t,k\n" + "".join(f"2025-03-01T00:00Z,c{number}\n" for number in range(300)),
            ["A.arrivals=count"],
            {"class_column": "k"},
            "telemetry.source_class",
            202,
            id="ids",
        ),
        pytest.param(
            EVENTS, ["A.errors=mean(n)"], {"class_column": "kind"}, "telemetry.map_invalid", None, id="nothing adds up"
        ),
        pytest.param(
            COUNTS,
            ["A.arrivals=n", "A.capacity=n"],
            {"class_column": "kind"},
            "telemetry.map_invalid",
            None,
            id="shared by all",
        ),
        pytest.param(
            EVENTS, ["A.arrivals=count"], {"class_column": "kin"}, "telemetry.source_column", None, id="no such column"
        ),
        pytest.param(
            EVENTS, ["A.arrivals=count"], {"where": (("hos", "a"),)}, "telemetry.source_column", None, id="nor that"
        ),
        pytest.param(
            EVENTS, ["A.arrivals=count"], {"where": (("host", "z"),)}, "telemetry.source_empty", None, id="no row"
        ),
        pytest.param(
            COUNTS + "2025-03-01T00:15Z,gold,9\n",
            ["A.arrivals=n"],
            {"class_column": "kind"},
            "telemetry.source_duplicate",
            10,
            id="second row of a class",
        ),
    ],
)
def test_what_is_refused(
    tmp_path: Path, text: str, maps: list[str], others: dict[str, Any], code: str, line: int | None
) -> None:
    with pytest.raises(TelemetryError) as caught:
        found_in(tmp_path, text, *maps, **others)
    assert (caught.value.code, caught.value.faults[0].line) == (code, line)


@pytest.mark.parametrize("others", [{"class_column": "kind"}, {"where": (("kind", "a"),)}], ids=["class", "where"])
def test_spans_have_no_columns(tmp_path: Path, others: dict[str, Any]) -> None:
    with pytest.raises(TelemetryError) as caught:
        measured(write(tmp_path, span("a", 0, 1), "spans.jsonl"), options(**others))
    assert caught.value.code == "telemetry.map_invalid"


def test_more_series_than_there_is_room_for(tmp_path: Path) -> None:
    rows = "".join(f"2025-03-01T00:00:00Z,c{number}\n" for number in range(100))
    text = "t,k\n2024-01-01T00:00:00Z,a\n2025-03-01T00:00:00Z,a\n" + rows
    with pytest.raises(TelemetryError) as caught:
        found_in(tmp_path, text, "A.arrivals=count", grid="30s", class_column="k")
    assert caught.value.code == "telemetry.source_range"


def streamed(data: bytes, wanted: ImportOptions, folder: Path, **others: Any) -> Any:
    """Import a stream into the folder ``streamed``."""
    request = ImportRequest(
        source=Path("<stdin>"), output=folder / "streamed", options=wanted, stream=io.BytesIO(data), **others
    )
    return import_telemetry(request, clock=lambda: DAY_ONE, durability="process")


@pytest.mark.parametrize("piece", [30, 1 << 20])
def test_stream_gives_what_its_file_does(tmp_path: Path, piece: int) -> None:
    wanted = options("A.arrivals=count", class_column="kind", piece_bytes=piece)
    from_file = imported(write(tmp_path, EVENTS), wanted, tmp_path).manifest
    from_stream = streamed(EVENTS.encode(), wanted, tmp_path).manifest
    assert from_stream.files == from_file.files
    assert from_stream.provenance.parameters == {**from_file.provenance.parameters, "file": "<stdin>"}


@pytest.mark.parametrize(
    ("data", "loader", "code"),
    [
        pytest.param(lambda: b"", None, "telemetry.source_empty", id="nothing"),
        pytest.param(lambda: gzip.compress(EVENTS.encode()), None, "telemetry.source_format", id="gzip"),
        pytest.param(lambda: b"PAR1", "parquet", "telemetry.source_format", id="parquet"),
    ],
)
def test_streams_that_can_not_be_read(tmp_path: Path, data: Callable[[], bytes], loader: str, code: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        streamed(data(), options("A.arrivals=count"), tmp_path, loader=loader)
    assert caught.value.code == code
    assert not any(tmp_path.iterdir())


def test_spans_can_be_streamed(tmp_path: Path) -> None:
    assert streamed(span("a", 0, 1).encode(), options(), tmp_path, loader="otel").loader == "otel"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("code", "200", [2.0], id="integers"),
        pytest.param("ok", "true", [2.0], id="booleans"),
        pytest.param("ok", "", [1.0], id="nothing"),
        pytest.param("kind", "gold", [2.0], id="dictionaries"),
    ],
)
def test_columns_of_parquet_are_matched_as_texts(tmp_path: Path, name: str, value: str, expected: list[float]) -> None:
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, of the extra of that name")
    from pyarrow import parquet

    columns = {
        "time": ["2025-03-01T00:00:00Z"] * 4,
        "code": [200, 200, 500, None],
        "ok": [True, True, False, None],
        "kind": arrow.array(["gold", "basic", "gold", None]).dictionary_encode(),
    }
    parquet.write_table(arrow.table(columns), tmp_path / "events.parquet")
    found = measured(tmp_path / "events.parquet", options("A.arrivals=count", where=((name, value),)))
    assert found.series[0].values.tolist() == expected


def test_classes_of_an_import_feed_a_model(tmp_path: Path) -> None:
    imported(
        write(tmp_path, EVENTS.replace(",,", ",gold,")), options("A.arrivals=count", class_column="kind"), tmp_path
    )
    model = parse_model(MODEL)
    fed = bind_model(model, TelemetryRequest(capture_dir=tmp_path / "captures" / "one")).source.model
    result = compile_model(fed).evaluate()
    assert [result[f"demand{part}"].tolist() for part in ("", "@gold", "@basic")] == [
        [3.0, 2.0],
        [2.0, 1.0],
        [1.0, 1.0],
    ]
