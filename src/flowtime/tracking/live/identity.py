"""Who writes a run: names that nobody else takes, a lock that dies with its holder, and the mark of its process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from flowtime.errors import RunConflictError, StorageError
from flowtime.storage.atomic import disk_error, write_atomic
from flowtime.storage.names import safe_id
from flowtime.tracking.run_files import RunFiles

__all__ = [
    "Owner",
    "RunLock",
    "claim_folder",
    "is_held",
    "new_run_id",
    "process_ticks",
    "read_owner",
    "take_lock",
    "this_owner",
    "write_owner",
]

# Crockford's: no letter that looks like a digit; in this order texts sort as the numbers do.
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_LETTERS = 10
_CHANCE_LETTERS = 15
_MAX_TRIES = 8
_STATE_FIELD = 0
_START_FIELD = 19


class Owner(NamedTuple):
    """The process that writes a run; with its start and its boot no later process can be taken for it.

    ``start_ticks`` counts from boot in the system's ticks; ``pid_namespace`` is None outside Linux.
    """

    pid: int
    start_ticks: int | None
    boot_id: str | None
    host: str
    pid_namespace: str | None
    created_utc: str


def new_run_id(wall_ns: int, entropy: bytes) -> str:
    """Return ``r`` + 10 letters of time in milliseconds + 15 of chance: 26, sorted as text by when they began.

    ``entropy`` is ten random bytes.
    """
    chance = int.from_bytes(entropy[:10], "big") >> 5
    return "r" + _letters(wall_ns // 1_000_000, _TIME_LETTERS) + _letters(chance, _CHANCE_LETTERS)


def claim_folder(root: Path, run_id: str | None, wall_ns: Callable[[], int]) -> Path:
    """Make the folder of a new run, which is then ours alone, and return it; without ``run_id`` it gets a new one.

    Raises UnsafeNameError, RunConflictError where a run of that id is there already, and StorageError where the
    root can not be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # Here, as a file in place of the root is no run that is there already.
        raise disk_error(error, root) from error
    try:
        if run_id is not None:
            return _claim(root / safe_id(run_id, "run id"))
        for _ in range(_MAX_TRIES):
            folder = root / new_run_id(wall_ns(), os.urandom(10))
            if not folder.exists():
                return _claim(folder)
    except FileExistsError as error:
        raise RunConflictError(
            f"there is a run {run_id} already", hint="give another run id, or resume=True to go on with it"
        ) from error
    except OSError as error:
        raise disk_error(error, root) from error
    raise StorageError(f"no free run id in {root.name}")


def take_lock(path: Path) -> int | None:
    """Take the lock of a run and return its descriptor; None where another process holds it.

    The system frees it when the process ends, however that happens.  Raises StorageError where the file can not be
    made.  On a file system without locks the descriptor holds nothing, and identity rests on the owner's mark.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        raise disk_error(error, path) from error
    if _lock_now(descriptor):
        return descriptor
    os.close(descriptor)
    return None


class RunLock:
    """The lock of a run, held until it is released, or dropped in a child that was forked off; both once only."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go of it, also where a process that was just forked off has not closed its copy yet."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if sys.platform != "win32":
            import fcntl

            # A file system without locks has none to give back.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def drop(self) -> None:
        """Close this process's copy and leave the lock to the one that it was forked off."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def is_held(path: Path) -> bool | None:
    """Say whether some process of this machine holds the lock; None where that can not be told."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        return not _lock_now(descriptor)
    finally:
        os.close(descriptor)


def this_owner(created_utc: str) -> Owner:
    """Return the mark of this process."""
    pid = os.getpid()
    found = process_ticks(pid)
    return Owner(
        pid=pid,
        start_ticks=None if found is None else found[1],
        boot_id=boot_id(),
        host=host_name(),
        pid_namespace=pid_namespace(),
        created_utc=created_utc,
    )


def write_owner(files: RunFiles, owner: Owner) -> None:
    """Write owner.json whole; raises StorageError."""
    document = {
        "pid": owner.pid,
        "startTicks": owner.start_ticks,
        "bootId": owner.boot_id,
        "host": owner.host,
        "pidNamespace": owner.pid_namespace,
        "createdUtc": owner.created_utc,
    }
    write_atomic(files.owner, json.dumps(document).encode(), durability="process")


def read_owner(files: RunFiles) -> Owner | None:
    """Return who wrote the run last; None where that is missing or makes no sense."""
    try:
        document: Any = json.loads(files.owner.read_bytes())
        return Owner(
            pid=int(document["pid"]),
            start_ticks=document["startTicks"],
            boot_id=document["bootId"],
            host=str(document["host"]),
            pid_namespace=document["pidNamespace"],
            created_utc=str(document["createdUtc"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def process_ticks(pid: int) -> tuple[bool, int] | None:
    """Return whether a process is a zombie, and its start in ticks since boot; None where there is none."""
    if sys.platform != "linux":
        return _ticks_elsewhere(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name may hold blanks and brackets, so count from the last one.
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[_STATE_FIELD] in (b"Z", b"X"), int(fields[_START_FIELD])


def boot_id() -> str | None:
    """Return what tells this boot of this machine from every other, or None."""
    if sys.platform != "linux":
        import psutil

        # To the minute: outside Linux the boot time is read off a clock that is being set.
        return f"boot-{round(psutil.boot_time() / 60)}"
    return _text_of("/proc/sys/kernel/random/boot_id")


def pid_namespace() -> str | None:
    """Return the name of the space in which this process's pid counts, or None where there are no such spaces."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def host_name() -> str:
    """Return the name of this host."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def _claim(folder: Path) -> Path:
    # mkdir is the one call that makes exactly one of many processes the owner.
    os.mkdir(folder)
    return folder


def _lock_now(descriptor: int) -> bool:
    """Take the lock without waiting; True as well where the file system knows no locks."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _ticks_elsewhere(pid: int) -> tuple[bool, int] | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE, round(process.create_time() * 100)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return False, 0


def _letters(number: int, count: int) -> str:
    return "".join(_BASE32[number >> 5 * place & 31] for place in reversed(range(count)))


def _text_of(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None
