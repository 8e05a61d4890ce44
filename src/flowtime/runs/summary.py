"""What a list shows of one run: read from its run.json, of whatever kind of run that is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from flowtime.runs.times import parse_utc

__all__ = ["LIVE_STATUSES", "RUN_FILE", "RunKind", "RunStatus", "RunSummary", "read_summary"]

RUN_FILE = "run.json"
_MAX_RUN_FILE_BYTES = 64 * 1024 * 1024

RunKind: TypeAlias = Literal["flow", "pipeline", "perf"]
RunStatus: TypeAlias = Literal[
    "completed",
    "failed",
    "cancelled",
    "preempted",
    "timeout",
    "killed",
    "lost",
    "running",
    "pending",
    "broken",
]
_STATUSES = frozenset(get_args(RunStatus))
# What a run.json says of a run that somebody is, or was, writing: whether that is still so has to be looked at.
LIVE_STATUSES = frozenset({"running", "pending"})
Count = Annotated[int, Meta(ge=0)]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run in a list; with a ``problem``, what could be read of one that is not sound.

    ``created_utc``, ``ended_utc`` and ``input_hash`` are as in run.json; ``path`` is the folder; hints (severity
    info) are not in ``warning_count``, which of a tracked run counts its advice.  ``pipeline``, ``scenario``,
    ``tags``, steps and ``elapsed_seconds`` are of tracked runs; steps that were skipped, or lie within others, are
    not counted.
    """

    run_id: str
    path: str
    status: RunStatus = "completed"
    kind: str | None = None
    mode: str | None = None
    template_id: str | None = None
    template_title: str | None = None
    template_version: str | None = None
    pipeline: str | None = None
    scenario: str | None = None
    tags: dict[str, str] = {}
    created_utc: str | None = None
    ended_utc: str | None = None
    elapsed_seconds: float | None = None
    input_hash: str | None = None
    bins: int | None = None
    series_count: int = 0
    warning_count: int = 0
    steps_done: Count | None = None
    steps_total: Count | None = None
    problem: str | None = None


class _GridHead(msgspec.Struct, frozen=True):
    bins: int


class _WarningHead(msgspec.Struct, frozen=True):
    severity: str | None = None


class _StepHead(msgspec.Struct, frozen=True):
    status: str | None = None
    parent: str | None = None


class _RunHead(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a run.json, of whatever kind of run and of whatever version, that a list shows."""

    run_id: str
    created_utc: str
    kind: str | None = None
    mode: str | None = None
    status: str = "completed"
    template_id: str | None = None
    template_title: str | None = None
    template_version: str | None = None
    pipeline: str | None = None
    scenario: str | None = None
    tags: dict[str, str] = {}
    completed_utc: str | None = None
    elapsed_seconds: float | None = None
    input_hash: str | None = None
    grid: _GridHead | None = None
    # Raw, since only their number is shown: nothing inside is decoded.
    series: tuple[msgspec.Raw, ...] = ()
    warnings: tuple[_WarningHead, ...] = ()
    recommendations: tuple[_WarningHead, ...] = ()
    steps: tuple[_StepHead, ...] = ()


def read_summary(folder: Path) -> RunSummary:
    """Return what a list shows of a run; what can not be read, or contradicts itself, is its ``problem``."""
    try:
        head = _read_head(folder / RUN_FILE)
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        unread = f"{RUN_FILE} can not be read: {reason}"
        return RunSummary(run_id=folder.name, path=str(folder), status="broken", problem=unread)
    problem = _problem(head, folder.name)
    done, total = _steps(head)
    return RunSummary(
        run_id=folder.name,
        path=str(folder),
        status=_status(head) if problem is None else "broken",
        kind=head.kind,
        mode=head.mode,
        template_id=head.template_id,
        template_title=head.template_title,
        template_version=head.template_version,
        pipeline=head.pipeline,
        scenario=head.scenario,
        tags=head.tags,
        created_utc=head.created_utc,
        ended_utc=head.completed_utc,
        elapsed_seconds=head.elapsed_seconds,
        input_hash=head.input_hash,
        bins=head.grid.bins if head.grid else None,
        series_count=len(head.series),
        warning_count=sum(item.severity != "info" for item in (*head.warnings, *head.recommendations)),
        steps_done=done,
        steps_total=total,
        problem=problem,
    )


def _steps(head: _RunHead) -> tuple[int | None, int | None]:
    """Return how many steps were completed and how many there are; None for a run that has none."""
    counted = [step.status for step in head.steps if step.parent is None and step.status != "skipped"]
    return (counted.count("completed"), len(counted)) if head.steps else (None, None)


def _status(head: _RunHead) -> RunStatus:
    return head.status  # type: ignore[return-value]  # `_problem` has looked whether it is one


def _problem(head: _RunHead, name: str) -> str | None:
    if head.run_id != name:
        return f"{RUN_FILE} says that this is run {head.run_id}"
    if parse_utc(head.created_utc) is None:
        return f"{RUN_FILE} says that it was created {head.created_utc!r}, which is no time"
    if head.status not in _STATUSES or head.status == "broken":
        return f"{RUN_FILE} says that its status is {head.status!r}, which this version does not know"
    return None


def _read_head(path: Path) -> _RunHead:
    with path.open("rb") as file:
        data = file.read(_MAX_RUN_FILE_BYTES + 1)
    if len(data) > _MAX_RUN_FILE_BYTES:
        raise msgspec.DecodeError(f"more than {_MAX_RUN_FILE_BYTES} bytes")
    return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_RunHead)
