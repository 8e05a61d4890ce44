"""What a list is asked for: texts from outside, and which of them are errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from flowtime.errors import ParameterError
from flowtime.runs.query import RunQuery, parse_query
from flowtime.runs.times import parse_utc


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, RunQuery(), id="nothing"),
        pytest.param({"template": "a"}, RunQuery(templates=("a",)), id="template"),
        pytest.param({"template": ["a", "b"]}, RunQuery(templates=("a", "b")), id="templates"),
        pytest.param(
            {"mode": "telemetry", "status": "broken"}, RunQuery(mode="telemetry", status="broken"), id="choices"
        ),
        pytest.param(
            {"kind": "perf", "pipeline": "p", "scenario": "s"},
            RunQuery(kind="perf", pipeline="p", scenario="s"),
            id="what a tracked run says",
        ),
        pytest.param({"tag": ["a", "b=c"]}, RunQuery(tags=("a", "b=c")), id="tags"),
        pytest.param({"warnings": "false"}, RunQuery(has_warnings=False), id="flag"),
        pytest.param(
            {"since": "2025-01-31"}, RunQuery(since=datetime(2025, 1, 31, tzinfo=UTC)), id="a date is its midnight, UTC"
        ),
        pytest.param(
            {"before": "2025-01-31T10:00:00+02:00"},
            RunQuery(before=datetime(2025, 1, 31, 8, tzinfo=UTC)),
            id="time with a zone",
        ),
        pytest.param({"page": "3", "pageSize": "200"}, RunQuery(page=3, page_size=200), id="page"),
        pytest.param({"inputHash": "sha256:abcd"}, RunQuery(input_hash="sha256:abcd"), id="input hash"),
    ],
)
def test_texts_make_a_query(values: dict[str, str | Sequence[str]], expected: RunQuery) -> None:
    assert parse_query(values) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"mode": "replay"}, "mode must be one of simulation, telemetry", id="mode"),
        pytest.param({"mode": ["simulation", "telemetry"]}, "mode must be given once", id="mode twice"),
        pytest.param({"status": "finished"}, "status must be one of completed, failed", id="status"),
        pytest.param({"kind": "run"}, "kind must be one of flow, pipeline, perf", id="kind"),
        pytest.param({"tag": "=x"}, "tag must be a key, or key=value", id="tag without a key"),
        pytest.param({"warnings": "yes"}, "warnings must be one of true, false", id="flag"),
        pytest.param({"since": "yesterday"}, "since must be a time", id="since"),
        pytest.param({"before": "2025-02-30"}, "before must be a time", id="before"),
        pytest.param({"since": "2025-01-02", "before": "2025-01-02"}, "after 2025-01-02", id="no time between"),
        pytest.param({"inputHash": "abc"}, "4 to 64 hexadecimal digits", id="short hash"),
        pytest.param({"inputHash": "sha1:abcdef"}, "4 to 64 hexadecimal digits", id="another hash"),
        pytest.param({"page": "0"}, "page must be at least 1", id="page"),
        pytest.param({"page": "two"}, "page must be a whole number", id="page in words"),
        pytest.param({"page": "9" * 5000}, "page must be a whole number", id="page beyond all"),
        pytest.param({"pageSize": "201"}, "pageSize must be from 1 to 200", id="page size"),
    ],
)
def test_a_value_that_no_run_can_have_is_an_error(values: dict[str, str | Sequence[str]], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        parse_query(values)
    assert caught.value.code == "parameter.filter_value"


@pytest.mark.parametrize(
    ("name", "hint"), [("templat", "did you mean 'template'"), ("limit", "filters are template, kind, mode")]
)
def test_a_filter_that_does_not_exist_is_an_error(name: str, hint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_query({name: "x"})
    assert caught.value.code == "parameter.unknown_filter"
    assert hint in str(caught.value.hint)


def test_a_time_without_a_zone_is_refused_in_a_query() -> None:
    with pytest.raises(ParameterError, match="a time with its zone"):
        RunQuery(since=datetime(2025, 1, 1))


@pytest.mark.parametrize("text", ["", "monday", "2025-13-01", "0001-01-01T00:00:00+14:00", "2025-01-01T25:00:00Z"])
def test_what_is_no_time(text: str) -> None:
    assert parse_utc(text) is None
