"""Deleting runs: into a trash folder first, from there back again or gone for good.

A run is deleted by its id alone, never by a path, and only where its folder says that it is a run: whatever else
lies below the root is not ours to touch.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import msgspec

from flowtime.errors import RunConflictError, RunCorruptError, RunNotFoundError, StorageError
from flowtime.runs.folders import find_run, folder_names
from flowtime.runs.summary import RUN_FILE, read_summary
from flowtime.runs.times import utc_stamp, utc_text
from flowtime.storage import safe_id

__all__ = [
    "TRASH_FOLDER",
    "DeletedRun",
    "RestoredRun",
    "TrashedRun",
    "delete_runs",
    "empty_trash",
    "list_trash",
    "move_to_trash",
    "remove_for_good",
    "restore_runs",
]

TRASH_FOLDER = ".trash"
# ~ is in no run id, so the id can be read off: <id>~<time>-<8 hex>.
_TRASHED = re.compile(r"(?P<run_id>[A-Za-z0-9][A-Za-z0-9._-]*)~(?P<time>\d{8}T\d{6}Z)-[0-9a-f]{8}")
_STAMP = "%Y%m%dT%H%M%SZ"


class DeletedRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run that is gone; ``trash`` is the folder it can be taken back from, None where it was removed for good."""

    run_id: str
    trash: str | None


class TrashedRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run in the trash: ``trash`` is its folder, whose name tells apart several of one id.

    What its run.json says is None where that can not be read.
    """

    run_id: str
    trash: str
    deleted_utc: str | None
    created_utc: str | None
    mode: str | None
    template_id: str | None


class RestoredRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run that is back: ``path`` is its folder, ``trash`` the one that it was in."""

    run_id: str
    path: str
    trash: str


class _Entry(NamedTuple):
    """A run in the trash: its id, when it was deleted (as in the name), and its folder."""

    run_id: str
    time: str
    path: Path


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
    ids = tuple(dict.fromkeys(safe_id(run_id, "run id") for run_id in run_ids))
    there = folder_names(root)
    # To be purged it is enough to be in the trash.
    gone = {entry.run_id for entry in _trashed(root)} - there if purge else set()
    for run_id in ids:
        if run_id not in gone:
            _require_run(root, run_id, there)
    deleted = []
    for run_id in ids:
        place = None if run_id in gone else _move(root, run_id, f"{utc_stamp(clock())}-{entropy(4).hex()}")
        deleted.append(DeletedRun(run_id=run_id, trash=None if purge else str(place)))
        if purge:
            _remove(entry.path for entry in _trashed(root) if entry.run_id == run_id)
    return tuple(deleted)


def empty_trash(root: Path) -> tuple[DeletedRun, ...]:
    """Remove every run in the trash for good; what lies there and is none of ours stays.  Raises StorageError."""
    found = sorted(_trashed(root), key=lambda entry: entry.path.name)
    _remove(entry.path for entry in found)
    return tuple(DeletedRun(run_id=entry.run_id, trash=None) for entry in found)


def list_trash(root: Path) -> tuple[TrashedRun, ...]:
    """Return the runs in the trash, what was deleted last first.  Raises StorageError."""
    return tuple(_told(entry) for entry in _last_deleted_first(root))


def restore_runs(root: Path, wanted: Iterable[str]) -> tuple[RestoredRun, ...]:
    """Move runs from the trash back to where they were.

    A run is named by its id, which of several is the one that was deleted last, or by the name of its folder in the
    trash.  All are checked before the first one is moved, and nothing is ever replaced.  Raises UnsafeNameError for
    what can be no id, RunNotFoundError for what is not in the trash, RunConflictError for an id that is taken or is
    asked for twice, and StorageError.
    """
    names = tuple(dict.fromkeys(wanted))
    for name in names:
        safe_id(name.partition("~")[0], "run id")
    trashed = _last_deleted_first(root)
    # In reverse, so that of several runs of one id the first of the list is the one that stays.
    known = {key: entry for entry in reversed(trashed) for key in (entry.run_id, entry.path.name)}
    entries = tuple(_entry_of(root, name, known) for name in names)
    ids = [entry.run_id for entry in entries]
    for run_id in ids:
        if ids.count(run_id) > 1:
            raise RunConflictError(f"two runs {run_id!r} can not both be restored", hint="name one of them")
        if os.path.lexists(root / run_id):
            raise _taken(run_id)
    return tuple(_restore(root, entry) for entry in entries)


