"""The run tracker as its host feels it: steps, a tracker that is off, opening a run and ending it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.case import Case, Guardrail, Size, Timed, require

if TYPE_CHECKING:
    from flowtime.tracking import NullRun, TrackedRun

__all__ = ["TRACKER_RUN_CASES"]

STEPS_A_CALL = 50
LOGS_A_CALL = 1000


def _begun(folder: Path, steps: int) -> TrackedRun | NullRun:
    """Begin a run without samples, with as many steps done as its plan has."""
    from flowtime.tracking import track

    run = track("bench", root=folder, sample=False, signals=False, strict=True).start()
    for number in range(steps):
        with run.step(f"s{number}"):
            pass
    return run


def _steps(folder: Path, size: Size, *, steps: int) -> Timed:
    """Begin and end steps of a run that has so many."""
    run = _begun(folder, steps if size == "full" else 5)
    names = [f"s{number}" for number in range(5)]

    def call() -> int:
        for number in range(STEPS_A_CALL):
            with run.step(names[number % 5]):
                pass
        return STEPS_A_CALL

    return Timed(call, lambda _count: require(run.is_done("s4"), "the steps are done"))


def _off(_folder: Path, _size: Size) -> Timed:
    """Log into a tracker that is turned off."""
    from flowtime.tracking import track

    run = track("bench", enabled=False).start()

    def call() -> bool:
        for _ in range(LOGS_A_CALL):
            run.log(loss=0.5)
        return run.is_enabled

    return Timed(call, lambda is_enabled: require(not is_enabled, "it is off"))


def _empty_loop(_folder: Path, _size: Size) -> Timed:
    """Call a function that takes any names and does nothing: the least that a tracker can cost."""

    def nothing(**_values: float) -> None:
        pass

    def call() -> None:
        for _ in range(LOGS_A_CALL):
            nothing(loss=0.5)

    return Timed(call, lambda _result: None)


def _open(folder: Path, _size: Size) -> Timed:
    """Begin a run and end it."""
    from flowtime.tracking import read_record

    def call() -> Path:
        run = _begun(folder, 0)
        run.finish()
        return run.folder or folder

    return Timed(call, lambda path: require(read_record(path).status == "completed", "a completed run"))


def _import(_folder: Path, _size: Size) -> Timed:
    """Start Python and import what a tracked program imports."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", "import flowtime.tracking; flowtime.tracking.track; print('here')"]

    def call() -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    return Timed(call, lambda text: require(text == "here\n", "it is imported"))


# A transition is at most 20 us, at 5 and at 50,000 steps; a call here is a step begun and ended, 50 times.
_STEP_LIMITS = Guardrail({"mean_best_half": 0.04}, turns=1000)
# 100 ns a call. A bare call takes 55 ns of that where nothing disturbs it: where it takes 100, nobody can keep this.
_OFF_LIMITS = Guardrail({"mean_best_half": 0.0001}, turns=1000, probe="empty_call", probe_limit_ms=0.1)

TRACKER_RUN_CASES = (
    Case(
        "tracker_steps_of_5",
        "tracker steps",
        partial(_steps, steps=5),
        3,
        items=STEPS_A_CALL,
        gate=True,
        guardrail=_STEP_LIMITS,
    ),
    Case(
        "tracker_steps_of_50000",
        "tracker steps",
        partial(_steps, steps=50_000),
        3,
        items=STEPS_A_CALL,
        guardrail=_STEP_LIMITS,
    ),
    Case("tracker_off_log", "tracker off", _off, 20, items=LOGS_A_CALL, gate=True, guardrail=_OFF_LIMITS),
    Case("empty_call", "tracker off", _empty_loop, 20, items=LOGS_A_CALL),
    Case("tracker_open_and_finish", "tracker run", _open),
    Case("import_tracking", "start", _import),
)
