"""The registry: lists that follow the folders by way of an index, and do without one."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

import pytest

from flowtime.errors import StorageError
from flowtime.runs import list_runs, registry
from flowtime.runs.index import RunIndex, index_path
from flowtime.runs.query import RunQuery
from flowtime.runs.registry import Registry
from registryfakes import LONG_AGO_NS, NOW, ids_of, make_run, page_of, set_modified, write_run

HASH = "sha256:" + "ab" * 32


def open_registry(root: Path, now: datetime = NOW) -> Registry:
    return Registry(root, clock=lambda: now)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three runs of two templates."""
    make_run(tmp_path, "a", "2025-01-01T00:00:00.000Z", templateId="shop", mode="simulation", inputHash=HASH)
    make_run(tmp_path, "b", "2025-01-02T00:00:00.000Z", templateId="shop", mode="telemetry", warnings=[])
    make_run(tmp_path, "c", "2025-01-03T00:00:00.000Z", templateId="bar", mode="simulation")
    return tmp_path


def test_a_page_says_what_the_folders_say(root: Path) -> None:
    assert list(page_of(root).items) == list_runs(root)
    assert list(page_of(root).items) == list_runs(root)


def test_a_page_is_a_part_of_the_whole(root: Path) -> None:
    page = page_of(root, page=2, page_size=2)
    assert [run.run_id for run in page.items] == ["a"]
    assert (page.total_count, page.page, page.page_size, page.note) == (3, 2, 2, None)


def test_a_page_after_the_last_is_empty(root: Path) -> None:
    page = page_of(root, page=9)
    assert (page.items, page.total_count) == ((), 3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"templates": ("shop",)}, ["b", "a"], id="template"),
        pytest.param({"templates": ("shop", "bar")}, ["c", "b", "a"], id="templates"),
        pytest.param({"templates": ("none",)}, [], id="template of no run"),
        pytest.param({"mode": "simulation"}, ["c", "a"], id="mode"),
        pytest.param({"status": "completed"}, ["c", "b", "a"], id="sound"),
        pytest.param({"status": "broken"}, [], id="broken"),
        pytest.param({"has_warnings": True}, ["c", "a"], id="with warnings"),
        pytest.param({"has_warnings": False}, ["b"], id="without warnings"),
        pytest.param({"since": datetime(2025, 1, 2, tzinfo=UTC)}, ["c", "b"], id="since, that time included"),
        pytest.param({"before": datetime(2025, 1, 2, tzinfo=UTC)}, ["a"], id="before, that time not included"),
        pytest.param({"input_hash": HASH}, ["a"], id="input hash"),
        pytest.param({"input_hash": "abab"}, ["a"], id="start of the input hash"),
        pytest.param({"input_hash": "baba"}, [], id="another input hash"),
        pytest.param({"mode": "simulation", "templates": ("bar",), "has_warnings": True}, ["c"], id="several"),
        pytest.param({"mode": "telemetry", "templates": ("bar",)}, [], id="several, of which one does not hold"),
    ],
)
def test_filters(root: Path, query: dict[str, object], expected: list[str]) -> None:
    assert ids_of(root, **query) == expected
    assert page_of(root, **query).total_count == len(expected)


