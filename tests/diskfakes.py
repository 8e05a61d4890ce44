"""A disk that counts, and one that fails: patches over ``os`` for tests of storage."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest


def count_calls(monkeypatch: pytest.MonkeyPatch, *names: str) -> Counter[str]:
    """Count the calls of functions of ``os`` from now on."""
    calls: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **keywords)

        return call

    for name in names:
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))
    return calls


def fill_disk_after(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let ``os.write`` take ``room`` bytes in all, in part if need be, then say that the disk is full."""
    write, left = os.write, [room]

    def limited(descriptor: int, data: Any) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(descriptor, data[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(os, "write", limited)


def fail(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Let a function of ``os`` fail with an error number."""

    def failing(*_arguments: Any, **_keywords: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, failing)
