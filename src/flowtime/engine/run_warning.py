"""One warning of a run, as it is written to run.json."""

from __future__ import annotations

from flowtime.model.spec import Wire

__all__ = ["RunWarning"]


class RunWarning(Wire, frozen=True, kw_only=True):
    """A broken invariant: ``severity`` is info, warning or error; ``bins`` are inclusive ranges, ``bin_count``
    how many bins they hold, ``value`` by how much the worst of them is off."""

    code: str
    message: str
    severity: str = "warning"
    node_id: str | None = None
    bins: tuple[tuple[int, int], ...] = ()
    bin_count: int = 0
    value: float | None = None
