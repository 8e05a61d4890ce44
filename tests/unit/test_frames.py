"""Results as tables of other libraries, and as HTML that no name can break out of."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from enginemodels import compiled, station
from flowtime.engine import Result
from flowtime.engine.frames import bin_times, to_html
from flowtime.errors import MissingExtraError

NODES = {"load": [1.0, 2.0, float("nan")], "rate": 4.0, "twice": "load * 2"}
FLOW = station("arrivals: load, capacity: rate")
NAMES = ["load", "rate", "twice", "q_queue", "q_served"]
START = 'binSize: 90, binUnit: minutes, start: "2026-03-28T23:00:00Z"'
TIMES = ["2026-03-28T23:00:00", "2026-03-29T00:30:00", "2026-03-29T02:00:00"]


@pytest.fixture(scope="module")
def result() -> Result:
    """Three bins that begin at a given time."""
    return compiled(3, NODES, FLOW, grid=START).evaluate()


@pytest.fixture(scope="module")
def timeless() -> Result:
    """Three bins that begin at no time."""
    return compiled(3, NODES, FLOW).evaluate()


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        pytest.param(START, TIMES, id="utc"),
        pytest.param('binSize: 90, binUnit: minutes, start: "2026-03-28T23:00:00+00:00"', TIMES, id="utc-as-an-offset"),
        pytest.param(
            'binSize: 30, binUnit: seconds, start: "2026-03-28T23:59:30.500Z"',
            ["2026-03-28T23:59:30.500", "2026-03-29T00:00:00.500", "2026-03-29T00:00:30.500"],
            id="seconds",
        ),
        pytest.param(
            'binSize: 1, binUnit: weeks, start: "2026-12-20T00:00:00Z"',
            ["2026-12-20", "2026-12-27", "2027-01-03"],
            id="weeks",
        ),
    ],
)
def test_times_of_bins(grid: str, expected: list[str]) -> None:
    times = bin_times(compiled(3, NODES, grid=grid).evaluate().grid)
    np.testing.assert_array_equal(times, np.array(expected, dtype="datetime64[ms]"))


def test_no_times_without_a_start(timeless: Result) -> None:
    assert bin_times(timeless.grid) is None


# pandas


def test_pandas_has_a_row_per_bin(result: Result) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = result.to_pandas()
    assert (list(frame.columns), frame.index.name) == (NAMES, "time")
    np.testing.assert_array_equal(frame.index.to_numpy(), np.array(TIMES, dtype="datetime64[ms]"))
    np.testing.assert_array_equal(frame.to_numpy().T, [result[name] for name in NAMES])


def test_pandas_counts_bins_where_there_is_no_time(timeless: Result) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    index = timeless.to_pandas().index
    assert (index.name, index.tolist()) == ("bin", [0, 1, 2])


def test_pandas_may_be_changed(result: Result) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = result.to_pandas()
    frame.loc[:, "load"] = 9.0
    assert result["load"][0] == 1.0


# polars


def test_polars_has_a_row_per_bin(result: Result) -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    frame = result.to_polars()
    assert frame.columns == ["bin", "time", *NAMES]
    assert frame["bin"].to_list() == [0, 1, 2]
    np.testing.assert_array_equal(frame["time"].to_numpy(), np.array(TIMES, dtype="datetime64[ms]"))
    np.testing.assert_array_equal(frame["twice"].to_numpy(), result["twice"])


def test_polars_without_a_time(timeless: Result) -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    assert timeless.to_polars().columns == ["bin", *NAMES]


# xarray


def test_xarray_has_a_variable_per_series(result: Result) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    data = result.to_xarray()
    assert (list(data.data_vars), dict(data.sizes)) == (NAMES, {"bin": 3})
    assert data["q_queue"].attrs == {"units": "entities"}
    np.testing.assert_array_equal(data["time"].values, np.array(TIMES, dtype="datetime64[ms]"))
    np.testing.assert_array_equal(data["load"].values, result["load"])


def test_xarray_without_a_time(timeless: Result) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    assert list(timeless.to_xarray().coords) == ["bin"]


@pytest.mark.parametrize(
    ("library", "method"), [("pandas", "to_pandas"), ("polars", "to_polars"), ("xarray", "to_xarray")]
)
def test_a_library_that_is_not_there_is_named(
    result: Result, library: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None in its place makes Python say that there is no such module.
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=library) as caught:
        getattr(result, method)()
    assert caught.value.code == "extra.missing"


# HTML


def test_html_shows_the_first_bins(result: Result) -> None:
    text = result._repr_html_()
    assert "<th>twice</th>" in text
    assert text.count("<tr>") == 4
    assert "<tr><th>1</th><td>2</td><td>4</td><td>4</td><td>0</td><td>2</td></tr>" in text
    assert "5 series x 3 bins" in text


def test_html_of_a_long_result_is_short() -> None:
    wide = compiled(500, {f"n{i}": float(i) for i in range(40)}).evaluate()
    assert to_html(wide).count("<tr>") == 9
    assert to_html(wide).count("<td>") == 8 * 12


def test_html_escapes_names() -> None:
    # Series names are checked, but outputs may be metrics, whose nodes are called what they like.
    name = '"<script>alert(1)</script>&"'
    flow = station("arrivals: a, capacity: c", name=name)
    odd = compiled(2, {"a": 1.0, "c": 2.0}, flow, outputs=[f"{name[1:-1]}.utilization"])
    text = to_html(odd.evaluate())
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;.utilization" in text
