"""The judgement of the gate, on numbers that are made up."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest

from flowtime.tracking.perf.judge import Limits, estimate, judge, judge_apart, median_interval, settle, worst
from perffakes import estimates

LIMITS = Limits()
FLAT = [0.0] * 10
# A standard deviation of 0.05 by n - 1: three standard errors of the median are 5.9 %.
WIDE = [0.05 * sqrt(0.9), -0.05 * sqrt(0.9)] * 5


def logs(*percents: float) -> list[float]:
    return [log(1 + percent / 100) for percent in percents]


@pytest.mark.parametrize(
    ("heads", "twins", "verdict", "reason"),
    [
        pytest.param(FLAT, FLAT, "passed", None, id="the same"),
        pytest.param(logs(*[-20] * 10), FLAT, "passed", None, id="faster"),
        pytest.param(logs(*[2.9] * 10), FLAT, "passed", None, id="below the soft limit"),
        pytest.param(logs(*[3.1] * 10), FLAT, "soft-breach", "slower", id="above the soft limit"),
        pytest.param(logs(*[3.1] * 8, -1, -1), FLAT, "soft-breach", "slower", id="eight of ten above 0"),
        pytest.param(logs(*[3.1] * 7, -1, -1, -1), FLAT, "passed", None, id="seven of ten above 0"),
        pytest.param(logs(*[4.9] * 10), FLAT, "soft-breach", "slower", id="below the fail limit"),
        pytest.param(logs(*[5.1] * 10), FLAT, "failed", "slower", id="above the fail limit"),
        pytest.param(logs(*[5.1] * 6, *[-9] * 4), FLAT, "failed", "slower", id="the median decides"),
        pytest.param(logs(*[5.1] * 10), WIDE, "soft-breach", "slower", id="limit raised by an unsteady twin"),
        pytest.param(logs(*[7.0] * 10), WIDE, "failed", "slower", id="above the raised limit"),
        pytest.param(logs(*[50] * 10), logs(*[3.1] * 10), "soft-breach", "noisy_twin", id="twin slower"),
        pytest.param(logs(*[50] * 10), logs(*[-3.1] * 10), "soft-breach", "noisy_twin", id="twin faster"),
        pytest.param(FLAT, logs(*[3.1] * 10), "soft-breach", "noisy_twin", id="twin off and head not"),
        pytest.param(logs(*[50] * 10), logs(*[2.9] * 10), "failed", "slower", id="twin just within"),
        pytest.param(logs(50), [0.0], "soft-breach", "too_few_episodes", id="one episode"),
        pytest.param(logs(50, 50), [0.0, 0.0], "failed", "slower", id="two episodes"),
    ],
)
def test_verdict(heads: list[float], twins: list[float], verdict: str, reason: str | None) -> None:
    said = judge(estimates(heads, twins), LIMITS)
    assert (said.verdict, said.reason) == (verdict, reason)


def test_figures_of_a_judgement() -> None:
    said = judge(estimates(logs(*range(1, 11)), WIDE), LIMITS)
    assert said.ratio == pytest.approx(1.055, abs=1e-4)
    assert (said.interval.low, said.interval.high) == (pytest.approx(1.02), pytest.approx(1.09))
    assert said.standard_error == pytest.approx(1.25 * 0.05 / sqrt(10))
    assert said.fail_limit == pytest.approx(exp(3 * said.standard_error) - 1)


def test_limits_of_a_case_count() -> None:
    said = judge(estimates(logs(*[15] * 10)), Limits(soft=0.1, fail=0.2))
    assert said.verdict == "soft-breach"


@pytest.mark.parametrize(
    ("first", "more", "verdict", "reason"),
    [
        pytest.param(logs(*[6] * 10), logs(*[6] * 10), "failed", "slower", id="confirmed"),
        pytest.param(logs(*[6] * 10), logs(*[-2] * 10), "soft-breach", "not_confirmed", id="gone"),
        pytest.param(logs(*[6] * 10), logs(*[4] * 10), "soft-breach", "not_confirmed", id="below the fail limit"),
        pytest.param(logs(*[6] * 10), None, "failed", "slower", id="not tried again"),
        pytest.param(FLAT, None, "passed", None, id="nothing to confirm"),
    ],
)
def test_confirmation_pools_all_episodes(
    first: list[float], more: list[float] | None, verdict: str, reason: str | None
) -> None:
    pooled = None if more is None else judge(estimates([*first, *more]), LIMITS)
    said = settle(judge(estimates(first), LIMITS), pooled)
    assert (said.verdict, said.reason) == (verdict, reason)


def test_estimate_pairs_before_it_takes_the_median() -> None:
    # The host slows down fourfold half way: paired, that is nothing.
    base = [1.0, 1.0, 1.0, 4.0, 4.0, 4.0]
    assert estimate(base, base, [1.1 * time for time in base]).head == pytest.approx(log(1.1))


@pytest.mark.parametrize(
    ("count", "ranks", "confidence"),
    [
        pytest.param(1, (1, 1), 0.0, id="one"),
        pytest.param(2, (1, 2), 0.5, id="two"),
        pytest.param(5, (1, 5), 0.9375, id="five"),
        pytest.param(10, (2, 9), 1 - 22 / 1024, id="ten"),
        pytest.param(20, (5, 16), 0.988, id="twenty"),
    ],
)
def test_interval_of_a_median(count: int, ranks: tuple[int, int], confidence: float) -> None:
    found = median_interval(range(1, count + 1))
    assert (found.low, found.high) == ranks
    assert found.confidence == pytest.approx(confidence, abs=1e-3)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        pytest.param(["passed", "passed"], "passed", id="all passed"),
        pytest.param(["passed", "no-baseline"], "no-baseline", id="no baseline"),
        pytest.param(["no-baseline", "soft-breach", "passed"], "soft-breach", id="soft"),
        pytest.param(["soft-breach", "failed", "no-baseline"], "failed", id="failed"),
        pytest.param([], "no-baseline", id="nothing"),
    ],
)
def test_verdict_of_a_suite_is_its_worst(verdicts: list[str], expected: str) -> None:
    assert worst(verdicts) == expected


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        pytest.param([1.0, 1.01, 0.99], [1.02, 1.03, 1.01], "passed", id="near"),
        pytest.param([1.0, 1.01, 0.99], [2.0, 2.01, 1.99], "soft-breach", id="far"),
        pytest.param([1.0, 3.0, 0.3], [2.0, 2.01, 1.99], "passed", id="far and the base unsteady"),
        pytest.param([1.0], [2.0], "passed", id="one episode says nothing"),
    ],
)
def test_runs_of_two_times_are_never_failed(base: list[float], head: list[float], verdict: str) -> None:
    assert judge_apart(base, head, LIMITS).verdict == verdict