def test_a_run_that_says_no_time_is_last_and_not_before_any(root: Path) -> None:
    write_run(root / "c", {"runId": "c", "createdUtc": "monday"})
    assert ids_of(root) == ["b", "a", "c"]
    assert ids_of(root, status="broken") == ["c"]
    assert ids_of(root, before=datetime(2030, 1, 1, tzinfo=UTC)) == ["b", "a"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda root: make_run(root, "d", "2025-02-01T00:00:00Z"), ["d", "c", "b", "a"], id="added"),
        pytest.param(lambda root: shutil.rmtree(root / "b"), ["c", "a"], id="removed"),
        pytest.param(lambda root: (root / "b" / "run.json").unlink(), ["c", "a"], id="is no run any more"),
        pytest.param(lambda root: (root / "b").rename(root / ".b"), ["c", "a"], id="hidden"),
        pytest.param(lambda root: (root / "b").rename(root / "e"), ["c", "e", "a"], id="renamed"),
        pytest.param(lambda root: shutil.copytree(root / "a", root / "z"), ["c", "b", "a", "z"], id="copied"),
        pytest.param(
            lambda root: write_run(root / "a", {"runId": "a", "createdUtc": "2026-01-01T00:00:00Z"}),
            ["a", "c", "b"],
            id="written to",
        ),
        pytest.param(lambda root: shutil.rmtree(root / ".registry"), ["c", "b", "a"], id="the index was removed"),
    ],
)
@pytest.mark.parametrize("is_open", [False, True], ids=["a new registry", "the same registry"])
def test_what_is_done_by_hand_is_noticed(
    root: Path, change: Callable[[Path], object], expected: list[str], is_open: bool
) -> None:
    with open_registry(root) as first, open_registry(root) as second:
        first.page(RunQuery())
        change(root)
        page = (first if is_open else second).page(RunQuery())
    assert [run.run_id for run in page.items] == expected


def test_a_folder_that_becomes_a_run_is_noticed(root: Path) -> None:
    (root / "notes").mkdir()
    assert "notes" not in ids_of(root)
    write_run(root / "notes", {"runId": "notes", "createdUtc": "2025-01-01T00:00:00Z"})
    assert "notes" in ids_of(root)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of the last change that a program can not set")
def test_an_edit_that_keeps_size_and_time_is_noticed(root: Path) -> None:
    set_modified(root / "a", LONG_AGO_NS)
    assert ids_of(root, templates=("shop",)) == ["b", "a"]
    sleep(0.02)  # one tick of the disk's clock
    text = (root / "a" / "run.json").read_text().replace("shop", "shed")
    (root / "a" / "run.json").write_text(text)
    set_modified(root / "a", LONG_AGO_NS)
    assert ids_of(root, templates=("shop",)) == ["b"]


