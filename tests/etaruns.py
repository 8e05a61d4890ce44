"""Made-up pipelines for the forecasts: runs whose steps last what a seeded distribution says, on a clock of ours."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from flowtime.tracking.forecast.eta import Forecaster, StepHistory, StepPast
from flowtime.tracking.forecast.eta_score import ForecastPoint

STEPS = ("expert", "collect", "pretrain", "finetune", "compare")
MEDIANS = (1800.0, 900.0, 600.0, 1200.0, 300.0)
ITEMS = (0, 200, 50, 100, 0)
FORECASTS_A_STEP = 10


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class MadeRun(NamedTuple):
    """The seconds of each step of one run, whole."""

    seconds: tuple[float, ...]


def made_run(random: Random, spread: float) -> MadeRun:
    """Return one run: half of the spread is of the whole run, half of each step."""
    shared = random.gauss(0.0, spread * 0.7)
    lasts = (median * 2.718281828 ** (shared + random.gauss(0.0, spread * 0.7)) for median in MEDIANS)
    return MadeRun(tuple(lasts))


def history_of(runs: list[MadeRun]) -> StepHistory:
    """Return what runs say, as the records of them would."""
    steps = {
        name: StepPast(tuple(run.seconds[place] for run in runs), tuple(ITEMS[place] or None for _ in runs))
        for place, name in enumerate(STEPS)
    }
    return StepHistory(len(runs), steps)


def replay(run: MadeRun, history: StepHistory) -> tuple[list[ForecastPoint], float]:
    """Return the forecasts made while a run went by, ten a step, and how long it took."""
    clock = FakeClock()
    began = clock()
    forecaster = Forecaster(STEPS, history, clock)
    points = []
    for place, name in enumerate(STEPS):
        forecaster.step_started(name)
        for tick in range(FORECASTS_A_STEP):
            clock.seconds += run.seconds[place] / FORECASTS_A_STEP
            if ITEMS[place]:
                forecaster.progress(name, ITEMS[place] * (tick + 1) // FORECASTS_A_STEP, ITEMS[place])
            told = forecaster.forecast()
            if told.seconds is not None and told.low is not None and told.high is not None:
                points.append(ForecastPoint(clock() - began, place, told.seconds, told.low, told.high))
        forecaster.step_ended(name, "completed")
    return points, clock() - began
