"""Finding and filling gaps: codes, ranges, severities, limits, and lines put in their places."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flowtime.errors import ParameterError
from flowtime.telemetry.gaps import detect, fill, place_bins

NAN, INF = math.nan, math.inf
TABLE = np.array([[1.0, NAN, NAN, 4.0, NAN, 6.0], [-1.0, INF, 3.0, -4.0, -5.0, NAN]])
MISSING = np.array([[False, True, False, False, True, False], [False] * 6])


def test_a_clean_table_has_no_findings() -> None:
    assert detect(np.zeros((2, 3))) == ()


def test_findings_are_ranges_by_row_and_code() -> None:
    found = [(f.row, f.code, f.bins, f.bin_count, f.severity) for f in detect(TABLE, missing=MISSING)]
    assert found == [
        (0, "data_gap", ((1, 1), (4, 4)), 2, "warning"),
        (0, "nan_detected", ((2, 2),), 1, "warning"),
        (1, "nan_detected", ((5, 5),), 1, "warning"),
        (1, "infinite_value", ((1, 1),), 1, "warning"),
        (1, "negative_value", ((0, 0), (3, 4)), 3, "warning"),
    ]


def test_without_a_mask_every_nan_is_missing() -> None:
    assert [(f.code, f.bins) for f in detect(TABLE[:1])] == [("data_gap", ((1, 2), (4, 4)))]


def test_a_signed_row_may_be_negative() -> None:
    found = detect(TABLE, missing=MISSING, signed=np.array([False, True]))
    assert "negative_value" not in {f.code for f in found}


@pytest.mark.parametrize(
    ("how", "first", "second"),
    [
        pytest.param("none", [1, NAN, NAN, 4, NAN, 6], [-1, INF, 3, -4, -5, NAN], id="none"),
        pytest.param("zero", [1, 0, 0, 4, 0, 6], [-1, INF, 3, -4, -5, 0], id="zero"),
        pytest.param("forward", [1, 1, 1, 4, 4, 6], [-1, INF, 3, -4, -5, -5], id="forward"),
        pytest.param("linear", [1, 2, 3, 4, 5, 6], [-1, INF, 3, -4, -5, NAN], id="linear"),
        pytest.param("seasonal", [1, NAN, NAN, 4, NAN, 6], [-1, INF, 3, -4, -5, 3], id="seasonal"),
    ],
)
def test_fillings(how: str, first: list[float], second: list[float]) -> None:
    filled = fill(TABLE, how, period=3)
    np.testing.assert_array_equal(filled.values, [first, second])


def test_what_was_filled_is_told_by_what_it_was() -> None:
    found = [(f.row, f.code, f.bins, f.severity) for f in fill(TABLE, "zero", missing=MISSING).findings]
    assert found == [
        (0, "zero_fill", ((1, 1), (4, 4)), "info"),
        (0, "nan_fill", ((2, 2),), "info"),
        (1, "nan_fill", ((5, 5),), "info"),
    ]


@pytest.mark.parametrize(
    ("how", "code"),
    [("zero", "zero_fill"), ("forward", "forward_fill"), ("linear", "linear_fill"), ("seasonal", "seasonal_fill")],
)
def test_each_filling_has_its_code(how: str, code: str) -> None:
    filled = fill(np.array([[1.0, NAN, 3.0]]), how, period=1)
    assert [f.code for f in filled.findings] == [code]


def test_a_gap_above_the_limit_stays_whole() -> None:
    filled = fill(TABLE[:1], "forward", limit=1)
    np.testing.assert_array_equal(filled.values, [[1, NAN, NAN, 4, 4, 6]])
    assert [f.bins for f in filled.findings] == [((4, 4),)]


def test_what_can_not_be_filled_is_not_said_to_be() -> None:
    filled = fill(np.array([[NAN, 2.0, NAN]]), "linear")
    np.testing.assert_array_equal(filled.values, [[NAN, 2, NAN]])
    assert filled.findings == ()


def test_the_values_given_are_not_changed() -> None:
    table = TABLE.copy()
    fill(table, "zero", limit=1)
    np.testing.assert_array_equal(table, TABLE)


def test_a_table_of_any_layout_and_no_series_at_all() -> None:
    turned = np.asfortranarray(TABLE)
    np.testing.assert_array_equal(fill(turned, "forward").values, fill(TABLE, "forward").values)
    assert fill(np.zeros((0, 5)), "linear").values.shape == (0, 5)
    assert detect(np.zeros((3, 0))) == ()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param({"values": np.zeros(3), "how": "zero"}, "parameter.shape", id="one row"),
        pytest.param({"values": TABLE, "how": "zero", "missing": MISSING[:1]}, "parameter.shape", id="mask"),
        pytest.param({"values": TABLE, "how": "backward"}, "parameter.value", id="unknown"),
        pytest.param({"values": TABLE, "how": "zero", "limit": 0}, "parameter.value", id="limit"),
        pytest.param({"values": TABLE, "how": "seasonal"}, "parameter.value", id="no period"),
        pytest.param({"values": TABLE, "how": "seasonal", "period": 0}, "parameter.value", id="period of 0"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], code: str) -> None:
    with pytest.raises(ParameterError) as caught:
        fill(**arguments)
    assert caught.value.code == code


def test_lines_in_order_are_a_row() -> None:
    placed = place_bins(np.arange(3), np.array([1.0, 2.0, 3.0]), 3)
    np.testing.assert_array_equal(placed.values, [1, 2, 3])
    assert not placed.missing.any()
    assert placed.findings == ()


def test_lines_in_the_wrong_place() -> None:
    placed = place_bins(np.array([2, 0, 2, 7, -1, 0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 4)
    np.testing.assert_array_equal(placed.values, [2, NAN, 1, NAN])
    assert placed.missing.tolist() == [False, True, False, True]
    assert [(f.code, f.severity, f.bins, f.bin_count) for f in placed.findings] == [
        ("bin_out_of_range", "error", (), 2),
        ("length_mismatch", "warning", (), 2),
        ("duplicate_bin", "error", ((0, 0), (2, 2)), 2),
    ]


def test_a_line_with_nan_is_not_missing() -> None:
    placed = place_bins(np.array([0]), np.array([NAN]), 2)
    assert placed.missing.tolist() == [False, True]
