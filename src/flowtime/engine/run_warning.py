"""One warning of a run, as it is written to run.json, and how checks make one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from flowtime.engine.tolerance import BoolArray, bin_ranges, exceeds
from flowtime.model.spec import FloatArray, Wire

__all__ = ["RunWarning", "Severity", "Subject"]

Severity: TypeAlias = Literal["info", "warning", "error"]


class RunWarning(Wire, frozen=True, kw_only=True):
    """Something about the numbers that a person should know: ``severity`` is info, warning or error.

    ``node_id`` is the node that it is about, ``edge_id``, ``class_id`` and ``constraint_id`` the edge, class
    or shared constraint; ``bins`` are inclusive ranges, ``bin_count`` how many bins they hold, ``value`` by
    how much the worst of them is off.
    """

    code: str
    message: str
    severity: Severity = "warning"
    node_id: str | None = None
    edge_id: str | None = None
    class_id: str | None = None
    constraint_id: str | None = None
    bins: tuple[tuple[int, int], ...] = ()
    bin_count: int = 0
    value: float | None = None


class Subject(NamedTuple):
    """What a check is about; makes the warnings about it."""

    node_id: str | None = None
    edge_id: str | None = None
    class_id: str | None = None
    constraint_id: str | None = None

    def note(self, code: str, message: str, severity: Severity = "info") -> RunWarning:
        """Return a warning about the whole horizon."""
        return RunWarning(code=code, message=message, severity=severity, **self._asdict())

    def above(
        self,
        code: str,
        message: str,
        left: FloatArray | None,
        right: FloatArray | float | None,
        severity: Severity = "warning",
    ) -> Iterator[RunWarning]:
        """Yield a warning about the bins where ``left`` is above ``right``, (bins,); none where one is not known."""
        if left is not None and right is not None:
            yield from self.where(code, message, exceeds(left, right), left - right, severity)

    def where(
        self, code: str, message: str, broken: BoolArray, by: FloatArray, severity: Severity = "warning"
    ) -> Iterator[RunWarning]:
        """Yield a warning about the bins where ``broken`` is true, ``by`` how much; none if there are none.

        Both (bins,).
        """
        if not broken.any():
            return
        yield RunWarning(
            code=code,
            message=message,
            severity=severity,
            bins=bin_ranges(broken),
            bin_count=int(np.count_nonzero(broken)),
            value=float(np.max(np.abs(by[broken]))),
            **self._asdict(),
        )
