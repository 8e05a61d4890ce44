"""Which runs may go: by count, by age, by bytes, or all that were chosen; and moving them into the trash.

What is going on, pinned, or can not be read is never touched.  A plan is made from a list; since runs begin and are
taken up again meanwhile, each run is looked at once more, and held, while it is moved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from flowtime.errors import ParameterError, RunConflictError, RunNotFoundError, StorageError
from flowtime.runs.pins import is_pinned
from flowtime.runs.summary import LIVE_STATUSES, RunSummary
from flowtime.runs.times import parse_utc
from flowtime.runs.trash import move_to_trash, remove_for_good

__all__ = [
    "Guard",
    "Keeping",
    "PruneReport",
    "PrunedRun",
    "RetentionPlan",
    "RetentionRules",
    "SparedRun",
    "folder_bytes",
    "parse_size",
    "plan_retention",
    "prune_runs",
    "reason_text",
    "report_of",
    "require_ended",
]

Why: TypeAlias = Literal["chosen", "count", "age", "bytes"]
Keeping: TypeAlias = Literal["running", "pinned", "lost", "broken", "gone", "refused"]
# Holds a run for the length of a block, so that nobody takes it up again, and gives why it must stay, if it must.
Guard: TypeAlias = Callable[[Path], AbstractContextManager[Keeping | None]]
Count = Annotated[int, Meta(ge=0)]

_UNITS = {"": 1, "b": 1, **{letter + "b": 1000**power for power, letter in enumerate("kmgt", start=1)}}
_UNITS |= {letter + "ib": 1024**power for power, letter in enumerate("kmgt", start=1)}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)", re.IGNORECASE)
_DAY = timedelta(days=1)
_SAYS = {
    "running": "is going on",
    "pinned": "is pinned",
    "lost": "may be alive on another host",
    "broken": "can not be read",
    "gone": "was removed meanwhile",
    "refused": "could not be moved",
}


class RetentionRules(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What of the chosen runs stays; a run goes when any rule says so, and with no rule all of them go.

    ``keep``: the newest so many stay.  ``older_than_days``: those that ended longer ago go (began, where no end is
    known).  ``max_bytes``: of what is left, the oldest go until the rest takes no more; runs that must stay count
    in all three.  Raises ParameterError for numbers below 0.
    """

    keep: int | None = None
    older_than_days: float | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in (("keep", self.keep), ("olderThanDays", self.older_than_days), ("maxBytes", self.max_bytes)):
            if value is not None and not value >= 0:
                raise ParameterError(f"{name} must be at least 0, not {value}")


class PrunedRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run that goes, by which rules, and how large it is; ``trash`` is where it can be taken back from."""

    run_id: str
    why: tuple[Why, ...]
    size_bytes: Count
    created_utc: str | None = None
    trash: str | None = None


class SparedRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run that a rule would have gone by, and why it stays."""

    run_id: str
    reason: Keeping
    detail: str | None = None


class PruneReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was pruned, or with ``is_dry_run`` what would be; ``freed_bytes`` are free only where ``is_purged``."""

    pruned: tuple[PrunedRun, ...]
    spared: tuple[SparedRun, ...]
    kept: Count
    freed_bytes: Count
    is_dry_run: bool
    is_purged: bool


class RetentionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The runs that are to go, oldest first, those that a rule asks for and that stay, and how many are chosen."""

    going: tuple[PrunedRun, ...]
    spared: tuple[SparedRun, ...]
    chosen: int


