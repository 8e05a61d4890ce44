"""Opening a run: its arguments checked, its folder claimed, its files begun, or taken up again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from flowtime.errors import ParameterError, RunConflictError, StorageError
from flowtime.storage.atomic import disk_error
from flowtime.storage.names import safe_id
from flowtime.tracking.clock import SYSTEM_CLOCK, Clock, utc_text
from flowtime.tracking.guard import Guard
from flowtime.tracking.live.identity import RunLock, claim_folder, take_lock, this_owner, write_owner
from flowtime.tracking.live.live_page import LivePageWriter
from flowtime.tracking.log.event_log import DURABILITIES, EventLog
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.run_document import start_document
from flowtime.tracking.run_files import RunFiles, is_tracked, plain, read_document, write_document
from flowtime.tracking.step_table import StepTable, fold_steps
from flowtime.tracking.tracked_step import checked_step_id

__all__ = ["RunRequest", "Session", "checked_request", "open_session", "runs_root"]

_KINDS = ("pipeline", "perf")
_NS = 1_000_000_000


class RunRequest(NamedTuple):
    """What ``track`` was asked for, checked; ``steps`` are ``(id, name)``."""

    pipeline: str
    root: Path
    steps: tuple[tuple[str, str], ...] = ()
    tags: Mapping[str, str] = MappingProxyType({})
    config: Mapping[str, Any] = MappingProxyType({})
    scenario: str | None = None
    initiator: str | None = None
    run_id: str | None = None
    resume: bool = False
    kind: str = "pipeline"
    durability: str = "process"
    sample: bool = True
    interval_s: float = 1.0
    advice: bool = True
    capture_logging: bool = False
    children: bool = False
    strict: bool = False
    signals: bool = True
    clock: Clock = SYSTEM_CLOCK


class Session(NamedTuple):
    """The open files of a run, from ``open_session`` to the end of this process's part in it.

    ``base_ns`` is how long earlier sessions took; ``done_before`` names the steps that they completed.
    """

    files: RunFiles
    lock: RunLock
    live: LivePageWriter
    log: EventLog
    document: dict[str, Any]
    table: StepTable
    base_ns: int
    started_ns: int
    done_before: frozenset[str]


def checked_request(
    pipeline: str,
    *,
    steps: Sequence[str | tuple[str, str]] = (),
    tags: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
    root: str | os.PathLike[str] | None = None,
    **others: Any,
) -> RunRequest:
    """Return the request, or raise ParameterError (UnsafeNameError for a run id) for what it can not mean."""
    if not isinstance(pipeline, str) or not pipeline.strip() or not pipeline.isprintable():
        raise ParameterError(f"{pipeline!r} can not be the name of a pipeline", hint="use printable characters")
    request = RunRequest(
        pipeline=pipeline,
        root=runs_root(root),
        steps=_checked_steps(steps),
        tags={str(key): str(value) for key, value in _mapping("tags", tags).items()},
        config=plain(_mapping("config", config)),
        **others,
    )
    if request.durability not in DURABILITIES:
        raise ParameterError(f"durability {request.durability!r} is none", hint=f"use {', '.join(DURABILITIES)}")
    if request.kind not in _KINDS:
        raise ParameterError(f"kind {request.kind!r} is none", hint=f"use {' or '.join(_KINDS)}")
    if not request.interval_s > 0:
        raise ParameterError(f"interval_s must be above 0, not {request.interval_s!r}")
    if request.run_id is not None:
        safe_id(request.run_id, "run id")
    elif request.resume:
        raise ParameterError("resume needs a run_id", hint="name the run that is to go on")
    return request


def runs_root(root: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the runs: as given, else as in the settings."""
    if root is not None:
        return Path(root)
    named = os.environ.get("FLOWTIME_RUNS_DIR")
    if named:
        return Path(named)
    if not os.path.exists("flowtime.toml"):
        # The default of the settings, without loading them: that takes longer than opening a run.
        return Path("runs")
    from flowtime.settings import load_settings

    return Path(load_settings(folder=Path(), environ=os.environ, flags={}).runs_dir)


def open_session(request: RunRequest, guard: Guard) -> Session:
    """Claim the folder and begin its files, or take an earlier run up again where ``resume`` asks for that.

    Raises RunConflictError where the run is there already, is alive, has been completed, or is of another pipeline;
    StorageError where the disk refuses.
    """
    if request.resume and request.run_id is not None and os.path.isdir(request.root / request.run_id):
        folder = request.root / request.run_id
        return _holding_lock(folder, lambda lock: _resume(request, folder, guard, lock))
    folder = claim_folder(request.root, request.run_id, request.clock.wall_ns)
    try:
        return _holding_lock(folder, lambda lock: _begin(request, folder, guard, lock))
    except StorageError:
        _remove(folder)
        raise


