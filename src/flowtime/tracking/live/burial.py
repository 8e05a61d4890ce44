"""The end of a run that died, written by whoever finds it: from its last marks, and from its log."""

from __future__ import annotations

import signal
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtime.tracking.clock import SYSTEM_CLOCK, Clock
from flowtime.tracking.ends import SHELL_BASE
from flowtime.tracking.live.identity import RunLock, take_lock
from flowtime.tracking.live.live_page import EndMark, LivePage, read_live
from flowtime.tracking.live.liveness import judge
from flowtime.tracking.log.event_reader import LogEvent, read_events
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.log.log_report import count_events
from flowtime.tracking.program.output_tail import last_output_lines
from flowtime.tracking.run_document import Outcome, end_document, final_document, step_status_at_end
from flowtime.tracking.run_files import RunFiles, is_terminal, read_document, read_record, write_document
from flowtime.tracking.step_table import fold_steps

if TYPE_CHECKING:
    from flowtime.tracking.records import PipelineRunRecord

__all__ = ["bury_locked", "bury_run"]

_NS = 1_000_000_000
_LOG_LINES = 50
_STREAMS = ("control", "samples", "notes")


class _Remains(NamedTuple):
    """What a dead run left: the events of its last session, when that began and when it was last heard of.

    ``dropped`` is what its last heartbeat knew to be lost.
    """

    events: list[LogEvent]
    base_s: float
    started_ns: int
    last_wall_ns: int
    last_ns: int
    dropped: int
    end: EndMark | None

    @property
    def status(self) -> str:
        """What became of the run."""
        return "killed" if self.end is None else self.end.status

    @property
    def reason(self) -> str:
        """Why, in words."""
        if self.end is None:
            return "the process ended without a word (killed, out of memory, or os._exit)"
        return f"ended by {self.end.signal}" if self.end.signal else "killed while it wrote its end"


def bury_run(folder: Path, clock: Clock = SYSTEM_CLOCK) -> PipelineRunRecord | None:
    """Write the final run.json of a dead run and return it; see ``liveness.bury``."""
    document = read_document(folder)
    if is_terminal(document["status"]) or judge(folder) != "dead":
        return None
    descriptor = take_lock(RunFiles(folder).lock)
    if descriptor is None:
        return None
    lock = RunLock(descriptor)
    try:
        # Judged again now that nobody else can take it up.
        if judge(folder) != "dead" or bury_locked(folder, clock) is None:
            return None
    finally:
        lock.release()
    return read_record(folder)


def bury_locked(folder: Path, clock: Clock) -> dict[str, Any] | None:
    """Write the final run.json of a run whose lock the caller holds, so that its writer is gone, and return it.

    None where it has ended already.  The run ended at its last event or heartbeat, or at its mark.
    """
    document = read_document(folder)
    if is_terminal(document["status"]):
        return None
    events = list(read_events(folder, streams=_STREAMS))
    table = fold_steps(events)
    remains = _remains(events, read_live(folder))
    status = step_status_at_end(remains.status)
    reason = None if status == "completed" else remains.reason
    table.close_running(status, reason, remains.last_wall_ns, remains.last_ns)
    outcome = _outcome(folder, remains, count_events(folder))
    final = final_document(document, table, outcome)
    write_document(folder, final, durability="power")
    return final


def _remains(events: list[LogEvent], live: LivePage) -> _Remains:
    begins = [place for place, event in enumerate(events) if _is_begin(event)]
    start = begins[-1] if begins else 0
    events = events[start:]
    first = events[0] if events else None
    started_ns = 0 if first is None else first.monotonic_ns
    heard = [(event.monotonic_ns, event.wall_ns) for event in events]
    dropped = 0
    if live.beat is not None and live.beat.monotonic_ns >= started_ns:
        heard.append((live.beat.monotonic_ns, live.beat.wall_ns))
        dropped = live.beat.dropped
    last_ns, last_wall_ns = max(heard, default=(0, 0))
    base_s = 0.0 if first is None else float(first.data.get("elapsed", 0.0))
    return _Remains(events, base_s, started_ns, last_wall_ns, last_ns, dropped, live.end)


def _is_begin(event: LogEvent) -> bool:
    return event.kind == Kind.RUN and event.data.get("status") == "running"


def _outcome(folder: Path, remains: _Remains, events: int) -> Outcome:
    end = remains.end
    lines = deque((event.data["text"] for event in remains.events if event.kind == Kind.NOTE), maxlen=_LOG_LINES)
    summary: dict[str, Any] = {}
    for event in remains.events:
        if event.kind == Kind.RUN:
            summary.update(event.data.get("summary", {}))
    return Outcome(
        status=remains.status,
        wall_ns=remains.last_wall_ns if end is None else end.wall_ns,
        elapsed_s=remains.base_s + max(0, remains.last_ns - remains.started_ns) / _NS,
        end=end_document(
            exit_code=_exit_code(end),
            signal=None if end is None else end.signal,
            reason=remains.reason,
            log_lines=() if remains.status == "completed" else last_output_lines(folder, _LOG_LINES) or tuple(lines),
        ),
        summary=summary,
        recommendations=[event.data for event in remains.events if event.kind == Kind.ADVICE],
        perf_tests=[event.data for event in remains.events if event.kind == Kind.PERF],
        events=events,
        dropped=remains.dropped,
    )


def _exit_code(end: EndMark | None) -> int | None:
    """Return what a shell says of a process that such a signal ended; None where nobody knows."""
    number = getattr(signal, end.signal, None) if end is not None and end.signal else None
    return None if number is None else SHELL_BASE + int(number)
