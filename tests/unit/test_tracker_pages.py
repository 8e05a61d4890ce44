"""The figures of the pages about forecasts and about other trackers: made again, and in the shape that pages show."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.case import Case
from benchmarks.tracker_peer_cases import TRACKER_PEER_CASES
from benchmarks.trackers import PEERS, TRACKERS, Tracker, missing_peers
from flowtime.tracking import read_record
from flowtime.tracking.program.wrapper import ProgramRequest, track_program

DOCS = Path(__file__).resolve().parents[2] / "docs"
INSTALLED = [pytest.param(one, id=one.name) for one in TRACKERS if one.reason_missing is None]
NEEDS_POSIX = pytest.mark.skipif(os.name == "nt", reason="`flowtime track` needs a POSIX system")


def load(name: str) -> ModuleType:
    """Import a script of ``docs``, which is no part of the package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"docs_{name}"] = module
    spec.loader.exec_module(module)
    return module


def stored(name: str) -> dict[str, Any]:
    """Return the stored figures of a script."""
    found: dict[str, Any] = json.loads((DOCS / "data" / f"{name}.json").read_text(encoding="utf-8"))
    return found


accuracy = load("eta_accuracy")
peers = load("tracker_peers")


def test_forecasts_are_as_good_as_the_page_says() -> None:
    found = stored("eta_accuracy")
    again = accuracy.rounded(accuracy.figures(found["recordings"]))
    for key in ("recorded", "duration", "told", "other size", "made"):
        assert again[key] == found["figures"][key], "python docs/eta_accuracy.py --write"


def test_enough_runs_are_recorded() -> None:
    recordings = stored("eta_accuracy")["recordings"]
    assert sum(len(rows) for rows in recordings.values()) >= 40


@pytest.mark.parametrize("name", ["recorded", "made", "told", "durations", "other"])
def test_table_of_forecasts_is_whole(name: str) -> None:
    columns, rows = accuracy.tables(stored("eta_accuracy"))[name]
    assert rows
    assert {len(row) for row in rows} == {len(columns)}


@pytest.mark.parametrize("name", ["speed", "ratios", "survival", "lists"])
def test_table_of_trackers_is_whole(name: str) -> None:
    columns, rows = peers.tables(stored("tracker_peers"))[name]
    assert rows
    assert {len(row) for row in rows} == {len(columns)}


def test_every_tracker_was_measured() -> None:
    assert set(stored("tracker_peers")["figures"]) == {tracker.name for tracker in TRACKERS}


@pytest.mark.parametrize("tracker", [param for param in INSTALLED if param.id in ("flowtime", "tensorboardX")])
def test_what_is_logged_can_be_counted(tracker: Tracker, tmp_path: Path) -> None:
    opened = tracker.begin(tmp_path)
    for row in range(25):
        opened.log(row, 0.5)
    opened.finish()
    assert tracker.count(tmp_path) == 25


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in TRACKER_PEER_CASES])
def test_a_case_is_of_a_tracker_that_is_installed(case: Case) -> None:
    assert case.name.rpartition("_")[2] in {param.id.lower() for param in INSTALLED}


def test_a_peer_is_measured_or_told_to_be_missing() -> None:
    missing = {reason.partition(":")[0] for reason in missing_peers()}
    assert missing | {param.id for param in INSTALLED} == {peer.name for peer in PEERS} | {"flowtime"}


@NEEDS_POSIX
def test_the_program_of_the_guide_tells_its_steps(tmp_path: Path) -> None:
    script = DOCS / "examples" / "tracking" / "train.sh"
    request = ProgramRequest(command=("sh", str(script)), root=tmp_path, steps=("collect", "train", "compare"))
    done = track_program(request, environ=os.environ)
    steps = {step.step_id: (step.status, step.done) for step in read_record(done.folder).steps}
    assert steps == {"collect": ("completed", 200), "train": ("completed", None), "compare": ("skipped", None)}
