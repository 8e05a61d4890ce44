"""Folders of tracked runs, written by hand: what a list and a prune see, without a tracker that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from flowtime.runs.query import RunPage, RunQuery
from flowtime.tracking.live.identity import Owner, take_lock, this_owner, write_owner
from flowtime.tracking.live.live_page import LivePageWriter
from flowtime.tracking.live.live_runs import open_registry
from flowtime.tracking.run_files import RunFiles
from registryfakes import NOW


def record(run_id: str, **fields: Any) -> dict[str, Any]:
    """Return a run.json of a completed pipeline, or with other fields."""
    document = {
        "schemaVersion": 1,
        "runId": run_id,
        "kind": "pipeline",
        "pipeline": "imitation",
        "status": "completed",
        "createdUtc": "2025-01-01T00:00:00.000Z",
        "completedUtc": "2025-01-01T00:10:00.000Z",
        "elapsedSeconds": 600.0,
        "sessions": 1,
        "tags": {"team": "arm"},
        "config": {},
        "environment": {},
        "summary": {},
        "steps": [
            step("collect", 1, "completed"),
            step("pretrain", 2, "completed"),
            step("inner", 3, "completed", parent="pretrain"),
            step("export", 4, "skipped"),
        ],
        "recommendations": [],
        "perfTests": [],
        "events": 12,
        "dropped": 0,
    }
    return document | fields


def step(step_id: str, order: int, status: str, **fields: Any) -> dict[str, Any]:
    """Return one step of a record."""
    return {"stepId": step_id, "displayName": step_id, "order": order, "status": status, **fields}


def make_tracked(root: Path, run_id: str, *, owner: Owner | None = None, **fields: Any) -> Path:
    """Write the folder of a tracked run; without ``owner`` nobody wrote it."""
    folder = root / run_id
    (folder / "tracking").mkdir(parents=True)
    if owner is not None:
        write_owner(RunFiles(folder), owner)
    (folder / "run.json").write_text(json.dumps(record(run_id, **fields)), encoding="utf-8")
    return folder


def make_live(root: Path, run_id: str, owner: Owner, *, beat: dict[str, Any] | None = None, **fields: Any) -> Path:
    """Write the folder of a run that its run.json calls running, written by ``owner``."""
    running: dict[str, Any] = {"status": "running", "completedUtc": None, "elapsedSeconds": None, "steps": []}
    folder = make_tracked(root, run_id, owner=owner, **{**running, **fields})
    if beat is not None:
        page = LivePageWriter(RunFiles(folder).live)
        page.beat(beat)
        page.close()
    return folder


def me() -> Owner:
    """Return the mark of this process, which is alive."""
    return this_owner("2025-01-01T00:00:00.000Z")


def dead_owner() -> Owner:
    """Return the mark of a process of this machine that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return me()._replace(pid=done.pid, start_ticks=1)


def far_owner() -> Owner:
    """Return the mark of a process on another host."""
    return me()._replace(host="elsewhere", boot_id="another")


def hold(folder: Path) -> int:
    """Take the lock of a run, as one that goes on does, and return its descriptor."""
    lock = take_lock(RunFiles(folder).lock)
    if lock is None:
        raise RuntimeError(f"{folder.name} is held")
    return lock


def release(lock: int) -> None:
    """Let go of a lock."""
    os.close(lock)


def page_of(root: Path, *, now: datetime = NOW, **query: Any) -> RunPage:
    """List with a registry of its own that looks after live runs."""
    with open_registry(root, clock=lambda: now) as registry:
        return registry.page(RunQuery(**query), check="all")


def statuses_of(root: Path, **query: Any) -> dict[str, str]:
    """Return the status of each run on a page."""
    return {run.run_id: run.status for run in page_of(root, **query).items}


def start_program(root: Path, run_id: str, items: int) -> subprocess.Popen[str]:
    """Start a tracked program that goes on, and return it once its run is open."""
    program = Path(__file__).with_name("tracked_program.py")
    words = [sys.executable, str(program), str(root), run_id, str(items)]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    if started.stdout is None or started.stdout.readline() != "ready\n":
        raise RuntimeError("the program did not start")
    return started
