"""The kernels of gaps, compiled and plain, against their slow twins; and shared out over threads."""

from __future__ import annotations

import math
import platform
import re
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

import oracle_gaps as twins
from flowtime.telemetry.gap_kernels import filled_copy, list_runs
from gapforms import gap_kernels
from kernelforms import FORMS

NAN, INF = math.nan, math.inf
Table = NDArray[np.float64]

ROWS = [
    pytest.param([1.0, 2.0, 3.0], id="nothing"),
    pytest.param([NAN, NAN, NAN], id="all"),
    pytest.param([NAN, 2.0, NAN], id="both ends"),
    pytest.param([1.0, NAN, 3.0, NAN, NAN, 9.0, NAN], id="several"),
    pytest.param([1.0, NAN, INF, NAN, 4.0, NAN, -INF], id="beside infinities"),
    pytest.param([5.0, NAN, NAN, NAN, NAN, NAN, 5.0], id="between equals"),
    pytest.param([-0.0, NAN, -3.0, NAN, 1e308], id="signs"),
    pytest.param([NAN], id="one bin"),
    pytest.param([], id="no bins"),
]


def scattered(rows: int, bins: int, seed: int = 5) -> Table:
    """Numbers with single gaps, long gaps and a few infinities."""
    rng = np.random.default_rng(seed)
    table = rng.normal(10.0, 5.0, (rows, bins))
    table[rng.random((rows, bins)) < 0.1] = np.nan
    table[:, bins // 3 : bins // 2] = np.nan
    table[rng.random((rows, bins)) < 0.01] = np.inf
    return table


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["zero", "forward", "linear"])
@pytest.mark.parametrize("row", ROWS)
def test_fill_is_its_twin(form: str, how: str, row: list[float]) -> None:
    out = np.full((1, len(row)), 7.0)
    getattr(gap_kernels(form), f"fill_{how}")(np.array([row]), 0, len(row), out)
    np.testing.assert_allclose(out[0], twins.fill_row(row, how), rtol=1e-15)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("period", [1, 2, 3, 10])
@pytest.mark.parametrize("row", ROWS)
def test_fill_seasonal_is_its_twin(form: str, period: int, row: list[float]) -> None:
    out = np.full((1, len(row)), 7.0)
    gap_kernels(form).fill_seasonal(np.array([row]), period, out)
    np.testing.assert_array_equal(out[0], twins.fill_row(row, "seasonal", period=period))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["zero", "forward", "linear"])
def test_a_part_of_the_bins_sees_what_is_outside_it(form: str, how: str) -> None:
    table = scattered(2, 90)
    whole, parts = np.empty_like(table), np.empty_like(table)
    fill = getattr(gap_kernels(form), f"fill_{how}")
    fill(table, 0, 90, whole)
    for first in range(0, 90, 9):
        fill(table, first, first + 9, parts)
    assert parts.tobytes() == whole.tobytes()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_reopen_leaves_gaps_up_to_the_limit(form: str, limit: int) -> None:
    row = [1.0, NAN, 3.0, NAN, NAN, 6.0, NAN, NAN, NAN, 9.0, NAN, NAN, NAN, NAN]
    out = np.zeros((1, len(row)))
    gap_kernels(form).fill_zero(np.array([row]), 0, len(row), out)
    gap_kernels(form).reopen(np.array([row]), limit, out)
    np.testing.assert_array_equal(out[0], twins.fill_row(row, "zero", limit))


@pytest.mark.parametrize("form", FORMS)
def test_counts_by_kind_and_row(form: str) -> None:
    table = np.array([[NAN, -1.0, INF, -INF, 0.0], [1.0, 2.0, NAN, NAN, -0.0]])
    counts = np.zeros((2, 3), dtype=np.int64)
    gap_kernels(form).count_faults(table, counts)
    # Minus infinity is below 0 as well; the counts bound what there may be to list.
    assert counts.tolist() == [[1, 2, 2], [2, 0, 0]]


