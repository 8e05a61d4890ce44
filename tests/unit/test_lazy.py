"""Values that are made when somebody asks, and the garbage collector that waits meanwhile."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from flowtime.engine.collection import collector_paused
from flowtime.engine.lazy import Lazy


def test_a_value_is_made_once_and_only_if_asked_for() -> None:
    numbers = count()
    lazy = Lazy(lambda: next(numbers))
    assert next(numbers) == 0
    assert (lazy.value, lazy.value) == (1, 1)


def test_a_value_is_made_once_for_many_threads() -> None:
    numbers = count()
    begin = threading.Barrier(8)
    lazy = Lazy(lambda: next(numbers))

    def ask() -> int:
        begin.wait()
        return lazy.value

    with ThreadPoolExecutor(8) as pool:
        values = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
    assert values == [0] * 8


def test_what_fails_fails_each_time() -> None:
    lazy: Lazy[int] = Lazy(lambda: int("x"))
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            _ = lazy.value


@pytest.fixture
def _collector() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.usefixtures("_collector")
def test_the_collector_is_off_inside_and_on_again_after_it() -> None:
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.usefixtures("_collector")
def test_the_collector_is_on_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="wrong"), collector_paused():
        raise ValueError("wrong")
    assert gc.isenabled()


@pytest.mark.usefixtures("_collector")
def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    with collector_paused():
        pass
    assert not gc.isenabled()
