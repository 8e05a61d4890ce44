"""A run that is going on: what the host calls to tell of its work."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from flowtime.errors import ParameterError
from flowtime.events.bus import EventBus, Subscriber
from flowtime.tracking.ends import Ends, Seen, host_verdict
from flowtime.tracking.finishing import Closing, close_session
from flowtime.tracking.forks import process_runs
from flowtime.tracking.guard import Guard
from flowtime.tracking.live.keeper import Keeper
from flowtime.tracking.live.pulse import Pulse
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.null_run import NULL_STEP, NullRun, NullStep, nothing
from flowtime.tracking.opening import RunRequest, Session
from flowtime.tracking.run_files import is_terminal, plain
from flowtime.tracking.step_profile import StepProfiler
from flowtime.tracking.tracked_step import Step, checked_step_id, current_step, stepped

__all__ = ["TrackedRun", "entered_run"]

_Call = TypeVar("_Call", bound=Callable[..., Any])

_RUN: ContextVar[TrackedRun | NullRun | None] = ContextVar("flowtime_run", default=None)
_LOG_LINES = 50


class Summary(dict[str, Any]):
    """Figures of the whole run; each is logged when it is set, so that it survives the process."""

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._tell = tell

    def __setitem__(self, key: str, value: object) -> None:
        """Set one figure."""
        super().__setitem__(key, value)
        self._tell({str(key): plain(value)})

    def update(self, *args: Any, **values: Any) -> None:
        """Set several."""
        given = dict(*args, **values)
        super().update(given)
        self._tell({str(key): plain(value) for key, value in given.items()})


class TrackedRun:
    """One run of a pipeline; made by ``flowtime.track``.

    ``log(**figures)`` writes one scalar of each name and is meant for inner loops.  ``id`` and ``folder`` say where
    the run is.  Once it is open no call raises because of the tracker, unless it is strict; what is lost is counted.
    All calls may come from any thread.  In a process that was forked off, all of them do nothing.
    """

    is_enabled = True

    def __init__(self, request: RunRequest, session: Session, guard: Guard) -> None:
        self.id = session.files.folder.name
        self.folder: Path | None = session.files.folder
        self.status = "running"
        self.log: Callable[..., None] = session.log.scalars
        self.bus = EventBus()
        self.summary: dict[str, Any] = Summary(self._summarized)
        self._request = request
        self._session = session
        self._guard = guard
        self._lock = threading.RLock()
        self._is_open = True
        self._ending = threading.Lock()
        self._steps: dict[str, Step] = {}
        self._lines: deque[str] = deque(maxlen=_LOG_LINES)
        self._tokens: list[Token[TrackedRun | NullRun | None]] = []
        self._perf_tests: list[dict[str, Any]] = []
        self._forwarder: Callable[[], None] | None = None
        self._ends = Ends(self._mark)
        self._pulse = Pulse(request, session, self.bus, self._steps, self.note)
        # Never strict: its thread has nobody to raise to. Strict mode raises at the end what it met with.
        self._keeper_guard = Guard(strict=False)
        self._keeper = Keeper(self._pulse, self._ends, self._keeper_guard, request.clock, sample=request.sample)
        self._pulse.guards = (guard, self._keeper_guard)

    def start(self) -> None:
        """Watch for signals, and begin the heartbeat; called once, by ``track``."""
        process_runs().add(self)
        atexit.register(self._at_exit)
        with self._guard:
            if self._request.signals and not self._ends.install():
                self.note("opened outside the main thread: signals are not watched", level="warning")
            if self._request.capture_logging:
                from flowtime.tracking.log_capture import capture

                self._forwarder = capture(self.note)
        with self._guard:
            self._keeper.start()

    # -- the host's calls ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Make this the current run of the task or thread."""
        self._tokens.append(_RUN.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run by what left the block; the exception passes on."""
        verdict = host_verdict(error)
        self.finish(verdict.status, exit_code=verdict.exit_code, error=verdict.error, traceback=verdict.traceback)

    async def __aenter__(self) -> Self:
        """Make this the current run of the task."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run by what left the block."""
        self.__exit__(kind, error, trace)

    def note(self, text: str, level: str = "info") -> None:
        """Keep a line of text; the last 50 stand in the record of a run that did not end well."""
        if self._is_open:
            with self._guard:
                line = str(text)[:10_000]
                self._lines.append(line)
                self._session.log.append(Kind.NOTE, {"level": str(level), "text": line})

    def step(
        self, id: str, *, name: str | None = None, total: int | None = None, profile: bool = False
    ) -> Step | NullStep:
        """Return a step, to be entered by ``with``; inside another one it is a part of that one.

        ``total`` is how many items it has; ``profile`` attaches a profile by pyinstrument.
        """
        if self._is_open:
            with self._guard:
                return Step(self, checked_step_id(id), name=name, total=total, parent=None, profile=profile)
        return NULL_STEP

    def stepped(
        self, id: str, *, name: str | None = None, retries: int = 0, profile: bool = False
    ) -> Callable[[_Call], _Call]:
        """Return a decorator that makes each call of a function (plain, async or generator) an attempt at a step.

        An exception is tried again up to ``retries`` times.  In a run that was resumed, a step that an earlier
        session completed is not called: the call returns None.
        """
        checked_step_id(id)

        def make() -> Step:
            return Step(self, id, name=name, total=None, parent=None, profile=profile)

        return stepped(self, make, id, retries)

    def is_done(self, id: str) -> bool:
        """Say whether a step is completed, in this session or in an earlier one: for a host that resumes."""
        row = self._session.table.rows.get(id)
        return row is not None and row.status == "completed"

    def skip(self, id: str, reason: str | None = None) -> None:
        """Say that a step will not run."""
        if self._is_open:
            with self._guard:
                self._turn(
                    {"id": checked_step_id(id), "status": "skipped", "reason": None if reason is None else str(reason)}
                )

    def artifact(self, path: str | Path, *, step: str | None = None) -> None:
        """Note a file that was made; by the step that this is called in, unless ``step`` names one."""
        if not self._is_open:
            return
        with self._guard:
            inside = current_step()
            if step is None and inside is not None and inside._run is self:
                step = inside.id
            data = {"path": os.fspath(path), "step": step}
            with self._lock:
                self._session.table.artifact(data)
            self._session.log.append(Kind.ARTIFACT, data)

    def performance(self, result: Mapping[str, Any]) -> None:
        """Keep the result of a performance test, in the names of PerformanceTestResult."""
        if self._is_open:
            with self._guard:
                kept = plain(dict(result))
                self._perf_tests.append(kept)
                self._session.log.append(Kind.PERF, kept)

    def subscribe(self, call: Subscriber, kind: str | None = None) -> Callable[[], None]:
        """Call ``call(kind, payload)`` at each "step", "sample", "advice" and "eta" (or the one kind); returns what
        ends that.  Samples, advice and forecasts come on the keeper's thread."""
        return self.bus.subscribe(kind, call)

    def finish(
        self,
        status: str = "completed",
        *,
        exit_code: int | None = None,
        error: str | None = None,
        traceback: str | None = None,
        reason: str | None = None,
        signal: str | None = None,
        log_lines: Sequence[str] | None = None,
    ) -> None:
        """End the run; the first end counts, and a signal that came before it does.

        The rest says why, as EndCause has it; ``log_lines`` stand in for the notes of a run that did not end well.
        Raises ParameterError for a status that is none of an end, in strict mode; else that is failed.
        """
        if not self._is_open:
            return
        with self._guard:
            if not is_terminal(status) or status == "lost":
                bad, status = status, "failed"
                raise ParameterError(f"a run can not end as {bad!r}")
        if not self._ending.acquire(blocking=False):
            return
        cause = {
            "exit_code": exit_code,
            "error": error,
            "traceback": traceback,
            "reason": reason,
            "signal": signal,
            "log_lines": log_lines,
        }
        with self._guard:
            self._close(status, cause)
            if self._guard.strict and self._keeper_guard.error is not None:
                raise self._keeper_guard.error

    # -- steps -----------------------------------------------------------------------------------------------------

    def _begin(self, step: Step) -> None:
        if not self._is_open:
            return
        with self._guard:
            with self._lock:
                step.id = self._free_id(step)
                self._steps[step.id] = step
            data: dict[str, Any] = {"id": step.id, "status": "running"}
            if step.name is not None:
                data["name"] = step.name
            if step.parent is not None:
                data["parent"] = step.parent
            if step.total is not None:
                data["total"] = step.total
            self._turn(data)

    def _end(self, step: Step, error: BaseException | None) -> None:
        if not self._is_open:
            return
        with self._guard:
            data: dict[str, Any] = {"id": step.id, "status": "completed"}
            if error is not None:
                verdict = host_verdict(error)
                is_signal = self._ends.seen is not None and verdict.status != "completed"
                data["status"] = "cancelled" if is_signal else verdict.status
                data["reason"] = self._ends.seen.name if self._ends.seen is not None else verdict.error
            if step.done or step.total is not None:
                data.update(done=step.done, total=step.total)
            with self._lock:
                self._steps.pop(step.id, None)
            self._turn(data)

    def _turn(self, data: dict[str, Any]) -> None:
        """Change a step: in the table, in the log, and for who listens."""
        clock = self._request.clock
        at_ns = clock.monotonic_ns()
        with self._lock:
            row = self._session.table.apply(data, clock.wall_ns(), at_ns)
            self._pulse.step(at_ns, row)
        self._session.log.append(Kind.STEP, data)
        self.bus.publish("step", data)

    def _free_id(self, step: Step) -> str:
        """Return the id of a step that begins, with a number where a step of that id is under way."""
        base, number = step.id, 1
        step_id = base
        while step_id in self._session.table.running:
            number += 1
            step_id = f"{base}~{number}"
        return step_id

    def _was_done(self, step_id: str) -> bool:
        """Say whether an earlier session of this run completed a step."""
        return step_id in self._session.done_before

    def _start_profile(self) -> StepProfiler | None:
        with self._guard:
            return StepProfiler()
        return None

    def _save_profile(self, step: Step, profiler: StepProfiler) -> None:
        if not self._is_open:
            return
        with self._guard:
            path = self._session.files.profile(step.id)
            profiler.save(path)
            self._turn({"id": step.id, "profile": f"profiles/{path.name}"})

    # -- the end ---------------------------------------------------------------------------------------------------

    def heard(self, number: int) -> None:
        """Take note of a signal that waits for the main thread, from the keeper's thread."""
        self._ends.missed(number)

    def abandon(self) -> None:
        """In a forked child: let go of everything that is the parent's."""
        if not self._is_open:
            return
        self._is_open = False
        self.log = nothing
        with self._guard:
            self._ends.abandon()
            self._session.log.abandon()
            self._session.live.close()
            self._session.lock.drop()
        atexit.unregister(self._at_exit)
        if self._request.children:
            from flowtime.tracking.child_run import forked_log

            self.log = forked_log(self._session.files.folder)

    def _mark(self, seen: Seen, is_final: bool) -> None:
        # A page that is being closed by another thread: then the run has ended already.
        with self._guard:
            wall_ns = self._request.clock.wall_ns()
            self._session.live.mark_end(seen.status, seen.name, wall_ns, is_final=is_final)

    def _close(self, status: str, cause: Mapping[str, Any]) -> None:
        """Write the end: the page first, since that takes microseconds, then the rest in its order."""
        self._ends.hold()
        is_stopped = False
        try:
            self._session.live.mark_end(status, cause["signal"], self._request.clock.wall_ns())
            is_stopped = self._keeper.stop(2.0)
            seen = self._ends.seen
            self.status = status if seen is None else seen.status
            closing = Closing(
                status=self.status,
                seen=seen,
                cause=cause,
                lines=tuple(self._lines),
                summary=dict(self.summary),
                perf_tests=tuple(self._perf_tests),
            )
            with self._lock:
                close_session(self._request, self._session, self._pulse, self._guard, closing)
        finally:
            self._is_open = False
            self.log = nothing
            self._ends.restore(keep_pipe=not is_stopped)
            process_runs().remove(self)
            atexit.unregister(self._at_exit)
            if self._forwarder is not None:
                self._forwarder()
            self._leave()
            self._ends.release()

    def _leave(self) -> None:
        """Stop being the current run, of this context at least."""
        while self._tokens:
            # Ended in another thread or task than it was entered in: current_run looks whether a run is open.
            with suppress(ValueError):
                _RUN.reset(self._tokens.pop())

    def _at_exit(self) -> None:
        """The program ends without having ended the run."""
        error = getattr(sys, "last_value", None)
        if error is not None:
            self.__exit__(type(error), error, error.__traceback__)
            return
        reason = "the program ended without finish()"
        is_whole = not self._session.table.running and not self._session.table.counts.get("pending")
        self.finish("completed" if is_whole else "failed", reason=reason)

    def _summarized(self, figures: Mapping[str, Any]) -> None:
        if self._is_open:
            with self._guard:
                self._session.log.append(Kind.RUN, {"summary": figures})


def entered_run() -> TrackedRun | NullRun | None:
    """Return the run that this task or thread has entered last and that is open."""
    run = _RUN.get()
    return run if isinstance(run, NullRun) or (run is not None and run._is_open) else None
