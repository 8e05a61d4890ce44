"""A process that logs for ever and says after each call that it returned: started by tests, which then kill it.

    python tracked_log_child.py FOLDER THREADS

Every answer is eight bytes: the number of the thread, and how many of its calls have returned.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from pathlib import Path

from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.log_format import Kind

__all__ = ["ANSWER", "call_of"]

ANSWER = struct.Struct("<II")
_NOTE_EVERY = 50
_KEY_EVERY = 200


def call_of(thread: int, number: int) -> tuple[str, str, int]:
    """Return what call ``number`` of a thread does: log a note or a scalar, and of which name, and its value."""
    if number % _NOTE_EVERY == 0:
        return "note", f"t{thread}", number
    if number % _KEY_EVERY == 1:
        return "scalar", f"t{thread}-new{number}", number
    return "scalar", f"t{thread}", number


def work(log: EventLog, thread: int) -> None:
    """Log for ever."""
    number = 0
    while True:
        what, name, value = call_of(thread, number)
        if what == "note":
            log.append(Kind.NOTE, {"thread": name, "number": value})
        else:
            log.scalars(**{name: value})
        number += 1
        os.write(1, ANSWER.pack(thread, number))


if __name__ == "__main__":
    opened = EventLog(Path(sys.argv[1]), segment_bytes=64 << 10)
    for index in range(1, int(sys.argv[2])):
        threading.Thread(target=work, args=(opened, index), daemon=True).start()
    work(opened, 0)
