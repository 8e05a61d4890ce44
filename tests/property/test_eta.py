"""The forecasts: laws of the guesses, and how good they are on made-up pipelines."""

from __future__ import annotations

from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etaruns import STEPS, FakeClock, MadeRun, history_of, made_run, replay
from flowtime.tracking.forecast.durations import Guess, blend, guess_from_past, remaining, total
from flowtime.tracking.forecast.eta import NO_HISTORY, Forecaster, StepHistory, StepPast
from flowtime.tracking.forecast.eta_score import ForecastPoint, score

seconds = st.floats(0.01, 1e6)
guesses = st.builds(Guess, seconds, st.floats(0.01, 1.5))


@given(guesses, st.floats(0.0, 1e6))
def test_what_is_left_is_positive_and_ordered(whole: Guess, elapsed: float) -> None:
    left = remaining(whole, elapsed)
    assert 0.0 < left.low <= left.median <= left.high


@given(guesses, st.floats(0.1, 50.0))
def test_something_late_takes_the_longer_the_later_it_is(whole: Guess, late: float) -> None:
    sooner = remaining(whole, whole.median * (7.0 + late)).median
    later = remaining(whole, whole.median * (7.0 + late) * 2.0).median
    assert later > sooner


@given(st.lists(guesses, min_size=1, max_size=6))
def test_the_sum_lies_between_the_longest_and_all_at_their_means(parts: list[Guess]) -> None:
    whole = total(parts)
    assert whole.low <= whole.median <= whole.high
    assert whole.high >= max(part.median for part in parts) * 0.99


@given(guesses, guesses)
def test_a_blend_lies_between_what_it_is_made_of(past: Guess, live: Guess) -> None:
    both = blend(past, live)
    assert both is not None
    assert min(past.median, live.median) * 0.999 <= both.median <= max(past.median, live.median) * 1.001


@given(st.lists(seconds, min_size=1, max_size=30))
def test_a_guess_from_the_past_lies_within_the_past(past: list[float]) -> None:
    guess = guess_from_past(past)
    assert guess is not None
    assert min(past) * 0.999 <= guess.median <= max(past) * 1.001


def test_nothing_is_guessed_from_nothing() -> None:
    assert guess_from_past([]) is None
    assert guess_from_past([0.0, -1.0]) is None


@pytest.mark.parametrize(
    ("spread", "runs", "worst_error"),
    [
        pytest.param(0.05, 5, 0.05, id="steady"),
        pytest.param(0.12, 10, 0.10, id="usual"),
        pytest.param(0.3, 10, 0.20, id="wild"),
    ],
)
def test_forecasts_learn_from_earlier_runs(spread: float, runs: int, worst_error: float) -> None:
    random = Random(11)
    scores = []
    for _ in range(60):
        history = history_of([made_run(random, spread) for _ in range(runs)])
        scores.append(score(*replay(made_run(random, spread), history)))
    assert median(found.median_error or 0.0 for found in scores) <= worst_error


@pytest.mark.parametrize("spread", [0.12, 0.2, 0.3])
def test_intervals_hold_as_often_as_they_say(spread: float) -> None:
    random = Random(5)
    held = []
    for _ in range(120):
        history = history_of([made_run(random, spread) for _ in range(12)])
        held.append(score(*replay(made_run(random, spread), history)).interval_coverage or 0.0)
    assert 0.72 <= sum(held) / len(held) <= 0.90


def test_after_the_second_step_nine_of_ten_runs_are_within_a_fifth() -> None:
    random = Random(3)
    near = []
    for _ in range(100):
        history = history_of([made_run(random, 0.12) for _ in range(10)])
        near.append((score(*replay(made_run(random, 0.12), history)).after_step_2_error or 0.0) <= 0.2)
    assert sum(near) >= 90


def test_without_any_past_the_end_is_unknown_and_never_zero() -> None:
    forecaster = Forecaster(STEPS, NO_HISTORY, FakeClock())
    forecaster.step_started("expert")
    told = forecaster.forecast()
    assert (told.seconds, told.low, told.basis) == (None, None, "unknown")


def test_a_step_that_nothing_is_known_of_makes_the_end_unknown() -> None:
    history = StepHistory(3, {"collect": StepPast((10.0, 11.0, 10.5), (None, None, None))})
    forecaster = Forecaster(("collect", "brand-new"), history, FakeClock())
    forecaster.step_started("collect")
    told = forecaster.forecast()
    assert told.seconds is None
    assert told.step_seconds == pytest.approx(10.4, rel=0.05)


