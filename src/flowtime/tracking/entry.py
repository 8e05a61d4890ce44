"""``flowtime.track``: the way in to the run tracker."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flowtime.errors import RunConflictError, RunNotFoundError, StorageError, UnsafeNameError
from flowtime.tracking.forks import process_runs
from flowtime.tracking.guard import Guard
from flowtime.tracking.null_run import NULL_RUN, NullRun
from flowtime.tracking.opening import RunRequest, checked_request, open_session
from flowtime.tracking.tracked_run import TrackedRun, entered_run
from flowtime.tracking.tracked_step import COROUTINE, code_flags

if TYPE_CHECKING:
    from flowtime.tracking.child_run import ChildRun

__all__ = ["Tracking", "current_run", "track", "track_child"]

_Call = TypeVar("_Call", bound=Callable[..., Any])


class Tracking:
    """What ``track`` returns: a run that begins when it is entered, and once for each call of what it decorates.

    ``with track(...) as run`` and ``async with`` give the run.  Code without a block calls ``start()`` and later
    ``run.finish()``; any other attribute that is asked for begins the run as well, so that ``run = track(...)`` is a
    run (at a microsecond a call more).
    """

    def __init__(self, request: RunRequest) -> None:
        self._request = request
        self._run: TrackedRun | NullRun | None = None

    def start(self) -> TrackedRun | NullRun:
        """Begin the run, unless it has begun, and return it.

        Raises RunConflictError where it can not be this run.  A root that can not be written gives a run that
        records nothing, and one warning; in strict mode StorageError.
        """
        if self._run is None:
            self._run = _opened(self._request)
        return self._run

    def __enter__(self) -> TrackedRun | NullRun:
        """Begin the run, and make it the current one."""
        return self.start().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run."""
        self.start().__exit__(kind, error, trace)

    async def __aenter__(self) -> TrackedRun | NullRun:
        """Begin the run, and make it the current one."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run."""
        self.__exit__(kind, error, trace)

    def __call__(self, call: _Call) -> _Call:
        """Decorate a function, plain or async: each call of it is a run, found by ``current_run``."""
        request = self._request
        if code_flags(call) & COROUTINE:

            @wraps(call)
            async def awaiting(*args: Any, **values: Any) -> Any:
                with Tracking(request):
                    return await call(*args, **values)

            return cast("_Call", awaiting)

        @wraps(call)
        def plainly(*args: Any, **values: Any) -> Any:
            with Tracking(request):
                return call(*args, **values)

        return cast("_Call", plainly)

    def __getattr__(self, name: str) -> Any:
        """Begin the run and return what it has by that name."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.start(), name)


def track(
    pipeline: str,
    *,
    steps: Sequence[str | tuple[str, str]] = (),
    tags: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
    scenario: str | None = None,
    root: str | os.PathLike[str] | None = None,
    run_id: str | None = None,
    resume: bool = False,
    durability: str = "process",
    sample: bool = True,
    interval_s: float = 1.0,
    advice: bool = True,
    capture_logging: bool = False,
    children: bool = False,
    strict: bool = False,
    enabled: bool = True,
    signals: bool = True,
    initiator: str | None = None,
    kind: str = "pipeline",
) -> Tracking | NullRun:
    """Track one run of a pipeline: ``with flowtime.track("imitation", steps=["collect", "train"]) as run: ...``.

    - ``steps`` are the ids of the steps in their order, or ``(id, name)``; others may be added while it runs.
    - ``tags``, ``config`` and ``scenario`` are kept in the record; ``initiator`` is the name of the program.
    - ``root`` holds the run folders (settings: ``runs_dir``).  ``run_id`` names the run; with ``resume`` a run of
      that id goes on where it is not completed: sequence, steps and elapsed time continue.
    - ``durability``: what is acknowledged survives the "process", the machine but for 100 ms ("batch"), or the
      machine, steps and ends at once ("power").
    - ``sample`` the processes and the machine each ``interval_s`` seconds, and give ``advice`` on that.
    - ``capture_logging`` keeps lines of Python's logging; ``children`` lets forked processes log, each into a
      segment of its own; ``signals`` watches for those that end the run.
    - ``strict`` lets errors of the tracker out.  ``enabled=False``, or FLOWTIME_TRACKER=off, records nothing.

    Raises ParameterError and UnsafeNameError for arguments that can not be meant.
    """
    if not enabled or os.environ.get("FLOWTIME_TRACKER") == "off":
        return NULL_RUN
    return Tracking(
        checked_request(
            pipeline,
            steps=steps,
            tags=tags,
            config=config,
            root=root,
            scenario=scenario,
            run_id=run_id,
            resume=resume,
            durability=durability,
            sample=sample,
            interval_s=interval_s,
            advice=advice,
            capture_logging=capture_logging,
            children=children,
            strict=strict,
            signals=signals,
            initiator=initiator,
            kind=kind,
        )
    )


def current_run() -> TrackedRun | NullRun:
    """Return the run that this code is part of; outside any, one that records nothing.

    That is the run entered last in this task or thread.  A thread that has entered none is taken to work for the
    run of its process, where there is but one.
    """
    run = entered_run()
    if run is not None:
        return run
    others = process_runs().open
    found = others[0] if len(others) == 1 else None
    return found if isinstance(found, TrackedRun) else NULL_RUN


def track_child(
    folder: str | os.PathLike[str] | None = None, *, durability: str = "process", strict: bool = False
) -> ChildRun:
    """Return a writer for a child process (spawned, or another program): its figures go into the run in ``folder``.

    Without a folder it is the run of ``flowtime track``, which tells its program by FLOWTIME_RUN_DIR.  Use it as a
    context manager.  Raises RunNotFoundError where there is no such run.
    """
    from flowtime.tracking.child_run import open_child

    place = os.environ.get("FLOWTIME_RUN_DIR") if folder is None else folder
    if not place:
        raise RunNotFoundError("no folder is given, and FLOWTIME_RUN_DIR names none")
    return open_child(place, durability=durability, strict=strict)


def _opened(request: RunRequest) -> TrackedRun | NullRun:
    guard = Guard(strict=request.strict)
    try:
        session = open_session(request, guard)
    except (UnsafeNameError, RunConflictError):
        raise
    except StorageError as error:
        if request.strict:
            raise
        guard.tell(f"the run is not tracked: {error.message}")
        return NULL_RUN
    run = TrackedRun(request, session, guard)
    run.start()
    return run