def _holding_lock(folder: Path, work: Callable[[RunLock], Session]) -> Session:
    """Take the lock of a run for ``work``, which keeps it unless it fails."""
    files = RunFiles(folder)
    try:
        files.tracking.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_error(error, files.tracking) from error
    descriptor = take_lock(files.lock)
    if descriptor is None:
        raise RunConflictError(f"run {folder.name} is being written by another process")
    lock = RunLock(descriptor)
    with ExitStack() as undone:
        undone.callback(lock.release)
        try:
            session = work(lock)
        except OSError as error:
            raise disk_error(error, files.tracking) from error
        undone.pop_all()
    return session


def _begin(request: RunRequest, folder: Path, guard: Guard, lock: RunLock) -> Session:
    table = StepTable()
    table.plan(request.steps)
    document = start_document(request, folder.name, utc_text(request.clock.wall_ns()))
    return _open(request, RunFiles(folder), guard, lock, document, table)


def _resume(request: RunRequest, folder: Path, guard: Guard, lock: RunLock) -> Session:
    if not is_tracked(folder):
        if not all(name == "tracking" or _is_unfinished_record(name) for name in os.listdir(folder)):
            raise RunConflictError(f"{folder.name} is there and is no tracked run", hint="give another run id")
        # Somebody was killed between making the folder and writing run.json, or while writing it.
        return _begin(request, folder, guard, lock)
    from flowtime.tracking.live.burial import bury_locked
    from flowtime.tracking.log.event_reader import read_events

    document = bury_locked(folder, request.clock) or read_document(folder)
    if document["pipeline"] != request.pipeline:
        raise RunConflictError(f"run {folder.name} is of the pipeline {document['pipeline']!r}")
    if document["status"] == "completed":
        raise RunConflictError(f"run {folder.name} is completed", hint="begin a new run")
    table = fold_steps(read_events(folder, streams=("control", "samples")))
    table.close_running("failed", "interrupted", 0, 0)
    _as_recorded(table, document)
    table.plan(request.steps)
    document.update(
        status="running",
        completedUtc=None,
        sessions=document["sessions"] + 1,
        enabledSteps=[row.id for row in table.rows.values() if row.parent is None],
        end=None,
    )
    return _open(request, RunFiles(folder), guard, lock, document, table)


def _is_unfinished_record(name: str) -> bool:
    """Say whether a file is what ``write_atomic`` leaves of a run.json when it is killed."""
    return name.startswith(".run.json.") and name.endswith(".tmp")


def _as_recorded(table: StepTable, document: Mapping[str, Any]) -> None:
    """Take what the record says of ends and times: the log may have stopped before the run did."""
    for entry in document["steps"]:
        row = table.rows.get(entry["stepId"])
        if row is not None:
            row.spent_ns = int((entry["durationSeconds"] or 0.0) * _NS)
            row.ended_text = entry["endedUtc"]


def _open(
    request: RunRequest, files: RunFiles, guard: Guard, lock: RunLock, document: dict[str, Any], table: StepTable
) -> Session:
    """Begin the files of this session; run.json comes last, so that a folder that has one has the others."""
    clock = request.clock
    write_owner(files, this_owner(utc_text(clock.wall_ns())))
    base_s = document["elapsedSeconds"] or 0.0
    done_before = frozenset(row.id for row in table.rows.values() if row.status == "completed")
    started_ns = clock.monotonic_ns()
    begin = {"status": "running", "session": document["sessions"], "elapsed": base_s, "steps": request.steps}
    with ExitStack() as undone:
        live = LivePageWriter(files.live)
        undone.callback(live.close)
        log = EventLog(files.tracking, durability=request.durability, clock=clock, on_drop=guard.lost)
        undone.callback(log.close)
        log.append(Kind.RUN, begin)
        write_document(files.folder, document, durability=request.durability)
        undone.pop_all()
    return Session(files, lock, live, log, document, table, int(base_s * _NS), started_ns, done_before)


def _remove(folder: Path) -> None:
    """Remove a folder that was made in vain; what can not be removed holds no run.json, so it is no run."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _checked_steps(steps: Sequence[str | tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    if isinstance(steps, str):
        raise ParameterError(f"steps must be a list, not the text {steps!r}")
    pairs = [(step, step) if isinstance(step, str) else tuple(step) for step in steps]
    for pair in pairs:
        if len(pair) != 2:
            raise ParameterError(f"{pair!r} can not be a step", hint="give an id, or (id, name)")
        checked_step_id(pair[0])
    if len({pair[0] for pair in pairs}) < len(pairs):
        raise ParameterError("a step is named twice", hint="give each step its own id")
    return tuple((step_id, str(name)) for step_id, name in pairs)


def _mapping(noun: str, given: Mapping[str, object] | None) -> Mapping[str, object]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ParameterError(f"{noun} must be a mapping, not {given!r}")
    return given
