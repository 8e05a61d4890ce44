"""The table of runs in SQLite: what the folders said when they were last looked at.

Kept in ``.registry`` below the root, in WAL mode, so that lists are read while another process writes.  It is
never the truth: it can be deleted at any time, and is made anew where it can not be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from typing import Literal, NamedTuple, Self, TypeAlias

import msgspec

from flowtime.runs.folders import FileStamp
from flowtime.runs.query import RunQuery
from flowtime.runs.summary import LIVE_STATUSES, RunStatus, RunSummary
from flowtime.runs.times import parse_utc

__all__ = ["INDEX_FOLDER", "Known", "LiveRow", "RunIndex", "index_path"]

Known: TypeAlias = Literal["template", "pipeline", "scenario", "tag"]

INDEX_FOLDER = ".registry"
# Another shape of the table is another file: an older program beside us keeps its own.
_FILE = "runs-2.sqlite3"
_BUSY_TIMEOUT_S = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Indexes that hold all that a list asks of every run, so that the table is read for those on the page only.
# ``live`` is the status in run.json of a run that may be dead by now; ``status`` what became of it, as last judged.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    name TEXT PRIMARY KEY,
    modified_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    template TEXT,
    mode TEXT,
    pipeline TEXT,
    scenario TEXT,
    stem TEXT,
    status TEXT NOT NULL,
    live TEXT,
    warnings INTEGER NOT NULL,
    input_hash TEXT,
    summary BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS tags (
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stamps ON runs (name, modified_ns, changed_ns, size);
CREATE INDEX IF NOT EXISTS living ON runs (name) WHERE live IS NOT NULL;
CREATE INDEX IF NOT EXISTS tagged ON tags (key, value, run);
CREATE INDEX IF NOT EXISTS newest ON runs
    (created_us DESC, name, template, mode, status, warnings, input_hash, kind, pipeline, scenario, stem);
"""
_PUT = f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * 16)})"
_KNOWN: dict[Known, str] = {
    "template": "SELECT DISTINCT template FROM runs WHERE template IS NOT NULL",
    "pipeline": "SELECT DISTINCT pipeline FROM runs WHERE pipeline IS NOT NULL",
    "scenario": "SELECT scenario FROM runs WHERE scenario IS NOT NULL UNION SELECT stem FROM runs WHERE stem NOT NULL",
    "tag": "SELECT key FROM tags UNION SELECT key || '=' || value FROM tags",
}
# Before every time that a run can say.
_NEVER_US = -(2**62)


class LiveRow(NamedTuple):
    """A run that was going on when its run.json was read: the status there, and the one that it was last given."""

    name: str
    recorded: RunStatus
    status: RunStatus


def index_path(root: Path) -> Path:
    """Return where the index of a root is kept."""
    return root / INDEX_FOLDER / _FILE


