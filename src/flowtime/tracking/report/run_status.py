"""Where a run is: its steps, its progress, when it will end, its last figures; the same for one that has ended.

What is read does not grow with the scalars and samples of a run: its steps, and the ends of its streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from flowtime.errors import RunError
from flowtime.runs.pins import is_pinned
from flowtime.tracking.clock import SYSTEM_CLOCK, Clock, utc_text
from flowtime.tracking.live.burial import bury_run
from flowtime.tracking.live.identity import boot_id, read_owner
from flowtime.tracking.live.live_page import Beat, LivePage, read_live
from flowtime.tracking.live.liveness import judge, status_of
from flowtime.tracking.log.event_reader import LogEvent
from flowtime.tracking.log.follower import Follower
from flowtime.tracking.log.last_records import last_records
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.log.log_report import count_events
from flowtime.tracking.log.scalar_reader import last_scalars
from flowtime.tracking.records import (
    Count,
    EndCause,
    PerformanceRecommendation,
    PipelineRunRecord,
    Record,
    RunKind,
    RunStatus,
    Seconds,
    StepExecutionEntry,
    TelemetrySnapshot,
)
from flowtime.tracking.report.flow_status import flow_head, flow_steps
from flowtime.tracking.run_files import RunFiles, has_flow_steps, is_terminal, is_tracked, read_record
from flowtime.tracking.step_table import StepTable

__all__ = [
    "LastScalar",
    "RemainingTime",
    "StatusDocument",
    "StatusReader",
    "read_status",
    "require_steps",
    "require_tracked",
]

_NS = 1_000_000_000


class RemainingTime(Record, frozen=True, kw_only=True):
    """When the run will end: seconds left, and what one in ten is below and above; None where that is not known."""

    seconds: Seconds | None = None
    low: Seconds | None = None
    high: Seconds | None = None


class LastScalar(Record, frozen=True, kw_only=True):
    """The last value of one name, the row that it was logged in, and when; a value that is no number is None."""

    name: str
    value: float | None
    row: Count
    time_utc: str


class StatusDocument(Record, frozen=True, kw_only=True):
    """One run as it stands.

    ``steps_done`` of ``steps_total`` were completed (nested and skipped ones are not counted); ``step_index`` is the
    place, from 1, of ``step``, the one under way.  ``rate`` is items a second of it.  ``machine`` is the last sample,
    ``heartbeat_seconds`` the age of the last sign of life of a run that is going on.
    """

    run_id: str
    path: str
    kind: RunKind | Literal["flow"]
    pipeline: str
    status: RunStatus
    created_utc: str
    completed_utc: str | None = None
    elapsed_seconds: Seconds | None = None
    sessions: Count = 1
    scenario: str | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    is_pinned: bool = False
    steps_done: Count = 0
    steps_total: Count = 0
    step: str | None = None
    step_index: Count | None = None
    done: Count | None = None
    total: Count | None = None
    rate: float | None = None
    eta: RemainingTime = RemainingTime()
    steps: tuple[StepExecutionEntry, ...] = ()
    scalars: tuple[LastScalar, ...] = ()
    machine: TelemetrySnapshot | None = None
    advice: tuple[PerformanceRecommendation, ...] = ()
    end: EndCause | None = None
    events: Count = 0
    dropped: Count = 0
    heartbeat_seconds: Seconds | None = None


class _Session(NamedTuple):
    """When the session under way began on the monotonic clock of its machine, and how long earlier ones took."""

    started_ns: int
    base_s: float


def read_status(folder: Path, *, clock: Clock = SYSTEM_CLOCK) -> StatusDocument:
    """Return where a run is; a tracked one whose process is gone gets its final run.json first.

    A flow run has ended whenever it can be seen; its pipeline is its template.  Raises RunError ``run.not_tracked``
    for a run without steps, RunNotFoundError, RunCorruptError, StorageError.
    """
    return StatusReader(folder, clock=clock).read()


def require_tracked(folder: Path) -> None:
    """Raise RunError ``run.not_tracked`` for a run that no tracker wrote."""
    if not is_tracked(folder):
        hint = f"`flowtime runs show {folder.name}` shows what it is"
        raise RunError(f"run {folder.name} was not tracked", code="run.not_tracked", hint=hint)


def require_steps(folder: Path) -> None:
    """Raise RunError ``run.not_tracked`` for a run without steps: neither tracked, nor a flow run that logged them."""
    if not has_flow_steps(folder):
        require_tracked(folder)


class StatusReader:
    """Reads where a run is again and again, from where it left off.  For one thread."""

    def __init__(self, folder: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Open a run; raises as ``read_status``."""
        require_steps(folder)
        self._folder = folder
        self._files = RunFiles(folder)
        self._clock = clock
        self._follower = Follower(folder, ("control",))
        self._table = StepTable()
        self._advice: list[dict[str, Any]] = []
        self._session: _Session | None = None
        self._last = (0, 0)
        self._news: list[LogEvent] = []

    def poll(self) -> bool:
        """Take in what the log tells that is new; says whether there was something."""
        events = self._follower.poll()
        for event in events:
            self._take(event)
        self._news += events
        return bool(events)

    def news(self) -> list[LogEvent]:
        """Return what was taken in since the last call, by ``poll`` or by ``read``."""
        news, self._news = self._news, []
        return news

    def read(self) -> StatusDocument:
        """Return where the run is now."""
        if has_flow_steps(self._folder):
            return _flow_status(self._folder)
        record = read_record(self._folder)
        status = status_of(self._folder, record.status, wall_ns=self._clock.wall_ns())
        if status != record.status and judge(self._folder) == "dead":
            record = bury_run(self._folder) or read_record(self._folder)
            status = record.status if is_terminal(record.status) else status
        if is_terminal(record.status):
            return self._ended(record)
        self.poll()
        return self._living(record, status)

    def _take(self, event: LogEvent) -> None:
        """Fold one record into what is known; as ``fold_steps`` does, but record by record."""
        if event.kind == Kind.STEP:
            self._table.apply(event.data, event.wall_ns, event.monotonic_ns)
        elif event.kind == Kind.ADVICE:
            self._advice.append(event.data)
        elif event.kind == Kind.RUN and event.data.get("status") == "running":
            self._table.close_running("failed", "interrupted", *self._last)
            self._table.plan(event.data.get("steps", ()))
            self._session = _Session(event.monotonic_ns, float(event.data.get("elapsed", 0.0)))
        self._last = (event.wall_ns, event.monotonic_ns)

    def _ended(self, record: PipelineRunRecord) -> StatusDocument:
        counted = [step for step in record.steps if step.parent is None and step.status != "skipped"]
        return StatusDocument(
            **_common(record, self._folder),
            status=record.status,
            completed_utc=record.completed_utc,
            elapsed_seconds=record.elapsed_seconds,
            steps_done=sum(step.status == "completed" for step in counted),
            steps_total=len(counted),
            steps=record.steps,
            scalars=_scalars(self._folder),
            machine=_snapshot(last_records(self._folder, "samples", Kind.SAMPLE)),
            advice=record.recommendations,
            end=record.end,
            events=record.events,
            dropped=record.dropped,
        )

    def _living(self, record: PipelineRunRecord, status: RunStatus) -> StatusDocument:
        live = read_live(self._folder)
        now_ns = self._now_ns(live)
        recent = last_records(self._folder, "samples", Kind.SAMPLE, along=(Kind.PROGRESS,))
        for item in recent:
            if item.kind == Kind.PROGRESS:
                # Of a step that is over, the record of its end says more.
                running = self._table.running
                self._table.progress({step: pair for step, pair in item.data.items() if step in running})
        beat, table = live.beat, self._table
        current = table.current
        is_beating = beat is not None and current is not None and beat.step == current.id
        return StatusDocument(
            **_common(record, self._folder),
            status=status,
            elapsed_seconds=self._elapsed(now_ns),
            steps_done=table.finished,
            steps_total=table.total,
            step=None if current is None else current.id,
            step_index=table.index,
            done=None if current is None else current.done,
            total=None if current is None else current.total,
            rate=beat.rate if beat is not None and is_beating else None,
            eta=_remaining(beat, self._clock.wall_ns()),
            steps=msgspec.convert(table.documents(now_ns), tuple[StepExecutionEntry, ...]),
            scalars=_scalars(self._folder),
            machine=_snapshot(recent),
            advice=msgspec.convert(
                [*map(_plain, record.recommendations), *self._advice], tuple[PerformanceRecommendation, ...]
            ),
            events=0 if beat is None else beat.events,
            dropped=0 if beat is None else beat.dropped,
            heartbeat_seconds=None if beat is None else max(0.0, (self._clock.wall_ns() - beat.wall_ns) / _NS),
        )

    def _now_ns(self, live: LivePage) -> int:
        """Return the time now on the monotonic clock of the machine that writes the run."""
        owner = read_owner(self._files)
        if owner is not None and owner.boot_id is not None and owner.boot_id == boot_id():
            return self._clock.monotonic_ns()
        if live.beat is not None:
            return live.beat.monotonic_ns + max(0, self._clock.wall_ns() - live.beat.wall_ns)
        return self._last[1]

    def _elapsed(self, now_ns: int) -> float | None:
        if self._session is None:
            return None
        return self._session.base_s + max(0, now_ns - self._session.started_ns) / _NS


