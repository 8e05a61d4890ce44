"""Deleting runs: into a trash folder first, and from there for good.

A run is deleted by its id alone, never by a path, and only where its folder says that it is a run: whatever else
lies below the root is not ours to touch.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from flowtime.errors import RunCorruptError, RunNotFoundError, StorageError
from flowtime.runs.folders import find_run, folder_names
from flowtime.runs.summary import RUN_FILE, read_summary
from flowtime.runs.times import utc_stamp
from flowtime.storage import safe_id

__all__ = ["TRASH_FOLDER", "DeletedRun", "delete_runs", "empty_trash"]

TRASH_FOLDER = ".trash"
# ~ is in no run id, so the id can be read off: <id>~<time>-<8 hex>.
_TRASHED = re.compile(r"(?P<run_id>[A-Za-z0-9][A-Za-z0-9._-]*)~\d{8}T\d{6}Z-[0-9a-f]{8}")


class DeletedRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run that is gone; ``trash`` is the folder it can be taken back from, None where it was removed for good."""

    run_id: str
    trash: str | None


def delete_runs(
    root: Path,
    run_ids: Iterable[str],
    *,
    purge: bool,
    clock: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> tuple[DeletedRun, ...]:
    """Move runs into the trash; with ``purge`` remove them, and what the trash holds of the same ids, for good.

    ``clock`` gives aware times and ``entropy(n)`` random bytes, for the names in the trash.  Every id is checked
    before the first folder is moved.  Raises UnsafeNameError for what can be no id, RunNotFoundError,
    RunCorruptError for a folder whose run.json can not be read, and StorageError.
    """
    ids = tuple(dict.fromkeys(run_ids))
    for run_id in ids:
        safe_id(run_id, "run id")
    there = folder_names(root)
    trashed = {match["run_id"] for match, _ in _trashed(root)} if purge else set()
    for run_id in ids:
        if run_id in there or run_id not in trashed:
            _require_run(root, run_id, there)
    deleted = []
    for run_id in ids:
        place = _move(root, run_id, f"{utc_stamp(clock())}-{entropy(4).hex()}") if run_id in there else None
        if purge:
            _remove(path for match, path in _trashed(root) if match["run_id"] == run_id)
            place = None
        deleted.append(DeletedRun(run_id=run_id, trash=None if place is None else str(place)))
    return tuple(deleted)


def empty_trash(root: Path) -> tuple[DeletedRun, ...]:
    """Remove every run in the trash for good; what lies there and is none of ours stays.  Raises StorageError."""
    found = sorted(_trashed(root), key=lambda pair: pair[1].name)
    _remove(path for _, path in found)
    return tuple(DeletedRun(run_id=match["run_id"], trash=None) for match, _ in found)


def _require_run(root: Path, run_id: str, there: set[str]) -> None:
    if run_id not in there:
        raise _not_found(root, run_id)
    folder = root / run_id
    if not (folder / RUN_FILE).is_file():
        raise RunNotFoundError(f"{run_id!r} is there, and is no run: it holds no {RUN_FILE}")
    # A copy that says another id is a run all the same; what says nothing could be anything.
    if read_summary(folder).created_utc is None:
        hint = "look into the folder, and remove it by hand"
        raise RunCorruptError(f"{run_id!r} may be no run: its {RUN_FILE} can not be read", hint=hint)


def _not_found(root: Path, run_id: str) -> RunNotFoundError:
    try:
        find_run(root, run_id)
    except RunNotFoundError as error:
        return error
    # There is a run at this path, seen from the working folder, and none of this id: only ids are deleted.
    return RunNotFoundError(f"there is no run {run_id!r} in {root.name}")


def _move(root: Path, run_id: str, mark: str) -> Path:
    trash = root / TRASH_FOLDER
    target = trash / f"{run_id}~{mark}"
    try:
        if trash.is_symlink():
            raise StorageError(f"{TRASH_FOLDER} is a link: nothing is moved through it")
        trash.mkdir(exist_ok=True)
        (root / run_id).rename(target)
    except FileNotFoundError as error:
        raise RunNotFoundError(f"there is no run {run_id!r}: it was removed meanwhile") from error
    except OSError as error:
        raise StorageError(f"can not move {run_id} into the trash: {error.strerror}") from error
    return target


def _trashed(root: Path) -> Iterator[tuple[re.Match[str], Path]]:
    trash = root / TRASH_FOLDER
    try:
        names = [] if trash.is_symlink() else os.listdir(trash)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StorageError(f"can not list {TRASH_FOLDER}: {error.strerror}", code="storage.unreadable") from error
    for name in names:
        match = _TRASHED.fullmatch(name)
        if match:
            yield match, trash / name


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        try:
            # The folder of a run may be a link: what it leads to is not ours.
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
        except FileNotFoundError:
            continue  # another process empties the trash as well
        except OSError as error:
            raise StorageError(f"can not remove {path.name}: {error.strerror}") from error
