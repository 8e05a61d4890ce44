"""Aggregates of windows: each against its slow twin, compiled and as plain Python, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.errors import ParameterError
from flowtime.state.windows import fixed, rolling
from oracle_windows import aggregate, fixed_windows, rolling_windows
from windowforms import FORMS, use_form

INF, NAN = math.inf, math.nan
NAMES = ("sum", "mean", "min", "max", "last", "count", "std", "q0", "q0.25", "q0.5", "q0.95", "q1")


def table(bins: int, seed: int = 1) -> np.ndarray:
    """Two series far from 0, with single gaps and a long one."""
    rng = np.random.default_rng(seed)
    values = rng.normal(1000.0, 3.0, (2, bins)).round(2)
    values[rng.random(values.shape) < 0.2] = NAN
    values[:, bins // 3 : bins // 2] = NAN
    return values


def expected(name: str, windows: list[list[float]]) -> list[float]:
    """One aggregate of each window."""
    return [aggregate(name, window) for window in windows]


SPECIAL = [
    pytest.param([5.0], id="one"),
    pytest.param([NAN], id="one-missing"),
    pytest.param([NAN] * 9, id="all-missing"),
    pytest.param([0.0, -0.0, 0.0, NAN, 0.0], id="zeros"),
    pytest.param([7.25] * 12, id="constant"),
    pytest.param([1.0, INF, 2.0, 3.0, NAN, 4.0, 5.0, 6.0], id="infinity"),
    pytest.param([1.0, -INF, 2.0, INF, 3.0, 4.0, 5.0, 6.0], id="two-infinities"),
    pytest.param([INF, INF, NAN, INF], id="only-infinities"),
    pytest.param([1e16, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], id="spike"),
    pytest.param([float(i % 5) for i in range(40)], id="ties"),
    pytest.param([NAN, NAN, 3.0, NAN, NAN, NAN, NAN, 2.0, NAN], id="mostly-missing"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 50])
@pytest.mark.parametrize("row", SPECIAL)
def test_rolling_is_its_twin(row: list[float], width: int, form: str) -> None:
    with use_form(form):
        found = rolling(np.array([row]), width, NAMES, threads=1)
    windows = rolling_windows(row, width)
    assert {name: [found[name][0].tolist()] for name in NAMES} == {
        name: [pytest.approx(expected(name, windows), rel=1e-13, abs=1e-12, nan_ok=True)] for name in NAMES
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 50])
@pytest.mark.parametrize("row", SPECIAL)
def test_fixed_is_its_twin(row: list[float], width: int, form: str) -> None:
    with use_form(form):
        found = fixed(np.array([row]), width, NAMES, threads=1)
    windows = fixed_windows(row, [*range(0, len(row), width), len(row)])
    assert {name: [found[name][0].tolist()] for name in NAMES} == {
        name: [pytest.approx(expected(name, windows), rel=1e-13, abs=1e-12, nan_ok=True)] for name in NAMES
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("width", [5, 9, 15, 16, 17, 64, 127, 128, 129, 300])
def test_rolling_of_many_bins(width: int, form: str) -> None:
    values = table(700)
    with use_form(form):
        found = rolling(values, width, NAMES, threads=1)
    windows = rolling_windows(values[1].tolist(), width)
    assert {name: [found[name][1].tolist()] for name in NAMES} == {
        name: [pytest.approx(expected(name, windows), rel=1e-11, nan_ok=True)] for name in NAMES
    }


@pytest.mark.parametrize("width", [1000, 4097, 9999, 20_000])
def test_rolling_of_wide_windows(width: int) -> None:
    values = table(10_000)
    found = rolling(values, width, NAMES)
    picks = [0, 1, 3999, 4095, 4096, 5000, 8193, 9999]
    windows = [values[0, max(0, t + 1 - width) : t + 1].tolist() for t in picks]
    assert {name: [found[name][0, picks].tolist()] for name in NAMES} == {
        name: [pytest.approx(expected(name, windows), rel=1e-11, nan_ok=True)] for name in NAMES
    }


@pytest.mark.parametrize("form", FORMS)
def test_fixed_of_many_bins(form: str) -> None:
    values = table(5000)
    edges = [3, 3, 10, 1100, 1101, 4000, 4000, 4990]
    with use_form(form):
        found = fixed(values, edges, NAMES, threads=1)
    windows = fixed_windows(values[1].tolist(), edges)
    assert {name: [found[name][1].tolist()] for name in NAMES} == {
        name: [pytest.approx(expected(name, windows), rel=1e-11, nan_ok=True)] for name in NAMES
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "row",
    [
        pytest.param([float(i) for i in range(400)], id="rising"),
        pytest.param([float(-i) for i in range(400)], id="falling"),
        pytest.param([float(min(i, 400 - i)) for i in range(400)], id="pipes"),
        pytest.param([float(i % 2) for i in range(400)], id="two-values"),
        # Numbers whose median of three is always among the least: Musser (1997), of an even count.
        pytest.param([float(i if i % 2 else 200 + i) for i in range(200)] + [float(2 * i) for i in range(200)], id="k"),
    ],
)
def test_quantiles_of_orders_that_are_hard_to_part(row: list[float], form: str) -> None:
    names = [f"q{share}" for share in (0, 0.01, 0.5, 0.77, 1)]
    with use_form(form):
        found = fixed(np.array([row]), [0, 400], names)
    assert [float(found[name][0, 0]) for name in names] == [aggregate(name, row) for name in names]


@pytest.mark.parametrize("call", [fixed, rolling], ids=["fixed", "rolling"])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.asfortranarray(table(60)), id="columns"),
        pytest.param(table(120)[:, ::2], id="every-other-bin"),
        pytest.param(table(120)[:, 40:100], id="some-bins"),
        pytest.param(table(60)[::-1], id="upside-down"),
        pytest.param(np.arange(120).reshape(2, 60), id="integers"),
        pytest.param(table(60).astype(np.float32), id="short-floats"),
        pytest.param(table(60).astype(">f8"), id="other-byte-order"),
        pytest.param(np.broadcast_to(table(60)[0], (2, 60)), id="one-row-twice"),
    ],
)
def test_memory_of_any_kind(call: Any, values: np.ndarray) -> None:
    plain = np.array(values, dtype=np.float64, order="C")
    found, wanted = call(values, 7, NAMES), call(plain, 7, NAMES)
    assert {name: found[name].tobytes() for name in NAMES} == {name: wanted[name].tobytes() for name in NAMES}


@pytest.mark.parametrize("call", [fixed, rolling], ids=["fixed", "rolling"])
def test_memory_map_and_chosen_rows(call: Any, tmp_path: Path) -> None:
    values = np.vstack([table(300, seed) for seed in range(3)])
    np.save(tmp_path / "series.npy", values)
    mapped = np.load(tmp_path / "series.npy", mmap_mode="r")
    found = call(mapped, 11, NAMES, rows=[4, 0, 4])
    wanted = call(values[[4, 0, 4]], 11, NAMES)
    assert {name: found[name].tobytes() for name in NAMES} == {name: wanted[name].tobytes() for name in NAMES}


@pytest.mark.parametrize(
    ("values", "windows", "shape"),
    [
        pytest.param(np.zeros((0, 5)), 2, (0, 3), id="no-series"),
        pytest.param(np.zeros((3, 0)), 2, (3, 0), id="no-bins"),
        pytest.param(np.zeros((3, 4)), [2], (3, 0), id="one-edge"),
        pytest.param(np.zeros((3, 4)), 9, (3, 1), id="wider-than-all"),
        pytest.param(np.zeros((3, 4)), np.int64(3), (3, 2), id="shorter-last"),
    ],
)
def test_shapes_of_fixed(values: np.ndarray, windows: Any, shape: tuple[int, int]) -> None:
    found = fixed(values, windows, ["count", "q0.5"])
    assert [found[name].shape for name in found] == [shape, shape]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (2, 1)])
def test_shapes_of_rolling(shape: tuple[int, int]) -> None:
    found = rolling(np.zeros(shape), 3, ["sum", "std", "q0.5"])
    assert [found[name].shape for name in found] == [shape, shape, shape]


def test_names_come_back_in_the_order_they_were_asked_for() -> None:
    found = fixed(table(20), 5, ["q0.95", "mean", "sum", "q.5", "mean"])
    assert list(found) == ["q0.95", "mean", "sum", "q.5"]


@pytest.mark.parametrize(
    ("values", "windows", "aggregates", "what"),
    [
        pytest.param(np.zeros((1, 4)), 2, [], "no aggregate", id="none"),
        pytest.param(np.zeros((1, 4)), 2, ["median"], "'median'", id="unknown"),
        pytest.param(np.zeros((1, 4)), 2, ["q1.5"], r"'q1\.5'", id="quantile-too-large"),
        pytest.param(np.zeros((1, 4)), 2, ["qnan"], "'qnan'", id="quantile-nan"),
        pytest.param(np.zeros((1, 4)), 0, ["sum"], "0 bins", id="narrow"),
        pytest.param(np.zeros(4), 2, ["sum"], "1 dimensions", id="one-dimension"),
        pytest.param(np.zeros((1, 4)), [3, 1], ["sum"], "ascend", id="descending"),
        pytest.param(np.zeros((1, 4)), [0, 5], ["sum"], "to 4", id="beyond"),
        pytest.param(np.zeros((1, 4)), [-1, 3], ["sum"], "ascend", id="before"),
        pytest.param(np.zeros((1, 4)), [], ["sum"], "ascend", id="no-edges"),
    ],
)
def test_what_is_refused(values: np.ndarray, windows: Any, aggregates: list[str], what: str) -> None:
    with pytest.raises(ParameterError, match=what) as caught:
        fixed(values, windows, aggregates)
    assert caught.value.code == "parameter.value"


def test_rows_that_are_not_there_are_refused() -> None:
    with pytest.raises(ParameterError, match="0 to 1"):
        rolling(np.zeros((2, 4)), 2, ["sum"], rows=[2])


def test_a_window_that_is_too_narrow_is_refused() -> None:
    with pytest.raises(ParameterError, match="0 bins"):
        rolling(np.zeros((2, 4)), 0, ["sum"])