@pytest.mark.parametrize(
    ("modified_ns", "age", "is_trusted"),
    [
        pytest.param(LONG_AGO_NS, timedelta(seconds=1), False, id="whole seconds, one ago"),
        pytest.param(LONG_AGO_NS, timedelta(seconds=3), True, id="whole seconds, three ago"),
        pytest.param(LONG_AGO_NS + 1, timedelta(seconds=0.05), False, id="fine, just now"),
        pytest.param(LONG_AGO_NS + 1, timedelta(seconds=1), True, id="fine, one second ago"),
    ],
)
def test_a_file_of_this_very_moment_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modified_ns: int, age: timedelta, is_trusted: bool
) -> None:
    # A stand-in for the disk: its times can not be set for a file's last change.
    stamp = registry.FileStamp(modified_ns, modified_ns, 10)
    monkeypatch.setattr(registry, "run_stamp", lambda root, name: stamp)
    make_run(tmp_path, "a")
    now = datetime.fromtimestamp(modified_ns // 1_000_000_000, UTC) + age
    with open_registry(tmp_path, now) as opened:
        opened.page(RunQuery())
    with RunIndex(index_path(tmp_path)) as index:
        assert (index.stamps() == {"a": stamp}) == is_trusted


def test_only_some_are_looked_at_unless_all_are_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CHECKED_AT_ONCE", 1)
    with open_registry(root) as opened:
        opened.page(RunQuery(page_size=1))
        write_run(root / "b", {"runId": "b", "createdUtc": "2026-01-01T00:00:00Z"})
        assert [run.run_id for run in opened.page(RunQuery(page_size=1), check="all").items] == ["b"]


def test_all_are_looked_at_in_turn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CHECKED_AT_ONCE", 1)
    with open_registry(root) as opened:
        opened.page(RunQuery())
        write_run(root / "a", {"runId": "a", "createdUtc": "2026-01-01T00:00:00Z"})
        newest = {opened.page(RunQuery(page_size=1)).items[0].run_id for _ in range(4)}
    assert "a" in newest


def test_what_is_on_the_page_is_always_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CHECKED_AT_ONCE", 1)
    with open_registry(root) as opened:
        opened.page(RunQuery())
        write_run(root / "c", {"runId": "c", "createdUtc": "2020-01-01T00:00:00Z"})
        assert [run.run_id for run in opened.page(RunQuery(page_size=1)).items] == ["b"]


def test_an_index_that_is_up_to_date_is_not_written_to(root: Path) -> None:
    page_of(root)
    before = index_path(root).read_bytes()
    page_of(root)
    assert index_path(root).read_bytes() == before


def test_files_are_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page_of(root)
    monkeypatch.setattr(registry, "read_summary", lambda folder: pytest.fail(f"read {folder} again"))
    assert ids_of(root) == ["c", "b", "a"]


@pytest.mark.parametrize("name", ["none", "empty"])
def test_a_list_without_runs_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty" / "photos").mkdir(parents=True)
    page = page_of(tmp_path / name)
    assert (page.total_count, page.note) == (0, None)
    assert not index_path(tmp_path / name).parent.exists()


def test_the_first_run_is_noticed_by_a_registry_that_is_open(tmp_path: Path) -> None:
    with open_registry(tmp_path) as opened:
        assert opened.page(RunQuery()).total_count == 0
        make_run(tmp_path, "a")
        assert opened.page(RunQuery()).total_count == 1
    assert index_path(tmp_path).exists()


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can not list file"):
        page_of(tmp_path / "file")


def test_where_no_index_can_be_kept_every_run_is_read(root: Path) -> None:
    (root / ".registry").write_text("in the way")
    page = page_of(root, mode="simulation")
    assert [run.run_id for run in page.items] == ["c", "a"]
    assert page.note is not None
    assert "every run was read" in page.note


def test_an_index_that_is_held_by_another_is_done_without(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page_of(root)
    monkeypatch.setattr("flowtime.runs.index._BUSY_TIMEOUT_S", 0.05)
    with RunIndex(index_path(root)) as other, other.writing():
        make_run(root, "d", "2025-02-01T00:00:00Z")
        page = page_of(root)
    assert [run.run_id for run in page.items] == ["d", "c", "b", "a"]
    assert "locked" in str(page.note)


def break_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE runs")
        connection.execute("CREATE TABLE runs (name TEXT, created_us INTEGER)")
        connection.execute("CREATE INDEX newest ON runs (name)")
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b"this is no database" * 500), id="another file"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:5000]), id="cut short"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(break_table, id="another table"),
    ],
)
def test_an_index_that_can_not_be_read_is_made_anew(root: Path, spoil: Callable[[Path], object]) -> None:
    page_of(root)
    spoil(index_path(root))
    page = page_of(root)
    assert ([run.run_id for run in page.items], page.note) == (["c", "b", "a"], None)
    with RunIndex(index_path(root)) as index:
        assert index.names() == {"a", "b", "c"}


def test_a_wrong_index_is_put_right_by_reindexing(root: Path) -> None:
    page_of(root)
    with sqlite3.connect(index_path(root)) as connection:
        connection.execute("UPDATE runs SET template = 'forged'")
    connection.close()
    with open_registry(root) as opened:
        report = opened.reindex()
    assert (report.run_count, report.broken_count, report.path) == (3, 0, str(index_path(root)))
    assert ids_of(root, templates=("shop",)) == ["b", "a"]


def test_reindexing_counts_what_is_broken(root: Path) -> None:
    (root / "b" / "run.json").write_text("{")
    with open_registry(root) as opened:
        assert opened.reindex().broken_count == 1


def test_the_templates_that_there_are_runs_of(root: Path) -> None:
    with open_registry(root) as opened:
        assert opened.template_ids() == ("bar", "shop")


def test_a_path_is_of_the_root_that_was_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page_of(root)
    monkeypatch.chdir(root.parent)
    assert page_of(Path(root.name)).items[0].path == os.path.join(root.name, "c")


def test_the_index_is_in_wal_mode(root: Path) -> None:
    page_of(root)
    with sqlite3.connect(index_path(root)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
