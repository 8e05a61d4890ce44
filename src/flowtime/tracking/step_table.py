"""The steps of a run as a table that records change one by one: the running tracker and every reader fold alike.

A STEP record is a delta: ``id`` and whatever of ``status``, ``attempt``, ``parent``, ``name``, ``reason``, ``done``,
``total``, ``profile``, ``eta`` is new.  A change costs the same at 5 and at 50,000 steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from flowtime.tracking.clock import utc_text
from flowtime.tracking.log.log_format import Kind

__all__ = ["StepRow", "StepTable", "TableEvent", "fold_steps"]

_ENDED = frozenset({"completed", "failed", "cancelled", "skipped"})


class TableEvent(Protocol):
    """What the table needs of an event of the log."""

    @property
    def kind(self) -> int: ...
    @property
    def wall_ns(self) -> int: ...
    @property
    def monotonic_ns(self) -> int: ...
    @property
    def data(self) -> dict[str, Any]: ...


class StepRow:
    """One step as it stands; times in nanoseconds, ``spent_ns`` adds up the attempts that have ended."""

    __slots__ = (
        "artifacts",
        "attempts",
        "done",
        "ended_text",
        "ended_wall_ns",
        "eta",
        "id",
        "name",
        "order",
        "parent",
        "profile",
        "reason",
        "spent_ns",
        "started_monotonic_ns",
        "started_wall_ns",
        "status",
        "total",
    )

    def __init__(self, step_id: str, order: int, *, name: str | None = None, parent: str | None = None) -> None:
        self.id = step_id
        self.order = order
        self.name = name or step_id
        self.parent = parent
        self.status = "pending"
        self.attempts = 0
        self.started_wall_ns: int | None = None
        self.ended_wall_ns: int | None = None
        # As an earlier record has it, where the log does not know.
        self.ended_text: str | None = None
        self.started_monotonic_ns = 0
        self.spent_ns = 0
        self.done: int | None = None
        self.total: int | None = None
        self.reason: str | None = None
        self.artifacts: list[str] = []
        self.profile: str | None = None
        self.eta: float | None = None

    def seconds(self, now_monotonic_ns: int | None = None) -> float | None:
        """Return how long all attempts took, the one under way up to ``now_monotonic_ns``; None if there was none."""
        spent = self.spent_ns
        if self.status == "running" and now_monotonic_ns is not None:
            spent += max(0, now_monotonic_ns - self.started_monotonic_ns)
        return spent / 1e9 if self.attempts else None

    def document(self, now_monotonic_ns: int | None = None) -> dict[str, Any]:
        """Return the row as a StepExecutionEntry of run.json."""
        return {
            "stepId": self.id,
            "displayName": self.name,
            "order": self.order,
            "status": self.status,
            "parent": self.parent,
            "attempts": self.attempts,
            "startedUtc": None if self.started_wall_ns is None else utc_text(self.started_wall_ns),
            "endedUtc": self.ended_text if self.ended_wall_ns is None else utc_text(self.ended_wall_ns),
            "durationSeconds": self.seconds(now_monotonic_ns),
            "done": self.done,
            "total": self.total,
            "etaSnapshotSeconds": self.eta,
            "reason": self.reason,
            "artifacts": list(self.artifacts),
            "profile": self.profile,
        }


class StepTable:
    """All steps of a run in their order, and what is counted of them.

    ``counts`` holds how many steps of the top level have which status; nested ones are not counted, since "step 2 of
    5" is said of the plan.  ``running`` holds those under way, the last started last; ``artifacts`` are the files that
    no step made.
    """

    def __init__(self) -> None:
        self.rows: dict[str, StepRow] = {}
        self.running: dict[str, StepRow] = {}
        self.counts: dict[str, int] = {}
        self.artifacts: list[str] = []

    def __len__(self) -> int:
        """Return how many steps there are, nested ones too."""
        return len(self.rows)

    @property
    def total(self) -> int:
        """How many steps of the top level there are to do; skipped ones are none."""
        return sum(self.counts.values()) - self.counts.get("skipped", 0)

    @property
    def finished(self) -> int:
        """How many steps of the top level were completed."""
        return self.counts.get("completed", 0)

    @property
    def index(self) -> int | None:
        """Which step the run is at, from 1: those that have ended and the one under way; None before the first."""
        ended = sum(self.counts.get(status, 0) for status in ("completed", "failed", "cancelled"))
        at = ended + (1 if self.counts.get("running") else 0)
        return at or None

    @property
    def current(self) -> StepRow | None:
        """The step under way that was started last, if any."""
        return next(reversed(self.running.values()), None)

    def plan(self, steps: Iterable[Sequence[str]]) -> None:
        """Add steps that are to come, as ``(id, name)``; those that are there already stay as they are."""
        for step_id, name in steps:
            if step_id not in self.rows:
                self._add(StepRow(step_id, len(self.rows) + 1, name=name))

    def apply(self, data: Mapping[str, Any], wall_ns: int, monotonic_ns: int) -> StepRow:
        """Take in one STEP record and return the row that it changed."""
        step_id = data["id"]
        row = self.rows.get(step_id)
        if row is None:
            row = StepRow(step_id, len(self.rows) + 1, name=data.get("name"), parent=data.get("parent"))
            self._add(row)
        elif "name" in data:
            row.name = data["name"]
        status = data.get("status")
        if status is not None:
            self._turn(row, status, wall_ns, monotonic_ns)
        for key, value in data.items():
            if key in _FIELDS:
                setattr(row, key, value)
        return row

    def artifact(self, data: Mapping[str, Any]) -> None:
        """Take in an ARTIFACT record: a file, and the step that made it if one did."""
        row = self.rows.get(data.get("step") or "")
        (self if row is None else row).artifacts.append(data["path"])

    def progress(self, steps: Mapping[str, Sequence[int | None]]) -> None:
        """Take in a PROGRESS record: step -> [done, total]."""
        for step_id, (done, total) in steps.items():
            row = self.rows.get(step_id)
            if row is not None:
                row.done, row.total = done, total

    def close_running(self, status: str, reason: str | None, wall_ns: int, monotonic_ns: int) -> list[StepRow]:
        """End every step under way alike, as the run has ended, and return them."""
        open_rows = list(self.running.values())
        for row in open_rows:
            self._turn(row, status, wall_ns, monotonic_ns)
            row.reason = reason
        return open_rows

    def documents(self, now_monotonic_ns: int | None = None) -> list[dict[str, Any]]:
        """Return every step as a StepExecutionEntry of run.json, in their order."""
        return [row.document(now_monotonic_ns) for row in self.rows.values()]

    def _add(self, row: StepRow) -> None:
        self.rows[row.id] = row
        if row.parent is None:
            self.counts["pending"] = self.counts.get("pending", 0) + 1

    def _turn(self, row: StepRow, status: str, wall_ns: int, monotonic_ns: int) -> None:
        """Give a row another status, with its times."""
        if row.status == "running":
            row.spent_ns += max(0, monotonic_ns - row.started_monotonic_ns)
            self.running.pop(row.id, None)
        if row.parent is None:
            self.counts[row.status] -= 1
            self.counts[status] = self.counts.get(status, 0) + 1
        row.status = status
        if status == "running":
            row.attempts += 1
            row.started_monotonic_ns = monotonic_ns
            row.started_wall_ns = row.started_wall_ns or wall_ns
            row.ended_wall_ns = row.ended_text = row.reason = None
            self.running[row.id] = row
        elif status in _ENDED and row.attempts:
            row.ended_wall_ns = wall_ns


_FIELDS = frozenset({"reason", "done", "total", "profile", "eta"})


def fold_steps(events: Iterable[TableEvent]) -> StepTable:
    """Return the table of steps that a log tells of, from its STEP, PROGRESS and RUN records.

    A step that was under way when a later session of the run began had been interrupted: it ends, as failed, at the
    last event before.  Where the events stop while steps are under way, they are running in the table.
    """
    table = StepTable()
    last = (0, 0)
    for event in events:
        if event.kind == Kind.STEP:
            table.apply(event.data, event.wall_ns, event.monotonic_ns)
        elif event.kind == Kind.PROGRESS:
            table.progress(event.data)
        elif event.kind == Kind.ARTIFACT:
            table.artifact(event.data)
        elif event.kind == Kind.RUN and event.data.get("status") == "running":
            table.close_running("failed", "interrupted", *last)
            table.plan(event.data.get("steps", ()))
        last = (event.wall_ns, event.monotonic_ns)
    return table
