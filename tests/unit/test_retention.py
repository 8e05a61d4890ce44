"""Retention: what goes by which rule, and what always stays."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowtime.errors import ParameterError, RunConflictError
from flowtime.runs.pins import pin_run, unpin_run
from flowtime.runs.query import RunQuery
from flowtime.runs.retention import (
    PruneReport,
    RetentionPlan,
    RetentionRules,
    folder_bytes,
    parse_size,
    plan_retention,
    prune_runs,
    require_ended,
)
from flowtime.tracking.live.holding import hold_ended
from flowtime.tracking.live.live_runs import open_registry
from registryfakes import make_run
from trackedfolders import far_owner, hold, make_live, make_tracked, me, release

NOW = datetime(2025, 1, 10, tzinfo=UTC)
MEGABYTE = 1_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Runs of four days, ``a`` the oldest, a flow run among them; each ended ten minutes after it began."""
    for day, name in ((1, "a"), (2, "b"), (4, "d")):
        make_tracked(
            tmp_path, name, createdUtc=f"2025-01-0{day}T00:00:00Z", completedUtc=f"2025-01-0{day}T00:10:00Z", tags={}
        )
    make_run(tmp_path, "c", "2025-01-03T00:00:00Z")
    return tmp_path


def plan(root: Path, *, size: int = MEGABYTE, query: dict[str, Any] | None = None, **rules: Any) -> RetentionPlan:
    with open_registry(root, clock=lambda: NOW) as registry:
        runs = registry.all_runs(RunQuery(**(query or {})))
    return plan_retention(runs, RetentionRules(**rules), root=root, now=NOW, size_of=lambda _folder: size)


def prune(root: Path, made: RetentionPlan, *, purge: bool = False) -> PruneReport:
    return prune_runs(root, made, guard=hold_ended, purge=purge, clock=lambda: NOW, entropy=os.urandom)


def going(made: RetentionPlan) -> dict[str, tuple[str, ...]]:
    return {run.run_id: run.why for run in made.going}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param({"keep": 2}, {"a": ("count",), "b": ("count",)}, id="count"),
        pytest.param({"keep": 0}, dict.fromkeys("abcd", ("count",)), id="none kept"),
        pytest.param({"keep": 9}, {}, id="more than there are"),
        pytest.param({"older_than_days": 7.5}, {"a": ("age",), "b": ("age",)}, id="age"),
        pytest.param({"older_than_days": 9}, {}, id="begun before that, ended after"),
        pytest.param({"max_bytes": 2 * MEGABYTE}, {"a": ("bytes",), "b": ("bytes",)}, id="bytes"),
        pytest.param({"max_bytes": 4 * MEGABYTE}, {}, id="bytes that fit"),
        pytest.param({"keep": 3, "older_than_days": 7.5}, {"a": ("count", "age"), "b": ("age",)}, id="either rule"),
        pytest.param({"keep": 3, "max_bytes": 2 * MEGABYTE}, {"a": ("count",), "b": ("bytes",)}, id="what is left"),
        pytest.param({"query": {"kind": "flow"}}, {"c": ("chosen",)}, id="all that were chosen"),
        pytest.param({"query": {"kind": "pipeline"}, "keep": 1}, {"a": ("count",), "b": ("count",)}, id="of a kind"),
    ],
)
def test_what_goes(root: Path, rules: dict[str, Any], expected: dict[str, tuple[str, ...]]) -> None:
    assert going(plan(root, **rules)) == expected


def test_a_choice_by_tag(root: Path) -> None:
    make_tracked(root, "e", createdUtc="2025-01-05T00:00:00Z", tags={"scratch": ""})
    assert going(plan(root, query={"tags": ("scratch",)})) == {"e": ("chosen",)}


def test_what_always_stays(root: Path) -> None:
    make_live(root, "live", me())
    make_live(root, "far", far_owner())
    make_run(root, "torn", runId="other")
    pin_run(root / "a")
    (root / "notes").mkdir()
    made = plan(root, keep=0, max_bytes=0)
    assert set(going(made)) == {"b", "c", "d"}
    assert {run.run_id: run.reason for run in made.spared} == {
        "live": "running",
        "far": "lost",
        "torn": "broken",
        "a": "pinned",
    }
    assert {path.name for path in root.iterdir()} >= {"notes", "live"}