def move_to_trash(root: Path, run_id: str, *, clock: Callable[[], datetime], entropy: Callable[[int], bytes]) -> Path:
    """Move one run, of a list and so known to be one, into the trash and return where it is.

    ``clock`` and ``entropy`` as in ``delete_runs``.  Raises RunNotFoundError where it is gone, and StorageError.
    """
    return _move(root, safe_id(run_id, "run id"), f"{utc_stamp(clock())}-{entropy(4).hex()}")


def remove_for_good(trashed: Path) -> None:
    """Remove one folder of the trash, as ``move_to_trash`` returned it.  Raises StorageError."""
    _remove([trashed])


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


def _trashed(root: Path) -> Iterator[_Entry]:
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
            yield _Entry(match["run_id"], match["time"], trash / name)


def _last_deleted_first(root: Path) -> Sequence[_Entry]:
    found = sorted(_trashed(root), key=lambda entry: entry.path.name)
    # Names know the second alone; of one second, the folder that was moved last.
    found.sort(key=lambda entry: (entry.time, _moved_ns(entry.path)), reverse=True)
    return found


def _moved_ns(path: Path) -> int:
    with suppress(FileNotFoundError):  # another process empties the trash
        return path.lstat().st_ctime_ns
    return 0


def _told(entry: _Entry) -> TrashedRun:
    summary = read_summary(entry.path)
    return TrashedRun(
        run_id=entry.run_id,
        trash=str(entry.path),
        deleted_utc=_deleted_utc(entry.time),
        created_utc=summary.created_utc,
        mode=summary.mode,
        template_id=summary.template_id,
    )


def _deleted_utc(time: str) -> str | None:
    try:
        return utc_text(datetime.strptime(time, _STAMP).replace(tzinfo=UTC))
    except ValueError:  # digits that are no time: a name that somebody else gave
        return None


def _entry_of(root: Path, name: str, known: Mapping[str, _Entry]) -> _Entry:
    entry = known.get(name)
    if entry is not None:
        return entry
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "`flowtime runs restore --list` shows what can be restored"
    if name in folder_names(root):
        hint = "it is among the runs"
    raise RunNotFoundError(f"there is no run {name!r} in the trash", hint=hint)


def _restore(root: Path, entry: _Entry) -> RestoredRun:
    target = root / entry.run_id
    try:
        entry.path.rename(target)
    except FileNotFoundError as error:
        raise RunNotFoundError(f"there is no run {entry.run_id!r} in the trash: it was removed meanwhile") from error
    except OSError as error:
        if os.path.lexists(target):  # somebody took the id meanwhile
            raise _taken(entry.run_id) from error
        raise StorageError(f"can not restore {entry.run_id}: {error.strerror}") from error
    return RestoredRun(run_id=entry.run_id, path=str(target), trash=str(entry.path))


def _taken(run_id: str) -> RunConflictError:
    hint = "delete or rename what is there: nothing is replaced by a run from the trash"
    return RunConflictError(f"{run_id!r} can not be restored: there is a run or a folder of that name", hint=hint)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        try:
            # Another process may empty the trash as well.
            with suppress(FileNotFoundError):
                # The folder of a run may be a link: what it leads to is not ours.
                path.unlink() if path.is_symlink() else shutil.rmtree(path)
        except OSError as error:
            raise StorageError(f"can not remove {path.name}: {error.strerror}") from error
