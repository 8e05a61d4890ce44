"""OpenTelemetry spans: which ones count where, who calls whom, in which order lines ever come."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from flowtime.telemetry.loaders import otel
from flowtime.telemetry.loaders.base import SourceError
from flowtime.telemetry.loaders.series_bins import Measured
from importfakes import measured, moment, options, otlp, series, span, write

ZERO = "1735689600000000000"
# A call of web that asks db and fails there; web itself answers.
WEB = {"traceId": "t", "spanId": "1", "kind": 2, "startTimeUnixNano": ZERO, "endTimeUnixNano": "1735689600500000000"}
ASKS = {"traceId": "t", "spanId": "2", "parentSpanId": "1", "kind": 3, "startTimeUnixNano": "1735689600100000000",
        "endTimeUnixNano": "1735689600400000000"}  # fmt: skip
DB = {"traceId": "t", "spanId": "3", "parentSpanId": "2", "kind": 2, "startTimeUnixNano": "1735689600200000000",
      "endTimeUnixNano": "1735689660300000000", "status": {"code": 2}}  # fmt: skip
ANSWER = {
    "web.arrivals": [1.0, 0.0],
    "web.served": [1.0, 0.0],
    "web.errors": [0.0, 0.0],
    "web.servedCount": [1.0, 0.0],
    "web.processingTimeMsSum": [500.0, 0.0],
    "db.arrivals": [1.0, 0.0],
    "db.served": [0.0, 0.0],
    "db.errors": [0.0, 1.0],
    "db.servedCount": [0.0, 0.0],
    "db.processingTimeMsSum": [0.0, 0.0],
    "web->db.flowVolume": [1.0, 0.0],
    "web->db.failuresVolume": [0.0, 1.0],
}


def spans(folder: Path, text: str, **others: Any) -> Measured:
    """Return what is found in lines of JSON, in bins of a minute."""
    return measured(write(folder, text, "source.jsonl"), options(grid="1m", **others))


def test_export_of_a_collector(tmp_path: Path) -> None:
    found = spans(tmp_path, otlp({"web": [WEB, ASKS], "db": [DB]}))
    assert (found.start, found.rows) == (moment("2025-01-01T00:00:00"), 3)
    assert series(found) == ANSWER


@pytest.mark.parametrize("order", [*permutations(range(3))], ids=str)
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_order_of_lines_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...], chunk: int
) -> None:
    monkeypatch.setattr(otel, "_CHUNK", chunk)
    lines = [otlp({"web": [WEB]}), otlp({"web": [ASKS]}), otlp({"db": [DB]})]
    assert series(spans(tmp_path, "".join(lines[place] for place in order))) == ANSWER


@pytest.mark.parametrize("status", ["ERROR", "error", 2, {"code": "STATUS_CODE_ERROR"}, {"code": 2}], ids=str)
def test_spellings_of_an_error(tmp_path: Path, status: object) -> None:
    assert series(spans(tmp_path, span("a", 0, 1, status=status)))["a.errors"] == [1.0]


@pytest.mark.parametrize("status", [None, "OK", "UNSET", 0, 1, {}, {"code": 1}, True], ids=str)
def test_spellings_of_no_error(tmp_path: Path, status: object) -> None:
    assert series(spans(tmp_path, span("a", 0, 1, status=status)))["a.served"] == [1.0]


@pytest.mark.parametrize(
    ("child", "wanted"),
    [
        pytest.param({"service": "b", "kind": "SERVER"}, 1.0, id="server"),
        pytest.param({"service": "b", "kind": "SPAN_KIND_CONSUMER"}, 1.0, id="consumer"),
        pytest.param({"service": "b"}, 1.0, id="no kind, of another service"),
        pytest.param({"service": "b", "kind": "CLIENT"}, None, id="client"),
        pytest.param({"service": "b", "kind": 1}, None, id="internal"),
    ],
)
def test_which_child_is_work_that_comes_in(tmp_path: Path, child: dict[str, Any], wanted: float | None) -> None:
    text = span("a", 0, 9, spanId="1", kind="SERVER") + span(start=1, end=2, spanId="2", parentSpanId="1", **child)
    assert series(spans(tmp_path, text)).get("b.arrivals", [None]) == [wanted]


@pytest.mark.parametrize(
    ("kind", "wanted"), [pytest.param(None, 1.0, id="no kind"), pytest.param("SERVER", 2.0, id="server")]
)
def test_child_of_the_same_service(tmp_path: Path, kind: str | None, wanted: float) -> None:
    text = span("a", 0, 9, spanId="1") + span("a", 1, 2, spanId="2", parentSpanId="1", kind=kind)
    found = series(spans(tmp_path, text))
    assert found["a.arrivals"] == [wanted]
    assert not any("->" in name for name in found)


def test_equal_ids_of_two_traces_are_two_spans(tmp_path: Path) -> None:
    text = (
        span("a", 0, 1, spanId="1", traceId="x")
        + span("b", 0, 1, spanId="1", traceId="y")
        + span("c", 0, 1, spanId="2", traceId="y", parentSpanId="1")
    )
    assert [name for name in series(spans(tmp_path, text)) if "->" in name] == [
        "b->c.flowVolume",
        "b->c.failuresVolume",
    ]


def test_duration_stands_for_the_end(tmp_path: Path) -> None:
    text = '{"service": "a", "start": "2025-01-01T00:00:59.5Z", "durationMs": 750.5}\n'
    found = series(spans(tmp_path, text))
    assert (found["a.arrivals"], found["a.served"]) == ([1.0, 0.0], [0.0, 1.0])
    assert found["a.processingTimeMsSum"] == [0.0, 750.5]


@pytest.mark.parametrize(
    ("text", "code", "rows"),
    [
        pytest.param(
            span("a", 0, 1, spanId="1", parentSpanId="9"), "parents_unresolved", 1, id="parent that never comes"
        ),
        pytest.param(span("a", 5, 4), "span_ends_before_start", 1, id="end before the start"),
        pytest.param(
            '{"service":"a","start":"2025-01-01T00:00","durationMs":1}\n', "time_zone_assumed", 1, id="no zone"
        ),
    ],
)
def test_what_is_imperfect_is_remarked_on(tmp_path: Path, text: str, code: str, rows: int) -> None:
    found = spans(tmp_path, text)
    assert [remark.rows for remark in found.remarks if remark.code == code] == [rows]
    assert series(found)["a.arrivals"] == [1.0]


@pytest.mark.parametrize(("kept", "resolved"), [(4, True), (2, False)])
def test_parent_far_off_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, resolved: bool) -> None:
    monkeypatch.setattr(otel, "_CHUNK", 1)
    monkeypatch.setattr(otel, "_CHUNKS_KEPT", kept)
    between = span("x", 0, 1) * 2
    found = spans(tmp_path, span("b", 0, 1, spanId="2", parentSpanId="1") + between + span("a", 0, 1, spanId="1"))
    assert ("a->b.flowVolume" in series(found)) == resolved
    assert any(remark.code == "parents_unresolved" for remark in found.remarks) != resolved


def test_window_cuts_starts_and_ends_apart(tmp_path: Path) -> None:
    found = series(spans(tmp_path, span("a", 30, 90), end=moment("2025-01-01T00:01:00")))
    assert (found["a.arrivals"], found["a.served"]) == ([1.0], [0.0])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("{", "row", id="no json"),
        pytest.param("[]", "row", id="a list"),
        pytest.param('"span"', "row", id="a text"),
        pytest.param('{"service": "a"}', "row", id="no start"),
        pytest.param('{"service": "a", "start": 1}', "row", id="no end"),
        pytest.param('{"start": 1, "end": 2}', "row", id="no service"),
        pytest.param('{"resourceSpans": 7}', "row", id="export of another form"),
        pytest.param('{"resourceSpans": [{"scopeSpans": [{"spans": [1]}]}]}', "row", id="a span that is none"),
        pytest.param('{"service": "a", "start": "2025-01-01T00:00Z", "durationMs": "long"}', "row", id="bad duration"),
        pytest.param('{"service": "a", "start": "soon", "end": "later"}', "time", id="bad start"),
        pytest.param('{"service": "a", "start": "2025-01-01T00:00Z", "end": "later"}', "time", id="bad end"),
        pytest.param("[" * 100_000, "row", id="too deep"),
    ],
)
def test_wrong_line_is_named(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(SourceError) as caught:
        spans(tmp_path, span("a", 0, 1) + "\n" + text + "\n" + span("a", 0, 1))
    assert (caught.value.code, caught.value.line) == (f"telemetry.source_{code}", 3)


def test_empty_file_has_no_span(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        spans(tmp_path, "\n\n")
    assert caught.value.code == "telemetry.source_empty"


def test_spans_take_no_maps(tmp_path: Path) -> None:
    path = write(tmp_path, span("a", 0, 1), "source.jsonl")
    with pytest.raises(SourceError) as caught:
        measured(path, options("A.arrivals=count"))
    assert caught.value.code == "telemetry.map_invalid"
