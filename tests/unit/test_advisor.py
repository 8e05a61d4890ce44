"""Advice: each rule at its edges, episodes, silence, and what is said at the end."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from flowtime.errors import ParameterError, SettingsError
from flowtime.settings import ADVICE_RULES, Settings, load_settings
from flowtime.tracking.advice import advice_rules
from flowtime.tracking.advice.advice_rules import Expected, overrun_limit_s
from flowtime.tracking.advice.advice_table import RULES
from flowtime.tracking.advice.advisor import Advisor, Thresholds, ThroughputHistory, silenced_of, thresholds_of
from flowtime.tracking.advice.throughput import compare
from flowtime.tracking.records import PerformanceRecommendation

START_MS = 1_000_000
RATES = (98.0, 100.0, 102.0, 101.0, 99.0)
HISTORY = ThroughputHistory(values=RATES, by_step={"fit": RATES})
CALM: dict[str, Any] = {
    "stepId": "fit",
    "cpuPercentProcess": 200.0,
    "cpuPercentSystem": 55.0,
    "cpuLimitCores": 4.0,
    "memoryRssMb": 500.0,
    "memoryAvailableMb": 6000.0,
    "memoryLimitMb": 8000.0,
    "diskFreeMb": 50_000.0,
    "samplerMs": 0.4,
}
IDLE_GPU = [{"index": 0, "utilPercent": 2.0}]
BUSY_GPU = {"index": 1, "utilPercent": 90.0}


def samples(seconds: int, *, at_s: float = 0.0, every_s: float = 1.0, **changed: Any) -> list[dict[str, Any]]:
    """Return calm samples of so many seconds, with ``changed`` in each; None leaves a figure out."""
    figures = {name: value for name, value in {**CALM, **changed}.items() if value is not None}
    count = int(seconds / every_s)
    return [{"timestampMs": START_MS + round(1000 * (at_s + every_s * n)), **figures} for n in range(count)]


def falling(seconds: int, of: Callable[[int], float], name: str) -> list[dict[str, Any]]:
    """Return calm samples with one figure that changes by the second."""
    return [{**sample, name: of(second)} for second, sample in enumerate(samples(seconds))]


def feed(advisor: Advisor, *parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Feed recordings one after the other; return all live advice."""
    whole = [sample for part in parts for sample in part]
    return [advice for number, sample in enumerate(whole) for advice in advisor.feed(sample, number)]


def triggers(advice: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["trigger"], each["severity"]) for each in advice]


