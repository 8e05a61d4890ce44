"""Taking turns: fresh worker processes per episode, each sweep a turn of every side, in an order drawn by lot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtime.errors import PerfError
from flowtime.tracking.null_run import NULL_RUN, NullRun
from flowtime.tracking.perf.outcome import EpisodeTurns
from flowtime.tracking.perf.process import CaseFailure, Side, WorkerProcess
from flowtime.tracking.perf.suite import CaseSpec

if TYPE_CHECKING:
    from flowtime.tracking.tracked_run import TrackedRun

__all__ = ["Driver", "Means", "Moment", "Plan", "wire"]


class Plan(NamedTuple):
    """How much is measured.  ``size`` is what cases are asked for: tiny or full."""

    episodes: int = 10
    sweeps: int = 40
    seed: int = 0
    size: str = "full"
    timeout_s: float = 300.0


class Means(NamedTuple):
    """What a measurement needs from outside: a folder to work in, the environment and the time of day.

    ``notify`` gets a line for people now and then; ``run`` is the tracked run whose steps these are.
    """

    work: Path
    environ: Mapping[str, str]
    clock: Callable[[], datetime]
    notify: Callable[[str], None] = lambda line: None
    run: TrackedRun | NullRun = NULL_RUN


class Moment(NamedTuple):
    """What the host did at the begin of an episode, in ns: a fixed loop, and a raw write with fsync."""

    loop_ns: int
    raw_median_ns: int
    raw_max_ns: int


class Driver:
    """Starts workers and asks them for turns, one at a time: whoever waits uses no core."""

    def __init__(self, plan: Plan, scratch: Path, means: Means) -> None:
        self.plan = plan
        self.means = means
        self._scratch = scratch
        self._words: dict[str, Any] = {"size": plan.size, "scratch": str(scratch)}
        self._random = Random(plan.seed)

    def describe(self, side: Side) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return what the registry of a side says of its cases, and its Python with the hash of its packages.

        Raises PerfError ``perf.suite`` where the registry can not be imported.
        """
        with self._worker(side) as worker:
            worker.receive()
            facts = worker.ask("facts")
            if side.registry is None:
                return [], facts
            try:
                return worker.ask("describe"), facts
            except CaseFailure as failure:
                message = f"the cases {side.registry} can not be had: {failure.text}"
                raise PerfError(message, code="perf.suite") from failure

    def warm_up(self, side: Side, cases: Sequence[CaseSpec]) -> dict[str, CaseFailure]:
        """Run every case of a side once, so that nothing is compiled later; return what failed, by case."""
        failures = {}
        with self._worker(side) as worker:
            worker.receive()
            for case in cases:
                self.means.notify(f"warming up {side.name}: {case.name}")
                try:
                    worker.ask("open", case=wire(case), checked=True, **self._words)
                    worker.ask("turn", calls=1)
                except CaseFailure as failure:
                    failures[case.name] = failure
        return failures

    def episode(
        self, sides: Sequence[Side], cases: Sequence[CaseSpec], alone: Collection[str] = ()
    ) -> tuple[dict[str, EpisodeTurns], Moment]:
        """Measure every case once over, in fresh processes; those in ``alone`` on the last side only.

        Raises PerfError where a worker dies or a result is wrong.
        """
        with ExitStack() as stack:
            workers = [stack.enter_context(self._worker(side)) for side in sides]
            for worker in workers:
                worker.receive()
            # Beside every episode: a clock that stepped is seen there, and not in any ratio.
            moment = workers[-1].ask("reference", scratch=str(self._scratch))
            turns = {}
            # A case at a time, so that no worker holds the data of all; the order by lot, as a case heats the caches.
            for case in self._random.sample(list(cases), len(cases)):
                taking = workers[-1:] if case.name in alone else workers
                turns[case.name] = self._take_turns(taking, case)
        return turns, Moment(moment["loopNs"], moment["rawMedianNs"], moment["rawMaxNs"])

    def guard(self, side: Side, case: CaseSpec, probe: CaseSpec | None, turns: int) -> dict[str, Any]:
        """Time a guarded case and its probe in turns on one worker.  Raises PerfError as ``episode`` does."""
        with self._worker(side) as worker:
            worker.receive()
            words = {**self._words, "turns": turns}
            try:
                answer: dict[str, Any] = worker.ask(
                    "guard", case=wire(case), probe=None if probe is None else wire(probe), **words
                )
            except CaseFailure as failure:
                raise _broken(side, case, failure) from failure
        return answer

    def _take_turns(self, workers: Sequence[WorkerProcess], case: CaseSpec) -> EpisodeTurns:
        wall: dict[str, list[int]] = {worker.side.name: [] for worker in workers}
        net: dict[str, list[int]] = {worker.side.name: [] for worker in workers}
        order, compiles = [], 0
        for worker in workers:
            # All at once: nothing is timed yet.  Results were checked when all was warmed up; a check may take longer
            # than the measurement.
            worker.send("open", case=wire(case), checked=False, **self._words)
        for worker in workers:
            self._answer(worker, case, worker.receive)
        for sweep in range(-1, case.sweeps or self.plan.sweeps):
            # By lot and not ABBA, which cancels a steady drift only.
            shuffled = self._random.sample(list(workers), len(workers))
            for worker in shuffled:
                timed = self._answer(worker, case, partial(worker.ask, "turn", calls=case.calls_per_turn))
                # The first sweep only warms caches that the other workers have just emptied.
                if sweep >= 0:
                    wall[worker.side.name].append(timed[0])
                    net[worker.side.name].append(timed[1])
                    compiles += timed[2]
            if sweep >= 0:
                order.append("".join(worker.side.name[0] for worker in shuffled))
        for worker in workers:
            worker.ask("close")
        return EpisodeTurns(order=tuple(order), wall_ns=wall, net_ns=net, compiles=compiles)

    def _answer(self, worker: WorkerProcess, case: CaseSpec, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except CaseFailure as failure:
            raise _broken(worker.side, case, failure) from failure

    def _worker(self, side: Side) -> WorkerProcess:
        return WorkerProcess(side, self._scratch, timeout_s=self.plan.timeout_s, environ=self.means.environ)


def wire(case: CaseSpec) -> dict[str, Any]:
    """Return a case as a worker takes it."""
    return {name: getattr(case, name) for name in case.__struct_fields__ if name != "guardrail"}


def _broken(side: Side, case: CaseSpec, failure: CaseFailure) -> PerfError:
    word = {"wrong": "gave a wrong result", "stray": "measured something else"}.get(failure.kind, "does not run")
    code = "perf.result" if failure.kind == "wrong" else "perf.case_failed"
    return PerfError(f"case {case.name!r} {word} on the {side.name}: {failure.text}", code=code)
