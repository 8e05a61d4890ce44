"""The bus inside one process."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flowtime.events import EventBus


def failing(_kind: str, _payload: Any) -> None:
    raise ValueError("a subscriber's own fault")


def test_subscribers_get_their_kind_in_their_order() -> None:
    bus, seen = EventBus(), []
    bus.subscribe("step", lambda kind, payload: seen.append(("first", kind, payload)))
    bus.subscribe(None, lambda kind, payload: seen.append(("all", kind, payload)))
    bus.subscribe("sample", lambda kind, payload: seen.append(("sample", kind, payload)))
    bus.publish("step", 1)
    bus.publish("sample", 2)
    assert seen == [("first", "step", 1), ("all", "step", 1), ("all", "sample", 2), ("sample", "sample", 2)]


def test_a_subscriber_that_came_after_the_first_event_is_called() -> None:
    bus, seen = EventBus(), []
    bus.publish("step", 1)
    bus.subscribe("step", lambda _kind, payload: seen.append(payload))
    bus.publish("step", 2)
    assert seen == [2]


def test_unsubscribe_ends_it() -> None:
    bus, seen = EventBus(), []
    end = bus.subscribe(None, lambda _kind, payload: seen.append(payload))
    bus.publish("step", 1)
    end()
    end()
    bus.publish("step", 2)
    assert seen == [1]


def test_a_subscriber_may_leave_while_it_is_called() -> None:
    bus, seen = EventBus(), []
    ends = []

    def once(_kind: str, payload: Any) -> None:
        seen.append(payload)
        ends[0]()

    ends.append(bus.subscribe(None, once))
    bus.subscribe(None, lambda _kind, payload: seen.append(-payload))
    bus.publish("step", 1)
    bus.publish("step", 2)
    assert seen == [1, -1, -2]


def test_one_that_raises_hurts_nobody_and_is_dropped_after_three_errors(caplog: pytest.LogCaptureFixture) -> None:
    bus, seen = EventBus(), []
    bus.subscribe("step", failing)
    bus.subscribe("step", lambda _kind, payload: seen.append(payload))
    with caplog.at_level(logging.WARNING, logger="flowtime.events.bus"):
        for number in range(5):
            bus.publish("step", number)
    assert seen == [0, 1, 2, 3, 4]
    assert bus.errors == 3
    assert [record.getMessage() for record in caplog.records] == [
        'a subscriber was dropped after 3 errors: ValueError("a subscriber\'s own fault")'
    ]