FULL = {"cpuPercentProcess": 390.0, "cpuPercentSystem": 98.0}
CASES = [
    pytest.param(samples(60, **FULL), [("cpu_saturation", "info")], id="all cores busy"),
    pytest.param(samples(30, **FULL), [], id="all cores busy, not long enough"),
    pytest.param(
        samples(60, cpuPercentProcess=100.0, cpuPercentSystem=30.0), [], id="one core of four is no saturation"
    ),
    pytest.param(
        samples(60, cpuPercentProcess=395.0, cpuPercentSystem=20.0),
        [("cpu_saturation", "warning")],
        id="a limit holds the run back",
    ),
    pytest.param(
        samples(60, cpuPercentProcess=200.0, cpuPercentSystem=99.0),
        [("cpu_saturation", "warning")],
        id="others take the machine",
    ),
    pytest.param(
        samples(60, cpuPercentProcess=40.0, cpuPercentSystem=99.0), [], id="others are busy, the run does not need it"
    ),
    pytest.param(samples(60, cpuPercentProcess=None, cpuPercentSystem=99.0), [], id="own use not known"),
    pytest.param(samples(150, cpuPercentProcess=4.0), [("cpu_idle", "info")], id="nothing happens"),
    pytest.param(samples(100, cpuPercentProcess=4.0), [], id="nothing happens, not long enough"),
    pytest.param(samples(150, cpuPercentProcess=4.0, netReceivedMbPerSec=9.0), [], id="waits for the network"),
    pytest.param(samples(150, cpuPercentProcess=4.0, diskReadMbPerSec=9.0), [], id="waits for the disk"),
    pytest.param(samples(150, cpuPercentProcess=4.0, gpuDevices=[BUSY_GPU]), [], id="works on a device"),
    pytest.param(samples(150, cpuPercentProcess=4.0, gpuDevices=[{"index": 0}]), [], id="device that does not tell"),
    pytest.param(samples(30, memoryAvailableMb=700.0), [("memory_pressure", "warning")], id="memory short"),
    pytest.param(samples(30, memoryAvailableMb=200.0), [("memory_pressure", "critical")], id="memory all but gone"),
    pytest.param(samples(9, memoryAvailableMb=200.0), [], id="memory short for a moment"),
    pytest.param(
        samples(30, memoryAvailableMb=None, memoryRssMb=7600.0), [("memory_pressure", "critical")], id="own use"
    ),
    pytest.param(samples(90, gpuDevices=IDLE_GPU), [("gpu_idle", "info")], id="device idle"),
    pytest.param(samples(50, gpuDevices=IDLE_GPU), [], id="device idle, not long enough"),
    pytest.param(samples(90, gpuDevices=[*IDLE_GPU, BUSY_GPU]), [("gpu_idle", "info")], id="one of two idle"),
    pytest.param(samples(90, gpuDevices=IDLE_GPU, cpuPercentProcess=30.0), [], id="all wait"),
    pytest.param(samples(90, gpuDevices=[{"index": 0}]), [], id="utilization not told, as under MIG"),
    pytest.param(samples(30, diskFreeMb=900.0), [("disk_pressure", "warning")], id="disk nearly full"),
    pytest.param(samples(30, diskFreeMb=100.0), [("disk_pressure", "critical")], id="disk full"),
    pytest.param(falling(140, lambda s: 20_000.0 - 40.0 * s, "diskFreeMb"), [("disk_pressure", "warning")], id="fills"),
    pytest.param(falling(140, lambda s: 20_000.0 - 10.0 * s, "diskFreeMb"), [], id="fills slowly"),
    pytest.param(falling(140, lambda s: 20_000.0 - 8_000.0 * (s > 60), "diskFreeMb"), [], id="one large file"),
    pytest.param(samples(90, samplerMs=30.0), [("slow_sampler", "info")], id="sampling is costly"),
    pytest.param(falling(90, lambda s: 200.0 * (s % 10 == 0), "samplerMs"), [], id="now and then costly"),
    pytest.param(samples(300, stepsPerSec=70.0), [("low_throughput", "warning")], id="slow"),
    pytest.param(samples(300, stepsPerSec=40.0), [("low_throughput", "critical")], id="half as fast"),
    pytest.param(samples(300, stepsPerSec=0.0), [("low_throughput", "critical")], id="stands still"),
    pytest.param(samples(300, stepsPerSec=80.0), [], id="a little slow"),
    pytest.param(samples(140, stepsPerSec=40.0), [], id="slow while it warms up"),
    pytest.param(samples(300, stepsPerSec=40.0, stepId="new"), [], id="a step without a history"),
    pytest.param(
        samples(300, stepsPerSec=40.0, stepId=None), [("low_throughput", "critical")], id="a run without steps"
    ),
]


@pytest.mark.parametrize(("recording", "expected"), CASES)
def test_a_rule_fires_as_it_says(recording: list[dict[str, Any]], expected: list[tuple[str, str]]) -> None:
    assert triggers(feed(Advisor(history=HISTORY), recording)) == expected


@pytest.mark.parametrize(
    "every_s",
    [pytest.param(2.0, id="every 2 s"), pytest.param(5.0, id="every 5 s"), pytest.param(10.0, id="every 10 s")],
)
def test_samples_may_be_far_apart(every_s: float) -> None:
    advice = feed(Advisor(), samples(100, every_s=every_s, **FULL))
    assert triggers(advice) == [("cpu_saturation", "info")]


def test_advice_names_its_samples_and_decodes() -> None:
    (advice,) = feed(Advisor(), samples(20), samples(60, at_s=20.0, **FULL))
    decoded = msgspec.convert(advice, PerformanceRecommendation)
    assert (decoded.sample_first, decoded.sample_last, decoded.step_id) == (17, 46, "fit")
    assert (decoded.first_ms, decoded.last_ms) == (START_MS + 17_000, START_MS + 46_000)
    assert decoded.evidence == {
        "cpuSharePercent": 92.8,
        "cpuLimitCores": 4.0,
        "cpuPercentSystem": 93.7,
        "processes": None,
    }


def test_evidence_is_what_the_table_says() -> None:
    parts = [case.values[0] for case in CASES]
    given = [advice for part in parts for advice in feed(Advisor(history=HISTORY), part)]
    late = Advisor()
    late.expect("fit", 10.0, 20.0)
    given += feed(late, samples(60))
    shown = {(advice["trigger"], tuple(advice["evidence"])) for advice in given}
    assert shown == {(rule.id, rule.evidence) for rule in RULES.values()}


def test_an_episode_is_told_once() -> None:
    advisor = Advisor()
    assert len(feed(advisor, samples(600, **FULL))) == 1
    (kept,) = advisor.finish()
    assert (kept["evidence"]["episodes"], kept["evidence"]["lastedSeconds"], kept["sampleLast"]) == (1, 598.0, 599)


