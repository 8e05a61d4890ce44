"""Whether the process that writes a run is still there, and what that makes of the run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from flowtime.tracking.live.identity import Owner, boot_id, host_name, is_held, pid_namespace, process_ticks, read_owner
from flowtime.tracking.live.live_page import LivePage, read_live
from flowtime.tracking.run_files import RunFiles, is_terminal

if TYPE_CHECKING:
    from flowtime.tracking.records import PipelineRunRecord, RunStatus

__all__ = ["SILENT_S", "Liveness", "bury", "effective_status", "judge", "status_of"]

Liveness: TypeAlias = Literal["alive", "dead", "unknown"]

# Three beats of an idle run on another host, where nothing but its heartbeat can be seen.
SILENT_S = 15.0
# Off Linux, starts are read off a clock that is being set.
_TOLERANCE_TICKS = 100


def judge(folder: Path, *, wall_ns: int | None = None, live: LivePage | None = None) -> Liveness:
    """Say whether the writer of a run is alive, dead, or unknown, whatever its run.json says.

    On the same boot of the same machine by pid and start (a zombie is dead), across containers of one machine by
    the lock; from another host by the heartbeat: silent for 15 s is unknown.  ``wall_ns`` is the time now and
    ``live`` the live page, where the caller has them.
    """
    files = RunFiles(folder)
    owner = read_owner(files)
    if owner is not None and owner.boot_id is not None and owner.boot_id == boot_id():
        return _judge_here(files, owner)
    beat = (live or read_live(folder)).beat
    now_ns = time.time_ns() if wall_ns is None else wall_ns
    if beat is not None and now_ns - beat.wall_ns <= SILENT_S * 1e9:
        return "alive"
    # Silent, and written by a machine of this name before it was started anew: that process is gone.
    return "dead" if owner is not None and owner.host == host_name() else "unknown"


def status_of(folder: Path, recorded: RunStatus, *, wall_ns: int | None = None) -> RunStatus:
    """Return the status of a run now, given the one in its run.json: a running one may be dead or lost."""
    if is_terminal(recorded):
        return recorded
    # The page before the process: a run that ends in between has left its mark by then, never the other way.
    live = read_live(folder)
    liveness = judge(folder, wall_ns=wall_ns, live=live)
    if liveness == "alive":
        return recorded
    end = read_live(folder).end
    if end is not None and is_terminal(end.status):
        status: RunStatus = end.status  # type: ignore[assignment]  # is_terminal has just said so
        return status
    return "killed" if liveness == "dead" else "lost"


def effective_status(folder: Path, record: PipelineRunRecord) -> RunStatus:
    """Return the status of a run now: as recorded, or what became of one that is recorded as running."""
    return status_of(folder, record.status)


def bury(folder: Path) -> PipelineRunRecord | None:
    """Write the final run.json of a run that died, so that it is static from then on, and return it.

    None where there is nothing to do: it has ended, it is alive or lives on another host, or another process is at
    it.  Raises RunNotFoundError, RunCorruptError and StorageError.
    """
    from flowtime.tracking.live.burial import bury_run

    return bury_run(folder)


def _judge_here(files: RunFiles, owner: Owner) -> Liveness:
    if owner.pid_namespace != pid_namespace():
        held = is_held(files.lock)
        return "unknown" if held is None else "alive" if held else "dead"
    found = process_ticks(owner.pid)
    if found is None:
        return "dead"
    is_zombie, ticks = found
    if is_zombie:
        return "dead"
    is_same = owner.start_ticks is None or abs(ticks - owner.start_ticks) <= _tolerance()
    return "alive" if is_same else "dead"


def _tolerance() -> int:
    import sys

    return 0 if sys.platform == "linux" else _TOLERANCE_TICKS
