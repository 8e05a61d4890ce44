"""How a run learns that it is being ended: by a signal, by an exception, by the end of the program.

A handler sets a flag and marks the live page: no lock, no file, no log.  Then it hands on to the handler that was
there before, or takes the default action, so that the host ends (or does not) as it would without a tracker.  While
the main thread is inside C code no Python handler runs; the wakeup pipe tells the keeper's thread of the signal then,
and a signal that would have killed the host at once does so a moment later.
What the host installs later, and does not hand on, hides the signal: then the run ends as the host's block does.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtime.tracking.forks import process_runs

if TYPE_CHECKING:
    from flowtime.tracking.main_thread import MainThreadProbe

__all__ = ["SHELL_BASE", "Ends", "Seen", "Verdict", "host_verdict", "signal_name"]

# Always: these mean an end, whoever else listens.
_ENDING = {"SIGINT": "cancelled", "SIGTERM": "preempted", "SIGHUP": "cancelled", "SIGBREAK": "cancelled"}
# Only where nobody listens, so that they kill: hosts use them for reports, checkpoints and their own time-outs.
_KILLING = {"SIGUSR1": "preempted", "SIGXCPU": "timeout", "SIGALRM": "timeout"}

# What a shell says of a process that a signal ended: this and the signal's number.
SHELL_BASE = 128

# How the keeper finds out that a signal has not reached its handler: looks, then a question, then some patience.
_LOOKS = 5
_LOOK_S = 0.002
_ANSWER_S = 0.005
_RECENTLY_S = 0.5
_PATIENCE, _PATIENCE_S = 10, 0.1


class Seen(NamedTuple):
    """A signal that ends the run: its name and number, and the status that it gives."""

    name: str
    number: int
    status: str


class Verdict(NamedTuple):
    """What an exception, or none, that left the host's block makes of the run."""

    status: str
    exit_code: int | None
    error: str | None
    traceback: str | None


