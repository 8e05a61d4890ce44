"""A program that is tracked, for tests that end it: ``python tracked_host.py ROOT WHAT``; prints ``here`` when it is
at the moment that the test waits for."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import flowtime
from flowtime.tracking import NullRun, TrackedRun


def begun(root: Path) -> TrackedRun | NullRun:
    """Begin the run ``one`` and enter a step of it."""
    run = flowtime.track("host", root=root, run_id="one", steps=["work", "rest"], sample=False).start()
    run.__enter__()
    run.step("work").__enter__()
    run.log(loss=0.25)
    run.note("at work")
    return run


def here() -> None:
    """Tell the test, and wait to be ended."""
    print("here", flush=True)
    time.sleep(30)


def in_c_code(root: Path) -> None:
    """Sit in one call of C code that has released the interpreter's lock."""
    begun(root)
    print("here", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 30_000_000)


def with_own_handler(root: Path) -> None:
    """Have a handler of one's own, which ends the program in its own way."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        print("handled", flush=True)
        sys.exit(7)

    signal.signal(signal.SIGTERM, handler)
    with flowtime.track("host", root=root, run_id="one", sample=False) as run, run.step("work"):
        here()


def slow_cleanup(root: Path) -> None:
    """Take longer than a heartbeat to clean up after Ctrl-C."""
    run = begun(root)
    try:
        here()
    finally:
        time.sleep(2.2)
        run.__exit__(*sys.exc_info())


def with_waiting_block(root: Path) -> None:
    """Wait inside the block of a run."""
    with flowtime.track("host", root=root, run_id="one", sample=False) as run, run.step("work"):
        here()


def with_a_time_out(root: Path) -> None:
    """Use an alarm of one's own to give something up, as hosts do, after the run has begun."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    with flowtime.track("host", root=root, run_id="one", sample=False):
        before = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with suppress(TimeoutError):
            time.sleep(5)
        signal.signal(signal.SIGALRM, before)
        time.sleep(0.5)


def with_a_critical_section(root: Path) -> None:
    """Keep SIGTERM off while something must not be stopped."""
    with flowtime.track("host", root=root, run_id="one", sample=False):
        for _ in range(20):
            before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
            os.kill(os.getpid(), signal.SIGTERM)
            signal.signal(signal.SIGTERM, before)
            time.sleep(0.07)


def in_asyncio(root: Path) -> None:
    """Wait in a task, inside the block of a run."""

    async def work() -> None:
        print("here", flush=True)
        await asyncio.sleep(30)

    with flowtime.track("host", root=root, run_id="one", sample=False) as run, run.step("work"):
        asyncio.run(work())


def two_runs(root: Path) -> None:
    """Have two runs at a time."""
    begun(root)
    flowtime.track("host", root=root, run_id="two", sample=False).start()
    here()


def exits_at_once(root: Path) -> None:
    """Leave without any Python code being run."""
    begun(root)
    os._exit(9)


def never_finishes(root: Path) -> None:
    """Come to the end of the program inside a step."""
    begun(root)


def finishes_by_the_end(root: Path) -> None:
    """Come to the end of the program with all steps done."""
    with begun(root).step("rest"):
        pass
    flowtime.current_run()
    run = flowtime.tracking.entry.current_run()
    assert isinstance(run, TrackedRun)
    for step in list(run._steps.values()):
        step.__exit__(None, None, None)


def raises(root: Path) -> None:
    """End by an exception that nobody catches, without a block."""
    begun(root)
    raise ValueError("what the host did wrong")


def exits_with_three(root: Path) -> None:
    """Call sys.exit inside the block."""
    with flowtime.track("host", root=root, run_id="one", sample=False):
        sys.exit(3)


def in_a_thread(root: Path) -> None:
    """Track a run in another thread than the main one."""
    thread = threading.Thread(target=with_waiting_block, args=(root,), daemon=True)
    thread.start()
    time.sleep(30)


WHAT: dict[str, Callable[[Path], None]] = {
    work.__name__: work
    for work in (
        in_c_code,
        with_own_handler,
        slow_cleanup,
        with_waiting_block,
        in_asyncio,
        with_a_time_out,
        with_a_critical_section,
        two_runs,
        exits_at_once,
        never_finishes,
        finishes_by_the_end,
        raises,
        exits_with_three,
        in_a_thread,
    )
}


if __name__ == "__main__":
    WHAT[sys.argv[2]](Path(sys.argv[1]))
