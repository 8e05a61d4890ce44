"""``flowtime track``: a program of any language as a tracked run, without a change to it.

What the program finds in its environment: ``FLOWTIME_RUN_DIR``, the folder of the run, by which programs in Python
join it; and in a run that goes on ``FLOWTIME_STEPS_DONE``, the steps that are completed, with commas between them.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtime.errors import ParameterError, RunConflictError, RunError
from flowtime.tracking.ends import signal_name
from flowtime.tracking.null_run import NullRun
from flowtime.tracking.program.announcements import AnnouncedSteps, AnnouncementReader
from flowtime.tracking.program.output_tail import DEFAULT_LIMIT_BYTES, LastBytes, OutputLog
from flowtime.tracking.program.program import NOT_EXECUTABLE, Ending, Program
from flowtime.tracking.run_files import read_document

if TYPE_CHECKING:
    from flowtime.tracking.tracked_run import TrackedRun

__all__ = ["RUN_DIR", "STEPS_DONE", "ProgramRequest", "ResumeCommand", "TrackedProgram", "Verdict", "judge_ending",
           "resume_command", "track_program"]  # fmt: skip

RUN_DIR = "FLOWTIME_RUN_DIR"
STEPS_DONE = "FLOWTIME_STEPS_DONE"
LOG_LINES = 50
# As `timeout` of coreutils does.
TIMEOUT_STATUS = 124
NOT_FOUND = "run.command_not_found"

# What the death by a signal means, whoever sent it; other signals are faults of the program.
_BY_SIGNAL = {
    "SIGINT": "cancelled",
    "SIGHUP": "cancelled",
    "SIGTERM": "preempted",
    "SIGUSR1": "preempted",
    "SIGXCPU": "timeout",
    "SIGALRM": "timeout",
    "SIGKILL": "killed",
}
# Asked to end by these, a program that then ends of itself did not complete its work, whatever its exit status.
_ASKED_TO_END = ("SIGINT", "SIGTERM")
_SHELL_BASE = 128
_PYTHONS = ("python", "pypy")


@dataclass(frozen=True, kw_only=True)
class ProgramRequest:
    """What is to be run, and how it is tracked; ``resume`` is the id of a run that is to go on.

    An empty ``command`` of a run that goes on is the one that it was begun with, in the same folder.
    """

    command: Sequence[str] = ()
    name: str | None = None
    steps: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    scenario: str | None = None
    resume: str | None = None
    sample: bool = True
    interval_s: float = 1.0
    root: Path = Path("runs")
    durability: str = "process"
    timeout_s: float | None = None
    grace_s: float = 10.0
    output_bytes: int = DEFAULT_LIMIT_BYTES


class TrackedProgram(NamedTuple):
    """How it went: the status of the run, the exit status to pass on, and where the run is (None: not recorded)."""

    status: str
    exit_status: int
    run_id: str
    folder: Path | None
    seconds: float


class ResumeCommand(NamedTuple):
    """The words of a command that goes on with a run, and the folder to call it in."""

    arguments: tuple[str, ...]
    folder: Path


class Verdict(NamedTuple):
    """What the end of a program makes of its run."""

    status: str
    exit_code: int
    signal: str | None
    reason: str | None


def track_program(
    request: ProgramRequest, *, environ: Mapping[str, str], started: Callable[[str, Path], object] | None = None
) -> TrackedProgram:
    """Run a program to its end as a tracked run; on the main thread, since it watches for signals.

    ``started`` is told id and folder of the run before the program begins.  Raises RunError with the code
    ``run.command_not_found`` (exit status 127) or ``run.command_not_executable`` (126), before any run is begun where
    that can be told; ParameterError for what can not be meant; RunNotFoundError, RunConflictError for ``resume``;
    StorageError never: where nothing can be recorded, the program runs all the same.
    """
    if sys.platform == "win32":
        raise ParameterError("`flowtime track` needs a POSIX system", hint="call flowtime.track in the program")
    request, folder, done = _as_begun(request)
    require_program(request.command, environ, folder)
    from flowtime.tracking.entry import track

    run = track(
        request.name or _pipeline_name(request.command),
        steps=request.steps,
        tags=request.tags,
        config=_config(request, folder),
        scenario=request.scenario,
        root=request.root,
        run_id=request.resume,
        resume=request.resume is not None,
        durability=request.durability,
        sample=request.sample,
        interval_s=request.interval_s,
        signals=False,
    ).start()
    if started is not None and run.folder is not None:
        started(run.id, run.folder)
    # What an outer `flowtime track` told us of its run is nothing to this one's program.
    outer = {name: value for name, value in environ.items() if name != STEPS_DONE}
    return _Wrapping(request, run).run({**outer, **_exported(run, done)}, folder)


def require_program(command: Sequence[str], environ: Mapping[str, str], folder: Path | None) -> None:
    """Raise RunError unless the first word of a command is a program that can be started."""
    if not command or not command[0]:
        raise ParameterError("there is no command to run", hint="flowtime track [OPTIONS] -- COMMAND...")
    word = command[0]
    if shutil.which(word, path=environ.get("PATH", os.defpath)) is not None:
        return
    path = (folder or Path()) / word
    if os.sep not in word or not path.exists():
        raise RunError(f"command not found: {word}", code=NOT_FOUND)
    if path.is_dir() or not os.access(path, os.X_OK):
        raise RunError(f"can not be executed: {word}", code=NOT_EXECUTABLE)


def judge_ending(ending: Ending) -> Verdict:
    """Return what the end of a program makes of its run."""
    died_of = None if ending.signal is None else signal_name(ending.signal)
    received = [signal_name(number) for number in ending.received]
    if ending.is_timeout:
        return Verdict("timeout", TIMEOUT_STATUS, died_of, "its time was up")
    if ending.is_killed:
        return Verdict("cancelled", ending.exit_status, died_of, "killed at the second SIGINT")
    if died_of is not None:
        sender = "passed on to it" if died_of in received else "which flowtime did not send"
        return Verdict(_BY_SIGNAL.get(died_of, "failed"), ending.exit_status, died_of, f"died of {died_of}, {sender}")
    for name in received:
        # Shells and many programs say by 128 + n that they, or a child, ended for a signal.
        is_answer = ending.code == _SHELL_BASE + getattr(signal, name)
        if name in _BY_SIGNAL and (name in _ASKED_TO_END or is_answer):
            return Verdict(_BY_SIGNAL[name], ending.exit_status, name, f"ended with {ending.code} after {name}")
    if ending.code == 0:
        return Verdict("completed", 0, None, None)
    return Verdict("failed", ending.exit_status, None, f"exit status {ending.code}")


def resume_command(folder: Path) -> ResumeCommand:
    """Return the command that goes on with a run of ``flowtime track``.

    Raises RunConflictError for a run that was not made by it, or is completed; RunNotFoundError, RunCorruptError and
    StorageError as ``read_document`` does.
    """
    document = read_document(folder)
    command, place = _begun_with(folder, document)
    config = document["config"]
    words = [sys.executable, "-m", "flowtime", "track", "--resume", folder.name]
    words += ["--runs-dir", str(folder.resolve().parent)]
    for option, key in _KEPT_OPTIONS.items():
        if config.get(key) is not None:
            words += [option, str(config[key])]
    if config.get("sample") is False:
        words.append("--no-sample")
    return ResumeCommand((*words, "--", *command), place)


def _begun_with(folder: Path, document: Mapping[str, Any]) -> tuple[tuple[str, ...], Path]:
    """Return the command that a run was begun with, and where; raises RunConflictError as ``resume_command``."""
    config = document.get("config") or {}
    command = config.get("command")
    if not isinstance(command, list) or not command:
        raise RunConflictError(
            f"run {folder.name} was not made by `flowtime track`",
            hint="run its program again, with flowtime.track(..., run_id=..., resume=True)",
        )
    if document.get("status") == "completed":
        raise RunConflictError(f"run {folder.name} is completed", hint="begin a new run")
    return tuple(map(str, command)), Path(str(config.get("workingFolder") or "."))


_KEPT_OPTIONS = {"--timeout": "timeoutSeconds", "--interval": "intervalSeconds", "--durability": "durability"}


class _Wrapping:
    """One program and its run, from start to end."""

    def __init__(self, request: ProgramRequest, run: TrackedRun | NullRun) -> None:
        self._request = request
        self._run = run
        self._steps = None if isinstance(run, NullRun) else AnnouncedSteps(run)
        self._readers = {} if self._steps is None else {stream: AnnouncementReader(self._steps) for stream in (1, 2)}
        self._last = LastBytes()
        self._output = self._open_output()

    def run(self, environ: Mapping[str, str], folder: Path | None) -> TrackedProgram:
        """Run the program and end the run as it ended."""
        begun = monotonic()
        request = self._request
        program = Program(request.command, environ=environ, folder=folder)
        try:
            ending = program.run(self._printed, timeout_s=request.timeout_s, grace_s=request.grace_s)
        except RunError as error:
            self._run.finish("failed", exit_code=126, reason=error.message)
            raise
        except BaseException as error:
            self._run.finish("failed", error=f"{type(error).__name__}: {error}")
            raise
        verdict = judge_ending(ending)
        self._end(ending, verdict)
        return TrackedProgram(verdict.status, verdict.exit_code, self._run.id, self._run.folder, monotonic() - begun)

    def _open_output(self) -> OutputLog | None:
        if self._run.folder is None or self._request.output_bytes <= 0:
            return None
        try:
            return OutputLog(self._run.folder, limit_bytes=self._request.output_bytes)
        except OSError as error:
            self._run.note(f"no output is kept: {error}", level="warning")
            return None

    def _printed(self, stream: int, piece: bytes) -> None:
        if self._output is not None:
            self._output.write(piece)
        self._last.add(piece)
        if self._readers:
            self._readers[stream].feed(piece)

    def _end(self, ending: Ending, verdict: Verdict) -> None:
        for reader in self._readers.values():
            reader.finish()
        if self._steps is not None and verdict.status == "completed":
            self._steps.end()
        figures: dict[str, Any] = {"cpu_seconds": round(ending.cpu_seconds, 3)}
        if ending.peak_rss_mb is not None:
            figures["peak_rss_mb"] = round(ending.peak_rss_mb, 1)
        output = self._output
        if output is not None:
            output.close()
            if output.left_out:
                figures["output_bytes_left_out"] = output.left_out
            if output.problem is not None:
                self._run.note(f"{output.lost} bytes of output are lost: {output.problem}", level="warning")
        self._run.summary.update(figures)
        lines = self._last.lines(LOG_LINES)
        self._run.finish(
            verdict.status, exit_code=verdict.exit_code, signal=verdict.signal, reason=verdict.reason, log_lines=lines
        )


def _as_begun(request: ProgramRequest) -> tuple[ProgramRequest, Path | None, tuple[str, ...]]:
    """Return the request with what a run that goes on was begun with, the folder to run in, and the steps done.

    No folder is this one.
    """
    if request.resume is None:
        return request, None, ()
    from dataclasses import replace

    from flowtime.storage.names import safe_id

    folder = request.root / safe_id(request.resume, "run id")
    document = read_document(folder)
    done = tuple(step["stepId"] for step in document["steps"] if step["status"] == "completed")
    request = replace(request, name=request.name or str(document["pipeline"]))
    if request.command:
        return request, None, done
    command, place = _begun_with(folder, document)
    return replace(request, command=command), place, done


def _config(request: ProgramRequest, folder: Path | None) -> dict[str, object]:
    return {
        "command": list(request.command),
        "workingFolder": str(folder or Path.cwd()),
        "timeoutSeconds": request.timeout_s,
        "sample": request.sample,
        "intervalSeconds": request.interval_s,
        "durability": request.durability,
    }


def _exported(run: TrackedRun | NullRun, done: Sequence[str]) -> dict[str, str]:
    if run.folder is None:
        return {}
    return {RUN_DIR: str(run.folder.resolve())} | ({STEPS_DONE: ",".join(done)} if done else {})


def _pipeline_name(command: Sequence[str]) -> str:
    """Return ``train`` for ``python -u train.py``, and the program's own name for others."""
    name = Path(command[0]).name
    if name.startswith(_PYTHONS):
        for index, word in enumerate(command[1:], start=1):
            if word == "-m" and index + 1 < len(command):
                return command[index + 1]
            if word == "-c":
                break
            if not word.startswith("-"):
                return Path(word).stem
    return Path(name).stem or name
