"""Runs of this process, and what becomes of them in a process that is forked off: nothing that they could write."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Protocol

__all__ = ["Forkable", "ProcessRuns", "process_runs"]


_WAIT_S = 0.002
_MOST_WAITS = 500


class Forkable(Protocol):
    """What lets go of its run when the process turns out to be a child."""

    def abandon(self) -> None:
        """Forget the run: write nothing, close files, leave the wakeup pipe, restore signal handlers."""

    def heard(self, number: int) -> None:
        """Take note of a signal that waits for the main thread, from the keeper's thread."""


class ProcessRuns:
    """The runs that are open in this process, as ``open``, which is replaced and never changed.

    While there are any, signals wait during a fork: one that hit the child before it has let go of the parent's
    wakeup pipe would reach the parent's keeper, and mark the parent's run.  And one whose handler raises, as that of
    Ctrl-C does, would be lost: Python swallows what is raised in these hooks.  So it is sent again a moment later.
    """

    def __init__(self) -> None:
        self.open: tuple[Forkable, ...] = ()
        self._lock = threading.Lock()
        self._masks = threading.local()
        self._is_forking = False
        self._deferred: list[int] = []

    def add(self, run: Forkable) -> None:
        """Take in a run that was opened."""
        with self._lock:
            self.open = (*self.open, run)

    def remove(self, run: Forkable) -> None:
        """Forget a run that has ended."""
        with self._lock:
            self.open = tuple(item for item in self.open if item is not run)

    def defer(self, number: int) -> bool:
        """Say whether a signal comes amid a fork, so that its handler must not raise; then it is sent again."""
        if self._is_forking:
            self._deferred.append(number)
        return self._is_forking

    def before_fork(self) -> None:
        """Hold signals back on this thread."""
        if self.open:
            self._is_forking = True
            self._masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _watched())

    def after_in_parent(self) -> None:
        """Let signals through again."""
        self._unmask()
        self._is_forking = False
        numbers, self._deferred = self._deferred, []
        if numbers:
            _send_later(numbers)

    def after_in_child(self) -> None:
        """Let go of the parent's runs and handlers, then let signals through."""
        # The lock is new, since another thread of the parent may have held it.
        self._lock = threading.Lock()
        self._is_forking, self._deferred = False, []
        runs, self.open = self.open, ()
        for run in reversed(runs):
            run.abandon()
        # Last, as what comes from here on to the end of the hook is lost if its handler raises.
        numbers = _take_pending() if runs else []
        self._unmask()
        if numbers:
            _send_later(numbers)

    def _unmask(self) -> None:
        before = getattr(self._masks, "before", None)
        if before is not None:
            self._masks.before = None
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@cache
def process_runs() -> ProcessRuns:
    """Return the one list of this process; its hooks are set when it is first asked for, as they can not be unset."""
    runs = ProcessRuns()
    register: Callable[..., None] | None = getattr(os, "register_at_fork", None)
    if register is not None:
        register(before=runs.before_fork, after_in_parent=runs.after_in_parent, after_in_child=runs.after_in_child)
    return runs


def _take_pending() -> list[int]:
    """Take the signals that wait and have a handler, which may raise; those that just kill are left to do so."""
    numbers: list[int] = [number for number in signal.sigpending() & _watched() if callable(signal.getsignal(number))]
    for number in numbers:
        signal.sigwait({number})
    return numbers


def _send_later(numbers: list[int]) -> None:
    # Not by `threading`, whose start() waits: in the hooks nothing may take long.
    _thread.start_new_thread(_send_again, (numbers, threading.get_ident()))


def _send_again(numbers: list[int], thread_id: int) -> None:
    """Send signals once the thread that forked is out of the hooks."""
    hooks = {ProcessRuns.after_in_parent.__code__, ProcessRuns.after_in_child.__code__}
    for _ in range(_MOST_WAITS):
        time.sleep(_WAIT_S)
        frame = sys._current_frames().get(thread_id)
        while frame is not None and frame.f_code not in hooks:
            frame = frame.f_back
        if frame is None:
            break
    for number in numbers:
        os.kill(os.getpid(), number)


def _watched() -> set[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU", "SIGALRM")
    return {getattr(signal, name) for name in names if hasattr(signal, name)}
