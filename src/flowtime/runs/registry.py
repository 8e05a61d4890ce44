"""Lists of runs, by way of an index that follows the folders.

The folders are the truth.  Each list first looks for folders that came or went, and for a run.json that was
written to; what it finds enters the index, so that a page of 10,000 runs is not 10,000 files.
"""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypeAlias, TypeVar

import msgspec

from flowtime.errors import ParameterError, StorageError
from flowtime.runs.folders import FileStamp, folder_names, run_stamp
from flowtime.runs.index import Known, RunIndex, index_path
from flowtime.runs.query import RunPage, RunQuery
from flowtime.runs.summary import RunStatus, RunSummary, read_summary
from flowtime.storage import locked

__all__ = ["Check", "IndexReport", "Judge", "Judgement", "Registry"]

T = TypeVar("T")
Check: TypeAlias = Literal["some", "all"]

# One look at a run.json takes 3 us: this many are looked at for a list, and the next ones for the next.
_CHECKED_AT_ONCE = 1000
_LOCK_FILE = ".lock"
_LOCK_TIMEOUT_S = 30.0
# A file that was written this shortly before it was read may be written again within one tick of its clock:
# two seconds on disks that keep whole seconds, some milliseconds elsewhere.
_SECOND_NS = 1_000_000_000
_COARSE_NS = 2 * _SECOND_NS
_FINE_NS = _SECOND_NS // 10
_UNSETTLED = FileStamp(-1, -1, -1)
_UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class IndexReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was read into a new index; ``path`` is None where it could not be kept, and ``note`` says why."""

    run_count: int
    broken_count: int
    path: str | None
    note: str | None


class Judgement(NamedTuple):
    """What a run that its run.json calls running is now; what is None is as in run.json.

    ``was_written``: it is dead, and its run.json says so now and is to be read again.  ``session_seconds``: how long
    it has been running since it was begun or last taken up again.
    """

    status: RunStatus
    was_written: bool = False
    steps_done: int | None = None
    steps_total: int | None = None
    session_seconds: float | None = None


# Given the folder of a run and the status in its run.json, which is running or pending.  Raises nothing.
Judge: TypeAlias = Callable[[Path, RunStatus], Judgement]


class Registry:
    """The runs of one root.  A context manager, for one thread; opening it takes a millisecond.

    ``clock`` gives aware times.  ``judge`` looks after runs that are going on, at every list; without one they have
    the status that their run.json says (``flowtime.tracking.live.live_runs.open_registry`` has one).  Where the
    index can not be kept (no right to write, no room), every run is read instead: the same lists, slower, and ``note``
    says why.
    """

    def __init__(self, root: Path, *, clock: Callable[[], datetime], judge: Judge | None = None) -> None:
        """Point at a root; nothing is read yet."""
        self.note: str | None = None
        self._root = root
        self._clock = clock
        self._judge = judge
        self._index: RunIndex | None = None
        self._is_kept = False
        self._was_discarded = False
        self._checked_to = ""

    def __enter__(self) -> Self:
        """Return the registry."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the files of the index back; they are opened again when they are needed."""
        if self._index is not None:
            self._index.close()
        self._index = None

    def page(self, query: RunQuery, *, check: Check = "some") -> RunPage:
        """Return one page of runs, newest first.

        Folders that came or went since the last list are noticed, whoever made or removed them.  A run.json that
        was written to in place is noticed where its run is on the page, and among the 1,000 runs whose turn it is
        to be looked at; ``all`` looks at every one.  Runs that are going on are always looked at.  Raises
        StorageError when the root can not be read.
        """
        return self._guarded(lambda index: self._page(index, query, check))

    def template_ids(self) -> tuple[str, ...]:
        """Return the ids of all templates that there are runs of."""
        return self.known("template")

    def known(self, what: Known) -> tuple[str, ...]:
        """Return the values that runs have of something that lists are filtered by.

        Scenarios are paths and their stems, tags keys and ``key=value``.
        """

        def work(index: RunIndex) -> tuple[str, ...]:
            self._refresh(index, "some")
            return tuple(sorted(index.known(what)))

        return self._guarded(work)

    def require_known(self, query: RunQuery) -> None:
        """Raise ParameterError for a pipeline, a scenario or a tag of a query that no run has: it is misspelt."""
        asked: list[tuple[Known, str | None]] = [("pipeline", query.pipeline), ("scenario", query.scenario)]
        for what, value in [*asked, *(("tag", tag) for tag in query.tags)]:
            if value is not None and value not in (known := self.known(what)):
                close = difflib.get_close_matches(value, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"`flowtime runs list --json` shows every {what}"
                raise ParameterError(f"no run has the {what} {value!r}", code="parameter.filter_value", hint=hint)

    def all_runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """Return the runs of all pages of a query, newest first, each run.json looked at."""

        def work(index: RunIndex) -> tuple[RunSummary, ...]:
            self._attend(index, self._refresh(index, "all"))
            return tuple(self._placed(run, None) for run in index.select(query, is_paged=False))

        return self._guarded(work)

    def reindex(self) -> IndexReport:
        """Read every run anew, whatever the index says of it."""
        return self._guarded(self._reindex)

    def _page(self, index: RunIndex, query: RunQuery, check: Check) -> RunPage:
        fresh = self._refresh(index, check)
        views = self._attend(index, fresh)
        items = index.select(query)
        # What is shown is always looked at; what that changes may bring others onto the page.
        while stale := self._changed(index.stamps_of(run.run_id for run in items if run.run_id not in fresh)):
            self._read(index, stale)
            fresh |= stale
            views = self._attend(index, fresh)
            items = index.select(query)
        return RunPage(
            items=tuple(self._placed(run, views.get(run.run_id)) for run in items),
            total_count=index.count(query),
            page=query.page,
            page_size=query.page_size,
            note=self.note,
        )

    def _placed(self, run: RunSummary, view: Judgement | None) -> RunSummary:
        """Return a run with its path below the root as it was given, and how far it is."""
        path = str(self._root / run.run_id)
        if view is None:
            return msgspec.structs.replace(run, path=path)
        return msgspec.structs.replace(
            run,
            path=path,
            steps_done=run.steps_done if view.steps_done is None else view.steps_done,
            steps_total=run.steps_total if view.steps_total is None else view.steps_total,
            elapsed_seconds=None
            if view.session_seconds is None
            else (run.elapsed_seconds or 0.0) + view.session_seconds,
        )

    def _attend(self, index: RunIndex, fresh: set[str]) -> dict[str, Judgement]:
        """Look after the runs that are going on, as far as the index knows; return what they are."""
        live = index.live()
        if not live:
            return {}
        stale = self._changed(index.stamps_of(row.name for row in live if row.name not in fresh))
        if stale:
            self._read(index, stale)
            fresh |= stale
            live = index.live()
        if self._judge is None:
            return {}
        views = {row.name: self._judge(self._root / row.name, row.recorded) for row in live}
        known = {row.name: row.status for row in live}
        self._keep_judged(index, views, {name for name, view in views.items() if view.status != known[name]})
        return {name: view for name, view in views.items() if not view.was_written}

    def _keep_judged(self, index: RunIndex, views: dict[str, Judgement], turned: set[str]) -> None:
        """Put into the index what was judged: runs that got their last record are read, others have another status."""
        written = {name for name, view in views.items() if view.was_written}
        if not written and not turned:
            return
        with index.writing():
            for name in written:
                self._read_one(index, name)
            for name in turned - written:
                index.judged(name, views[name].status)

    def _reindex(self, index: RunIndex) -> IndexReport:
        with index.writing():
            index.clear()
            summaries = [self._read_one(index, name) for name in sorted(folder_names(self._root))]
        runs = [summary for summary in summaries if summary is not None]
        return IndexReport(
            run_count=len(runs),
            broken_count=sum(run.status == "broken" for run in runs),
            path=str(index_path(self._root)) if self._is_kept else None,
            note=self.note,
        )

    def _refresh(self, index: RunIndex, check: Check) -> set[str]:
        """Bring the index up to what is on the disk; return the names that were read."""
        there = folder_names(self._root)
        if check == "all":
            stamps = index.stamps()
            known = set(stamps)
        else:
            known = index.names()
            stamps = index.stamps(after=self._checked_to, limit=_CHECKED_AT_ONCE)
            self._checked_to = max(stamps) if len(stamps) == _CHECKED_AT_ONCE else ""
        came = {name for name in there - known if run_stamp(self._root, name) is not None}
        stale = came | (known - there) | self._changed(stamps)
        self._read(index, stale)
        return stale

    def _changed(self, stamps: dict[str, FileStamp]) -> set[str]:
        return {name for name, stamp in stamps.items() if run_stamp(self._root, name) != stamp}

    def _read(self, index: RunIndex, names: Iterable[str]) -> None:
        """Put what the disk says of some runs into the index, all at once."""
        if not names:
            return
        # The files are read under the lock, so that what two processes read is kept in the order they read it.
        with index.writing():
            for name in names:
                self._read_one(index, name)

    def _read_one(self, index: RunIndex, name: str) -> RunSummary | None:
        # Before the file: one that changes in between is then read again.
        stamp = run_stamp(self._root, name)
        if stamp is None:
            index.drop(name)
            return None
        summary = read_summary(self._root / name)
        index.put(stamp if self._is_settled(stamp) else _UNSETTLED, summary)
        return summary

    def _is_settled(self, stamp: FileStamp) -> bool:
        tick = _FINE_NS if stamp.modified_ns % _SECOND_NS else _COARSE_NS
        return max(stamp.modified_ns, stamp.changed_ns) < self._clock().timestamp() * _SECOND_NS - tick

    def _guarded(self, work: Callable[[RunIndex], T]) -> T:
        """Do something with the index: the one that is kept, else a new one in its place, else one in memory."""
        while True:
            try:
                return work(self._opened())
            except sqlite3.Error as error:
                # An index in memory that fails is a defect, or there is no memory.
                if self._index is not None and not self._is_kept:
                    raise
                self._part_from(error)

    def _opened(self) -> RunIndex:
        if self._index is not None and not self._is_kept and self.note is None and self._has_runs():
            self.close()  # the first run came: now there is something to keep
        if self._index is None:
            self._is_kept = self.note is None and self._may_keep()
            self._index = self._open_kept() if self._is_kept else RunIndex(None)
        return self._index

    def _has_runs(self) -> bool:
        # So that a list in a folder without runs leaves nothing there.
        return any(run_stamp(self._root, name) is not None for name in folder_names(self._root))

    def _may_keep(self) -> bool:
        path = index_path(self._root)
        if path.exists():
            return True
        if not self._has_runs():
            return False
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            self.note = _told(error.strerror or str(error))
            return False
        return True

    def _open_kept(self) -> RunIndex:
        path = index_path(self._root)
        if path.exists():
            return RunIndex(path)
        # One at a time: switching a new file to WAL does not wait for others.
        try:
            with locked(path.with_name(_LOCK_FILE), timeout_s=_LOCK_TIMEOUT_S):
                return RunIndex(path)
        except StorageError as error:
            raise sqlite3.OperationalError(error.message) from error

    def _part_from(self, error: sqlite3.Error) -> None:
        """Close an index that failed: remove one that is no index, once; do without one that can not be used."""
        self.close()
        # The low byte is the kind of the error, what is above it the finer one.
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if kind in _UNREADABLE and not self._was_discarded:
            self._was_discarded = True
            self._discard()
        else:
            self.note = _told(str(error))

    def _discard(self) -> None:
        path = index_path(self._root)
        try:
            with locked(path.with_name(_LOCK_FILE), timeout_s=_LOCK_TIMEOUT_S):
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
        except (OSError, StorageError) as error:
            self.note = _told(str(error))


def _told(reason: str) -> str:
    return f"the index of the runs can not be kept ({reason}): every run was read"
