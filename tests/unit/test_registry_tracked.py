"""Lists of tracked runs: what they show, what they are filtered by, and what becomes of live and dead ones."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from flowtime.runs import registry
from flowtime.runs.index import index_path
from flowtime.runs.query import RunQuery
from flowtime.runs.registry import Judgement, Registry
from flowtime.tracking.live.live_page import LivePageWriter
from flowtime.tracking.run_files import RunFiles
from registryfakes import NOW, ids_of, make_run
from trackedfolders import dead_owner, far_owner, make_live, make_tracked, me, page_of, start_program, statuses_of

BEAT = {"wallNs": 1, "monotonicNs": 1, "step": "pretrain", "stepIndex": 2, "stepCount": 3, "done": 4, "total": 9}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A flow run, two pipelines, a perf run."""
    make_run(tmp_path, "flow", "2025-01-01T00:00:00.000Z", kind="flow", templateId="shop", mode="simulation")
    make_tracked(tmp_path, "one", createdUtc="2025-01-02T00:00:00.000Z", scenario="maps/Hall A.yaml")
    make_tracked(
        tmp_path,
        "two",
        createdUtc="2025-01-03T00:00:00.000Z",
        pipeline="sweep",
        status="failed",
        scenario="hall",
        tags={"team": "leg", "gpu": ""},
        recommendations=[{"trigger": "cpu_idle", "severity": "info"}, {"trigger": "x", "severity": "critical"}],
    )
    make_tracked(
        tmp_path, "gate", createdUtc="2025-01-04T00:00:00.000Z", kind="perf", pipeline="perf run", tags={}, steps=[]
    )
    return tmp_path


def test_a_summary_says_what_a_list_shows_of_a_tracked_run(root: Path) -> None:
    (run,) = page_of(root, pipeline="imitation").items
    assert (run.kind, run.pipeline, run.scenario, run.tags) == (
        "pipeline",
        "imitation",
        "maps/Hall A.yaml",
        {"team": "arm"},
    )
    assert (run.status, run.ended_utc, run.elapsed_seconds) == ("completed", "2025-01-01T00:10:00.000Z", 600.0)
    assert (run.steps_done, run.steps_total) == (2, 2)


def test_a_run_without_steps_has_no_count_of_them(root: Path) -> None:
    (gate,) = page_of(root, kind="perf").items
    assert (gate.steps_done, gate.steps_total) == (None, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, ["gate", "two", "one", "flow"], id="all kinds"),
        pytest.param({"kind": "flow"}, ["flow"], id="flow"),
        pytest.param({"kind": "pipeline"}, ["two", "one"], id="pipeline"),
        pytest.param({"kind": "perf"}, ["gate"], id="perf"),
        pytest.param({"status": "failed"}, ["two"], id="status"),
        pytest.param({"pipeline": "sweep"}, ["two"], id="name of the pipeline"),
        pytest.param({"scenario": "maps/Hall A.yaml"}, ["one"], id="path of the scenario"),
        pytest.param({"scenario": "Hall A"}, ["one"], id="stem of the scenario"),
        pytest.param({"scenario": "hall"}, ["two"], id="name of the scenario"),
        pytest.param({"tags": ("team",)}, ["two", "one"], id="key of a tag"),
        pytest.param({"tags": ("team=leg",)}, ["two"], id="value of a tag"),
        pytest.param({"tags": ("gpu=",)}, ["two"], id="value that is empty"),
        pytest.param({"tags": ("team", "gpu")}, ["two"], id="two tags"),
        pytest.param({"tags": ("team=arm", "gpu")}, [], id="two tags that no run has"),
        pytest.param({"has_warnings": True, "kind": "pipeline"}, ["two"], id="with advice that is no hint"),
        pytest.param({"kind": "pipeline", "status": "completed", "tags": ("team",)}, ["one"], id="several"),
    ],
)
def test_filters(root: Path, query: dict[str, Any], expected: list[str]) -> None:
    assert ids_of(root, **query) == expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("template", ("shop",)),
        ("pipeline", ("imitation", "perf run", "sweep")),
        ("scenario", ("Hall A", "hall", "maps/Hall A.yaml")),
        ("tag", ("gpu", "gpu=", "team", "team=arm", "team=leg")),
    ],
)
def test_what_lists_can_be_filtered_by(root: Path, what: Any, expected: tuple[str, ...]) -> None:
    with Registry(root, clock=lambda: NOW) as opened:
        assert opened.known(what) == expected


