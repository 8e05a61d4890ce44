"""Guardrails: limits that a case must keep on any fit host, and counts that it must keep anywhere.

Time is net of waiting for a core, since on a busy host wall time piles up at the scheduler's slices.  A raw probe
that takes turns with the case decides whether a broken limit is the case's or the host's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from statistics import fmean, median
from time import monotonic
from typing import NamedTuple

from flowtime.errors import PerfError
from flowtime.runs.times import utc_text
from flowtime.tracking.perf.checkout import head_commit
from flowtime.tracking.perf.drive import Driver, Means, Plan
from flowtime.tracking.perf.gate import head_side, side_facts, suite_cases, workplace
from flowtime.tracking.perf.host import host_facts, load_means, matrix_text
from flowtime.tracking.perf.judge import worst
from flowtime.tracking.perf.outcome import PerfOutcome
from flowtime.tracking.perf.process import Side
from flowtime.tracking.perf.suite import CaseSpec, GuardrailSpec, Suite, chosen
from flowtime.tracking.records import PerformanceTestResult, PerformanceVerdict

__all__ = ["Guarded", "judge_guardrail", "mean_best_half", "middle_p99", "percentile", "run_guards"]

BLOCK = 500
NS_PER_MS = 1e6


class Guarded(NamedTuple):
    """What was measured of a guarded case: net and wall ms of one item, in order, the probe's net ms, and counts."""

    net_ms: Sequence[float]
    wall_ms: Sequence[float]
    probe_ms: Sequence[float]
    counts: Mapping[str, int]


def run_guards(suite: Suite, plan: Plan, means: Means, patterns: Sequence[str] = ()) -> PerfOutcome:
    """Measure and judge every guardrail of a suite on the head; ``patterns`` choose cases by name.

    Raises PerfError as ``run_gate`` does; ``perf.case`` where no case has a guardrail.
    """
    begin, before, created = monotonic(), load_means(), utc_text(means.clock())
    with workplace(means.work) as scratch:
        driver = Driver(plan, scratch, means)
        head = head_side(suite, means.work)
        every, facts = suite_cases(driver, suite, head)
        guarded = [(case, case.guardrail) for case in chosen(every, patterns or ["*"]) if case.guardrail is not None]
        if not guarded:
            raise PerfError("no case has a guardrail", code="perf.case")
        by_name = {case.name: case for case in every}
        matrix = matrix_text(facts["python"], plan.size)
        results = []
        for case, rail in guarded:
            means.notify(f"guarding {case.name}")
            probe = None if rail.probe is None else by_name[rail.probe]
            with means.run.step(case.name):
                results.append(_guard(driver, head, case, rail, probe, matrix))
    return PerfOutcome(
        kind="guard",
        suite=suite.name,
        verdict=worst([result.status for result in results]),
        created_utc=created,
        duration_seconds=monotonic() - begin,
        size=plan.size,
        seed=plan.seed,
        episodes=1,
        sweeps=0,
        head=side_facts(head_commit(suite.root, apart_from=means.work.parent), facts),
        host=host_facts(before=before, after=load_means()),
        results=tuple(results),
    )


def judge_guardrail(rail: GuardrailSpec, measured: Guarded) -> tuple[PerformanceVerdict, str | None]:
    """Hold what was measured against the limits; counts decide anywhere, times on a host that the probe finds fit."""
    # Counts have no noise, so no host excuses them.
    if any(measured.counts.get(name) != count for name, count in rail.counts.items()):
        return "failed", "counts"
    if all(STATISTICS[name](measured.net_ms) <= limit for name, limit in rail.limits_ms.items()):
        return "passed", None
    if measured.probe_ms and middle_p99(measured.probe_ms) >= rail.probe_limit_ms:
        return "soft-breach", "host_unfit"
    return "failed", "limit_broken"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def middle_p99(values: Sequence[float]) -> float:
    """Return the middle one of the p99 of the blocks of 500, so that one bad second does not decide."""
    return median(percentile(values[at : at + BLOCK], 0.99) for at in range(0, len(values), BLOCK))


def mean_best_half(values: Sequence[float]) -> float:
    """Return the mean of the better half, which other jobs disturbed least."""
    return fmean(sorted(values)[: max(1, len(values) // 2)])


def _p50(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "p50": _p50,
    "p99": middle_p99,
    "mean_best_half": mean_best_half,
}


def _guard(
    driver: Driver, head: Side, case: CaseSpec, rail: GuardrailSpec, probe: CaseSpec | None, matrix: str
) -> PerformanceTestResult:
    begin = monotonic()
    answer = driver.guard(head, case, probe, rail.turns)
    net, wall = ([time / NS_PER_MS / case.items for time in answer[key][0]] for key in ("netNs", "wallNs"))
    probe_ms = [time / NS_PER_MS for time in answer["netNs"][1]] if probe is not None else []
    measured = Guarded(net, wall, probe_ms, answer["counts"])
    status, reason = judge_guardrail(rail, measured)
    return PerformanceTestResult(
        test_id=case.name,
        matrix=f"guardrail {matrix}",
        status=status,
        reason=reason,
        measured_seconds=_p50(net) / 1000.0,
        duration_seconds=monotonic() - begin,
        evidence=_evidence(rail, measured),
    )


def _evidence(rail: GuardrailSpec, measured: Guarded) -> dict[str, str | int | float | bool | None]:
    evidence: dict[str, str | int | float | bool | None] = {"turns": len(measured.net_ms)}
    for name, limit in rail.limits_ms.items():
        evidence[f"{name} net ms"] = STATISTICS[name](measured.net_ms)
        evidence[f"{name} limit ms"] = limit
        evidence[f"{name} wall ms"] = STATISTICS[name](measured.wall_ms)
    if measured.probe_ms:
        evidence["probe p99 net ms"] = middle_p99(measured.probe_ms)
        evidence["probe limit ms"] = rail.probe_limit_ms
    for counter, count in rail.counts.items():
        evidence[f"{counter} counted"] = measured.counts.get(counter)
        evidence[f"{counter} must be"] = count
    return evidence
