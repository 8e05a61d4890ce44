"""Whether the main thread is running Python or sits in C code, asked from another thread."""

from __future__ import annotations

import ctypes
import os
import threading

__all__ = ["MainThreadProbe", "is_computing", "set_default_action"]


class MainThreadProbe:
    """Leaves word with the interpreter, which the main thread takes as soon as it runs Python again.

    Signals are handled before that, so that a main thread which has answered has also called its signal handlers.
    """

    def __init__(self) -> None:
        self._answer = threading.Event()
        self._call = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self._answered)
        # For good: the interpreter holds a bare pointer, and may follow it long after whoever asked has gone.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        ctypes.pythonapi.Py_AddPendingCall(self._call, None)

    def answers_within(self, seconds: float) -> bool:
        """Wait for the answer at most so long; says whether there is one."""
        return self._answer.wait(seconds)

    def _answered(self, _nothing: object) -> int:
        self._answer.set()
        return 0


def is_computing() -> bool:
    """Say whether the main thread is on a processor or waits for one; False where the system does not tell."""
    # The main thread has the number of the process.
    pid = os.getpid()
    try:
        with open(f"/proc/self/task/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return False
    return text[text.rindex(b")") + 2 :].startswith(b"R")


def set_default_action(number: int) -> None:
    """Give a signal its default action, from any thread: `signal.signal` is for the main one only."""
    ctypes.CDLL(None).signal(number, 0)
