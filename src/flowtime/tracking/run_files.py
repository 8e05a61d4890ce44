"""Where the files of a tracked run lie, and how its record is read and written."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowtime.errors import RunCorruptError, RunNotFoundError, StorageError
from flowtime.storage.atomic import write_atomic

if TYPE_CHECKING:
    from flowtime.tracking.records import PipelineRunRecord

__all__ = [
    "FLOW_LOG",
    "RunFiles",
    "has_flow_steps",
    "is_terminal",
    "is_tracked",
    "plain",
    "read_document",
    "read_record",
    "write_document",
]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
# Where a flow run keeps the log of its steps, below its folder.
FLOW_LOG = "tracking/flow-control-000001.seg"
_TERMINAL = frozenset({"completed", "failed", "cancelled", "preempted", "timeout", "killed", "lost"})


class RunFiles:
    """The paths of one run folder; nothing is made by asking for them."""

    __slots__ = (
        "folder",
        "live",
        "lock",
        "output",
        "owner",
        "profiles",
        "tracking",
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output.log"
        self.profiles = folder / "profiles"
        self.tracking = folder / "tracking"
        self.owner = self.tracking / "owner.json"
        self.lock = self.tracking / "lock"
        self.live = self.tracking / "live.bin"

    def profile(self, step_id: str) -> Path:
        """Return where the profile of a step lies; ids that can not be file names get one that tells them apart."""
        stem = _NOT_IN_NAMES.sub("_", step_id)[:100]
        mark = "" if stem == step_id else f"-{zlib.crc32(step_id.encode('utf-8', 'backslashreplace')):08x}"
        return self.profiles / f"{stem}{mark}.json"


def is_tracked(folder: Path) -> bool:
    """Say whether the folder is of a tracked run: it has a folder ``tracking`` and a run.json, and is no flow run."""
    if not os.path.isdir(folder / "tracking") or not os.path.isfile(folder / "run.json"):
        return False
    return not has_flow_steps(folder)


def has_flow_steps(folder: Path) -> bool:
    """Say whether the folder is of a flow run that holds the log of its steps (``flow_steps``)."""
    return os.path.isfile(folder / FLOW_LOG)


def is_terminal(status: str) -> bool:
    """Say whether a run of that status has ended for good (``lost`` counts: nobody writes it any more)."""
    return status in _TERMINAL


def read_document(folder: Path) -> dict[str, Any]:
    """Return run.json of a tracked run as plain JSON; raises RunNotFoundError, RunCorruptError or StorageError."""
    data = _read(folder)
    try:
        document = json.loads(data)
    except ValueError as error:
        raise RunCorruptError(f"run.json of {folder.name} is no JSON: {error}") from error
    if not isinstance(document, dict) or "runId" not in document:
        raise RunCorruptError(f"run.json of {folder.name} is no record of a run")
    return document


def read_record(folder: Path) -> PipelineRunRecord:
    """Return run.json of a tracked run as it is written, its status not judged anew.

    Raises RunNotFoundError where there is none, RunCorruptError where it is no such record, and StorageError where
    the disk refuses.
    """
    import msgspec

    from flowtime.tracking.records import PipelineRunRecord

    try:
        return msgspec.json.decode(_read(folder), type=PipelineRunRecord)
    except (msgspec.DecodeError, ValueError) as error:
        raise RunCorruptError(f"run.json of {folder.name} is no record of a tracked run: {error}") from error


def write_document(folder: Path, document: Mapping[str, Any], *, durability: str) -> None:
    """Write run.json whole, so that a reader sees the old one or the new one; raises StorageError."""
    data = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    write_atomic(folder / "run.json", data, durability="power" if durability == "power" else "process")


def plain(value: object) -> Any:
    """Return a value from the host as what JSON can hold: a number that is none becomes null, the rest text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        number = float(value)
        return number if number - number == 0.0 else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> Any:
    # NumPy's scalars are not floats but have `item`, which gives what Python knows.
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 0) == 0:
        found = item()
        return plain(found) if found is None or isinstance(found, str | bool | int | float) else str(found)
    return str(value)


def _read(folder: Path) -> bytes:
    try:
        return (folder / "run.json").read_bytes()
    except FileNotFoundError as error:
        raise RunNotFoundError(f"{folder.name} holds no run.json") from error
    except OSError as error:
        raise StorageError(f"can not read run.json of {folder.name}: {error.strerror}") from error
