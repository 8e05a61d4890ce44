"""Which process made something, so that what a killed one left behind can be told from work in hand."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from flowtime.storage.hashing import sha256_bytes

if TYPE_CHECKING:
    import psutil

__all__ = ["is_gone", "owner_mark"]

_TICKS_PER_S = 100
# Windows reads its boot time off two clocks, so a start may come out a little different each time.
_TOLERANCE_TICKS = _TICKS_PER_S


def owner_mark() -> str:
    """Return ``<host>-<pid>-<start>`` of this process, fit for a file name.

    The start counts from boot in hundredths of a second: wall clock times move when the clock is set.
    """
    import psutil

    return f"{_host()}-{os.getpid()}-{_start_ticks(psutil.Process())}"


def is_gone(mark: str) -> bool:
    """Say whether the process of an ``owner_mark`` is known to have ended.

    A process of another host (a shared disk, another container) can not be judged from here, and
    counts as there; so does a mark that can not be read.
    """
    import psutil

    host, _, rest = mark.partition("-")
    pid, _, start = rest.partition("-")
    if host != _host() or not (pid.isdecimal() and start.isdecimal()):
        return False
    try:
        process = psutil.Process(int(pid))
        # The same pid with another start is a later process that was given the number again.
        return abs(_start_ticks(process) - int(start)) > _TOLERANCE_TICKS or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _host() -> str:
    return sha256_bytes(socket.gethostname().encode()).removeprefix("sha256:")[:6]


def _start_ticks(process: psutil.Process) -> int:
    import psutil

    return round((process.create_time() - psutil.boot_time()) * _TICKS_PER_S)
