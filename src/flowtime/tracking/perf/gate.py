"""The gate: a suite measured on the head and on its base in turns, judged, and confirmed where it fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import msgspec

from flowtime.errors import PerfError
from flowtime.runs.times import utc_text
from flowtime.storage.locks import locked
from flowtime.tracking.perf.checkout import Commit, base_commit, base_worktree, head_commit
from flowtime.tracking.perf.drive import Driver, Means, Moment, Plan
from flowtime.tracking.perf.host import host_facts, load_means, matrix_text
from flowtime.tracking.perf.judge import worst
from flowtime.tracking.perf.outcome import CaseTurns, EpisodeTurns, PerfOutcome, SideFacts
from flowtime.tracking.perf.process import CaseFailure, Side
from flowtime.tracking.perf.results import compared, judged, result_of, without_baseline
from flowtime.tracking.perf.suite import CaseSpec, Suite, chosen, load_suite, registry_cases
from flowtime.tracking.records import PerformanceTestResult

__all__ = [
    "GateRequest",
    "check_base",
    "head_side",
    "measure",
    "require_runs",
    "run_gate",
    "side_facts",
    "suite_cases",
    "workplace",
]

LOCK_TIMEOUT_S = 0.0


class GateRequest(NamedTuple):
    """What to measure: cases by name pattern (none: those the gate takes), and what to hold them against.

    ``base_ref`` is a commit, branch or tag; ``base_run`` an earlier outcome with its name.  ``base_python`` is another
    interpreter for the base, where it depends on other packages.
    """

    suite: Suite
    plan: Plan
    patterns: tuple[str, ...] = ()
    base_ref: str | None = None
    base_run: tuple[str, PerfOutcome] | None = None
    base_python: str | None = None


class _Base(NamedTuple):
    """The base to measure, or why there is none."""

    side: Side | None
    commit: Commit | None
    reason: str


def run_gate(request: GateRequest, means: Means) -> PerfOutcome:
    """Measure and judge a suite.

    Raises PerfError: ``perf.suite``, ``perf.case``, ``perf.ref`` for what was asked wrongly; ``perf.worker``,
    ``perf.result``, ``perf.case_failed``, ``perf.checkout``, ``perf.busy`` where no judgement could be had.
    """
    begin, before, created = monotonic(), load_means(), utc_text(means.clock())
    suite = request.suite
    with workplace(means.work) as scratch, ExitStack() as stack:
        driver = Driver(request.plan, scratch, means)
        head = head_side(suite, means.work)
        commit = head_commit(suite.root, apart_from=means.work.parent)
        base = _base(request, means.work, stack)
        every, facts = suite_cases(driver, suite, head)
        cases = chosen(every, request.patterns)
        with means.run.step("warm-up"):
            require_runs(driver, head, cases)
            reasons = _unfit_for_base(driver, suite, base, cases)
        turns, moments = measure(driver, head, base.side, cases, reasons)
    matrix = matrix_text(facts["python"], request.plan.size)
    results = _results(request, turns, reasons, matrix)
    return PerfOutcome(
        kind="gate",
        suite=suite.name,
        verdict=worst([result.status for result in results]),
        created_utc=created,
        duration_seconds=monotonic() - begin,
        size=request.plan.size,
        seed=request.plan.seed,
        episodes=request.plan.episodes,
        sweeps=request.plan.sweeps,
        head=side_facts(commit, facts),
        base=_base_facts(request, base.commit),
        base_run=request.base_run[0] if request.base_run else None,
        host=host_facts(before=before, after=load_means(), moments=moments),
        results=tuple(results),
        turns=tuple(turns),
        notes=_notes(request, commit, base, reasons),
    )


@contextmanager
def workplace(work: Path) -> Iterator[Path]:
    """Hold the folder that perf works in, and yield a scratch folder below it, empty before and gone after.

    Raises PerfError ``perf.busy`` where another measurement holds it: two would be each other's noise.
    """
    import shutil

    from flowtime.errors import StorageError

    work.mkdir(parents=True, exist_ok=True)
    scratch = work / "scratch"
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(work / "lock", timeout_s=LOCK_TIMEOUT_S))
        except StorageError as error:
            raise PerfError("another measurement is going on here", code="perf.busy", hint="wait for it") from error
        # What a killed measurement left; git is told when the next worktree is made.
        for left in (scratch, work / "base"):
            shutil.rmtree(left, ignore_errors=True)
        scratch.mkdir()
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        stack.callback((work / "head").unlink, missing_ok=True)
        yield scratch


def head_side(suite: Suite, work: Path, *, name: str = "head", slow: float = 0.0) -> Side:
    """Return the side of the head, through a link beside the base's folder: paths of one length."""
    root = _linked(suite.root, work / "head")
    return Side(name, root, suite.import_paths(root), suite.cases_root, suite.registry, work / "cache-head", slow=slow)


