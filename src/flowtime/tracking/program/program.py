"""A program run as if nobody stood between: its output passed on byte by byte, signals passed in, its end passed back.

POSIX only.  The program gets a session of its own, so that one signal reaches all of it, and pseudo-terminals where
our own output is a terminal, so that it keeps its colors and its line-wise output; standard input is inherited.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, NamedTuple

from flowtime.errors import RunError

__all__ = ["NOT_EXECUTABLE", "Ending", "Program"]

NOT_EXECUTABLE = "run.command_not_executable"

_PIECE = 1 << 16
_STDOUT, _STDERR = 1, 2
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT")
# What comes twice within this time was sent once, to us and to our group.
_SAME_S = 0.2
# How long a pseudo-terminal may take to hand over what was written to it before the end.
_QUIET_S = 0.02
_MOST_AFTER_END = 1 << 20


class Ending(NamedTuple):
    """How a program ended: ``code`` is its exit status, or None where it died of the signal ``signal``.

    ``received`` are the signals that we were sent and passed on, in their order; ``is_timeout`` and ``is_killed``
    say that we ended it, as its time was up or at a second Ctrl-C.  CPU seconds are of the program and of those of
    its children that it waited for; ``peak_rss_mb`` is of the largest of them, in MiB, None where that is not known.
    """

    code: int | None
    signal: int | None
    received: tuple[int, ...]
    is_timeout: bool
    is_killed: bool
    cpu_seconds: float
    peak_rss_mb: float | None

    @property
    def exit_status(self) -> int:
        """The exit status as shells give it: 128 + signal for a death by one."""
        return self.code if self.code is not None else 128 + (self.signal or 0)


class Program:
    """One program, from its start to its end; for the main thread, as signal handlers are.

    ``on_output`` gets every piece of output and its stream (1 or 2) before it is passed on: what somebody has seen of
    a program whose tracker was killed is then kept, too.
    """

    def __init__(self, command: Sequence[str], *, environ: Mapping[str, str], folder: Path | None = None) -> None:
        self._command = list(command)
        self._environ = dict(environ)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._targets: dict[int, int] = {}  # what is read -> where it is passed on to
        self._terminals: set[int] = set()
        self._received: list[int] = []
        self._first_interrupt: float | None = None
        self._is_timeout = self._is_killed = False

    def run(
        self, on_output: Callable[[int, bytes], None], *, timeout_s: float | None = None, grace_s: float = 10.0
    ) -> Ending:
        """Run to the end.  Raises RunError (``run.command_not_executable``) where the program can not be started.

        After ``timeout_s`` the program is sent SIGTERM, ``grace_s`` later SIGKILL.
        """
        with self._watching() as wake, selectors.DefaultSelector() as selector:
            self._start(selector)
            selector.register(wake, selectors.EVENT_READ)
            status, usage = self._attend(selector, wake, on_output, _deadlines(timeout_s, grace_s))
            self._drain(selector, on_output)
            for source in list(self._targets):
                self._close(source, selector)
        code = os.waitstatus_to_exitcode(status)
        return Ending(
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            received=tuple(self._received),
            is_timeout=self._is_timeout,
            is_killed=self._is_killed,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_rss_mb=_peak_mb(usage),
        )

    # --- start ----------------------------------------------------------------------------------------------------

    def _start(self, selector: selectors.BaseSelector) -> None:
        ends: dict[int, int] = {}  # our stream -> the program's end of what carries it
        try:
            for stream in (_STDOUT, _STDERR):
                if stream == _STDERR and _is_same(_STDOUT, _STDERR):
                    # Through one channel, as otherwise the order of what goes to one place would be lost.
                    ends[_STDERR] = ends[_STDOUT]
                    continue
                source, ends[stream] = self._channel(stream)
                os.set_blocking(source, False)
                self._targets[source] = stream
                selector.register(source, selectors.EVENT_READ)
            self._process = subprocess.Popen(
                self._command,
                stdout=ends[_STDOUT],
                stderr=ends[_STDERR],
                env=self._environ,
                cwd=self._folder,
                start_new_session=True,
            )
        except OSError as error:
            for source in list(self._targets):
                self._close(source, selector)
            text = f"can not be executed: {self._command[0]}: {error.strerror}"
            raise RunError(text, code=NOT_EXECUTABLE) from error
        finally:
            for end in set(ends.values()):
                os.close(end)
        for number in self._received:
            self._send(number)

    def _channel(self, stream: int) -> tuple[int, int]:
        if not os.isatty(stream):
            return os.pipe()
        import pty
        import termios

        source, end = pty.openpty()
        self._terminals.add(source)
        attributes = termios.tcgetattr(end)
        # The real terminal turns LF into CR LF; twice would be once too often.  And nothing is typed here.
        attributes[1] &= ~termios.OPOST
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(end, termios.TCSANOW, attributes)
        _copy_size(stream, source)
        return source, end

    # --- while it runs --------------------------------------------------------------------------------------------

    def _attend(
        self,
        selector: selectors.BaseSelector,
        wake: int,
        on_output: Callable[[int, bytes], None],
        deadlines: list[tuple[float, int]],
    ) -> tuple[int, Any]:
        """Pass output on until the program has ended; return its wait status and what it used."""
        while True:
            wait = max(0.0, deadlines[0][0] - monotonic()) if deadlines else None
            ready = selector.select(wait)
            is_woken = not ready
            for key, _events in ready:
                if key.fd == wake:
                    is_woken = True
                    with suppress(BlockingIOError):
                        os.read(wake, 4096)
                else:
                    self._pass_on(key.fd, selector, on_output)
            if is_woken:
                ended = self._reap()
                if ended is not None:
                    return ended
            if deadlines and monotonic() >= deadlines[0][0]:
                self._is_timeout = True
                self._send(deadlines.pop(0)[1])

    def _reap(self) -> tuple[int, Any] | None:
        process = self._process
        if process is None:
            return None
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not pid:
            return None
        # From here on its number may be another's: no signal is passed on any more.
        self._process = None
        process.returncode = os.waitstatus_to_exitcode(status)
        return status, usage

    def _pass_on(self, source: int, selector: selectors.BaseSelector, on_output: Callable[[int, bytes], None]) -> int:
        """Pass one piece on and return its size; 0 where there is none now."""
        try:
            piece = os.read(source, _PIECE)
        except BlockingIOError:
            return 0
        except OSError:
            piece = b""  # a pseudo-terminal whose other end is closed
        if not piece:
            self._close(source, selector)
            return 0
        target = self._targets[source]
        on_output(target, piece)
        if not _write_all(target, piece):
            # Nobody reads us: let the program feel it as it would without us.
            self._close(source, selector)
        return len(piece)

    def _close(self, source: int, selector: selectors.BaseSelector) -> None:
        if self._targets.pop(source, None) is not None:
            with suppress(KeyError):  # where the start failed in between
                selector.unregister(source)
            os.close(source)

    def _drain(self, selector: selectors.BaseSelector, on_output: Callable[[int, bytes], None]) -> None:
        """Pass on what was printed before the end; children that go on and hold the other end are not waited for."""
        for source in list(self._targets):
            left = _MOST_AFTER_END if source in self._terminals else _readable(source)
            while left > 0 and source in self._targets:
                size = self._pass_on(source, selector, on_output)
                is_terminal = source in self._terminals and source in self._targets
                if not size and not (is_terminal and _has_more(source)):
                    break
                left -= size

    # --- signals --------------------------------------------------------------------------------------------------

    @contextmanager
    def _watching(self) -> Iterator[int]:
        """Pass signals on; gives the descriptor that can be read when one came, or when a child has ended."""
        handlers: dict[str, Callable[[int, FrameType | None], None]] = dict.fromkeys(_FORWARDED, self._forward)
        handlers |= {"SIGCHLD": _noted, "SIGWINCH": self._resized, "SIGTSTP": self._stopped}
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        before = {}
        wake_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            for name, handler in handlers.items():
                number = getattr(signal, name)
                # What we were started to ignore (nohup, background jobs), the program ignores too.
                if signal.getsignal(number) != signal.SIG_IGN or name == "SIGCHLD":
                    before[number] = signal.signal(number, handler)
            yield reader
        finally:
            signal.set_wakeup_fd(wake_before)
            for number, handler_before in before.items():
                signal.signal(number, handler_before if handler_before is not None else signal.SIG_DFL)
            os.close(reader)
            os.close(writer)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._first_interrupt is None:
                self._first_interrupt = monotonic()
            elif monotonic() - self._first_interrupt < _SAME_S:
                return
            else:
                self._is_killed = True
                number = signal.SIGKILL
        if number != signal.SIGKILL:
            self._received.append(number)
        self._send(number)

    def _send(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # it ended just now
                os.killpg(self._process.pid, number)

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        for source in self._terminals & self._targets.keys():
            _copy_size(self._targets[source], source)
        self._send(signal.SIGWINCH)

    def _stopped(self, number: int, _frame: FrameType | None) -> None:
        """Stop with the program, and go on with it."""
        # Not SIGTSTP: a group without a parent in its session, as the program's is, ignores that.
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._send(signal.SIGCONT)


def _peak_mb(usage: Any) -> float | None:
    import resource

    # Until it runs its own code a child counts with what we held: less than that tells nothing.
    if usage.ru_maxrss <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
        return None
    return float(usage.ru_maxrss) / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _deadlines(timeout_s: float | None, grace_s: float) -> list[tuple[float, int]]:
    if timeout_s is None:
        return []
    end = monotonic() + timeout_s
    return [(end, signal.SIGTERM), (end + grace_s, signal.SIGKILL)]


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Be there, so that the wakeup descriptor is written to."""


def _is_same(one: int, other: int) -> bool:
    """Whether two descriptors lead to one place."""
    try:
        a, b = os.fstat(one), os.fstat(other)
    except OSError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def _write_all(target: int, data: bytes) -> bool:
    """Write everything; says whether somebody takes it."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            _wait_writable(target)
        except OSError as error:
            # A full disk takes no output from the program either way, but must not end it.
            return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return True


def _wait_writable(target: int) -> None:
    import select

    select.select([], [target], [])


def _readable(source: int) -> int:
    """Return how many bytes wait in a pipe."""
    import fcntl
    import termios

    count = fcntl.ioctl(source, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder)


def _has_more(source: int) -> bool:
    """Wait a moment for a pseudo-terminal to hand over more."""
    import select

    return bool(select.select([source], [], [], _QUIET_S)[0])


def _copy_size(terminal: int, pseudo: int) -> None:
    import fcntl
    import termios

    with suppress(OSError):  # a terminal without a size
        fcntl.ioctl(pseudo, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
