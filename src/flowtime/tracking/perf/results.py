"""From turns to results: what is known of each case, in the record that every run carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from types import MappingProxyType

from flowtime.tracking.perf.judge import Judgement, Limits, estimate, judge, judge_apart, settle
from flowtime.tracking.perf.outcome import CaseTurns, PerfOutcome
from flowtime.tracking.records import PerformanceTestResult

__all__ = ["REASONS", "compared", "judged", "result_of", "without_baseline"]

# What a reason code means, for people; those of guardrails too.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "slower": "slower than the base by more than the limit",
        "noisy_twin": "the base differs from itself by more than 3 %, so this says little",
        "not_confirmed": "over the fail limit at first, not with fresh episodes added",
        "too_few_episodes": "one episode says nothing about its own error",
        "not_interleaved": "measured at another time than the base: drift of the host is not ruled out",
        "no_base": "nothing to compare with was named",
        "no_merge_base": "the base and the head have no commit in common",
        "not_in_base": "the base can not run the case",
        "base_wrong": "the base computes something else",
        "version_changed": "the case means something else than in the base",
        "not_in_head": "the case is gone",
        "limit_broken": "over a limit on a host that can keep it",
        "host_unfit": "over a limit, and so was the raw probe: the host is busy",
        "counts": "does another number of fsyncs, renames or bytes than it must",
    }
)
NS = 1e-9


def judged(turns: CaseTurns) -> Judgement:
    """Judge a case that was measured on all sides: its first episodes, then all, where fresh ones were added."""
    limits = Limits(turns.case.limit_soft, turns.case.limit_fail)
    episodes = [estimate(item.net_ns["base"], item.net_ns["twin"], item.net_ns["head"]) for item in turns.episodes]
    first = judge(episodes[: len(episodes) - turns.confirming], limits)
    return settle(first, judge(episodes, limits) if turns.confirming else None)


def result_of(turns: CaseTurns, matrix: str) -> PerformanceTestResult:
    """Judge a case against the base that took turns with it."""
    return _result(turns, matrix, judged(turns), _seconds(turns, "base"))


def without_baseline(turns: CaseTurns, matrix: str, reason: str, why: str | None = None) -> PerformanceTestResult:
    """Say how long the case took, and why it has nothing to be compared with."""
    measured = _seconds(turns, "head")
    return PerformanceTestResult(
        test_id=turns.case.name,
        matrix=matrix,
        status="no-baseline",
        reason=reason,
        measured_seconds=measured,
        throughput_measured=turns.case.items / measured,
        duration_seconds=_duration(turns),
        evidence={**_evidence(turns), "why": why} if why else _evidence(turns),
    )


def compared(base: PerfOutcome, head_turns: Sequence[CaseTurns], matrix: str) -> list[PerformanceTestResult]:
    """Hold cases against those of an earlier run, by what each run measured of its own head."""
    # By the head of each run: what it was compared with then does not matter now.
    known = {turns.case.name: turns for turns in base.turns}
    results = []
    for turns in head_turns:
        other = known.pop(turns.case.name, None)
        if other is None or base.size != matrix.rpartition("/")[2]:
            results.append(without_baseline(turns, matrix, "not_in_base"))
        elif (other.case.version, other.case.calls_per_turn) != (turns.case.version, turns.case.calls_per_turn):
            results.append(without_baseline(turns, matrix, "version_changed"))
        else:
            seconds = _by_episode(other, "head"), _by_episode(turns, "head")
            limits = Limits(turns.case.limit_soft, turns.case.limit_fail)
            results.append(_result(turns, matrix, judge_apart(*seconds, limits), median(seconds[0])))
    gone = (
        PerformanceTestResult(
            test_id=name,
            matrix=matrix,
            status="no-baseline",
            reason="not_in_head",
            baseline_seconds=_seconds(turns, "head"),
        )
        for name, turns in known.items()
    )
    return [*results, *gone]


def _result(turns: CaseTurns, matrix: str, said: Judgement, base_seconds: float) -> PerformanceTestResult:
    measured = _seconds(turns, "head")
    return PerformanceTestResult(
        test_id=turns.case.name,
        matrix=matrix,
        status=said.verdict,
        reason=said.reason,
        baseline_seconds=base_seconds,
        measured_seconds=measured,
        ratio=said.ratio,
        ratio_low=said.interval.low,
        ratio_high=said.interval.high,
        throughput_baseline=turns.case.items / base_seconds,
        throughput_measured=turns.case.items / measured,
        duration_seconds=_duration(turns),
        evidence={
            **_evidence(turns),
            "confidence": said.interval.confidence,
            "twinRatio": said.twin_ratio,
            "twinSd": said.twin_sd,
            "standardError": said.standard_error,
            "softLimit": turns.case.limit_soft,
            "failLimit": said.fail_limit,
            "episodesAbove": said.above,
        },
    )


def _evidence(turns: CaseTurns) -> dict[str, str | int | float | bool | None]:
    # For people, who feel the wall; the judgement is on net time.
    walls = [median(item.wall_ns["head"]) * NS for item in turns.episodes]
    return {
        "episodes": len(turns.episodes),
        "confirming": turns.confirming,
        "sweeps": len(turns.episodes[0].order),
        "callsPerTurn": turns.case.calls_per_turn,
        "version": turns.case.version,
        "wallSeconds": median(walls),
        "compiles": sum(item.compiles for item in turns.episodes),
    }


def _by_episode(turns: CaseTurns, side: str) -> list[float]:
    """Return the median turn of each episode in seconds."""
    return [median(item.net_ns[side]) * NS for item in turns.episodes]


def _seconds(turns: CaseTurns, side: str) -> float:
    return median(_by_episode(turns, side))


def _duration(turns: CaseTurns) -> float:
    """Return how long all turns took together, in seconds."""
    return sum(sum(wall) for item in turns.episodes for wall in item.wall_ns.values()) * NS
