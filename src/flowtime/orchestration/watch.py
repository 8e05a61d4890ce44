"""A compiler that remembers what it evaluated, for callers that want the numbers and not only the folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flowtime.bundle.view import RunView, view_result
from flowtime.model import Model

if TYPE_CHECKING:
    from flowtime.engine import CompiledModel, Result

__all__ = ["WatchedCompiler"]


class WatchedCompiler:
    """Hand it to ``run_simulation`` as ``compiler``: ``view`` is then what the run computed.

    None where nothing was evaluated, that is for a dry run and for a run that was reused.  ``before`` is
    called once something has to be compiled.
    """

    def __init__(self, before: Callable[[], None] | None = None) -> None:
        self.view: RunView | None = None
        self._before = before

    def __call__(self, model: Model, seed: int | None) -> _Watched:
        """Compile a model, to be drawn from the seed where there is one; raises CompileError."""
        from flowtime.engine import compile_model

        if self._before is not None:
            self._before()
        return _Watched(self, compile_model(model, seed=seed))


class _Watched:
    """A compiled model whose result its compiler gets to see."""

    def __init__(self, watcher: WatchedCompiler, compiled: CompiledModel) -> None:
        self._watcher = watcher
        self._compiled = compiled

    @property
    def derived_series(self) -> tuple[str, ...]:
        """What it gives beyond the series of the model."""
        return self._compiled.derived_series

    def evaluate(self, *, with_metrics: bool) -> Result:
        """Return every series, and keep the view of the result."""
        result = self._compiled.evaluate(with_metrics=with_metrics)
        self._watcher.view = view_result(result)
        return result
