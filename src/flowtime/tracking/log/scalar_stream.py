"""The stream of scalars being written: forty bytes a number, no lock, no system call.

A call takes a slot by ``next`` of a counter, which is one step under the interpreter's lock, and writes all forty
bytes by one ``pack_into``.  So a thread, or a signal handler, may log at any instant of another call.  What is not
usual (a new name, a value that is no number, a page that is full) goes through one lock and a queue.

Slots come in pages.  A page begins with the last value of every key before it (CARRY records, the last of them
flagged), so that a reader knows the last values from one page, however long the log is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from flowtime.tracking.log.drops import Drops, count_value
from flowtime.tracking.log.log_format import (
    FIXED,
    HEADER_BYTES,
    SCALAR_BODY,
    SCALAR_BYTES,
    Kind,
    Mark,
)
from flowtime.tracking.log.scalar_slots import BODY_AT, CARRY_END, count_kind, last_slots
from flowtime.tracking.log.segment import Segment, Shelf, sync_sealed

__all__ = ["Resumed", "ScalarStream"]

PAGE_SLOTS = 4096
_LEAST_SLOTS = 64
_MAX_KEY_LETTERS = 500
_MAX_ROW = 0xFFFFFFFF
_CLOSED = "the log is closed"


class Resumed(NamedTuple):
    """What an earlier session left: ``last`` holds key -> (monotonic ns of this session, row, value)."""

    next_sequence: int = 1
    records: int = 0
    keys: Mapping[str, int] = {}
    last: Mapping[int, tuple[int, int, float]] = {}
    next_row: int = 0


class _Page(NamedTuple):
    """Slots under way: slot ``n`` lies at ``base + 40 * n`` of ``view``; ``take`` gives the next ``n``."""

    view: memoryview
    base: int
    take: Callable[[], int]
    row: Callable[[], int]


class _Spot(NamedTuple):
    """Where the page under way lies: one value, so that an interrupt finds the old state or the new one.

    ``first`` is the sequence of its first slot, ``counter`` gives its slots, ``carries`` of them are no events;
    ``events`` is how many there were before the page, ``earlier`` how many of those before the segment.
    """

    segment: Segment | None
    page: _Page
    first: int
    end: int
    counter: count[int]
    carries: int
    events: int
    earlier: int
    voids: count[int]


class _Item:
    """One scalar on its way through the queue; ``view`` and ``slot`` are set once it has a slot."""

    __slots__ = ("at", "base", "name", "number", "row", "slot", "view")

    def __init__(self, name: str, number: float | None, at: int, row: int) -> None:
        self.name = name
        self.number = number
        self.at = at
        self.row = row
        self.slot = 0
        self.base = 0
        self.view: memoryview | None = None


_NO_VIEW = memoryview(b"")


class ScalarStream:
    """The segments of the scalars of one writer.

    ``log(**values)`` is the call; it stays the same object for the life of the stream.  ``register(name, key)``
    writes the name of a new key and returns why it could not, or nothing.
    """

    def __init__(self, shelf: Shelf, drops: Drops, register: Callable[[str, int], str], resumed: Resumed) -> None:
        self._shelf = shelf
        self._drops = drops
        self._register = register
        self._keys = dict(resumed.keys)
        self._next_key = max(self._keys.values(), default=0) + 1
        self._last = {
            key: SCALAR_BODY.pack(0, 0, 0, 0, at, key, row, value)[BODY_AT - 4 :]
            for key, (at, row, value) in resumed.last.items()
        }
        self._rows = count(resumed.next_row)
        self._queue: deque[_Item] = deque()
        self._lock = threading.RLock()
        self._is_busy = False
        self._is_closed = False
        self._why = ""
        self._is_abandoned = False
        self._sealed: deque[Path] = deque()
        self._spot = self._no_page(resumed.next_sequence, resumed.records, resumed.records)
        self.log, self._turn = self._make_log()

    @property
    def records(self) -> int:
        """How many scalars the stream holds, those of earlier sessions too."""
        spot = self._spot
        return spot.events + self._taken(spot) - spot.carries - count_value(spot.voids)

    def sync(self) -> None:
        """Bring all that was written to the disk; lets OSError through."""
        segment = self._spot.segment
        if segment is not None:
            segment.sync()
        sync_sealed(self._sealed)

    def close(self) -> None:
        """Seal what is open; later scalars are dropped.  Does nothing inside a call that it interrupted."""
        with self._lock:
            if self._is_busy:
                return
            self._is_closed = True
            spot = self._spot
            self._turn(self._no_page(spot.first, 0, 0).page)
            if spot.segment is None:
                return
            # From here on who has a slot and has not written it yet fails, and drops it: the file may be cut.
            spot.page.view.release()
            end = spot.first + self._taken(spot)
            used = HEADER_BYTES + (end - spot.segment.header.first_sequence) * SCALAR_BYTES
            events = count_kind(spot.segment.view[HEADER_BYTES:used], Kind.SCALAR)
            spot.segment.seal(Mark(True, events, used, self._shelf.clock.wall_ns()))
            self._sealed.append(spot.segment.path)
            self._spot = self._no_page(end, spot.earlier + events, spot.earlier + events)
            spot.segment.unmap()

    def abandon(self) -> None:
        """Forget all without writing, as a forked child must; takes no lock, since its holder was not forked."""
        self._is_abandoned = True
        self._lock = threading.RLock()
        self._queue = deque()
        self._is_busy = False
        spot = self._spot
        self._spot = self._no_page(spot.first, self.records, spot.earlier)
        self._turn(self._spot.page)

    def _make_log(self) -> tuple[Callable[..., None], Callable[[_Page], None]]:
        """Return the call that logs, and the one that gives it another page.

        The page is one cell of the closure, read once a call: whoever keeps ``log`` keeps up with the pages.
        """
        page = self._spot.page
        now = self._shelf.clock.monotonic_ns
        find = self._keys.__getitem__
        pack = SCALAR_BODY.pack
        write = FIXED.pack_into
        slow = self._slow

        def log(**values: Any) -> None:
            view, base, take, next_row = page
            row = next_row()
            at = now()
            name, slot = "", 0
            try:
                for name in values:
                    slot = take()
                    body = pack(40, 1, 0, slot, at, find(name), row, values[name])
                    write(view, base + slot * 40, crc32(body), body)
            except Exception:  # whatever a value does when it is asked for its number, the host must not notice
                slow(values, name, slot, view, base, at, row)

        def turn(other: _Page) -> None:
            nonlocal page
            page = other

        return log, turn

    def _slow(
        self, values: Mapping[str, Any], name: str, slot: int, view: memoryview, base: int, at: int, row: int
    ) -> None:
        """Log ``values`` from ``name`` on, the first of them in ``slot`` where that is one of its page."""
        if self._is_abandoned:
            return
        reasons: list[str] = []
        items = self._items(values, name, at, row, reasons)
        if items and 0 <= base + slot * SCALAR_BYTES <= len_of(view) - SCALAR_BYTES:
            items[0].view, items[0].base, items[0].slot = view, base, slot
        try:
            self._log_items(items, reasons)
        except Exception as error:  # safe mode: a defect of ours is counted, never raised into the host
            reasons.append(f"{type(error).__name__}: {error}")
        for reason in reasons:
            self._drops.add(reason)
        if reasons and self._drops.tell is not None:
            for reason in reasons:
                self._drops.tell(reason)

    def _items(self, values: Mapping[str, Any], name: str, at: int, row: int, reasons: list[str]) -> list[_Item]:
        """Return the scalars from ``name`` on; what is no number has none, and its reason is told."""
        items = []
        for key in list(values)[list(values).index(name) :]:
            number, reason = _number(values[key])
            if len(key) > _MAX_KEY_LETTERS:
                number, reason = None, f"a name of {len(key)} characters is over {_MAX_KEY_LETTERS}"
            if reason:
                reasons.append(reason)
            items.append(_Item(key, number, at, row & _MAX_ROW))
        return items

    def _log_items(self, items: list[_Item], reasons: list[str]) -> None:
        with self._lock:
            self._queue.extend(items)
            if self._is_busy:  # a signal came in below us: the frame there writes them
                return
            self._is_busy = True
            try:
                while self._queue:
                    self._log_item(self._queue[0], reasons)
                    self._queue.popleft()
            finally:
                self._is_busy = False

    def _log_item(self, item: _Item, reasons: list[str]) -> None:
        """Write one scalar; done twice, as after an interrupt, it writes the same bytes to the same slot."""
        key = self._key(item.name) if item.number is not None else 0
        if item.view is None and item.number is not None and (not key or not self._give_slot(item)):
            reasons.append(_CLOSED if self._is_closed else self._why)
            return
        if item.view is None:
            return
        kind = Kind.SCALAR if key else Kind.VOID
        number = 0.0 if item.number is None else item.number
        body = SCALAR_BODY.pack(SCALAR_BYTES, kind, 0, item.slot, item.at, key, item.row, number)
        try:
            FIXED.pack_into(item.view, item.base + item.slot * SCALAR_BYTES, crc32(body), body)
        except ValueError:  # the log was closed meanwhile and the view released
            reasons.append(_CLOSED)
            return
        if kind == Kind.VOID:
            next(self._spot.voids)
            if item.number is not None:
                reasons.append(self._why)

    def _key(self, name: str) -> int:
        """Return the key of a name, 0 where it is new and its name can not be written."""
        key = self._keys.get(name)
        if key is None:
            self._why = self._register(name, self._next_key)
            if self._why:
                return 0
            # The name is in the log before the first value is; only now may the hot path find it.
            self._keys[name] = key = self._next_key
            self._next_key += 1
        return key

    def _give_slot(self, item: _Item) -> bool:
        """Take a slot for ``item``, of a new page where need be; False when there is no room."""
        while not self._is_closed:
            spot = self._spot
            if spot.segment is not None:
                slot = next(spot.counter)
                if slot < spot.end:
                    # Again, as an interrupt may have come between the page and its turn.
                    self._turn(spot.page)
                    item.slot, item.base, item.view = slot, spot.page.base, spot.page.view
                    return True
            # Other threads may have filled the page that this one began, so it may take more than one.
            if not self._next_page():
                self._why = self._shelf.reason
                break
        return False

    def _next_page(self) -> bool:
        """Begin a page after the one that is full, in a new segment where need be; False when there is no room."""
        spot = self._spot
        segment, first = spot.segment, spot.end
        events, earlier = spot.events, spot.earlier
        if segment is not None:
            view = spot.page.view
            for key, index in last_slots(view).items():
                at = index * SCALAR_BYTES + BODY_AT
                self._last[key] = bytes(view[at : at + SCALAR_BYTES - BODY_AT])
            events += spot.end - spot.first - spot.carries - count_value(spot.voids)
            if self._room(segment, first) < max(len(self._last) + 1, _LEAST_SLOTS):
                segment = None
        else:
            events -= count_value(spot.voids)
        if segment is None:
            least = max(4 * len(self._last), _LEAST_SLOTS) * SCALAR_BYTES
            segment = self._shelf.take(first, least_bytes=least, record_bytes=SCALAR_BYTES)
            if segment is None:
                return self._fall_dry(spot, events)
            earlier = events
        if not self._begin(segment, first, events, earlier):
            if segment is not spot.segment:
                segment.discard()
            return self._fall_dry(spot, events)
        if spot.segment is not None and spot.segment is not segment:
            self._retire(spot.segment, spot.end, events - spot.earlier)
        return True

    def _begin(self, segment: Segment, first: int, events: int, earlier: int) -> bool:
        """Make a page of ``segment`` from the slot ``first`` on the one under way."""
        wanted = max(PAGE_SLOTS, 4 * len(self._last))
        room = self._room(segment, first)
        slots = room if room < wanted * 3 // 2 else wanted
        start = HEADER_BYTES + (first - segment.header.first_sequence) * SCALAR_BYTES
        end = start + slots * SCALAR_BYTES
        try:
            segment.populate(start, end)
        except OSError as error:
            self._shelf.refuse(error.strerror or str(error))
            return False
        view = segment.view[start:end]
        base = -first * SCALAR_BYTES
        carries = self._carry(view, first) if len(self._last) < slots // 2 else 0
        counter = count(first + carries)
        page = _Page(view, base, counter.__next__, self._fresh_rows().__next__)
        self._spot = _Spot(segment, page, first, first + slots, counter, carries, events, earlier, count())
        self._turn(page)
        # What lies before the page is counted here, so that readers count the page only.
        segment.write_mark(Mark(False, events - earlier, start, self._shelf.clock.wall_ns()))
        return True

    def _carry(self, view: memoryview, first: int) -> int:
        """Write the last value of every key to the first slots of a page; the flag on the last says they are all."""
        final = len(self._last) - 1
        for index, last in enumerate(self._last.values()):
            flags = CARRY_END if index == final else 0
            head = SCALAR_BODY.pack(SCALAR_BYTES, Kind.CARRY, flags, first + index, 0, 0, 0, 0.0)[: BODY_AT - 4]
            body = head + last
            FIXED.pack_into(view, index * SCALAR_BYTES, crc32(body), body)
        return final + 1

    def _fall_dry(self, spot: _Spot, events: int) -> bool:
        """Have no page: what comes is dropped until there is room again."""
        if spot.segment is not None:
            self._retire(spot.segment, spot.end, events - spot.earlier)
        self._spot = self._no_page(spot.end, events, events)
        self._turn(self._spot.page)
        return False

    def _retire(self, segment: Segment, end: int, events: int) -> None:
        """Seal a segment that is full; its mapping goes when no thread is about to write to it any more."""
        used = HEADER_BYTES + (end - segment.header.first_sequence) * SCALAR_BYTES
        segment.seal(Mark(True, events, used, self._shelf.clock.wall_ns()))
        self._sealed.append(segment.path)

    def _room(self, segment: Segment, first: int) -> int:
        """Return how many slots there are in ``segment`` from the slot ``first`` on."""
        return (segment.size - HEADER_BYTES) // SCALAR_BYTES - (first - segment.header.first_sequence)

    def _taken(self, spot: _Spot) -> int:
        """Return how many slots of the page are taken, those of carried values too."""
        return min(count_value(spot.counter), spot.end) - spot.first

    def _fresh_rows(self) -> count[int]:
        """Return the counter of rows; begun anew when the next number would not fit its field."""
        if count_value(self._rows) > _MAX_ROW - (PAGE_SLOTS << 8):
            self._rows = count()
        return self._rows

    def _no_page(self, first: int, events: int, earlier: int) -> _Spot:
        """Return a place without a segment: a page that takes nothing, so that each call goes the slow way."""
        counter = count(first)
        page = _Page(_NO_VIEW, 0, count().__next__, self._rows.__next__)
        return _Spot(None, page, first, first, counter, 0, events, earlier, count())


def len_of(view: memoryview) -> int:
    """Return the length of a view, 0 of one that was released."""
    try:
        return len(view)
    except ValueError:
        return 0


def _number(value: Any) -> tuple[float | None, str]:
    """Return a value as a float, or None and why it is none."""
    if isinstance(value, str | bytes):  # float("1") would be one
        return None, f"a {type(value).__name__} is no number"
    try:
        return float(value), ""
    except OverflowError:
        return None, "an integer too large for a float"
    except Exception as error:  # a value may be of any class, and its conversion raise anything
        if isinstance(error, TypeError | ValueError):
            return None, f"a {type(value).__name__} is no number"
        return None, f"a {type(value).__name__} would not become a number: {type(error).__name__}"
