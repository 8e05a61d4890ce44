"""Which runs there are: read from the folders themselves, each time."""

from __future__ import annotations

import difflib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from flowtime.errors import RunNotFoundError, StorageError
from flowtime.runs.summary import RUN_FILE, RunSummary, read_summary
from flowtime.runs.times import parse_utc

__all__ = ["FileStamp", "find_run", "folder_names", "list_runs", "run_stamp"]

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class FileStamp(NamedTuple):
    """What tells that a file is another one than before, or was written to: times in ns, and its size in bytes."""

    modified_ns: int
    changed_ns: int
    size: int


def list_runs(root: Path) -> list[RunSummary]:
    """Return the runs in ``root``, newest first; those that say no time come last.

    A run is a folder that holds a run.json; hidden folders, staging ones among them, are none.  What
    can not be read is listed with its problem, never left out.  Raises StorageError when the root
    itself can not be read; a root that is not there holds no runs.
    """
    runs = [read_summary(root / name) for name in folder_names(root) if run_stamp(root, name) is not None]
    runs.sort(key=lambda run: run.run_id)
    runs.sort(key=_created, reverse=True)
    return runs


def find_run(root: Path, id_or_path: str) -> Path:
    """Return the folder of a run, given its id in ``root`` or the path of the folder.

    Raises RunNotFoundError, with the ids that look alike.
    """
    names = folder_names(root)
    # By the names that are there, so that no text from outside is ever joined to the root.
    folder = root / id_or_path if id_or_path in names else Path(id_or_path)
    if (folder / RUN_FILE).is_file():
        return folder
    if id_or_path in names or (id_or_path and os.path.isdir(id_or_path)):
        raise RunNotFoundError(f"{id_or_path!r} is there, and is no run: it holds no {RUN_FILE}")
    close = [name for name in difflib.get_close_matches(id_or_path, names, n=3) if run_stamp(root, name) is not None]
    usual = f"`flowtime runs list` shows those in {root.name or root}; a path must lead to a folder with a {RUN_FILE}"
    hint = f"did you mean {' or '.join(close)}?" if close else usual
    raise RunNotFoundError(f"there is no run {id_or_path!r}", hint=hint)


def folder_names(root: Path) -> set[str]:
    """Return the names in ``root`` that could be runs: all but hidden ones, and those that are no text.

    Raises StorageError when the root can not be read; one that is not there holds nothing.
    """
    try:
        return {name for name in os.listdir(root) if name[0] != "." and (name.isascii() or _is_text(name))}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise StorageError(f"can not list {root.name}: {error.strerror}", code="storage.unreadable") from error


def run_stamp(root: Path, name: str) -> FileStamp | None:
    """Return the stamp of a run's run.json; None where there is none, so that ``name`` is no run."""
    try:
        # Joined as text: this is called 10,000 times for one page, and a Path takes longer than the question.
        status = os.stat(f"{root}{os.sep}{name}{os.sep}{RUN_FILE}")
    except (OSError, ValueError):
        return None
    return FileStamp(status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _is_text(name: str) -> bool:
    # Bytes that are no UTF-8 come as lone surrogates, which nothing can print or store.
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _created(run: RunSummary) -> datetime:
    return (parse_utc(run.created_utc) if run.created_utc else None) or _EARLIEST
