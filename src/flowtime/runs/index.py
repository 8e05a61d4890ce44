"""The table of runs in SQLite: what the folders said when they were last looked at.

Kept in ``.registry`` below the root, in WAL mode, so that lists are read while another process writes.  It is
never the truth: it can be deleted at any time, and is made anew where it can not be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec

from flowtime.runs.folders import FileStamp
from flowtime.runs.query import RunQuery
from flowtime.runs.summary import RunSummary
from flowtime.runs.times import parse_utc

__all__ = ["INDEX_FOLDER", "RunIndex", "index_path"]

INDEX_FOLDER = ".registry"
# Another shape of the table is another file: an older program beside us keeps its own.
_FILE = "runs-1.sqlite3"
_BUSY_TIMEOUT_S = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Two indexes that hold all that a list asks of every run, so that the table is read for those on the page only.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    name TEXT PRIMARY KEY,
    modified_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    template TEXT,
    mode TEXT,
    status TEXT NOT NULL,
    warnings INTEGER NOT NULL,
    input_hash TEXT,
    summary BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS stamps ON runs (name, modified_ns, changed_ns, size);
CREATE INDEX IF NOT EXISTS newest ON runs (created_us DESC, name, template, mode, status, warnings, input_hash);
"""
_PUT = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Before every time that a run can say.
_NEVER_US = -(2**62)


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
                summary.template_id,
                summary.mode,
                summary.status,
                summary.warning_count,
                summary.input_hash,
                msgspec.json.encode(summary),
            ),
        )

    def drop(self, name: str) -> None:
        """Forget a run."""
        self._connection.execute("DELETE FROM runs WHERE name = ?", (name,))

    def clear(self) -> None:
        """Forget every run."""
        self._connection.execute("DELETE FROM runs")

    def templates(self) -> set[str]:
        """Return the ids of all templates that runs were made from."""
        rows = self._connection.execute("SELECT DISTINCT template FROM runs WHERE template IS NOT NULL")
        return {template for (template,) in rows}

    def count(self, query: RunQuery) -> int:
        """Return how many runs there are on all pages of a query."""
        where, values = _conditions(query)
        (number,) = self._connection.execute(f"SELECT count(*) FROM runs{where}", values).fetchone()
        return int(number)

    def select(self, query: RunQuery) -> list[RunSummary]:
        """Return the runs of one page, newest first; those that say no time come last."""
        where, values = _conditions(query)
        rows = self._connection.execute(
            f"SELECT summary FROM runs{where} ORDER BY created_us DESC, name LIMIT ? OFFSET ?",
            (*values, query.page_size, (query.page - 1) * query.page_size),
        )
        return [msgspec.json.decode(summary, type=RunSummary) for (summary,) in rows]


def _conditions(query: RunQuery) -> tuple[str, list[object]]:
    """Return the WHERE clause of a query, values apart: no text from outside enters the statement."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    if query.templates:
        asked.append((f"template IN ({', '.join('?' * len(query.templates))})", query.templates))
    if query.mode is not None:
        asked.append(("mode = ?", (query.mode,)))
    if query.status is not None:
        asked.append(("status = ?", (query.status,)))
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


def _microseconds(moment: datetime) -> int:
    # Not by timestamp(), which is a float and rounds.
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
