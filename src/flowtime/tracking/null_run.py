"""A run that records nothing: what ``track`` gives when it is turned off, and what code outside any run gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = ["NULL_RUN", "NULL_STEP", "NullRun", "NullStep", "nothing"]

_Item = TypeVar("_Item")
_Call = TypeVar("_Call", bound=Callable[..., Any])


def nothing(**_values: object) -> None:
    """Take figures and forget them."""


class NullSummary(dict[str, Any]):
    """A mapping that stays empty."""

    def __setitem__(self, key: str, value: object) -> None:
        """Forget it."""

    def update(self, *_args: object, **_values: object) -> None:
        """Forget them."""


class NullStep:
    """A step of a run that records nothing; see ``Step`` for what each call would do."""

    __slots__ = ()
    id = ""

    @property
    def done(self) -> int:
        """No items, whatever is set."""
        return 0

    @done.setter
    def done(self, count: int) -> None:
        """Forget it."""

    @property
    def total(self) -> int | None:
        """Unknown, whatever is set."""
        return None

    @total.setter
    def total(self, count: int | None) -> None:
        """Forget it."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Do nothing."""

    async def __aenter__(self) -> Self:
        """Do nothing."""
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """Do nothing."""

    def progress(self, iterable: Iterable[_Item], total: int | None = None) -> Iterable[_Item]:
        """Return what was given."""
        return iterable

    def advance(self, n: int = 1) -> None:
        """Do nothing."""

    def step(self, id: str, *, name: str | None = None, total: int | None = None, profile: bool = False) -> NullStep:
        """Return this step."""
        return self

    def retry(self, times: int) -> Iterable[NullStep]:
        """Return one attempt."""
        return (self,)

    def artifact(self, path: str | Path) -> None:
        """Do nothing."""


NULL_STEP = NullStep()


class NullRun:
    """Every method of ``TrackedRun``, at the least that a call costs; nothing is written anywhere."""

    __slots__ = ("log", "summary")
    id = ""
    folder: Path | None = None
    status = "disabled"
    is_enabled = False

    def __init__(self) -> None:
        # An attribute and no method: half the cost, and this is what hosts call in their inner loops.
        self.log = nothing
        self.summary: dict[str, Any] = NullSummary()

    def start(self) -> Self:
        """Return this run, as it needs no beginning."""
        return self

    def __call__(self, call: _Call) -> _Call:
        """Decorate a function: it stays as it is."""
        return call

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    async def __aenter__(self) -> Self:
        """Do nothing."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def note(self, text: str, level: str = "info") -> None:
        """Do nothing."""

    def step(self, id: str, *, name: str | None = None, total: int | None = None, profile: bool = False) -> NullStep:
        """Return a step that records nothing."""
        return NULL_STEP

    def stepped(self, id: str, **_options: object) -> Callable[[_Call], _Call]:
        """Return a decorator that changes nothing."""
        return _same

    def is_done(self, id: str) -> bool:
        """Say no."""
        return False

    def skip(self, id: str, reason: str | None = None) -> None:
        """Do nothing."""

    def artifact(self, path: str | Path, *, step: str | None = None) -> None:
        """Do nothing."""

    def performance(self, result: Mapping[str, Any]) -> None:
        """Do nothing."""

    def subscribe(self, call: Callable[[str, Any], None], kind: str | None = None) -> Callable[[], None]:
        """Return a call that does nothing."""
        return nothing

    def finish(self, status: str = "completed", **_cause: object) -> None:
        """Do nothing."""


def _same(call: _Call) -> _Call:
    return call


NULL_RUN = NullRun()
