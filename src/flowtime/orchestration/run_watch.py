"""What is told of one run, from its start to its end: log events in their order, counters and a histogram."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from flowtime.errors import FlowtimeError
from flowtime.events import Observer
from flowtime.model.spec import Grid

__all__ = ["RunWatch"]


class RunWatch:
    """A context manager around the making of one run: an error that leaves it is told as ``run_failed``.

    ``run_id`` is None until ``start`` is told one, and stays so for a dry run whose id would be drawn.
    """

    def __init__(self, observer: Observer, *, template_id: str, mode: str, dry_run: bool, run_id: str | None) -> None:
        self._observer = observer
        self._labels = {"templateId": template_id, "mode": mode}
        self._template_id = template_id
        self._mode = mode
        self._dry_run = dry_run
        self._run_id = run_id

    def __enter__(self) -> Self:
        """Tell nothing yet: the run may have no id."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell and count a failure, and let it through."""
        if error is None:
            return
        code, message = type(error).__name__, str(error)
        if isinstance(error, FlowtimeError):
            code, message = error.code, error.message
        if not self._dry_run:
            self._observer.meter.count("run_failed_total", self._labels)
        self._log("run_failed", dry_run=self._dry_run, code=code, message=message)

    def start(self, run_id: str | None) -> None:
        """Tell that the run begins, under that id."""
        self._run_id = run_id
        self._log("run_start", dry_run=self._dry_run)

    def validated(self, nodes: int) -> None:
        """Tell that the model, of so many topology nodes, is sound and compiled."""
        self._log("run_validation", nodes=nodes)

    @contextmanager
    def evaluation(self, grid: Grid) -> Iterator[None]:
        """Measure the block, which evaluates the model, and tell of it unless it fails."""
        begin = self._observer.timer()
        yield
        elapsed_ms = (self._observer.timer() - begin) * 1000.0
        self._observer.meter.observe("simulation_evaluation_duration_ms", elapsed_ms, self._labels)
        sizes = {"bins": grid.bins, "bin_size": grid.bin_size, "bin_unit": grid.bin_unit}
        self._log("run_evaluation", **sizes, elapsed_ms=round(elapsed_ms, 3))

    def artifacts(self, *, seed: int | None, files: int, size: int) -> None:
        """Tell that so many files of ``size`` bytes in all are written, and not yet published."""
        self._log("run_artifacts", seed=seed, files=files, bytes=size)

    def completed(self, *, was_reused: bool, warnings: int) -> None:
        """Tell that the run is there; one that is new, and not dry, is counted."""
        if not was_reused and not self._dry_run:
            self._observer.meter.count("run_created_total", self._labels)
        self._log("run_completed", dry_run=self._dry_run, was_reused=was_reused, warnings=warnings)

    def _log(self, name: str, **fields: object) -> None:
        told = {"run_id": self._run_id, "template_id": self._template_id, "mode": self._mode}
        self._observer.events.log(name, **told, **fields)