def parse_size(text: str) -> int:
    """Return the bytes that ``500MB``, ``1.5GiB`` or ``1000`` says; raises ParameterError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise ParameterError(f"{text!r} is no size", hint="write it as 500MB, 1.5GiB or a number of bytes")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def plan_retention(
    runs: Sequence[RunSummary],
    rules: RetentionRules,
    *,
    root: Path,
    now: datetime,
    size_of: Callable[[Path], int] | None = None,
) -> RetentionPlan:
    """Return what the rules say of ``runs``, which are the chosen ones, newest first; nothing is touched.

    ``size_of`` tells the bytes of a folder.
    """
    measure = size_of or folder_bytes
    staying = {run.run_id: reason for run in runs if (reason := _must_stay(run, root / run.run_id)) is not None}
    whys = _by_count_and_age(runs, rules, now)
    sizes: dict[str, int] = {}
    if rules.max_bytes is not None:
        sizes = {run.run_id: measure(root / run.run_id) for run in runs}
        for run_id in _by_bytes(runs, sizes, whys.keys() - staying.keys(), staying.keys(), rules.max_bytes):
            whys[run_id] = ["bytes"]
    asked = [run for run in reversed(runs) if run.run_id in whys]
    going = [
        PrunedRun(
            run_id=run.run_id,
            why=tuple(whys[run.run_id]),
            size_bytes=sizes[run.run_id] if run.run_id in sizes else measure(root / run.run_id),
            created_utc=run.created_utc,
        )
        for run in asked
        if run.run_id not in staying
    ]
    spared = [SparedRun(run_id=run.run_id, reason=staying[run.run_id]) for run in asked if run.run_id in staying]
    return RetentionPlan(going=tuple(going), spared=tuple(spared), chosen=len(runs))


def prune_runs(
    root: Path,
    plan: RetentionPlan,
    *,
    guard: Guard,
    purge: bool,
    clock: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> PruneReport:
    """Move the runs of a plan into the trash, each while it is held; with ``purge`` remove them from there.

    ``clock`` and ``entropy`` are for the names in the trash.  One that has begun anew since the plan was made, was
    pinned, or can not be moved is spared; the others go all the same.
    """
    pruned: list[PrunedRun] = []
    spared = list(plan.spared)
    for run in plan.going:
        try:
            with guard(root / run.run_id) as reason:
                if reason is None:
                    place = move_to_trash(root, run.run_id, clock=clock, entropy=entropy)
            if reason is None:
                if purge:
                    remove_for_good(place)
                pruned.append(msgspec.structs.replace(run, trash=None if purge else str(place)))
                continue
            spared.append(SparedRun(run_id=run.run_id, reason=reason))
        except RunNotFoundError:
            spared.append(SparedRun(run_id=run.run_id, reason="gone"))
        except StorageError as error:
            spared.append(SparedRun(run_id=run.run_id, reason="refused", detail=error.message))
    return report_of(plan, pruned=pruned, spared=spared, is_dry_run=False, is_purged=purge)


def report_of(
    plan: RetentionPlan,
    *,
    pruned: Sequence[PrunedRun] | None = None,
    spared: Sequence[SparedRun] | None = None,
    is_dry_run: bool = True,
    is_purged: bool = False,
) -> PruneReport:
    """Return what was done of a plan; by default a dry run, in which all that would go is told."""
    gone = plan.going if pruned is None else tuple(pruned)
    return PruneReport(
        pruned=gone,
        spared=plan.spared if spared is None else tuple(spared),
        kept=plan.chosen - len(gone),
        freed_bytes=sum(run.size_bytes for run in gone),
        is_dry_run=is_dry_run,
        is_purged=is_purged,
    )


def require_ended(root: Path, run_ids: Sequence[str], guard: Guard) -> None:
    """Raise RunConflictError where one of these runs is going on or pinned; what is no run is passed over."""
    for run_id in run_ids:
        folder = root / run_id
        if not folder.is_dir():
            continue
        with guard(folder) as reason:
            if reason in ("running", "pinned"):
                hint = "end it first" if reason == "running" else f"`flowtime runs unpin {run_id}` lets it go"
                raise RunConflictError(f"run {run_id} {_SAYS[reason]}", hint=hint)


def reason_text(reason: Keeping) -> str:
    """Return a reason to stay as the end of a sentence about the run."""
    return _SAYS[reason]


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files of a folder; links count as themselves, what vanishes meanwhile as nothing."""
    return sum(_bytes_of(os.path.join(place, name)) for place, _, files in os.walk(folder) for name in files)


def _bytes_of(path: str) -> int:
    with suppress(OSError):
        return os.lstat(path).st_size
    return 0


def _must_stay(run: RunSummary, folder: Path) -> Keeping | None:
    if run.status in LIVE_STATUSES:
        return "running"
    if run.status == "broken":
        return "broken"
    if run.status == "lost":
        return "lost"
    return "pinned" if is_pinned(folder) else None


def _by_count_and_age(runs: Sequence[RunSummary], rules: RetentionRules, now: datetime) -> dict[str, list[Why]]:
    """Return the runs that go by count or by age, or all of them where there are no rules."""
    if rules == RetentionRules():
        return {run.run_id: ["chosen"] for run in runs}
    whys: dict[str, list[Why]] = {}
    if rules.keep is not None:
        for run in runs[rules.keep :]:
            whys.setdefault(run.run_id, []).append("count")
    if rules.older_than_days is not None:
        for run in runs:
            moment = _ended(run)
            if moment is not None and (now - moment) / _DAY > rules.older_than_days:
                whys.setdefault(run.run_id, []).append("age")
    return whys


def _by_bytes(
    runs: Sequence[RunSummary], sizes: Mapping[str, int], going: Set[str], staying: Set[str], most: int
) -> Iterator[str]:
    """Yield the runs that go besides those that are ``going``, the oldest first, until the rest fits."""
    left = sum(size for run_id, size in sizes.items() if run_id not in going)
    for run in reversed(runs):
        if left <= most:
            return
        if run.run_id not in going and run.run_id not in staying:
            left -= sizes[run.run_id]
            yield run.run_id


def _ended(run: RunSummary) -> datetime | None:
    for text in (run.ended_utc, run.created_utc):
        moment = parse_utc(text) if text else None
        if moment is not None:
            return moment
    return None
