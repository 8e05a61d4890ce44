"""Laws of gaps: fillings touch nothing that is known, records explain every difference, seeds decide alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import oracle_gaps as twins
from flowtime.model.spec import Grid
from flowtime.telemetry.gap_plan import GapPlan, parse_gap_plan
from flowtime.telemetry.gaps import detect, fill
from flowtime.telemetry.injection import Injected, SeriesKey, apply_plan

Table = NDArray[np.float64]
HOWS = st.sampled_from(["zero", "forward", "linear", "seasonal"])
NUMBERS = st.one_of(
    st.just(math.nan), st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, math.inf, -math.inf, 1e-300, 1e300])
)
TABLES = st.tuples(st.integers(1, 3), st.integers(1, 40)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=NUMBERS)
)
KNOWN_TABLES = st.tuples(st.integers(1, 4), st.integers(4, 40)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-100, 100))
)
LIMITS = st.one_of(st.none(), st.integers(1, 6))
PERIODS = st.integers(1, 9)

SELECTIONS = ["", ", nodes: [N0]", ", nodes: ['N*'], metrics: [served]", ", windows: [{firstBin: 1, lastBin: 2}]"]
RULES = st.sampled_from(
    [
        "kind: zero_fill",
        "kind: nan",
        "kind: drop",
        "kind: partial, share: 0.3",
        "kind: partial, share: 0.6, effect: zero",
        "kind: burst, count: 1, length: 2",
        "kind: stuck",
        "kind: spike, factor: 3, share: 0.4",
        "kind: spike, add: 5",
        "kind: clock_skew, shift: 1",
        "kind: clock_skew, shift: -50",
    ]
)
FILES = st.lists(st.tuples(RULES, st.sampled_from(SELECTIONS)), min_size=1, max_size=4)


def plan_of(rules: list[tuple[str, str]], seed: int) -> GapPlan:
    """A plan of rules and what each is chosen for."""
    lines = "".join(f"- {{{rule}{selection}}}\n" for rule, selection in rules)
    return parse_gap_plan(f"schemaVersion: 1\nseed: {seed}\ninjections:\n{lines}")


def injected(plan: GapPlan, table: Table) -> Injected:
    """The plan in a table whose rows are the ``served`` of the nodes N0, N1 ..."""
    keys = [[SeriesKey(f"N{row}", "served", "DEFAULT")] for row in range(table.shape[0])]
    return apply_plan(plan, keys, table, grid=Grid(bins=table.shape[1], bin_size=1, bin_unit="hours"))


def recorded(done: Injected) -> NDArray[np.bool_]:
    """Where the records say that something was done."""
    marks = np.zeros(done.values.shape, dtype=bool)
    for record in done.records:
        for first, last in record.bins:
            marks[int(str(record.node_id)[1:]), first : last + 1] = True
    return marks


@given(TABLES, HOWS, LIMITS, PERIODS)
def test_fill_never_touches_what_is_known(table: Table, how: str, limit: int | None, period: int) -> None:
    filled = fill(table, how, limit=limit, period=period).values
    known = ~np.isnan(table)
    assert filled[known].tobytes() == table[known].tobytes()


@given(TABLES, HOWS, LIMITS, PERIODS)
def test_fill_is_its_twin(table: Table, how: str, limit: int | None, period: int) -> None:
    filled = fill(table, how, limit=limit, period=period).values
    slow = [twins.fill_row(row, how, limit, period) for row in table.tolist()]
    np.testing.assert_allclose(filled, slow, rtol=1e-12, atol=1e-9)


@given(TABLES, HOWS, st.integers(1, 6), PERIODS)
def test_no_gap_above_the_limit_is_filled(table: Table, how: str, limit: int, period: int) -> None:
    filled = fill(table, how, limit=limit, period=period).values
    long = [
        (row, t) for row in range(len(table)) for gap in twins.gap_bins(table[row]) if len(gap) > limit for t in gap
    ]
    assert all(math.isnan(filled[place]) for place in long)


@given(TABLES, HOWS, LIMITS, PERIODS)
def test_findings_name_the_bins_that_were_filled(table: Table, how: str, limit: int | None, period: int) -> None:
    done = fill(table, how, limit=limit, period=period)
    named = np.zeros(table.shape, dtype=bool)
    for finding in done.findings:
        for first, last in finding.bins:
            named[finding.row, first : last + 1] = True
    assert (named == (np.isnan(table) & ~np.isnan(done.values))).all()
    assert sum(finding.bin_count for finding in done.findings) == named.sum()


@given(TABLES, st.sampled_from(["zero", "forward", "linear"]))
def test_filling_twice_is_filling_once(table: Table, how: str) -> None:
    once = fill(table, how).values
    again = fill(once, how)
    assert again.values.tobytes() == once.tobytes()
    assert again.findings == ()


@given(TABLES, st.integers(1, 39))
def test_forward_keeps_its_prefix(table: Table, bins: int) -> None:
    short = fill(table[:, :bins], "forward").values
    np.testing.assert_array_equal(short, fill(table, "forward").values[:, :bins])


@given(TABLES)
def test_a_line_stays_between_its_ends(table: Table) -> None:
    tame = np.where(np.isinf(table), 0.0, table)
    filled = fill(tame, "linear").values
    forward = fill(tame, "forward").values
    backward = fill(tame[:, ::-1], "forward").values[:, ::-1]
    bins = ~np.isnan(filled)
    assert (filled[bins] >= np.minimum(forward, backward)[bins]).all()
    assert (filled[bins] <= np.maximum(forward, backward)[bins]).all()


@given(TABLES, st.booleans())
def test_findings_are_those_of_the_twin(table: Table, signed: bool) -> None:
    missing = np.isnan(table) & (np.arange(table.shape[1]) % 2 == 0)
    found = detect(table, missing=missing, signed=np.full(len(table), signed))
    fast = sorted((f.row, f.code, *bins) for f in found for bins in f.bins)
    slow = [
        (row, *run)
        for row in range(len(table))
        for run in twins.fault_runs(table[row].tolist(), missing[row].tolist(), signed=signed)
    ]
    assert fast == sorted(slow)


@given(KNOWN_TABLES, FILES, st.integers(0, 2**31 - 1))
def test_records_explain_every_difference(table: Table, rules: list[tuple[str, str]], seed: int) -> None:
    done = injected(plan_of(rules, seed), table)
    differs = (done.values != table) | done.missing
    assert not (differs & ~recorded(done)).any()
    assert np.isnan(done.values[done.missing]).all()


@given(KNOWN_TABLES, FILES, st.integers(0, 2**31 - 1))
def test_the_same_seed_gives_the_same_bytes(table: Table, rules: list[tuple[str, str]], seed: int) -> None:
    first, second = injected(plan_of(rules, seed), table), injected(plan_of(rules, seed), table)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.missing.tobytes() == second.missing.tobytes()
    assert first.records == second.records


@given(KNOWN_TABLES, st.integers(0, 2**31 - 1))
def test_a_series_more_changes_no_other(table: Table, seed: int) -> None:
    plan = plan_of([("kind: partial, share: 0.5", ""), ("kind: burst, count: 1, length: 2", "")], seed)
    np.testing.assert_array_equal(injected(plan, table).values[:1], injected(plan, table[:1]).values)


@given(KNOWN_TABLES, st.integers(0, 2**31 - 1))
def test_a_rule_with_an_id_keeps_its_stream(table: Table, seed: int) -> None:
    named = ("kind: partial, id: flaky, share: 0.5", "")
    alone = injected(plan_of([named], seed), table)
    second = injected(plan_of([("kind: spike, add: 0.5, windows: [{lastBin: 0}]", ""), named], seed), table)
    assert (np.isnan(alone.values) == np.isnan(second.values)).all()


@given(KNOWN_TABLES, st.integers(0, 2**31 - 1), st.sampled_from(["partial, share: 0.4", "spike, add: 2, share: 0.4"]))
def test_a_longer_horizon_keeps_the_gaps(table: Table, seed: int, rule: str) -> None:
    plan = plan_of([(f"kind: {rule}", "")], seed)
    longer = np.concatenate((table, table), axis=1)
    np.testing.assert_array_equal(injected(plan, longer).values[:, : table.shape[1]], injected(plan, table).values)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31 - 1))
def test_bursts_are_as_many_bins_as_asked_for(count: int, length: int, seed: int) -> None:
    plan = plan_of([(f"kind: burst, count: {count}, length: {length}", "")], seed)
    done = injected(plan, np.ones((2, 20)))
    assert done.missing.sum(axis=1).tolist() == [count * length] * 2
    assert all((last - first + 1) % length == 0 for record in done.records for first, last in record.bins)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_share_is_hit_about_as_often(share: float) -> None:
    done = injected(plan_of([(f"kind: partial, share: {share}", "")], 11), np.ones((2, 20_000)))
    hit = done.missing.mean(axis=1)
    assert np.abs(hit - share).max() < 0.015
    assert (done.missing[0] != done.missing[1]).any()
