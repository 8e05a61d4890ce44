"""The advisor: feeds every sample to the rules, says each finding once while it lasts, and sums up at the end.

It holds four windows of samples and a few sums, however long the run is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from flowtime.errors import ParameterError
from flowtime.tracking.advice.advice_rules import (
    SEVERITIES,
    Expected,
    Finding,
    Thresholds,
    View,
    slow_finding,
)
from flowtime.tracking.advice.advice_table import RULES, Rule
from flowtime.tracking.advice.advice_window import Point, Window, point_of
from flowtime.tracking.advice.throughput import LEAST_RUNS, RATE_KEY, ThroughputHistory, compare

if TYPE_CHECKING:
    from flowtime.settings import Settings

__all__ = ["Advisor", "Thresholds", "ThroughputHistory", "silenced_of", "thresholds_of"]

_K = TypeVar("_K")
_V = TypeVar("_V")

# Rules look back over at most so many windows.
_KEPT_WINDOWS = 4
_LEAST_GAP_S = 60.0
# Advice kept for the end; a run whose steps all have some is told of the first ones.
_MOST_KEPT = 200
_LEAST_SAMPLES = 3


def thresholds_of(settings: Settings) -> Thresholds:
    """Return the thresholds in the settings ``advice_*``."""
    return Thresholds(*(float(getattr(settings, f"advice_{name}")) for name in Thresholds._fields))


def silenced_of(settings: Settings) -> frozenset[str]:
    """Return the ids of the rules that ``advice_off`` silences."""
    return frozenset(filter(None, settings.advice_off.split(",")))


class _Episode:
    """A finding that lasts: how grave it was, when it was last seen, and since when it has not been."""

    __slots__ = ("advice", "clear_ms", "seen_ms", "severity")

    def __init__(self, advice: dict[str, Any], severity: int, seen_ms: int) -> None:
        self.advice = advice
        self.severity = severity
        self.seen_ms = seen_ms
        self.clear_ms: int | None = None


class _Mean:
    """A mean weighted by time, with the samples at its ends."""

    __slots__ = ("first", "last", "samples", "seconds", "total")

    def __init__(self, first: Point) -> None:
        self.first = self.last = first
        self.total = self.seconds = 0.0
        self.samples = 0

    def add(self, value: float, point: Point, passed_s: float) -> None:
        self.total += value * passed_s
        self.seconds += passed_s
        self.samples += 1
        self.last = point

    @property
    def value(self) -> float | None:
        return self.total / self.seconds if self.seconds > 0.0 else None


class Advisor:
    """Judges the samples of one run.  ``silenced`` are ids of rules that are not asked.

    Raises ParameterError for an id that no rule has.
    """

    def __init__(
        self,
        thresholds: Thresholds = Thresholds(),  # noqa: B008 (a tuple of numbers: it can not change)
        history: ThroughputHistory | None = None,
        silenced: Collection[str] = (),
    ) -> None:
        unknown = sorted(set(silenced) - RULES.keys())
        if unknown:
            message = f"there is no rule {', '.join(unknown)}"
            raise ParameterError(message, code="parameter.unknown_rule", hint=f"rules are {', '.join(RULES)}")
        self._thresholds = thresholds
        self._history = history or ThroughputHistory()
        self._rules = tuple(rule for rule in RULES.values() if rule.id not in silenced)
        gap_s = max(_LEAST_GAP_S, _KEPT_WINDOWS * thresholds.window_s / 2)
        self._window = Window(_KEPT_WINDOWS * thresholds.window_s, gap_s=gap_s)
        self._expected: dict[str, Expected] = {}
        self._step_since_ms: dict[str | None, int] = {}
        self._episodes: dict[tuple[str, str | None], _Episode] = {}
        self._given: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._rate: _Mean | None = None
        self._step_rates: dict[str, _Mean] = {}
        self._figures: dict[str, _Mean] = {}
        self._max_rss_mb: float | None = None
        self._samples = 0

    def expect(self, step_id: str, low_s: float, high_s: float) -> None:
        """Say how long a step should take: one in ten is shorter than ``low_s``, one in ten longer than ``high_s``."""
        _bounded(self._expected)[step_id] = Expected(low_s, high_s)

    def step_started(self, step_id: str, at_ms: int) -> None:
        """Say when a step began; without it, the first sample of a step counts as its beginning."""
        _bounded(self._step_since_ms)[step_id] = at_ms

    def feed(self, snapshot: Mapping[str, Any], number: int) -> list[dict[str, Any]]:
        """Take the sample ``number`` (from 0) and return what is newly found, in the names of the wire.

        A finding is given when it begins and when it gets worse; it ends when it was not seen for a while.
        """
        point = point_of(snapshot, number)
        passed_s = self._window.add(point)
        self._sum_up(point, passed_s)
        since_ms = self._step_since_ms.get(point.step_id)
        if since_ms is None:
            since_ms = _bounded(self._step_since_ms)[point.step_id] = point.at_ms
        view = View(
            self._window,
            self._thresholds,
            self._history,
            max(0.0, (point.at_ms - since_ms) / 1000.0),
            self._expected.get(point.step_id) if point.step_id is not None else None,
        )
        news = (self._follow(rule, rule.judge(view), point) for rule in self._rules)
        return [advice for advice in news if advice is not None]

    def finish(self, *, is_completed: bool = True) -> list[dict[str, Any]]:
        """Return all advice of the run, the gravest first: what was given while it ran, and what only its end shows.

        Advice of one rule about one step is one entry: its evidence says how often (``episodes``) and how long
        (``lastedSeconds``) it held.  The whole run is held against earlier ones if it is completed and none of its
        steps can be.
        """
        for advice in self._at_the_end(is_completed):
            self._given.setdefault((advice["trigger"], advice.get("stepId")), advice)
        return sorted(self._given.values(), key=lambda advice: -SEVERITIES.index(advice["severity"]))

    def summary(self) -> dict[str, float | int]:
        """Return means and maxima for the record's summary, those that later runs compare with among them."""
        figures: dict[str, float | int] = {"telemetry_samples": self._samples}
        for name, mean in self._figures.items():
            if mean.value is not None:
                figures[f"avg_{name}"] = round(mean.value, 3)
        if self._max_rss_mb is not None:
            figures["max_memory_rss_mb"] = self._max_rss_mb
        if self._rate is not None and self._rate.value is not None:
            figures[RATE_KEY] = round(self._rate.value, 6)
        for step_id, mean in self._step_rates.items():
            if mean.value is not None:
                figures[f"{RATE_KEY}.{step_id}"] = round(mean.value, 6)
        return figures

    def _sum_up(self, point: Point, passed_s: float) -> None:
        self._samples += 1
        for name, value in (("cpu_percent_process", point.cpu_percent), ("cpu_percent_system", point.system_percent)):
            if value is not None:
                self._figures.setdefault(name, _Mean(point)).add(value, point, passed_s)
        if point.rss_mb is not None:
            self._max_rss_mb = max(point.rss_mb, self._max_rss_mb or 0.0)
        if point.rate is None:
            return
        self._rate = self._rate or _Mean(point)
        self._rate.add(point.rate, point, passed_s)
        step_id = point.step_id
        if step_id is not None and (step_id in self._step_rates or len(self._step_rates) < _MOST_KEPT):
            self._step_rates.setdefault(step_id, _Mean(point)).add(point.rate, point, passed_s)

    def _follow(self, rule: Rule, finding: Finding | None, point: Point) -> dict[str, Any] | None:
        """Begin, go on with or end the episode of a rule; return the advice if there is something to say."""
        key = rule.id, point.step_id if rule.is_of_step else None
        episode = self._episodes.get(key)
        if finding is None:
            if episode is not None and self._is_over(rule, episode, point):
                del self._episodes[key]
            return None
        severity = SEVERITIES.index(finding.severity)
        if episode is None:
            advice = _advice(rule, finding)
            _bounded(self._episodes)[key] = _Episode(advice, severity, point.at_ms)
            self._keep(advice, is_new=True)
            return advice
        lasted_s = (point.at_ms - episode.seen_ms) / 1000.0
        episode.seen_ms, episode.clear_ms = point.at_ms, None
        self._lengthen(episode.advice, lasted_s, point)
        if severity <= episode.severity:
            return None
        # The step of its beginning stays, so that the end can put both together.
        worse = {**_advice(rule, finding), "stepId": episode.advice.get("stepId")}
        episode.advice, episode.severity = _without_none(worse), severity
        self._keep(episode.advice, is_new=False)
        return episode.advice

    def _is_over(self, rule: Rule, episode: _Episode, point: Point) -> bool:
        """Say whether a finding is gone for as long as its window, which a pause empties, and one window more."""
        if episode.clear_ms is None:
            episode.clear_ms = point.at_ms
        return point.at_ms - episode.clear_ms >= 1000.0 * (rule.windows + 1.0) * self._thresholds.window_s

    def _keep(self, advice: dict[str, Any], *, is_new: bool) -> None:
        key = advice["trigger"], advice.get("stepId")
        before = self._given.get(key)
        if before is None:
            if len(self._given) < _MOST_KEPT:
                # A copy: what was handed out live is not changed afterwards.
                self._given[key] = {
                    **advice,
                    "evidence": {**advice["evidence"], "episodes": 1, "lastedSeconds": _span_s(advice)},
                }
            return
        counts = {name: before["evidence"][name] for name in ("episodes", "lastedSeconds")}
        if is_new:
            counts = {"episodes": counts["episodes"] + 1, "lastedSeconds": counts["lastedSeconds"] + _span_s(advice)}
        is_worse = SEVERITIES.index(advice["severity"]) > SEVERITIES.index(before["severity"])
        shown = advice if is_worse else before
        self._given[key] = {
            **shown,
            "evidence": {**shown["evidence"], **counts},
            "sampleFirst": before["sampleFirst"],
            "firstMs": before["firstMs"],
            "sampleLast": advice["sampleLast"],
            "lastMs": advice["lastMs"],
        }

    def _lengthen(self, advice: dict[str, Any], lasted_s: float, point: Point) -> None:
        kept = self._given.get((advice["trigger"], advice.get("stepId")))
        if kept is not None:
            kept["evidence"]["lastedSeconds"] = round(kept["evidence"]["lastedSeconds"] + lasted_s, 1)
            kept["sampleLast"], kept["lastMs"] = point.number, point.at_ms

    def _at_the_end(self, is_completed: bool) -> list[dict[str, Any]]:
        rule = next((rule for rule in self._rules if rule.id == "low_throughput"), None)
        if rule is None:
            return []
        by_step = self._history.by_step
        found = [
            self._slow(rule, mean, by_step.get(step_id, ()), step_id) for step_id, mean in self._step_rates.items()
        ]
        # The mean of a whole run changes with the lengths of its steps too: it is asked where no step can be.
        has_steps = any(len(by_step.get(step_id, ())) >= LEAST_RUNS for step_id in self._step_rates)
        is_known = any(trigger == rule.id for trigger, _ in self._given)
        if self._rate is not None and is_completed and not has_steps and not is_known:
            found.append(self._slow(rule, self._rate, self._history.values, None))
        return [advice for advice in found if advice is not None]

    def _slow(self, rule: Rule, mean: _Mean, earlier: tuple[float, ...], step_id: str | None) -> dict[str, Any] | None:
        if mean.value is None or mean.samples < _LEAST_SAMPLES:
            return None
        last = mean.last._replace(step_id=step_id)
        finding = slow_finding(compare(mean.value, earlier), self._thresholds, mean.first, last)
        return None if finding is None else _advice(rule, finding)


def _advice(rule: Rule, finding: Finding) -> dict[str, Any]:
    """Return a finding in the names of the wire (see PerformanceRecommendation)."""
    advice: dict[str, Any] = {
        "trigger": rule.id,
        "severity": finding.severity,
        "message": finding.message,
        "suggestedActions": list(rule.actions),
        "evidence": dict(finding.evidence),
        "timestampMs": finding.last.at_ms,
        "sampleFirst": finding.first.number,
        "sampleLast": finding.last.number,
        "firstMs": finding.first.at_ms,
        "lastMs": finding.last.at_ms,
    }
    if finding.last.step_id is not None:
        advice["stepId"] = finding.last.step_id
    return advice


def _without_none(advice: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in advice.items() if value is not None}


def _span_s(advice: Mapping[str, Any]) -> float:
    return float(round((advice["lastMs"] - advice["firstMs"]) / 1000.0, 1))


def _bounded(kept: dict[_K, _V]) -> dict[_K, _V]:
    """Forget the oldest entry of a table that is full: a run may have any number of steps."""
    if len(kept) >= _MOST_KEPT:
        kept.pop(next(iter(kept)))
    return kept