def _flow_status(folder: Path) -> StatusDocument:
    head, steps = flow_head(folder), flow_steps(folder)
    return StatusDocument(
        run_id=head.run_id,
        path=str(folder),
        kind="flow",
        pipeline=head.template_id,
        status="completed",
        created_utc=head.created_utc,
        completed_utc=steps[-1].ended_utc if steps else None,
        elapsed_seconds=sum(step.duration_seconds or 0.0 for step in steps),
        is_pinned=is_pinned(folder),
        steps_done=len(steps),
        steps_total=len(steps),
        steps=steps,
        events=count_events(folder),
    )


def _common(record: PipelineRunRecord, folder: Path) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "path": str(folder),
        "kind": record.kind,
        "pipeline": record.pipeline,
        "created_utc": record.created_utc,
        "sessions": record.sessions,
        "scenario": record.scenario,
        "tags": record.tags,
        "is_pinned": is_pinned(folder),
    }


def _remaining(beat: Beat | None, wall_ns: int) -> RemainingTime:
    """Return what is left: the forecast of the last heartbeat, less the time since."""
    if beat is None or beat.eta_seconds is None:
        return RemainingTime()
    age_s = max(0.0, (wall_ns - beat.wall_ns) / _NS)
    seconds, low, high = (
        None if value is None else max(0.0, value - age_s) for value in (beat.eta_seconds, beat.eta_low, beat.eta_high)
    )
    return RemainingTime(seconds=seconds, low=low, high=high)


def _scalars(folder: Path) -> tuple[LastScalar, ...]:
    return tuple(
        LastScalar(name=name, value=value if value - value == 0.0 else None, row=row, time_utc=utc_text(wall_ns))
        for name, (value, row, wall_ns) in sorted(last_scalars(folder).items())
    )


def _snapshot(recent: Iterable[Any]) -> TelemetrySnapshot | None:
    samples = [item.data for item in recent if item.kind == Kind.SAMPLE]
    if not samples:
        return None
    try:
        return msgspec.convert(samples[-1], TelemetrySnapshot)
    except msgspec.ValidationError:  # of a later version
        return None


def _plain(struct: Record) -> Mapping[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(struct)
    return plain