MARKED = [
    pytest.param([1.0, NAN, NAN, 4.0], [False, True, False, False], id="missing beside NaN"),
    pytest.param([-1.0, INF, -INF, NAN], [False, False, False, True], id="one of each"),
    pytest.param([0.0, -0.0, 5.0], [False, False, False], id="nothing"),
    pytest.param([NAN, -2.0, -3.0, 1.0, -4.0], [True, False, False, False, False], id="two runs below 0"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("row", "missing"), MARKED)
def test_runs_are_those_of_the_twin(
    form: str, signed: bool, row: list[float], missing: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtime.telemetry.gap_kernels.load_gap_kernels", lambda: gap_kernels(form))
    runs = list_runs(np.array([row]), np.array([missing]), signed=np.array([signed]))
    codes = ["", "data_gap", "nan_detected", "infinite_value", "negative_value"]
    found = [(codes[code], first, last) for _, first, last, code in runs.tolist()]
    assert found == twins.fault_runs(row, missing, signed=signed)


@pytest.mark.parametrize("bins", [1, 1023, 1024, 1025, 3000])
def test_runs_across_chunks(bins: int) -> None:
    table = np.full((2, bins), NAN)
    assert list_runs(table).tolist() == [[0, 0, bins - 1, 1], [1, 0, bins - 1, 1]]


def test_runs_of_long_rows_are_those_of_the_twin() -> None:
    table = scattered(3, 2500)
    found = [(row, first, last) for row, first, last, _ in list_runs(table, signed=np.ones(3, dtype=bool)).tolist()]
    slow = [
        (row, first, last)
        for row in range(3)
        for _, first, last in twins.fault_runs(table[row].tolist(), [True] * 2500, signed=True)
    ]
    assert found == slow


TOUCHED = [
    pytest.param([False, False, True, True, False, True], id="two runs"),
    pytest.param([True, True, False, False, False, False], id="at the start"),
    pytest.param([True] * 6, id="all"),
    pytest.param([False] * 6, id="none"),
]
ROW = [1.0, 2.0, NAN, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("touched", TOUCHED)
def test_hold_is_its_twin(form: str, touched: list[bool]) -> None:
    table = np.array([[9.0] * 6, ROW])
    gap_kernels(form).hold(table, np.array([1]), np.array([touched]))
    np.testing.assert_array_equal(table, [[9.0] * 6, twins.hold_row(ROW, touched)])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by", [-9, -6, -2, -1, 1, 3, 6, 9])
@pytest.mark.parametrize("touched", TOUCHED)
def test_shift_is_its_twin(form: str, by: int, touched: list[bool]) -> None:
    table = np.array([[9.0] * 6, ROW])
    gap_kernels(form).shift(table[1:].copy(), np.array([1]), np.array([touched]), by, table)
    np.testing.assert_array_equal(table, [[9.0] * 6, twins.shift_row(ROW, touched, by)])


@pytest.mark.parametrize("form", FORMS)
def test_replace_and_scale_change_what_is_touched(form: str) -> None:
    table = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    touched = np.array([[True, False, True], [False, True, True]])
    gap_kernels(form).replace(table, np.array([2, 0]), touched, -1.0)
    gap_kernels(form).scale(table, np.array([2, 0]), touched, 2.0, 10.0)
    np.testing.assert_array_equal(table, [[1.0, 8.0, 8.0], [4.0, 5.0, 6.0], [8.0, 8.0, 8.0]])


@pytest.mark.parametrize("threads", [2, 3, 500])
@pytest.mark.parametrize("how", ["zero", "forward", "linear", "seasonal"])
def test_bytes_do_not_depend_on_threads(how: str, threads: int) -> None:
    table = scattered(3, 200)
    alone = filled_copy(table, how, period=24, threads=1)
    assert filled_copy(table, how, period=24, threads=threads).tobytes() == alone.tobytes()


@pytest.mark.parametrize("how", ["zero", "forward", "linear", "seasonal"])
def test_memory_of_the_caller_is_used(how: str) -> None:
    table, out = scattered(2, 50), np.empty((2, 50))
    assert filled_copy(table, how, period=7, out=out) is out
    np.testing.assert_array_equal(out, filled_copy(table, how, period=7))


MARKS = np.zeros((1, 64), dtype=bool)


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="looks for instructions of x86-64")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param("fill_zero", (np.zeros((1, 64)), 0, 64, np.zeros((1, 64))), id="fill_zero"),
        pytest.param("count_faults", (np.zeros((1, 64)), np.zeros((1, 3), dtype=np.int64)), id="count_faults"),
        pytest.param("replace", (np.zeros((1, 64)), np.arange(1), MARKS, 0.0), id="replace"),
        pytest.param("scale", (np.zeros((1, 64)), np.arange(1), MARKS, 2.0, 1.0), id="scale"),
        pytest.param("shift", (np.zeros((1, 64)), np.arange(1), MARKS, 1, np.zeros((1, 64))), id="shift"),
    ],
)
def test_loops_are_vectors_and_read_in_a_row(name: str, arguments: tuple[Any, ...]) -> None:
    compiled = numba.njit(nogil=True, error_model="numpy")(getattr(gap_kernels("compiled"), name).py_func)
    compiled(*arguments)
    (text,) = compiled.inspect_asm().values()
    # Gathers and scatters are what a loop became that could have begun below 0: four times as slow.
    assert not re.search(r"\bv(?:p?gather|p?scatter)", text)
    assert re.search(r"\bv\w+.*%[yz]mm", text)