def suite_cases(driver: Driver, suite: Suite, head: Side) -> tuple[tuple[CaseSpec, ...], dict[str, str]]:
    """Return all cases of a suite, and the Python and the packages that they run with."""
    described, facts = driver.describe(head)
    return (registry_cases(described) if suite.registry is not None else suite.cases), facts


def require_runs(driver: Driver, side: Side, cases: Sequence[CaseSpec]) -> None:
    """Run every case of the head once.  Raises PerfError for the first that fails."""
    for name, failure in driver.warm_up(side, cases).items():
        code = "perf.result" if failure.kind == "wrong" else "perf.case_failed"
        raise PerfError(f"case {name!r} fails on the head: {failure.text}", code=code)


def measure(
    driver: Driver,
    head: Side,
    base: Side | None,
    cases: Sequence[CaseSpec],
    alone: Mapping[str, tuple[str, str | None]],
) -> tuple[list[CaseTurns], list[Moment]]:
    """Measure all episodes, and again as many of the cases that fail; cases in ``alone`` on the head only."""
    sides = [head] if base is None else [base, base._replace(name="twin"), head]
    count = driver.plan.episodes
    episodes: dict[str, list[EpisodeTurns]] = {case.name: [] for case in cases}

    def measure_more(step: str, some: Sequence[CaseSpec]) -> list[Moment]:
        moments = []
        with driver.means.run.step(step, total=count) as progress:
            for number in range(1, count + 1):
                driver.means.notify(f"{step}: episode {number} of {count}")
                turns, moment = driver.episode(sides, some, alone)
                moments.append(moment)
                for name, taken in turns.items():
                    episodes[name].append(taken)
                progress.advance()
        return moments

    def taken() -> list[CaseTurns]:
        return [
            CaseTurns(case=case, episodes=tuple(episodes[case.name]), confirming=len(episodes[case.name]) - count)
            for case in cases
        ]

    moments = measure_more("measure", cases)
    # Pooled with the first ones, not judged apart: two failures in a row would miss too much.
    failed = [turns.case for turns in taken() if turns.case.name not in alone and judged(turns).verdict == "failed"]
    if failed:
        moments += measure_more("confirm", failed)
    return taken(), moments


def side_facts(commit: Commit, facts: Mapping[str, str]) -> SideFacts:
    """Return what a result says of the head."""
    return SideFacts(
        sha=commit.sha,
        is_dirty=commit.is_dirty,
        python=facts["python"],
        packages=facts["packages"],
        dependencies=commit.dependencies,
    )


def check_base(request: GateRequest) -> None:
    """Raise PerfError ``perf.ref`` where the base that was asked for is no commit: before anything is begun."""
    if request.base_ref is not None:
        base_commit(request.suite.root, request.base_ref)


def _base(request: GateRequest, work: Path, stack: ExitStack) -> _Base:
    suite = request.suite
    if request.base_ref is None:
        return _Base(None, None, "no_base")
    sha = base_commit(suite.root, request.base_ref)
    if sha is None:
        return _Base(None, None, "no_merge_base")
    root = stack.enter_context(base_worktree(suite.root, sha, work / "base"))
    python = request.base_python or sys.executable
    paths = suite.import_paths(root)
    side = Side("base", root, paths, suite.cases_root, suite.registry, work / "cache-base", python=python)
    return _Base(side, head_commit(root), "")