def test_it_counts_down_between_two_calls_of_progress() -> None:
    clock = FakeClock()
    forecaster = Forecaster(("only",), NO_HISTORY, clock)
    forecaster.step_started("only")
    for done in range(1, 11):
        clock.seconds += 1.0
        forecaster.progress("only", done, 100)
    before = forecaster.forecast().seconds
    clock.seconds += 5.0
    after = forecaster.forecast().seconds
    assert before == pytest.approx(90.0, rel=0.05)
    assert after == pytest.approx((before or 0.0) - 5.0, abs=1.5)


def test_a_step_skipped_in_advance_does_not_count() -> None:
    history = history_of([MadeRun((100.0,) * 5)] * 5)
    forecaster = Forecaster(STEPS, history, FakeClock())
    forecaster.step_started("expert")
    whole = forecaster.forecast().seconds or 0.0
    forecaster.skipped("finetune")
    assert forecaster.forecast().seconds == pytest.approx(whole * 0.8, rel=0.05)


def test_an_overrun_by_ten_times_shows() -> None:
    clock = FakeClock()
    forecaster = Forecaster(("only",), StepHistory(5, {"only": StepPast((10.0,) * 5, (None,) * 5)}), clock)
    forecaster.step_started("only")
    clock.seconds += 100.0
    told = forecaster.forecast()
    assert (told.seconds or 0.0) > 1.0
    assert (told.high or 0.0) > 4.0 * (told.seconds or 0.0)


def test_a_machine_half_as_fast_is_noticed_after_a_step() -> None:
    clock = FakeClock()
    forecaster = Forecaster(("first", "second"), history_with(100.0), clock)
    forecaster.step_started("first")
    clock.seconds += 200.0
    forecaster.step_ended("first", "completed")
    assert (forecaster.forecast().seconds or 0.0) > 135.0


def history_with(each: float) -> StepHistory:
    past = StepPast((each,) * 8, (None,) * 8)
    return StepHistory(8, {"first": past, "second": past})


def test_more_items_than_ever_take_longer() -> None:
    history = StepHistory(4, {"only": StepPast((100.0,) * 4, (50,) * 4)})
    clock = FakeClock()
    forecaster = Forecaster(("only",), history, clock)
    forecaster.step_started("only")
    clock.seconds += 2.0
    forecaster.progress("only", 1, 100)
    assert forecaster.forecast().seconds == pytest.approx(198.0, rel=0.1)


def test_steps_that_ran_beside_each_other_are_counted_so() -> None:
    past = StepPast((100.0,) * 5, (None,) * 5)
    history = StepHistory(5, {"left": past, "right": past}, overlap=0.5)
    forecaster = Forecaster(("left", "right"), history, FakeClock())
    forecaster.step_started("left")
    forecaster.step_started("right")
    assert forecaster.forecast().seconds == pytest.approx(100.0, rel=0.15)


def test_a_step_that_is_tried_again_begins_anew() -> None:
    clock = FakeClock()
    forecaster = Forecaster(("only",), NO_HISTORY, clock)
    forecaster.step_started("only")
    for done in (10, 20, 30):
        clock.seconds += 10.0
        forecaster.progress("only", done, 40)
    forecaster.step_ended("only", "failed")
    forecaster.step_started("only")
    assert forecaster.forecast().seconds is None


def test_a_run_that_was_resumed_counts_what_is_done() -> None:
    forecaster = Forecaster(STEPS, history_of([MadeRun((100.0,) * 5)] * 5), FakeClock())
    for name in STEPS[:3]:
        forecaster.resumed(name, "completed", 100.0)
    assert forecaster.forecast().seconds == pytest.approx(200.0, rel=0.1)


def test_all_steps_over_is_the_end() -> None:
    forecaster = Forecaster(("only",), NO_HISTORY, FakeClock())
    forecaster.skipped("only")
    assert forecaster.forecast().basis == "done"


def test_a_score_without_forecasts_says_so() -> None:
    assert score([], 10.0) == (0, None, None, None)


def test_a_score_by_hand() -> None:
    points = [ForecastPoint(0.0, 0, 90.0, 80.0, 95.0), ForecastPoint(50.0, 2, 60.0, 40.0, 70.0)]
    found = score(points, 100.0)
    assert found.after_step_2_error == pytest.approx(0.2)
    assert (found.forecasts, found.interval_coverage) == (2, 0.5)
    assert found.median_error == pytest.approx(0.2)
