"""Laws of the judgement of the gate."""

from __future__ import annotations

from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from flowtime.tracking.perf.judge import ORDER, Limits, estimate, judge, median_interval
from perffakes import estimates

TIMES = st.floats(1e-6, 10.0)
SWEEPS = st.lists(st.tuples(TIMES, TIMES, TIMES), min_size=1, max_size=30)
LOGS = st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=25)


@given(SWEEPS)
def test_swapping_base_and_head_turns_the_sign(sweeps: list[tuple[float, float, float]]) -> None:
    base, twin, head = zip(*sweeps, strict=True)
    assert isclose(estimate(base, twin, head).head, -estimate(head, twin, base).head, abs_tol=1e-9)


@given(SWEEPS, st.randoms(use_true_random=False))
def test_order_of_sweeps_does_not_count(sweeps: list[tuple[float, float, float]], random: object) -> None:
    shuffled = random.sample(sweeps, len(sweeps))
    assert estimate(*zip(*sweeps, strict=True)) == estimate(*zip(*shuffled, strict=True))


@given(SWEEPS, st.floats(0.1, 10.0))
def test_a_slower_host_does_not_count(sweeps: list[tuple[float, float, float]], factor: float) -> None:
    slowed = [tuple(factor * time for time in sweep) for sweep in sweeps]
    found, again = estimate(*zip(*sweeps, strict=True)), estimate(*zip(*slowed, strict=True))
    assert isclose(found.head, again.head, abs_tol=1e-9)


@given(LOGS, st.randoms(use_true_random=False))
def test_order_of_episodes_does_not_count(heads: list[float], random: object) -> None:
    assert judge(estimates(heads), Limits()) == judge(estimates(random.sample(heads, len(heads))), Limits())


@given(LOGS, st.floats(0.0, 1.0))
def test_slower_is_never_judged_better(heads: list[float], more: float) -> None:
    ranks = [ORDER.index(judge(estimates([head + add for head in heads]), Limits()).verdict) for add in (0.0, more)]
    assert ranks[1] <= ranks[0]


@given(LOGS)
def test_interval_holds_the_median(heads: list[float]) -> None:
    said = judge(estimates(heads), Limits())
    assert said.interval.low <= said.ratio <= said.interval.high


@given(st.integers(6, 400))
def test_interval_is_as_sure_as_it_says(count: int) -> None:
    assert median_interval(range(count)).confidence >= 0.96
