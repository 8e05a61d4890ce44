"""Putting a plan into series: what each kind does, to which series and bins, and what is recorded of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from flowtime.errors import GapPlanError, ParameterError
from flowtime.model.spec import Grid
from flowtime.telemetry.gap_plan import parse_gap_plan
from flowtime.telemetry.injection import Injected, SeriesKey, apply_plan

NAN = math.nan
GRID = Grid(bins=6, bin_size=2, bin_unit="hours", start="2025-01-01T00:00:00Z")
KEYS = [
    [SeriesKey("A", "served", "DEFAULT"), SeriesKey("B", "arrivals", "DEFAULT")],
    [SeriesKey("B", "served", "DEFAULT")],
    [SeriesKey("B", "served", "gold")],
]
VALUES = np.arange(1.0, 19.0).reshape(3, 6)


def inject(*rules: str, head: str = "seed: 7\n", **options: Any) -> Injected:
    """Apply rules to three series of six bins, the first of which plays two parts."""
    text = f"schemaVersion: 1\n{head}injections:\n" + "".join(f"- {rule}\n" for rule in rules)
    return apply_plan(parse_gap_plan(text), KEYS, VALUES, grid=GRID, **options)


ONE = "nodes: [A], windows: [{firstBin: 2, lastBin: 3}]"


@pytest.mark.parametrize(
    ("rule", "row", "missing"),
    [
        pytest.param(f"{{kind: zero_fill, {ONE}}}", [1, 2, 0, 0, 5, 6], [], id="zero_fill"),
        pytest.param(f"{{kind: nan, {ONE}}}", [1, 2, NAN, NAN, 5, 6], [], id="nan"),
        pytest.param(f"{{kind: drop, {ONE}}}", [1, 2, NAN, NAN, 5, 6], [2, 3], id="drop"),
        pytest.param(f"{{kind: partial, share: 1, {ONE}}}", [1, 2, NAN, NAN, 5, 6], [2, 3], id="partial"),
        pytest.param(f"{{kind: partial, share: 1, effect: zero, {ONE}}}", [1, 2, 0, 0, 5, 6], [], id="partial zeros"),
        pytest.param(f"{{kind: burst, count: 1, length: 2, {ONE}}}", [1, 2, NAN, NAN, 5, 6], [2, 3], id="burst"),
        pytest.param(f"{{kind: burst, count: 2, length: 1, effect: nan, {ONE}}}", [1, 2, NAN, NAN, 5, 6], [], id="two"),
        pytest.param(f"{{kind: stuck, {ONE}}}", [1, 2, 2, 2, 5, 6], [], id="stuck"),
        pytest.param("{kind: stuck, nodes: [A]}", [1, 1, 1, 1, 1, 1], [], id="stuck from the start"),
        pytest.param(f"{{kind: spike, factor: 10, add: 1, {ONE}}}", [1, 2, 31, 41, 5, 6], [], id="spike"),
        pytest.param(f"{{kind: clock_skew, shift: 1, {ONE}}}", [1, 2, 2, 3, 5, 6], [], id="late"),
        pytest.param(f"{{kind: clock_skew, shift: -3, {ONE}}}", [1, 2, 6, NAN, 5, 6], [3], id="early, off the end"),
        pytest.param("{kind: clock_skew, shift: 9, nodes: [A]}", [NAN] * 6, [0, 1, 2, 3, 4, 5], id="all off"),
    ],
)
def test_what_a_kind_does(rule: str, row: list[float], missing: list[int]) -> None:
    done = inject(rule)
    np.testing.assert_array_equal(done.values[0], row)
    assert np.flatnonzero(done.missing[0]).tolist() == missing
    np.testing.assert_array_equal(done.values[1:], VALUES[1:])


def test_the_values_given_are_not_changed() -> None:
    before = VALUES.copy()
    inject("{kind: drop}")
    np.testing.assert_array_equal(VALUES, before)


def test_a_shared_series_is_changed_once_and_recorded_for_each_part() -> None:
    done = inject("{kind: spike, factor: 2, windows: [{lastBin: 0}], metrics: [served], classes: [DEFAULT]}")
    assert done.values[:, 0].tolist() == [2.0, 14.0, 13.0]
    assert [(r.node_id, r.metric, r.class_id, r.bins) for r in done.records] == [
        ("A", "served", "DEFAULT", ((0, 0),)),
        ("B", "arrivals", "DEFAULT", ((0, 0),)),
        ("B", "served", "DEFAULT", ((0, 0),)),
    ]


def test_a_record_says_code_kind_and_seed() -> None:
    record = inject("{kind: nan, nodes: [B], classes: [gold], windows: [{lastBin: 1}, {firstBin: 3}]}").records[0]
    assert (record.code, record.kind, record.seed) == ("nan_detected", "nan", 7)
    assert (record.class_id, record.bins) == ("gold", ((0, 1), (3, 5)))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("kind: zero_fill", "zero_fill"),
        ("kind: nan", "nan_detected"),
        ("kind: drop", "data_gap"),
        ("kind: partial, share: 1", "data_gap"),
        ("kind: burst, count: 1, length: 1, effect: zero", "zero_fill"),
        ("kind: stuck", "stuck_value"),
        ("kind: spike, add: 1", "spike"),
        ("kind: clock_skew, shift: 1", "clock_skew"),
    ],
)
def test_a_record_has_the_code_of_what_it_looks_like(rule: str, code: str) -> None:
    assert {record.code for record in inject(f"{{{rule}}}").records} == {code}


@pytest.mark.parametrize(
    ("choice", "rows"),
    [
        pytest.param("nodes: [B], metrics: [served]", [1, 2], id="node and metric"),
        pytest.param("nodes: [B]", [0, 1, 2], id="node, of a shared series too"),
        pytest.param("metrics: [arr*]", [0], id="pattern"),
        pytest.param("classes: [gold]", [2], id="class"),
        pytest.param("nodes: [A, B], classes: [g*d, DEF*]", [0, 1, 2], id="several"),
    ],
)
def test_which_series_are_chosen(choice: str, rows: list[int]) -> None:
    changed = np.isnan(inject(f"{{kind: nan, {choice}}}").values).any(axis=1)
    assert np.flatnonzero(changed).tolist() == rows


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        pytest.param("{}", 0, 5, id="all"),
        pytest.param("{firstBin: 4}", 4, 5, id="from a bin"),
        pytest.param("{start: 2025-01-01T04:00:00Z, end: 2025-01-01T08:00:00Z}", 2, 3, id="whole bins"),
        pytest.param("{start: 2025-01-01T05:00:00Z, end: 2025-01-01T08:00:01Z}", 2, 4, id="bins that are touched"),
        pytest.param("{end: 2025-01-01T03:00:00+02:00}", 0, 0, id="to a time in another zone"),
        pytest.param("{start: 2025-01-01T10:00}", 5, 5, id="from a time"),
    ],
)
def test_windows(window: str, first: int, last: int) -> None:
    record = inject(f"{{kind: drop, nodes: [A], windows: [{window}]}}").records[0]
    assert record.bins == ((first, last),)


def test_rules_happen_in_order() -> None:
    done = inject(f"{{kind: drop, {ONE}}}", f"{{kind: zero_fill, {ONE}}}")
    assert done.values[0].tolist() == [1, 2, 0, 0, 5, 6]
    assert not done.missing.any()


def test_a_value_that_repeats_or_moves_brings_its_gap_along() -> None:
    done = inject("{kind: drop, windows: [{firstBin: 1, lastBin: 1}]}", f"{{kind: stuck, {ONE}}}")
    assert np.flatnonzero(done.missing[0]).tolist() == [1, 2, 3]
    skewed = inject("{kind: drop, windows: [{firstBin: 1, lastBin: 1}]}", "{kind: clock_skew, shift: 2}")
    assert np.flatnonzero(skewed.missing[0]).tolist() == [0, 1, 3]


def test_gaps_from_before_stay_what_they_are() -> None:
    values = VALUES.copy()
    values[0, 0] = values[0, 1] = NAN
    missing = np.zeros((3, 6), dtype=bool)
    missing[0, 1] = True
    plan = parse_gap_plan("schemaVersion: 1\ninjections: [{kind: drop, windows: [{firstBin: 5}]}]")
    marked = apply_plan(plan, KEYS, values, grid=GRID, missing=missing).missing[0]
    unmarked = apply_plan(plan, KEYS, values, grid=GRID).missing[0]
    assert marked.tolist() == [False, True, False, False, False, True]
    assert unmarked.tolist() == [True, True, False, False, False, True]


@pytest.mark.parametrize(
    ("rule", "code", "path"),
    [
        pytest.param("{kind: drop, nodes: [A, C]}", "gaps.unknown_node", "$.injections[0].nodes[1]", id="node"),
        pytest.param("{kind: drop, metrics: [x*]}", "gaps.unknown_metric", "$.injections[0].metrics[0]", id="metric"),
        pytest.param("{kind: drop, classes: [tin]}", "gaps.unknown_class", "$.injections[0].classes[0]", id="class"),
        pytest.param("{kind: drop, nodes: [A], classes: [gold]}", "gaps.no_match", "$.injections[0]", id="together"),
        pytest.param(
            "{kind: drop, windows: [{lastBin: 6}]}", "gaps.window_outside", "$.injections[0].windows[0]", id="bins"
        ),
        pytest.param(
            "{kind: drop, windows: [{start: 2024-12-31}]}",
            "gaps.window_outside",
            "$.injections[0].windows[0]",
            id="times",
        ),
        pytest.param("{kind: burst, count: 2, length: 4}", "gaps.burst_too_long", "$.injections[0]", id="bursts"),
    ],
)
def test_a_rule_that_does_not_fit(rule: str, code: str, path: str) -> None:
    with pytest.raises(GapPlanError) as caught:
        inject(rule)
    assert [(fault.code, fault.path) for fault in caught.value.faults] == [(code, path)]


def test_times_need_a_start_of_the_grid() -> None:
    plan = parse_gap_plan("schemaVersion: 1\ninjections: [{kind: drop, windows: [{start: 2025-01-01}]}]")
    with pytest.raises(GapPlanError) as caught:
        apply_plan(plan, KEYS, VALUES, grid=Grid(bins=6, bin_size=2, bin_unit="hours"))
    assert caught.value.code == "gaps.no_start"


def test_all_rules_that_do_not_fit_are_told() -> None:
    with pytest.raises(GapPlanError) as caught:
        inject("{kind: drop, nodes: [C]}", "{kind: drop}", "{kind: nan, windows: [{firstBin: 9}]}")
    assert [fault.line for fault in caught.value.faults] == [4, 6]


def test_names_and_values_must_match() -> None:
    plan = parse_gap_plan("schemaVersion: 1\ninjections: [{kind: drop}]")
    with pytest.raises(ParameterError) as caught:
        apply_plan(plan, KEYS[:2], VALUES, grid=GRID)
    assert caught.value.code == "parameter.shape"


def test_a_rule_that_drew_nothing_has_no_record() -> None:
    assert inject("{kind: partial, share: 0.000001}").records == ()
