"""Following a run that goes on, until it ends: what is new, as lines, and where it is, as often as that changes.

Changes are looked for every tenth of a second, since what another process writes to a mapping wakes nobody; a look
at a run that does nothing costs some system calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from flowtime.tracking.clock import SYSTEM_CLOCK, Clock
from flowtime.tracking.live.live_page import read_live
from flowtime.tracking.log.event_reader import LogEvent
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.report.progress_text import bar_text, duration_text
from flowtime.tracking.report.run_status import StatusDocument, StatusReader
from flowtime.tracking.report.status_text import remaining_text
from flowtime.tracking.run_files import is_terminal

__all__ = ["EXIT_STATUSES", "LOOK_S", "WatchUpdate", "exit_status_of", "progress_line", "watch_run"]

LOOK_S = 0.1
# Between two looks at whether the process is alive, and at scalars, while nothing else tells of a change.
_FULL_LOOK_S = 0.2
_NS = 1_000_000_000

# What `runs watch` exits with; as shells report signals, and `timeout` its own end.
EXIT_STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "completed": 0,
        "failed": 1,
        "lost": 69,
        "timeout": 124,
        "cancelled": 130,
        "killed": 137,
        "preempted": 143,
    }
)


class WatchUpdate(NamedTuple):
    """Where the run is, and lines that tell what has happened since the last update."""

    status: StatusDocument
    news: tuple[str, ...]


def exit_status_of(status: str) -> int:
    """Return what following a run exits with, by how the run ended; 0 for one that goes on."""
    return EXIT_STATUSES.get(status, 0)


def watch_run(folder: Path, *, wait: Callable[[float], None], clock: Clock = SYSTEM_CLOCK) -> Iterator[WatchUpdate]:
    """Yield an update now, whenever something has changed, and at the end of the run; then stop.

    ``wait(seconds)`` sleeps between two looks.  Raises as ``read_status``.
    """
    reader = StatusReader(folder, clock=clock)
    status = reader.read()
    reader.news()
    yield WatchUpdate(status, ())
    looked_ns = beat = 0
    while not is_terminal(status.status):
        wait(LOOK_S)
        live = read_live(folder)
        number = 0 if live.beat is None else live.beat.number
        is_new = reader.poll() or number != beat or live.end is not None
        now_ns = clock.monotonic_ns()
        if not is_new and now_ns - looked_ns < _FULL_LOOK_S * _NS:
            continue
        looked_ns, beat = now_ns, number
        before, status = status, reader.read()
        if is_terminal(status.status):
            reader.poll()
        news = tuple(line for event in reader.news() for line in _lines(event, status))
        if is_new or news or status.scalars != before.scalars or status.status != before.status:
            yield WatchUpdate(status, news)


def progress_line(status: StatusDocument) -> str:
    """Return where a run is, or how it ended, in one line."""
    if is_terminal(status.status):
        steps = f", {status.steps_done} of {status.steps_total} steps" if status.steps_total else ""
        return f"{status.status} after {duration_text(status.elapsed_seconds)}{steps}"
    parts = [f"{status.status}, step {status.step_index or 0}/{status.steps_total}"]
    if status.step is not None:
        parts.append(status.step)
    if status.done is not None:
        parts.append(bar_text(status.done, status.total))
    text = " ".join(parts)
    return f"{text}, elapsed {duration_text(status.elapsed_seconds)}, eta={remaining_text(status.eta)}"


def _lines(event: LogEvent, status: StatusDocument) -> Iterator[str]:
    if event.kind == Kind.STEP and "status" in event.data:
        yield _step_news(event, status)
    elif event.kind == Kind.ADVICE:
        yield f"{event.data.get('severity', 'info')}: {event.data.get('message', '')}"


def _step_news(event: LogEvent, status: StatusDocument) -> str:
    step = next((step for step in status.steps if step.step_id == event.data.get("id")), None)
    verb = event.data["status"]
    if step is None:
        return f"{event.data.get('id')}: {verb}"
    attempt = f", attempt {step.attempts}" if step.attempts > 1 else ""
    reason = f": {event.data['reason']}" if event.data.get("reason") else ""
    if verb == "running":
        return f"{step.display_name}: running{attempt}"
    took = "" if step.duration_seconds is None else f" after {duration_text(step.duration_seconds)}"
    return f"{step.display_name}: {verb}{took}{attempt}{reason}"
