"""One daemon thread a run: its heartbeat, what it checks now and then, and signals that the main thread can not take.

Nothing here may touch the host: what fails is counted and the next round goes on.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol

from flowtime.tracking.clock import Clock
from flowtime.tracking.ends import Ends
from flowtime.tracking.forks import process_runs
from flowtime.tracking.guard import Guard

__all__ = ["BEAT_S", "ClockWatch", "Keeper", "Kept"]

BEAT_S = 1.0
_NS = 1_000_000_000
_JUMP_S = 1.0
_POLL_MS = 1000


class Kept(Protocol):
    """What the keeper looks after."""

    def beat(self) -> None:
        """Write the heartbeat and what has become of progress."""

    def sample(self) -> float:
        """Sample the machine; returns the seconds until the next sample."""

    def tidy(self) -> None:
        """Do what can wait: called every minute."""


class ClockWatch:
    """Notices that the wall clock was set, or that the machine slept: it left the monotonic one by over a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()

    def jump_s(self) -> float | None:
        """Return by how many seconds the wall clock has jumped since the last jump; None if it has not."""
        offset_ns = self._clock.wall_ns() - self._clock.monotonic_ns()
        jump_s = (offset_ns - self._offset_ns) / _NS
        if abs(jump_s) < _JUMP_S:
            return None
        self._offset_ns = offset_ns
        return jump_s


class Keeper:
    """The thread; ``stop`` ends it, and it dies with the process."""

    def __init__(self, kept: Kept, ends: Ends, guard: Guard, clock: Clock, *, sample: bool) -> None:
        self._kept = kept
        self._ends = ends
        self._guard = guard
        self._monotonic_ns = clock.monotonic_ns
        self._is_stopped = False
        self._event = threading.Event()
        never = float("inf")
        now_s = self._now_s()
        self._due: dict[str, float] = {"beat": now_s, "sample": now_s if sample else never, "tidy": now_s + 60.0}
        self._thread = threading.Thread(target=self._run, name="flowtime-keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ask it to end and wait for that at most so long; says whether it has ended."""
        self._is_stopped = True
        self._event.set()
        self._ends.wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._is_stopped:
            with self._guard:
                self._round()
            self._wait(max(0.0, min(self._due.values()) - self._now_s()))

    def _round(self) -> None:
        """Do what is due; what fails is due again at its next time."""
        now_s = self._now_s()
        if now_s >= self._due["beat"]:
            self._due["beat"] = now_s + BEAT_S
            self._kept.beat()
        if now_s >= self._due["sample"]:
            self._due["sample"] = now_s + BEAT_S
            self._due["sample"] = now_s + self._kept.sample()
        if now_s >= self._due["tidy"]:
            self._due["tidy"] = now_s + 60.0
            self._kept.tidy()

    def _wait(self, seconds: float) -> None:
        """Sleep, but wake for signals that reach the wakeup pipe."""
        descriptor = self._ends.wake_fd
        if descriptor is None:
            self._event.wait(min(seconds, BEAT_S))
            return
        import select

        with self._guard:
            poll: Any = select.poll()
            poll.register(descriptor, select.POLLIN)
            if poll.poll(min(seconds * 1000 + 1, _POLL_MS)) and not self._is_stopped:
                self._hear(os.read(descriptor, 64))

    def _hear(self, numbers: bytes) -> None:
        """Take note of signals that bytes of the wakeup pipe name (0 is none) and that the main thread can not take."""
        for number in sorted(set(numbers) - {0}):
            if self._ends.is_missed(number):
                for run in process_runs().open:
                    run.heard(number)
                self._ends.take_default(number)

    def _now_s(self) -> float:
        return self._monotonic_ns() / _NS
