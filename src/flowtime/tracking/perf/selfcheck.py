"""The gate measured by itself: the head against itself must pass, and made slower it must be caught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from time import monotonic

from flowtime.tracking.perf.drive import Driver, Means, Plan
from flowtime.tracking.perf.gate import head_side, measure, require_runs, suite_cases, workplace
from flowtime.tracking.perf.judge import worst
from flowtime.tracking.perf.results import judged
from flowtime.tracking.perf.suite import Suite, chosen
from flowtime.tracking.records import PerformanceVerdict, Record

__all__ = ["CaseCounts", "SelfCheck", "run_selfcheck"]


class CaseCounts(Record, frozen=True, kw_only=True):
    """How often a case was called what: against itself, and made slower."""

    name: str
    same: dict[PerformanceVerdict, int]
    slower: dict[PerformanceVerdict, int]


class SelfCheck(Record, frozen=True, kw_only=True):
    """Rates of the gate on this host: of ``suites`` equal suites ``failed`` ended in failure, by a case or more.

    ``caught`` is the least share, over the cases, of injected slow-downs of ``slow`` that failed; counts of several
    of these may be added up.
    """

    suites: int
    failed: int
    soft: int
    slow: float
    caught: float
    duration_seconds: float
    cases: tuple[CaseCounts, ...]


def run_selfcheck(
    suite: Suite, plan: Plan, means: Means, *, suites: int, slow: float, patterns: Sequence[str] = ()
) -> SelfCheck:
    """Judge ``suites`` suites of equal code, confirmations included, and as many that were made slower.

    ``slow`` is the share of its own time that each call spins besides.  Raises PerfError as ``run_gate`` does.
    """
    begin = monotonic()
    same: dict[str, Counter[PerformanceVerdict]] = {}
    slower: dict[str, Counter[PerformanceVerdict]] = {}
    verdicts = []
    with workplace(means.work) as scratch:
        driver = Driver(plan, scratch, means)
        head, base = head_side(suite, means.work), head_side(suite, means.work, name="base")
        cases = chosen(suite_cases(driver, suite, head)[0], patterns)
        require_runs(driver, head, cases)
        for number in range(1, suites + 1):
            # In turns, so that a change of the host touches both kinds alike.
            for counts, share in ((same, 0.0), (slower, slow)):
                means.notify(f"suite {number} of {suites}, {share:.0%} slower")
                turns, _ = measure(driver, head._replace(slow=share), base, cases, {})
                judgements = {item.case.name: judged(item).verdict for item in turns}
                for name, verdict in judgements.items():
                    counts.setdefault(name, Counter())[verdict] += 1
                if counts is same:
                    verdicts.append(worst(list(judgements.values())))
    return SelfCheck(
        suites=suites,
        failed=verdicts.count("failed"),
        soft=verdicts.count("soft-breach"),
        slow=slow,
        caught=min((slower[case.name]["failed"] / suites for case in cases), default=0.0),
        duration_seconds=monotonic() - begin,
        cases=tuple(
            CaseCounts(name=case.name, same=dict(same[case.name]), slower=dict(slower[case.name])) for case in cases
        ),
    )
