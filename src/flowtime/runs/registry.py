"""Which runs there are: read from the folders themselves, each time."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import msgspec

from flowtime.errors import RunNotFoundError, StorageError

__all__ = ["RUN_FILE", "RunSummary", "find_run", "list_runs"]

RUN_FILE = "run.json"
_MAX_RUN_FILE_BYTES = 64 * 1024 * 1024


class RunSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run in a list; with a ``problem``, what could be read of one that is not sound.

    ``created_utc`` and ``input_hash`` are as in run.json; ``path`` is the folder; hints (severity info)
    are not in ``warning_count``.
    """

    run_id: str
    path: str
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


def list_runs(root: Path) -> list[RunSummary]:
    """Return the runs in ``root``, newest first; those whose run.json can not be read come last.

    A run is a folder that holds a run.json; hidden folders, staging ones among them, are none.  What
    can not be read is listed with its problem, never left out.  Raises StorageError when the root
    itself can not be read; a root that is not there holds no runs.
    """
    runs = [_summary(folder) for folder in _folders(root) if (folder / RUN_FILE).exists()]
    runs.sort(key=lambda run: run.run_id)
    runs.sort(key=lambda run: run.created_utc or "", reverse=True)
    return runs


def find_run(root: Path, id_or_path: str) -> Path:
    """Return the folder of a run, given its id in ``root`` or the path of the folder.

    Raises RunNotFoundError, with the ids that look alike.
    """
    names = {folder.name: folder for folder in _folders(root)}
    # By the names that are there, so that no text from outside is ever joined to the root.
    candidates = [names[id_or_path]] if id_or_path in names else [Path(id_or_path)]
    for folder in candidates:
        if (folder / RUN_FILE).is_file():
            return folder
    close = difflib.get_close_matches(id_or_path, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "name a folder that holds a run.json"
    raise RunNotFoundError(f"there is no run {id_or_path!r}", hint=hint)


def _folders(root: Path) -> list[Path]:
    try:
        entries = os.scandir(root)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"can not list {root.name}: {error.strerror}", code="storage.unreadable") from error
    with entries:
        return [Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_dir()]


def _summary(folder: Path) -> RunSummary:
    try:
        head = _read_head(folder / RUN_FILE)
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return RunSummary(run_id=folder.name, path=str(folder), problem=f"{RUN_FILE} can not be read: {reason}")
    mismatch = None if head.run_id == folder.name else f"{RUN_FILE} says that this is run {head.run_id}"
    return RunSummary(
        run_id=folder.name,
        path=str(folder),
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
        problem=mismatch,
    )


def _read_head(path: Path) -> _RunHead:
    with path.open("rb") as file:
        data = file.read(_MAX_RUN_FILE_BYTES + 1)
    if len(data) > _MAX_RUN_FILE_BYTES:
        raise msgspec.DecodeError(f"more than {_MAX_RUN_FILE_BYTES} bytes")
    return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_RunHead)