class Ends:
    """The signal handlers of one run; installed and removed on the main thread, elsewhere not at all."""

    def __init__(self, mark: Callable[[Seen, bool], None]) -> None:
        """``mark(seen, is_final)`` is called at the first signal from its handler, and before that perhaps from the
        keeper, when it is not final; it must be quick."""
        self.seen: Seen | None = None
        self.is_installed = False
        self._mark = mark
        self._pid = os.getpid()
        self._is_open = True
        self._is_holding = False
        self._held: list[int] = []
        self._reached: dict[int, float] = {}
        self._probe: MainThreadProbe | None = None
        self._previous: dict[int, Any] = {}
        self._pipe: tuple[int, int] | None = None
        # One bound method for good, so that it can be told apart from what a library installs later.
        self._handler = self._handle

    @property
    def wake_fd(self) -> int | None:
        """The end of the wakeup pipe that can be read; None where another wakeup descriptor was set before."""
        return None if self._pipe is None else self._pipe[0]

    def wake(self) -> None:
        """Wake who waits on ``wake_fd``."""
        if self._pipe is not None:
            # A pipe that is full wakes as well; 0 is no signal.
            with suppress(BlockingIOError):
                os.write(self._pipe[1], b"\0")

    def install(self) -> bool:
        """Watch for signals; says whether that can be done on this thread."""
        if threading.current_thread() is not threading.main_thread():
            return False
        for name in (*_ENDING, *_KILLING):
            number = getattr(signal, name, None)
            if number is not None:
                self._watch(int(number), is_ending=name in _ENDING)
        self._open_pipe()
        self.is_installed = True
        return True

    def hold(self) -> None:
        """Keep the next signal back while the end is being written, so that it does not stay half written.

        One only: whoever sends a second one does not want to wait.
        """
        self._is_holding = True

    def release(self) -> None:
        """Send what was held back again, to the handlers of before."""
        self._is_holding = False
        held, self._held = self._held, []
        for number in held:
            signal.raise_signal(number)

    def restore(self, *, keep_pipe: bool = False) -> None:
        """Stop watching: put the earlier handlers back where ours are still in place; from then on ours pass on.

        ``keep_pipe`` where a thread may still be reading it: its number must not go to another file then.
        """
        self._is_open = False
        if not self.is_installed or threading.current_thread() is not threading.main_thread():
            # The pipe stays open: its number must not go to another file while signals are written to it.
            return
        self.is_installed = False
        if not keep_pipe:
            self._close_pipe()
        for number, previous in self._previous.items():
            if signal.getsignal(number) == self._handler:
                signal.signal(number, _living(previous, number))

    def abandon(self) -> None:
        """In a forked child: let go of the parent's pipe and of the handlers."""
        self._pid = -1
        self.restore()

    def signalled(self, number: int) -> None:
        """Take note of a signal whose handler is called; the first one that ends the run counts."""
        found = self._meaning(number)
        if self.seen is None and found is not None:
            self.seen = found
            self._mark(found, True)

    def missed(self, number: int) -> None:
        """Take note of a signal that the main thread can not take now; if it never does, it has ended the run."""
        found = self._meaning(number)
        if self.seen is None and found is not None:
            self._mark(found, False)

    def _meaning(self, number: int) -> Seen | None:
        name = signal_name(number)
        status = _ENDING.get(name) or _KILLING.get(name)
        is_watched = self._is_open and number in self._previous
        return Seen(name, number, status) if is_watched and status is not None else None

    def is_missed(self, number: int) -> bool:
        """Say whether a signal that the wakeup pipe told of seems to wait for a main thread that sits in C code.

        Not where the host has put a handler of its own in our place.  It may have put ours back by now, so that this
        is a guess.  Takes up to 15 ms; for the keeper's thread.
        """
        is_ours = isinstance(getattr(signal.getsignal(number), "__self__", None), Ends)
        if not is_ours or number not in self._previous or signal_name(number) not in _ENDING:
            return False
        for _ in range(_LOOKS):
            if time.monotonic() - self._reached.get(number, -_RECENTLY_S) < _RECENTLY_S:
                return False
            time.sleep(_LOOK_S)
        from flowtime.tracking.main_thread import MainThreadProbe

        self._probe = MainThreadProbe()
        return not self._probe.answers_within(_ANSWER_S)

    def take_default(self, number: int) -> None:
        """Let a signal that was missed kill, where it would have without us: whoever sent it does not wait for long.

        Only while the main thread computes: one that sleeps in a call which signals wake has had its signal.
        """
        if self._previous.get(number) is not signal.SIG_DFL or self._probe is None:
            return
        from flowtime.tracking.main_thread import is_computing, set_default_action

        for _ in range(_PATIENCE):
            if self._probe.answers_within(_PATIENCE_S) or not is_computing():
                return
        if self._is_open and not self._is_holding:
            set_default_action(number)
            os.kill(os.getpid(), number)

    def previous(self, number: int) -> Any:
        """Return the handler that was there before, and whether this one has ended, for who comes after."""
        return self._previous.get(number)

    @property
    def is_open(self) -> bool:
        """Whether the run still goes on."""
        return self._is_open

    def _watch(self, number: int, *, is_ending: bool) -> None:
        previous = signal.getsignal(number)
        # None is a handler that is not Python's: it can not be chained.  Ignored signals stay ignored (nohup).
        if previous is None or previous is signal.SIG_IGN:
            return
        if not is_ending and previous is not signal.SIG_DFL:
            return
        self._previous[number] = previous
        signal.signal(number, self._handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # In a child that was forked off, the run is the parent's and the signal is not.
        self._reached[number] = time.monotonic()
        if os.getpid() == self._pid:
            self.signalled(number)
            if self._is_holding and not self._held:
                self._held.append(number)
                return
        if process_runs().defer(number):
            return
        previous = self._previous.get(number)
        if callable(previous):
            previous(number, frame)
        elif previous is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _open_pipe(self) -> None:
        if os.name == "nt":
            return
        before = signal.set_wakeup_fd(-1)
        if before != -1:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
            return
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._pipe = (reader, writer)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def _close_pipe(self) -> None:
        if self._pipe is None:
            return
        (reader, writer), self._pipe = self._pipe, None
        current = signal.set_wakeup_fd(-1)
        if current not in (-1, writer):
            # Somebody, asyncio most likely, has set their own since.
            signal.set_wakeup_fd(current)
        os.close(reader)
        os.close(writer)


def host_verdict(error: BaseException | None) -> Verdict:
    """Return what it means that ``error``, or nothing, left the block of a run."""
    if error is None:
        return Verdict("completed", None, None, None)
    if isinstance(error, SystemExit):
        code = _exit_code(error)
        return Verdict("completed" if code == 0 else "failed", code, None if code == 0 else _text(error), None)
    status = "cancelled" if _is_cancel(error) else "failed"
    code = SHELL_BASE + int(signal.SIGINT) if isinstance(error, KeyboardInterrupt) else 1
    return Verdict(status, code, _text(error), _trace(error))


def signal_name(number: int) -> str:
    """Return ``SIGTERM`` for 15, and so on."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _living(previous: Any, number: int) -> Any:
    """Return the nearest earlier handler that is not one of an ended run."""
    owner = getattr(previous, "__self__", None)
    while isinstance(owner, Ends) and not owner.is_open:
        previous = owner.previous(number)
        owner = getattr(previous, "__self__", None)
    return previous


def _is_cancel(error: BaseException) -> bool:
    # By name, since importing asyncio for the one class would take longer than all the rest.
    return isinstance(error, KeyboardInterrupt | GeneratorExit) or type(error).__name__ == "CancelledError"


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1


def _text(error: BaseException) -> str:
    text = ""
    # An exception of the host whose __str__ fails must not fail the record of it.
    with suppress(Exception):
        text = str(error)
    return f"{type(error).__name__}: {text}"[:2000] if text else type(error).__name__


def _trace(error: BaseException) -> str | None:
    import traceback

    return "".join(traceback.format_exception(error))[-20_000:]
