"""One file, written whole or not at all."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowtime.errors import StorageError

if TYPE_CHECKING:
    from flowtime.settings import Durability

__all__ = ["disk_error", "sync_file", "sync_folder", "write_atomic", "write_chunks"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# O_BINARY exists on Windows only, where its absence would turn LF into CRLF.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_atomic(path: Path, data: bytes | memoryview, *, durability: Durability) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the new one, never a part.

    A temporary file beside it is written and renamed.  ``power`` costs exactly two fsyncs, of the
    file and of its folder; ``process`` none.  Raises StorageError (``storage.full`` when the disk is)
    and then leaves the old file as it was, and no temporary one.
    """
    # In the same folder, since a rename is atomic only within one file system.
    temporary = path.with_name(f".{path.name[:128]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        write_chunks(temporary, (data,), durability=durability)
        os.replace(temporary, path)
        sync_folder(path.parent, durability=durability)
    except OSError as error:
        with suppress(OSError):  # the first error is the one to report
            temporary.unlink(missing_ok=True)
        raise disk_error(error, path) from error


def write_chunks(path: Path, chunks: Iterable[bytes | memoryview], *, durability: Durability) -> int:
    """Write pieces to a new file and return its size in bytes; lets OSError through.

    The file must not exist.  With ``power`` its bytes are on the disk at return, its name only
    after ``sync_folder``.
    """
    descriptor = os.open(path, _CREATE, 0o666)
    size = 0
    try:
        for chunk in chunks:
            size += _write_all(descriptor, memoryview(chunk))
        if durability == "power":
            _sync(descriptor)
    finally:
        os.close(descriptor)
    return size


def sync_file(path: Path) -> None:
    """Bring the bytes of a file to the disk; lets OSError through."""
    # For writing, since Windows refuses to flush what was opened for reading.
    descriptor = os.open(path, os.O_RDWR)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path, *, durability: Durability) -> None:
    """Make the names in a folder survive a power cut; nothing with ``process``, or on Windows, which can not."""
    if durability == "process" or os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(error: OSError, path: Path) -> StorageError:
    """Translate what the system said about ``path``; the name alone, as absolute paths are not ours to show."""
    text = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageError(f"no room to write {path.name}: {text}", code="storage.full", hint="free space on the disk")
    return StorageError(f"can not write {path.name}: {text}", code="storage.failed")


def _write_all(descriptor: int, view: memoryview) -> int:
    """Write all of ``view``: one call may take less, on a full disk or beyond 2 GiB."""
    done = 0
    while done < len(view):
        done += os.write(descriptor, view[done:])
    return done


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        # fsync on macOS stops at the drive's cache; only this reaches the medium.
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)
