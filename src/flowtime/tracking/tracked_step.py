"""One step of a tracked run: a block of work with a beginning, an end, attempts, and items that get done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sized
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from flowtime.errors import ParameterError

if TYPE_CHECKING:
    from types import TracebackType

    from flowtime.tracking.step_profile import StepProfiler
    from flowtime.tracking.tracked_run import TrackedRun

__all__ = ["Step", "checked_step_id", "current_step", "stepped"]

_Item = TypeVar("_Item")
_Call = TypeVar("_Call", bound=Callable[..., Any])

# Of the task or thread: a step that is entered inside another one is part of it; a new thread begins outside all.
_STEP: ContextVar[Step | None] = ContextVar("flowtime_step", default=None)
_MAX_ID = 200
COROUTINE = 0x80
_GENERATOR = 0x20


class Step:
    """A step; ``with`` (or ``async with``) it runs, and each time that it is entered is one more attempt.

    It is completed when the block ends, failed when an exception leaves it, cancelled by KeyboardInterrupt and by the
    cancelling of a task.  ``done`` and ``total`` count items; both may be set.  An ``id`` that is under way already,
    in another thread, gets a number (``load~2``).
    """

    __slots__ = (
        "_has_failed",
        "_lock",
        "_profile",
        "_profiler",
        "_retries",
        "_run",
        "_token",
        "done",
        "id",
        "name",
        "parent",
        "total",
    )

    def __init__(
        self, run: TrackedRun, id: str, *, name: str | None, total: int | None, parent: str | None, profile: bool
    ) -> None:
        self._run = run
        self.id = id
        self.name = name
        self.parent = parent
        self.done = 0
        self.total = total
        self._profile = profile
        self._profiler: StepProfiler | None = None
        self._retries = 0
        self._has_failed = False
        self._token: Token[Step | None] | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Begin an attempt."""
        run = self._run
        if self.parent is None:
            outer = _STEP.get()
            if outer is not None and outer is not self and outer._run is run:
                self.parent = outer.id
        run._begin(self)
        self._token = _STEP.set(self)
        if self._profile:
            self._profiler = run._start_profile()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End the attempt; an error passes on, unless ``retry`` has attempts left."""
        if self._profiler is not None:
            profiler, self._profiler = self._profiler, None
            self._run._save_profile(self, profiler)
        if self._token is not None:
            token, self._token = self._token, None
            # An async generator may be closed in another context than the one that it was entered in.
            with suppress(ValueError):
                _STEP.reset(token)
        self._run._end(self, error)
        self._has_failed = isinstance(error, Exception)
        is_over = not self._has_failed or not self._retries
        if is_over:
            self._retries = 0
        return not is_over

    async def __aenter__(self) -> Self:
        """Begin an attempt."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End the attempt."""
        return self.__exit__(kind, error, trace)

    def progress(self, iterable: Iterable[_Item], total: int | None = None) -> Iterator[_Item]:
        """Go through ``iterable``, counting each item once the block is through with it.

        The total is ``total``, else the length where there is one.  An asynchronous iterable is gone through by
        ``async for``.  For one thread; several count with ``advance``.
        """
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        if total is not None:
            self.total = self.done + total
        if hasattr(iterable, "__aiter__"):
            return cast("Iterator[_Item]", self._counted_async(cast("AsyncIterator[_Item]", iterable)))
        return self._counted(iterable)

    def advance(self, n: int = 1) -> None:
        """Count ``n`` more items as done; from any thread."""
        with self._lock:
            self.done += n

    def step(self, id: str, *, name: str | None = None, total: int | None = None, profile: bool = False) -> Step:
        """Return a step inside this one, from whatever thread; its id is ``<this id>/<id>``."""
        return Step(self._run, f"{self.id}/{id}", name=name or id, total=total, parent=self.id, profile=profile)

    def retry(self, times: int) -> Iterator[Step]:
        """Yield this step up to ``times`` times: ``for attempt in step.retry(3): with attempt: ...``.

        An exception ends the attempt and the next one begins; that of the last attempt passes on.
        """
        for left in reversed(range(times)):
            self._retries, self._has_failed = left, False
            yield self
            if not self._has_failed:
                return

    def artifact(self, path: str | Path) -> None:
        """Note a file that this step has made."""
        self._run.artifact(path, step=self.id)

    def _counted(self, iterable: Iterable[_Item]) -> Iterator[_Item]:
        for item in iterable:
            yield item
            self.done += 1

    async def _counted_async(self, iterable: AsyncIterator[_Item]) -> AsyncIterator[_Item]:
        async for item in iterable:
            yield item
            self.done += 1


def current_step() -> Step | None:
    """Return the innermost step of this task or thread."""
    return _STEP.get()


def checked_step_id(text: object) -> str:
    """Return the id of a step; raises ParameterError unless it is a text of 1 to 200 printable characters."""
    if not isinstance(text, str) or not text or len(text) > _MAX_ID or not text.isprintable():
        raise ParameterError(f"{text!r} can not be a step", hint=f"use 1 to {_MAX_ID} printable characters")
    return text


def code_flags(call: Callable[..., Any]) -> int:
    """Return the flags of the code of a function, without the import of ``inspect``; 0 of what has none."""
    return int(getattr(getattr(call, "__code__", None), "co_flags", 0))


def stepped(run: TrackedRun, make: Callable[[], Step], step_id: str, retries: int) -> Callable[[_Call], _Call]:
    """Return the decorator of ``TrackedRun.stepped``: each call of the function is an attempt at the step."""

    def decorate(call: _Call) -> _Call:
        flags = code_flags(call)

        @wraps(call)
        def plainly(*args: Any, **values: Any) -> Any:
            if run._was_done(step_id):
                return None
            for attempt in make().retry(retries + 1):
                with attempt:
                    return call(*args, **values)
            return None

        @wraps(call)
        async def awaiting(*args: Any, **values: Any) -> Any:
            if run._was_done(step_id):
                return None
            for attempt in make().retry(retries + 1):
                with attempt:
                    return await call(*args, **values)
            return None

        @wraps(call)
        def yielding(*args: Any, **values: Any) -> Any:
            if not run._was_done(step_id):
                with make():
                    return (yield from call(*args, **values))
            return None

        if flags & COROUTINE:
            return cast("_Call", awaiting)
        return cast("_Call", yielding if flags & _GENERATOR else plainly)

    return decorate
