"""What a list shows of one run: read from its run.json, of whatever kind of run that is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from flowtime.runs.times import parse_utc

__all__ = ["RUN_FILE", "RunStatus", "RunSummary", "read_summary"]

RUN_FILE = "run.json"
_MAX_RUN_FILE_BYTES = 64 * 1024 * 1024

RunStatus: TypeAlias = Literal["completed", "broken"]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run in a list; with a ``problem``, what could be read of one that is not sound.

    ``created_utc`` and ``input_hash`` are as in run.json; ``path`` is the folder; hints (severity info)
    are not in ``warning_count``.
    """

    run_id: str
    path: str
    status: RunStatus = "completed"
    kind: str | None = None
    mode: str | None = None
    template_id: str | None = None
    template_title: str | None = None
    template_version: str | None = None
    created_utc: str | None = None
    input_hash: str | None = None
    bins: int | None = None
    series_count: int = 0
    warning_count: int = 0
    problem: str | None = None


class _GridHead(msgspec.Struct, frozen=True):
    bins: int


class _WarningHead(msgspec.Struct, frozen=True):
    severity: str | None = None


class _RunHead(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a run.json, of whatever kind of run, that a list shows."""

    run_id: str
    created_utc: str
    kind: str | None = None
    mode: str | None = None
    template_id: str | None = None
    template_title: str | None = None
    template_version: str | None = None
    input_hash: str | None = None
    grid: _GridHead | None = None
    # Raw, since only their number is shown: nothing inside is decoded.
    series: tuple[msgspec.Raw, ...] = ()
    warnings: tuple[_WarningHead, ...] = ()


def read_summary(folder: Path) -> RunSummary:
    """Return what a list shows of a run; what can not be read, or contradicts itself, is its ``problem``."""
    try:
        head = _read_head(folder / RUN_FILE)
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        unread = f"{RUN_FILE} can not be read: {reason}"
        return RunSummary(run_id=folder.name, path=str(folder), status="broken", problem=unread)
    problem = _problem(head, folder.name)
    return RunSummary(
        run_id=folder.name,
        path=str(folder),
        status="completed" if problem is None else "broken",
        kind=head.kind,
        mode=head.mode,
        template_id=head.template_id,
        template_title=head.template_title,
        template_version=head.template_version,
        created_utc=head.created_utc,
        input_hash=head.input_hash,
        bins=head.grid.bins if head.grid else None,
        series_count=len(head.series),
        warning_count=sum(warning.severity != "info" for warning in head.warnings),
        problem=problem,
    )


def _problem(head: _RunHead, name: str) -> str | None:
    if head.run_id != name:
        return f"{RUN_FILE} says that this is run {head.run_id}"
    if parse_utc(head.created_utc) is None:
        return f"{RUN_FILE} says that it was created {head.created_utc!r}, which is no time"
    return None


def _read_head(path: Path) -> _RunHead:
    with path.open("rb") as file:
        data = file.read(_MAX_RUN_FILE_BYTES + 1)
    if len(data) > _MAX_RUN_FILE_BYTES:
        raise msgspec.DecodeError(f"more than {_MAX_RUN_FILE_BYTES} bytes")
    return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_RunHead)