def test_tags_go_with_their_run(root: Path) -> None:
    page_of(root)
    shutil.rmtree(root / "two")
    with Registry(root, clock=lambda: NOW) as opened:
        assert opened.known("tag") == ("team", "team=arm")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"createdUtc": "2025-01-02T00:00:00"}, "completed", id="a time without a zone (probe M)"),
        pytest.param({"schemaVersion": 99, "later": {"a": 1}}, "completed", id="a later version"),
        pytest.param({"status": "hibernating"}, "broken", id="a status of a later version"),
        pytest.param({"kind": "dream"}, "completed", id="a kind of a later version"),
        pytest.param({"tags": {"a": 1}}, "broken", id="a tag that is no text"),
        pytest.param({"steps": [{"later": 1}]}, "completed", id="a step of which nothing is known"),
        pytest.param({"createdUtc": None}, "broken", id="no time"),
    ],
)
def test_what_an_odd_record_says_is_listed(tmp_path: Path, fields: dict[str, Any], status: str) -> None:
    make_tracked(tmp_path, "odd", **fields)
    assert statuses_of(tmp_path) == {"odd": status}


def test_a_run_that_goes_on_shows_how_far_it_is(tmp_path: Path) -> None:
    make_live(tmp_path, "live", me(), beat=BEAT)
    (run,) = page_of(tmp_path).items
    assert (run.status, run.steps_done, run.steps_total) == ("running", 1, 3)
    assert run.elapsed_seconds > 0


def test_a_run_that_is_over_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tracked(tmp_path, "one", owner=dead_owner())
    monkeypatch.setattr("flowtime.tracking.live.liveness.status_of", lambda *_: pytest.fail("judged"))
    assert statuses_of(tmp_path) == {"one": "completed"}


def test_a_run_of_another_host_that_is_silent_is_lost_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = make_live(tmp_path, "far", far_owner(), beat=BEAT)
    before = (folder / "run.json").read_bytes()
    assert statuses_of(tmp_path) == statuses_of(tmp_path) == statuses_of(tmp_path, status="lost") == {"far": "lost"}
    assert (folder / "run.json").read_bytes() == before


def test_a_lost_run_that_speaks_again_is_running(tmp_path: Path) -> None:
    folder = make_live(tmp_path, "far", far_owner(), beat=BEAT)
    assert statuses_of(tmp_path) == {"far": "lost"}
    page = LivePageWriter(RunFiles(folder).live)
    page.beat({**BEAT, "wallNs": 2**62})
    page.close()
    assert statuses_of(tmp_path, status="running") == {"far": "running"}


def test_a_dead_run_that_can_not_be_buried_is_killed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_live(tmp_path, "dead", dead_owner())
    monkeypatch.setattr("flowtime.tracking.live.liveness.bury", lambda _folder: None)
    assert statuses_of(tmp_path) == statuses_of(tmp_path) == {"dead": "killed"}
    assert statuses_of(tmp_path, status="running") == {}


def test_a_run_that_ended_well_while_nobody_looked_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CHECKED_AT_ONCE", 1)
    folder = make_live(tmp_path, "run", me(), createdUtc="2020-01-01T00:00:00Z")
    make_run(tmp_path, "a", "2025-01-01T00:00:00Z")
    make_run(tmp_path, "b", "2025-01-02T00:00:00Z")
    judged: list[str] = []

    def judge(path: Path, recorded: str) -> Judgement:
        judged.append(path.name)
        return Judgement("running")

    with Registry(tmp_path, clock=lambda: NOW, judge=judge) as opened:
        opened.page(RunQuery(page_size=1))
        text = (folder / "run.json").read_text().replace('"running"', '"completed"')
        (folder / "run.json").write_text(text)
        assert opened.page(RunQuery(page_size=1, status="running")).items == ()
    assert judged == ["run"]


def test_without_a_judge_a_run_has_the_status_that_it_says(tmp_path: Path) -> None:
    make_live(tmp_path, "dead", dead_owner())
    with Registry(tmp_path, clock=lambda: NOW) as opened:
        assert [run.status for run in opened.page(RunQuery()).items] == ["running"]


def test_an_older_program_keeps_its_own_index(root: Path) -> None:
    page_of(root)
    assert index_path(root).name == "runs-2.sqlite3"
    old = index_path(root).with_name("runs-1.sqlite3")
    with sqlite3.connect(old) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
    connection.close()
    page_of(root)
    assert old.exists()


def test_all_runs_of_a_query(root: Path) -> None:
    with Registry(root, clock=lambda: NOW) as opened:
        runs = opened.all_runs(RunQuery(kind="pipeline", page_size=1))
    assert [(run.run_id, run.path) for run in runs] == [("two", str(root / "two")), ("one", str(root / "one"))]


def test_an_index_without_a_table_of_tags_is_made_anew(root: Path) -> None:
    page_of(root)
    with sqlite3.connect(index_path(root)) as connection:
        connection.execute("DROP TABLE tags")
    connection.close()
    assert ids_of(root, tags=("gpu",)) == ["two"]


def test_a_run_that_was_killed_is_shown_so_within_a_second(tmp_path: Path) -> None:
    program = start_program(tmp_path, "one", 1000)
    assert statuses_of(tmp_path) == {"one": "running"}
    program.kill()
    program.wait()
    began = time.monotonic()
    assert statuses_of(tmp_path) == statuses_of(tmp_path, status="killed") == {"one": "killed"}
    assert time.monotonic() - began < 1.0
    assert json.loads((tmp_path / "one" / "run.json").read_text())["status"] == "killed"
