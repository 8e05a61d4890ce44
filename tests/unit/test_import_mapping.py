"""Maps and grids as they are written on the command line."""

from __future__ import annotations

import pytest

from flowtime.errors import TelemetryError
from flowtime.telemetry.loaders.axis import parse_step
from flowtime.telemetry.loaders.mapping import Measure, Target, parse_measures


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("A.arrivals=value", ("node", "A", "arrivals", "column", "value"), id="column"),
        pytest.param("A.arrivals=count", ("node", "A", "arrivals", "count", None), id="count"),
        pytest.param("A.arrivals=count()", ("node", "A", "arrivals", "count", None), id="count with brackets"),
        pytest.param(
            "A.arrivals=column(count)", ("node", "A", "arrivals", "column", "count"), id="column called count"
        ),
        pytest.param("A.served=sum(ok calls)", ("node", "A", "served", "sum", "ok calls"), id="space"),
        pytest.param("A.capacity=mean(a=b)", ("node", "A", "capacity", "mean", "a=b"), id="equals sign"),
        pytest.param("a.b.c.errors=max(x(1))", ("node", "a.b.c", "errors", "max", "x(1)"), id="dots and brackets"),
        pytest.param("A.queueDepth=last(q)", ("node", "A", "queueDepth", "last", "q"), id="last"),
        pytest.param("A->B.flowVolume=sum(n)", ("edge", "A->B", "flowVolume", "sum", "n"), id="edge"),
    ],
)
def test_map_is_read(text: str, wanted: tuple[str, ...]) -> None:
    kind, subject, metric, how, column = wanted
    assert parse_measures([text]) == (Measure(Target(kind, subject, metric), how, column),)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        pytest.param(["arrivals=value"], "NODE.METRIC", id="no node"),
        pytest.param(["A.arrivals"], "NODE.METRIC", id="no equals sign"),
        pytest.param(["A.arrivals="], "NODE.METRIC", id="nothing mapped"),
        pytest.param([".arrivals=x"], "NODE.METRIC", id="empty node"),
        pytest.param(["A\n.arrivals=x"], "id of a node", id="line feed in the node"),
        pytest.param(["A.arivals=x"], "did you mean arrivals", id="metric misspelled"),
        pytest.param(["A->B.arrivals=x"], "flowVolume", id="metric of nodes for an edge"),
        pytest.param(["A.arrivals=median(x)"], "median", id="unknown aggregate"),
        pytest.param(["A.arrivals=sum()"], "no way to measure", id="aggregate of nothing"),
        pytest.param(["A.arrivals=x", "A.arrivals=y"], "mapped twice", id="twice"),
        pytest.param(["A.arrivals=x", "A.served=sum(y)"], "either a bin or an event", id="bins and events"),
    ],
)
def test_map_that_is_none(texts: list[str], told: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        parse_measures(texts)
    assert caught.value.code == "telemetry.map_invalid"
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size", "unit", "seconds"),
    [
        ("30s", 30, "seconds", 30),
        ("5m", 5, "minutes", 300),
        ("15 min", 15, "minutes", 900),
        ("1H", 1, "hours", 3600),
        ("1day", 1, "days", 86_400),
        ("2w", 2, "weeks", 1_209_600),
    ],
)
def test_step_is_read(text: str, size: int, unit: str, seconds: int) -> None:
    step = parse_step(text)
    assert (step.size, step.unit, step.nanos) == (size, unit, seconds * 1_000_000_000)


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "1001s", "5ms", "1.5h", "-5m", "1mo"])
def test_step_that_is_none(text: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        parse_step(text)
    assert caught.value.code == "telemetry.grid_invalid"
