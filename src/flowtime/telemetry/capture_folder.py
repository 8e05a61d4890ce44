"""The folder of a capture: which file a series goes to, and whether what is there may be replaced."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flowtime.errors import CaptureConflictError, TelemetryError
from flowtime.storage import sha256_bytes
from flowtime.telemetry.manifest import MANIFEST, read_manifest

__all__ = ["file_name", "may_replace"]

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_STEM: Final = 200
_KEPT_STEM: Final = 160


def may_replace(folder: Path, *, overwrite: bool) -> bool:
    """Say whether a capture is there that may go; False where nothing is there.

    Raises CaptureConflictError: ``telemetry.exists`` for a capture without ``overwrite``,
    ``telemetry.not_a_capture`` for anything else, which is never replaced.
    """
    if folder.is_symlink():
        raise _not_ours(folder, "it is a link")
    if not folder.exists():
        return False
    try:
        known = {file.path for file in read_manifest(folder).files} | {MANIFEST}
    except TelemetryError as error:
        raise _not_ours(folder, error.message) from error
    if not overwrite:
        raise CaptureConflictError(
            f"a capture {folder.name!r} is there already", hint="overwrite it, or choose another folder"
        )
    other = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if other:
        raise _not_ours(folder, f"beside the capture it holds {other[0]}")
    return True


def file_name(words: Sequence[str], taken: set[str]) -> str:
    """Return the name of a file for a subject, a metric and perhaps a class, and add it to ``taken``.

    No earlier file has it, also where the file system ignores case.
    """
    stem = _NOT_IN_FILE_NAMES.sub("_", "_".join(words))
    if len(stem) > _MAX_STEM:
        digest = sha256_bytes("\n".join(words).encode()).removeprefix("sha256:")
        stem = f"{stem[:_KEPT_STEM]}~{digest[:16]}"
    name, number = f"{stem}.csv", 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}~{number}.csv"
    taken.add(name.casefold())
    return name


def _not_ours(folder: Path, reason: str) -> CaptureConflictError:
    return CaptureConflictError(
        f"{folder.name!r} is there, and only a capture is ever replaced: {reason}",
        code="telemetry.not_a_capture",
        hint="choose another folder",
    )
