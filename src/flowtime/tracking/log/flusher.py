"""The thread that brings a log to the disk every so often, for the durabilities that promise it."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Flusher"]

_EVERY_S = 0.1


class Flusher:
    """Calls ``sync`` every 0.1 s from a thread of its own, from construction until ``stop``.

    ``error`` is what the last call ended with, None when it went well: the next one tries again.
    """

    def __init__(self, sync: Callable[[], None], *, every_s: float = _EVERY_S) -> None:
        self.error: OSError | None = None
        self._sync = sync
        self._every_s = every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flowtime-log-flusher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for a sync under way."""
        self._end.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def abandon(self) -> None:
        """Forget the thread, which a fork did not bring along."""
        self._end = threading.Event()

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            try:
                self._sync()
            except OSError as error:
                self.error = error
            else:
                self.error = None