def test_it_is_told_again_after_it_was_over() -> None:
    advisor = Advisor()
    parts = samples(60, **FULL), samples(90, at_s=60.0), samples(60, at_s=150.0, **FULL)
    assert len(feed(advisor, *parts)) == 2
    (kept,) = advisor.finish()
    assert kept["evidence"]["episodes"] == 2
    assert kept["evidence"]["lastedSeconds"] == pytest.approx(118.0, abs=5.0)


def test_a_short_pause_is_the_same_episode() -> None:
    parts = samples(60, **FULL), samples(10, at_s=60.0), samples(60, at_s=70.0, **FULL)
    assert len(feed(Advisor(), *parts)) == 1


def test_it_is_told_again_when_it_gets_worse() -> None:
    advisor = Advisor()
    parts = samples(30, memoryAvailableMb=700.0), samples(30, at_s=30.0, memoryAvailableMb=100.0)
    severities = [advice["severity"] for advice in feed(advisor, *parts)]
    (kept,) = advisor.finish()
    assert severities == ["warning", "critical"]
    assert (kept["severity"], kept["sampleFirst"], kept["evidence"]["episodes"]) == ("critical", 1, 1)


def test_an_episode_goes_on_through_steps() -> None:
    parts = [samples(20, at_s=20.0 * step, stepId=f"s{step}", **FULL) for step in range(10)]
    assert triggers(feed(Advisor(), *parts)) == [("cpu_saturation", "info")]


@pytest.mark.parametrize(
    ("at_s", "count"),
    [pytest.param(400.0, 0, id="the machine slept"), pytest.param(-400.0, 0, id="the clock was set back")],
)
def test_time_that_nobody_saw_proves_nothing(at_s: float, count: int) -> None:
    assert len(feed(Advisor(), samples(20, **FULL), samples(20, at_s=at_s, **FULL))) == count


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule) for rule in RULES])
def test_a_rule_can_be_silenced(rule: str) -> None:
    advisor = Advisor(history=HISTORY, silenced=[rule])
    advisor.expect("fit", 10.0, 20.0)
    sick = {"gpuDevices": IDLE_GPU, "memoryAvailableMb": 100.0, "diskFreeMb": 10.0, "samplerMs": 50.0}
    parts = samples(300, stepsPerSec=30.0, **FULL, **sick), samples(300, at_s=300.0, cpuPercentProcess=4.0)
    found = {advice["trigger"] for advice in [*feed(advisor, *parts), *advisor.finish()]}
    assert found == RULES.keys() - {rule}


def test_an_unknown_rule_can_not_be_silenced() -> None:
    with pytest.raises(ParameterError, match="there is no rule cpu_hot") as caught:
        Advisor(silenced=["cpu_hot"])
    assert caught.value.code == "parameter.unknown_rule"


@pytest.mark.parametrize(
    ("expected", "elapsed_s", "severities"),
    [
        pytest.param((10.0, 20.0), 24, [], id="within the margin"),
        pytest.param((19.0, 20.0), 28, ["warning"], id="late"),
        pytest.param((10.0, 20.0), 30, [], id="wide interval: may still be by chance"),
        pytest.param((10.0, 20.0), 45, ["warning"], id="wide interval, late"),
        pytest.param((19.0, 20.0), 90, ["warning", "critical"], id="far too late"),
        pytest.param((0.0, 20.0), 28, ["warning"], id="no lower end"),
    ],
)
def test_a_step_overruns_what_was_expected(
    expected: tuple[float, float], elapsed_s: int, severities: list[str]
) -> None:
    advisor = Advisor()
    advisor.expect("fit", *expected)
    advice = feed(advisor, samples(elapsed_s))
    assert [(each["trigger"], each["severity"]) for each in advice] == [("step_overrun", each) for each in severities]


def test_a_step_counts_from_its_start_and_not_from_its_first_sample() -> None:
    advisor = Advisor()
    advisor.expect("fit", 19.0, 20.0)
    advisor.step_started("fit", START_MS - 60_000)
    (advice,) = advisor.feed(samples(1)[0], 0)
    assert advice["evidence"]["elapsedSeconds"] == 60.0


def test_the_limit_of_a_wide_interval_is_one_in_ten_thousand() -> None:
    assert overrun_limit_s(Expected(10.0, 20.0), Thresholds()) == pytest.approx(
        14.142 * 2.0 ** (3.719 / 2.5632), rel=1e-3
    )