def _base_facts(request: GateRequest, commit: Commit | None) -> SideFacts | None:
    if commit is None:
        return None
    return SideFacts(sha=commit.sha, ref=request.base_ref, dependencies=commit.dependencies)


def _unfit_for_base(
    driver: Driver, suite: Suite, base: _Base, cases: Sequence[CaseSpec]
) -> dict[str, tuple[str, str | None]]:
    """Return, for each case that has no baseline, the reason code and what was said."""
    if base.side is None:
        return {case.name: (base.reason, None) for case in cases}
    past = _versions(driver, suite, base.side)
    reasons: dict[str, tuple[str, str | None]] = {
        case.name: ("version_changed", f"{past[case.name]} became {case.version}")
        for case in cases
        if past.get(case.name, case.version) != case.version
    }
    # What the base can not import is found by trying, since nothing says what a case needs.
    rest = [case for case in cases if case.name not in reasons]
    failures: Mapping[str, CaseFailure] = driver.warm_up(base.side, rest)
    for name, failure in failures.items():
        if failure.kind == "stray":
            raise PerfError(failure.text, code="perf.case_failed")
        reasons[name] = ("base_wrong" if failure.kind == "wrong" else "not_in_base", failure.text)
    return reasons


def _versions(driver: Driver, suite: Suite, base: Side) -> dict[str, int]:
    """Return the version of each case as the base itself declares it; nothing where it declares none."""
    try:
        if suite.registry is not None:
            # The one time that the cases of the base itself are looked at.
            own = base._replace(cases_root=base.root)
            past = registry_cases(driver.describe(own)[0])
        elif suite.file is not None:
            file = base.root / suite.file.resolve().relative_to(suite.root.resolve())
            past = load_suite(str(file), root=base.root).cases
    except (PerfError, ValueError):
        # No such suite in the base, or one that can not be read any more: then nothing says that a case changed.
        return {}
    return {case.name: case.version for case in past}


def _results(
    request: GateRequest, turns: Sequence[CaseTurns], reasons: Mapping[str, tuple[str, str | None]], matrix: str
) -> list[PerformanceTestResult]:
    if request.base_run is not None:
        outcome = request.base_run[1]
        return compared(_only(outcome, [item.case.name for item in turns]), turns, matrix)
    return [
        without_baseline(item, matrix, *reasons[item.case.name])
        if item.case.name in reasons
        else result_of(item, matrix)
        for item in turns
    ]


def _only(outcome: PerfOutcome, names: Sequence[str]) -> PerfOutcome:
    """Leave out the cases that were not asked for, which are not gone."""
    kept = tuple(turns for turns in outcome.turns if turns.case.name in names)
    return msgspec.structs.replace(outcome, turns=kept)


def _notes(
    request: GateRequest, commit: Commit, base: _Base, reasons: Mapping[str, tuple[str, str | None]]
) -> tuple[str, ...]:
    notes = []
    past = base.commit
    if commit.is_dirty:
        notes.append("the head holds changes that are not committed")
    if past is not None and past.sha == commit.sha and not commit.is_dirty:
        notes.append("the base is the head: this compares a commit with itself")
    if past is not None and past.dependencies != commit.dependencies and request.base_python is None:
        notes.append("the dependencies changed, and both sides ran in one environment: --base-python names another")
    missing = sum(1 for reason, _ in reasons.values() if reason == "not_in_base")
    if missing:
        notes.append(f"{missing} of the cases can not run on the base")
    return tuple(notes)


def _linked(root: Path, link: Path) -> Path:
    """Return a link to the root; the root itself where the system makes no links."""
    try:
        if link.is_symlink():
            link.unlink()
        os.symlink(root, link, target_is_directory=True)
    except OSError:
        return root
    return link
