"""Names from outside, checked before they reach the disk."""

from __future__ import annotations

import re

from flowtime.errors import UnsafeNameError

__all__ = ["safe_id", "safe_relative"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
# Windows opens the device for these whatever the suffix, so a run folder must not have them anywhere.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_MAX_PART_BYTES = 255


def safe_id(text: str, noun: str) -> str:
    """Return ``text`` if it may name a folder on every system; ``noun`` (``run id``) is for the message.

    Letters, digits, ``.``, ``_`` and ``-``, at most 128, starting with a letter or digit; no ``..``,
    no trailing dot, no Windows device name.  Raises UnsafeNameError.
    """
    if not _ID.fullmatch(text) or ".." in text or text.endswith(".") or _DEVICE.fullmatch(text):
        raise UnsafeNameError(
            f"{text!r} can not be a {noun}",
            hint="use 1 to 128 letters, digits, '.', '_' or '-', starting with a letter or digit, without '..'",
        )
    return text


def safe_relative(path: str) -> str:
    """Return ``path`` if it is a plain relative POSIX path below its folder, on every system.

    Raises UnsafeNameError for absolute paths, drives, ``.`` and ``..`` parts, empty parts, control
    characters, device names, and parts over 255 bytes or ending in a dot or space.
    """
    if not all(_is_safe_part(part) for part in path.split("/")):
        raise UnsafeNameError(f"{path!r} is not a safe relative path", hint="use names below the folder, split by '/'")
    return path


def _is_safe_part(part: str) -> bool:
    if not part or part.endswith((".", " ")) or _FORBIDDEN.search(part) or _DEVICE.fullmatch(part):
        return False
    try:
        return len(part.encode("utf-8")) <= _MAX_PART_BYTES
    except UnicodeEncodeError:  # lone surrogates have no bytes on disk
        return False
