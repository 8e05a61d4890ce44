"""A bus inside one process: who is interested is called at once, and can not hurt who publishes."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, TypeAlias

__all__ = ["EventBus", "Subscriber"]

Subscriber: TypeAlias = Callable[[str, Any], None]

_MAX_ERRORS = 3


class _Subscription:
    """One subscriber, the kind that it wants (None: all), and how often it has raised."""

    __slots__ = ("call", "errors", "kind")

    def __init__(self, kind: str | None, call: Subscriber) -> None:
        self.kind = kind
        self.call = call
        self.errors = 0


class EventBus:
    """Calls subscribers in the order in which they came, on the thread that publishes.

    ``publish`` never raises and takes no lock: the lists of subscribers are replaced, never changed.  A subscriber
    that raises is counted in ``errors``; after three errors it is dropped, and a warning is logged.
    """

    def __init__(self) -> None:
        self.errors = 0
        self._lock = RLock()
        self._all: tuple[_Subscription, ...] = ()
        # Kind -> who wants it, those of all kinds among them; filled when a kind is first published.
        self._routes: dict[str, tuple[_Subscription, ...]] = {}

    def subscribe(self, kind: str | None, call: Subscriber) -> Callable[[], None]:
        """Call ``call(kind, payload)`` at each event of ``kind`` (None: of any); returns what ends that."""
        subscription = _Subscription(kind, call)
        with self._lock:
            self._all = (*self._all, subscription)
            self._routes = {}
        return lambda: self._remove(subscription)

    def publish(self, kind: str, payload: Any) -> None:
        """Hand an event to those who want it; an error of theirs stays here."""
        routes = self._routes
        found = routes.get(kind)
        if found is None:
            found = routes[kind] = tuple(item for item in self._all if item.kind is None or item.kind == kind)
        for item in found:
            try:
                item.call(kind, payload)
            except Exception as error:
                self._failed(item, error)

    def _failed(self, item: _Subscription, error: Exception) -> None:
        self.errors += 1
        item.errors += 1
        if item.errors >= _MAX_ERRORS:
            self._remove(item)
            # Here, since `logging` takes as long to import as all of the tracker.
            import logging

            logging.getLogger(__name__).warning("a subscriber was dropped after %d errors: %r", item.errors, error)

    def _remove(self, subscription: _Subscription) -> None:
        with self._lock:
            self._all = tuple(item for item in self._all if item is not subscription)
            self._routes = {}
