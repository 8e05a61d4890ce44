"""A lock between processes: a file that one of them holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowtime.errors import StorageError

__all__ = ["locked"]


@contextmanager
def locked(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of the block; the system frees it when a process dies.

    Raises StorageError ``storage.locked`` when another holder keeps it for ``timeout_s`` seconds.
    """
    # Here, since filelock takes 40 ms to import and most commands never lock.
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=timeout_s, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"{path.name} is held by another process",
            code="storage.locked",
            hint="wait for the other command to end, then try again",
        ) from error
    except OSError as error:
        raise StorageError(f"can not lock {path.name}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