def test_the_whole_run_is_compared_at_its_end() -> None:
    advisor = Advisor(history=ThroughputHistory(values=RATES))
    live = feed(
        advisor, samples(40, stepsPerSec=60.0, stepId="a"), samples(40, at_s=40.0, stepsPerSec=70.0, stepId="b")
    )
    (advice,) = advisor.finish()
    assert (live, advice["trigger"], advice.get("stepId")) == ([], "low_throughput", None)
    assert "steps/s are 35 % below the 100 of 5 earlier runs" in advice["message"]
    assert "confidence" in advice["message"]


@pytest.mark.parametrize(
    ("history", "is_completed"),
    [
        pytest.param(ThroughputHistory(), True, id="no history"),
        pytest.param(ThroughputHistory(values=(100.0, 101.0)), True, id="two runs"),
        pytest.param(ThroughputHistory(values=(20.0, 100.0, 300.0)), True, id="runs that differ widely"),
        pytest.param(ThroughputHistory(values=RATES), False, id="not completed"),
    ],
)
def test_nothing_is_said_without_evidence(history: ThroughputHistory, is_completed: bool) -> None:
    advisor = Advisor(history=history)
    feed(advisor, samples(60, stepsPerSec=60.0, stepId="a"))
    assert advisor.finish(is_completed=is_completed) == []


def test_a_short_step_is_compared_when_it_is_over() -> None:
    advisor = Advisor(history=HISTORY)
    assert feed(advisor, samples(40, stepsPerSec=60.0)) == []
    assert [(advice["trigger"], advice["stepId"]) for advice in advisor.finish()] == [("low_throughput", "fit")]


def test_the_gravest_advice_comes_first() -> None:
    advisor = Advisor()
    feed(advisor, samples(60, memoryAvailableMb=100.0, **FULL))
    assert [advice["severity"] for advice in advisor.finish()] == ["critical", "info"]


def test_the_summary_feeds_the_history_of_the_next_run() -> None:
    advisor = Advisor()
    feed(advisor, samples(11, stepsPerSec=60.0, stepId="a"), samples(10, at_s=11.0, stepsPerSec=90.0, stepId="b"))
    summary = advisor.summary()
    assert summary["telemetry_samples"] == 21
    assert (summary["avg_cpu_percent_process"], summary["max_memory_rss_mb"]) == (200.0, 500.0)
    history = ThroughputHistory.from_summaries([summary, {"avg_steps_per_sec": "x"}, {}, {"avg_steps_per_sec.a": 3}])
    assert history == ThroughputHistory((75.0,), {"a": (60.0, 3.0), "b": (90.0,)})


def test_memory_does_not_grow_with_the_run() -> None:
    advisor = Advisor()
    parts = [samples(4, at_s=4.0 * step, stepId=f"s{step}", stepsPerSec=1.0) for step in range(2000)]
    feed(advisor, *parts)
    held = (advisor._window._points, advisor._step_rates, advisor._step_since_ms, advisor._given, advisor._episodes)
    assert max(map(len, held)) <= 200
    assert advisor.summary()["avg_steps_per_sec"] == 1.0


@pytest.mark.parametrize(
    ("rate", "earlier", "confidence"),
    [
        pytest.param(70.0, (100.0,) * 3, 0.998, id="three equal runs"),
        pytest.param(100.0, RATES, 0.5, id="as ever"),
        pytest.param(70.0, (80.0, 100.0, 125.0), 0.85, id="three runs that differ"),
        pytest.param(70.0, (*RATES, *RATES, 5.0), 0.999, id="a sick run among healthy ones"),
    ],
)
def test_confidence_is_of_students_distribution(rate: float, earlier: tuple[float, ...], confidence: float) -> None:
    found = compare(rate, earlier)
    assert found is not None
    assert found.confidence == pytest.approx(confidence, abs=0.005)


def test_settings_are_the_thresholds() -> None:
    assert thresholds_of(Settings()) == Thresholds()
    assert thresholds_of(Settings(advice_memory_percent=70)).memory_percent == 70.0
    assert silenced_of(Settings()) == frozenset()
    assert silenced_of(Settings(advice_off="cpu_idle,gpu_idle")) == {"cpu_idle", "gpu_idle"}


def test_settings_know_the_rules() -> None:
    assert set(ADVICE_RULES) == set(RULES)
    assert {rule.setting for rule in RULES.values()} == set(Thresholds._fields) - {"window_s"}


def test_a_wrong_id_in_the_settings_is_named(tmp_path: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(folder=tmp_path, environ={"FLOWTIME_ADVICE_OFF": "cpu_idle,cpu_hot"}, flags={})
    assert "FLOWTIME_ADVICE_OFF must be ids of rules with commas between them" in str(caught.value)


def test_rules_are_pure() -> None:
    source = inspect.getsource(advice_rules)
    assert [word for word in ("import time", "import os", "open(", "datetime", "environ") if word in source] == []
