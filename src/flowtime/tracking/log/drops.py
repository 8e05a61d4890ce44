"""What a log could not take, counted by reason; safe to use from any thread and from signal handlers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

__all__ = ["Drops", "count_value"]


class Drops:
    """How many events were dropped, and why.

    ``tell``, if given, is called with the reason of each event dropped, outside all locks; what it raises goes to
    the caller of the log.
    """

    __slots__ = ("_counters", "_first", "tell")

    def __init__(self, tell: Callable[[str], object] | None) -> None:
        self.tell = tell
        self._counters: dict[str, count[int]] = {}
        self._first: str | None = None

    def add(self, reason: str) -> None:
        """Count one."""
        if self._first is None:
            self._first = reason
        # `setdefault` and `next` are one step each under the interpreter's lock.
        next(self._counters.setdefault(reason, count()))

    @property
    def total(self) -> int:
        """How many events were dropped."""
        return sum(map(count_value, self._counters.copy().values()))

    @property
    def reason(self) -> str | None:
        """Why the first of them was."""
        return self._first

    def by_reason(self) -> dict[str, int]:
        """Return how many were dropped for each reason."""
        return {reason: count_value(counter) for reason, counter in self._counters.copy().items()}


def count_value(counter: count[int]) -> int:
    """Return the number that a counter gives next, without taking it."""
    # Its text is the one way to look that does not change it: copying is gone as of Python 3.14.
    return int(repr(counter)[len("count(") : -1])
