"""What goes wrong in the tracker stays in the tracker: counted, told once, and let out only in strict mode."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

from flowtime.errors import StorageError

__all__ = ["Guard"]


class Guard:
    """Wraps the tracker's own work, never the host's: ``with guard: ...`` swallows errors and counts them.

    ``dropped`` counts what was lost, ``reason`` says why the last one was, and ``error`` is the first.  The first is
    told once, through ``logging`` and not ``warnings``, which a host may have turned into errors.  KeyboardInterrupt
    and SystemExit pass.
    One guard may be used by many threads at once, and inside itself.
    """

    __slots__ = ("_is_told", "dropped", "error", "reason", "strict")

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.dropped = 0
        self.reason: str | None = None
        self.error: BaseException | None = None
        self._is_told = False

    def __enter__(self) -> None:
        """Begin work that may fail."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Take an error in, unless it is none of ours or the guard is strict."""
        if error is None or self.strict or not isinstance(error, Exception):
            return False
        self.failed(error)
        return True

    def failed(self, error: BaseException) -> None:
        """Count an error that was dealt with; tell of the first."""
        self.error = self.error or error
        self._count(f"{type(error).__name__}: {error}"[:500])

    def lost(self, reason: str) -> None:
        """Count an event that the log could not take; in strict mode raises StorageError."""
        self._count(reason)
        if self.strict:
            raise StorageError(f"an event was dropped: {reason}", code="storage.dropped")

    def _count(self, reason: str) -> None:
        self.dropped += 1
        self.reason = reason
        if not self._is_told:
            self._is_told = True
            self.tell(f"the run tracker goes on without what it could not record: {self.reason}")

    def tell(self, text: str) -> None:
        """Log a warning."""
        # Here, since `logging` takes as long to import as the whole tracker.
        import logging

        # A handler of the host may raise, and must not do so from in here.
        with suppress(Exception):
            logging.getLogger("flowtime.tracking").warning(text)