class RunIndex:
    """The table; every method raises sqlite3.Error where the file can not be used.

    For one thread.  ``path`` None keeps it in memory.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the table, or make it."""
        target = ":memory:" if path is None else str(path)
        self._connection = sqlite3.connect(target, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        try:
            # The shared memory of WAL does not work on every disk; SQLite then keeps the mode that does.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            if self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'newest'").fetchone() is None:
                self._connection.executescript(_SCHEMA)
        except sqlite3.Error:
            self._connection.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the table."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock for writing; everything in the block is kept, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def names(self) -> set[str]:
        """Return the names of all runs in the table."""
        # One text and not 10,000 rows: three times as quick, and no name holds a slash.
        (text,) = self._connection.execute("SELECT group_concat(name, '/') FROM runs").fetchone()
        return set(text.split("/")) if text else set()

    def stamps(self, *, after: str = "", limit: int = -1) -> dict[str, FileStamp]:
        """Return the stamps of ``limit`` runs (-1: all) by name, those that come after a name, in its order."""
        rows = self._connection.execute(
            "SELECT name, modified_ns, changed_ns, size FROM runs WHERE name > ? ORDER BY name LIMIT ?", (after, limit)
        )
        return {name: FileStamp(*stamp) for name, *stamp in rows}

    def stamps_of(self, names: Iterable[str]) -> dict[str, FileStamp]:
        """Return the stamps of some runs."""
        found = {}
        for name in names:
            row = self._connection.execute(
                "SELECT modified_ns, changed_ns, size FROM runs WHERE name = ?", (name,)
            ).fetchone()
            if row is not None:
                found[name] = FileStamp(*row)
        return found

    def put(self, stamp: FileStamp, summary: RunSummary) -> None:
        """Keep what a list shows of a run, and the stamp of the file it was read from."""
        moment = parse_utc(summary.created_utc) if summary.created_utc else None
        self._connection.execute(
            _PUT,
            (
                summary.run_id,
                *stamp,
                _NEVER_US if moment is None else _microseconds(moment),
                summary.kind or "flow",
                summary.template_id,
                summary.mode,
                summary.pipeline,
                summary.scenario,
                # Both separators count, as a record may come from another system.
                None if summary.scenario is None else PureWindowsPath(summary.scenario).stem,
                summary.status,
                summary.status if summary.status in LIVE_STATUSES else None,
                summary.warning_count,
                summary.input_hash,
                msgspec.json.encode(summary),
            ),
        )
        self._drop_tags(summary.run_id)
        tags = [(summary.run_id, key, value) for key, value in summary.tags.items()]
        self._connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", tags)

    def live(self) -> list[LiveRow]:
        """Return the runs that were going on when they were read."""
        rows = self._connection.execute("SELECT name, live, status FROM runs INDEXED BY living WHERE live IS NOT NULL")
        return [LiveRow(*row) for row in rows]

    def judged(self, name: str, status: RunStatus) -> None:
        """Keep what became of a run that was going on, where its run.json does not say it."""
        row = self._connection.execute("SELECT summary FROM runs WHERE name = ?", (name,)).fetchone()
        if row is None:
            return
        changed = msgspec.structs.replace(msgspec.json.decode(row[0], type=RunSummary), status=status)
        self._connection.execute(
            "UPDATE runs SET status = ?, summary = ? WHERE name = ?", (status, msgspec.json.encode(changed), name)
        )

    def drop(self, name: str) -> None:
        """Forget a run."""
        self._connection.execute("DELETE FROM runs WHERE name = ?", (name,))
        self._drop_tags(name)

    def clear(self) -> None:
        """Forget every run."""
        self._connection.execute("DELETE FROM runs")
        self._connection.execute("DELETE FROM tags")

    def known(self, what: Known) -> set[str]:
        """Return all values that runs have of something; of tags the keys, and ``key=value``."""
        return {value for (value,) in self._connection.execute(_KNOWN[what])}

    def count(self, query: RunQuery) -> int:
        """Return how many runs there are on all pages of a query."""
        where, values = _conditions(query)
        (number,) = self._connection.execute(f"SELECT count(*) FROM runs{where}", values).fetchone()
        return int(number)

    def select(self, query: RunQuery, *, is_paged: bool = True) -> list[RunSummary]:
        """Return the runs of one page, or of all, newest first; those that say no time come last."""
        where, values = _conditions(query)
        page = (query.page_size, (query.page - 1) * query.page_size) if is_paged else (-1, 0)
        rows = self._connection.execute(
            f"SELECT summary FROM runs{where} ORDER BY created_us DESC, name LIMIT ? OFFSET ?", (*values, *page)
        )
        return [msgspec.json.decode(summary, type=RunSummary) for (summary,) in rows]

    def _drop_tags(self, name: str) -> None:
        self._connection.execute("DELETE FROM tags WHERE run = ?", (name,))


def _conditions(query: RunQuery) -> tuple[str, list[object]]:
    """Return the WHERE clause of a query, values apart: no text from outside enters the statement."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    if query.templates:
        asked.append((f"template IN ({', '.join('?' * len(query.templates))})", query.templates))
    for column in ("kind", "mode", "status", "pipeline"):
        wanted = getattr(query, column)
        if wanted is not None:
            asked.append((f"{column} = ?", (wanted,)))
    if query.scenario is not None:
        asked.append(("(scenario = ? OR stem = ?)", (query.scenario, query.scenario)))
    asked.extend(map(_tag_condition, query.tags))
    if query.has_warnings is not None:
        asked.append(("warnings > 0" if query.has_warnings else "warnings = 0", ()))
    if query.since is not None:
        asked.append(("created_us >= ?", (_microseconds(query.since),)))
    if query.before is not None:
        asked.append(("created_us > ? AND created_us < ?", (_NEVER_US, _microseconds(query.before))))
    if query.hash_start is not None:
        asked.append(("substr(input_hash, 1, ?) = ?", (len(query.hash_start), query.hash_start)))
    if not asked:
        return "", []
    return " WHERE " + " AND ".join(text for text, _ in asked), [value for _, values in asked for value in values]


def _tag_condition(tag: str) -> tuple[str, tuple[object, ...]]:
    key, equals, value = tag.partition("=")
    if equals:
        return "EXISTS (SELECT 1 FROM tags WHERE run = name AND key = ? AND value = ?)", (key, value)
    return "EXISTS (SELECT 1 FROM tags WHERE run = name AND key = ?)", (key,)


def _microseconds(moment: datetime) -> int:
    # Not by timestamp(), which is a float and rounds.
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