def test_what_must_stay_counts(root: Path) -> None:
    pin_run(root / "d")
    assert set(going(plan(root, keep=1))) == {"a", "b", "c"}
    assert set(going(plan(root, max_bytes=MEGABYTE))) == {"a", "b", "c"}


def test_pruned_runs_are_in_the_trash(root: Path) -> None:
    report = prune(root, plan(root, keep=2))
    assert [(run.run_id, Path(run.trash or "").is_dir()) for run in report.pruned] == [("a", True), ("b", True)]
    assert (report.kept, report.freed_bytes, report.is_dry_run) == (2, 2 * MEGABYTE, False)
    assert {path.name for path in root.iterdir() if path.name[0] != "."} == {"c", "d"}


def test_purged_runs_are_gone(root: Path) -> None:
    report = prune(root, plan(root, keep=2), purge=True)
    assert [run.trash for run in report.pruned] == [None, None]
    assert list((root / ".trash").iterdir()) == []


def test_what_happened_since_the_plan_counts(root: Path) -> None:
    made = plan(root, keep=0)
    pin_run(root / "a")
    lock = hold(root / "b")
    (root / "c" / "run.json").unlink()
    (root / "c").rmdir()
    report = prune(root, made)
    release(lock)
    assert {run.run_id: run.reason for run in report.spared} == {"a": "pinned", "b": "running", "c": "gone"}
    assert [run.run_id for run in report.pruned] == ["d"]


def test_a_run_that_was_taken_up_again_stays(root: Path) -> None:
    made = plan(root, keep=0)
    (root / "a" / "run.json").unlink()
    (root / "a" / "tracking").rmdir()
    (root / "a").rmdir()
    make_live(root, "a", me())
    report = prune(root, made)
    assert [(run.run_id, run.reason) for run in report.spared] == [("a", "running")]


def test_a_record_that_was_damaged_since_stays(root: Path) -> None:
    made = plan(root, keep=0)
    (root / "a" / "run.json").write_text("{")
    assert [(run.run_id, run.reason) for run in prune(root, made).spared] == [("a", "broken")]


def test_one_that_can_not_be_moved_does_not_stop_the_others(root: Path) -> None:
    made = plan(root, keep=0, query={"kind": "pipeline"})
    (root / "a" / "tracking" / "lock").mkdir()
    report = prune(root, made)
    assert [(run.run_id, run.reason) for run in report.spared] == [("a", "refused")]
    assert [run.run_id for run in report.pruned] == ["b", "d"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1000", 1000), ("500MB", 500_000_000), ("1.5 GiB", 1_610_612_736), ("2kb", 2000), ("1tib", 2**40)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "12 parsecs", "1e9", "GB", "nan", "9" * 30])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ParameterError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize("rules", [{"keep": -1}, {"older_than_days": float("nan")}, {"max_bytes": -5}])
def test_rules_that_make_no_sense(rules: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="must be at least 0"):
        RetentionRules(**rules)


def test_the_bytes_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "one").write_bytes(bytes(10))
    (tmp_path / "deep" / "er" / "two").write_bytes(bytes(5))
    assert folder_bytes(tmp_path) == 15
    assert folder_bytes(tmp_path / "none") == 0


def test_pins(root: Path) -> None:
    assert [pin_run(root / "a"), pin_run(root / "a"), unpin_run(root / "a"), unpin_run(root / "a")] == [
        *(True, False),
        *(True, False),
    ]


@pytest.mark.parametrize("state", ["running", "pinned"])
def test_what_may_not_be_deleted(root: Path, state: str) -> None:
    make_live(root, "live", me())
    pin_run(root / "a")
    run_id, hint = {"running": ("live", "end it first"), "pinned": ("a", "runs unpin a")}[state]
    with pytest.raises(RunConflictError) as caught:
        require_ended(root, ["b", "none", run_id], hold_ended)
    assert hint in str(caught.value.hint)
