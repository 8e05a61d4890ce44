"""Deleting runs: into the trash, back again and for good, and nothing that is no run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from flowtime.errors import (
    FlowtimeError,
    RunConflictError,
    RunCorruptError,
    RunNotFoundError,
    StorageError,
    UnsafeNameError,
)
from flowtime.runs import trash
from flowtime.runs.trash import DeletedRun, RestoredRun, delete_runs, empty_trash, list_trash, restore_runs
from registryfakes import NOW, ids_of, make_run

TRASHED = "a~20300101T000000Z-00000000"


def delete(root: Path, *run_ids: str, purge: bool = False) -> Sequence[DeletedRun]:
    return delete_runs(root, run_ids, purge=purge, clock=lambda: NOW, entropy=bytes)


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """The bytes and the time of every file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two runs, a folder and a file that are none, and something beside the root."""
    make_run(tmp_path / "runs", "a")
    make_run(tmp_path / "runs", "b")
    (tmp_path / "runs" / "thesis").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("years of work")
    make_run(tmp_path, "beside")
    return tmp_path / "runs"


def test_a_run_is_moved_into_the_trash(root: Path) -> None:
    (deleted,) = delete(root, "a")
    assert deleted == DeletedRun(run_id="a", trash=str(root / ".trash" / TRASHED))
    assert ids_of(root) == ["b"]
    assert (root / ".trash" / TRASHED / "run.json").is_file()


def test_it_is_restored_to_the_last_byte(root: Path) -> None:
    (root / "a" / "series").mkdir()
    (root / "a" / "series" / "series.npy").write_bytes(bytes(range(256)))
    before = content(root / "a")
    delete(root, "a")
    assert restore_runs(root, ["a"]) == (
        RestoredRun(run_id="a", path=str(root / "a"), trash=str(root / ".trash" / TRASHED)),
    )
    assert content(root / "a") == before
    assert ids_of(root) == ["a", "b"]
    assert names(root / ".trash") == []


def test_one_id_can_be_deleted_more_than_once(root: Path) -> None:
    delete(root, "a")
    make_run(root, "a")
    draws = iter([b"\x00\x00\x00\x01"])
    delete_runs(root, ["a"], purge=False, clock=lambda: NOW, entropy=lambda _size: next(draws))
    assert names(root / ".trash") == [TRASHED, "a~20300101T000000Z-00000001"]


def test_an_id_that_is_given_twice_is_deleted_once(root: Path) -> None:
    assert [run.run_id for run in delete(root, "a", "a", "b")] == ["a", "b"]


@pytest.mark.parametrize("was_deleted", [False, True], ids=["there", "in the trash"])
def test_purge_leaves_nothing_of_a_run(root: Path, was_deleted: bool) -> None:
    make_run(root / ".trash", "b~20300101T000000Z-00000000")
    make_run(root / ".trash", "a~20290101T000000Z-00000000")
    delete(root, *["a"] * was_deleted)
    assert delete(root, "a", purge=True) == (DeletedRun(run_id="a", trash=None),)
    assert names(root / ".trash") == ["b~20300101T000000Z-00000000"]
    assert ids_of(root) == ["b"]


@pytest.mark.parametrize(
    ("run_id", "error"),
    [
        pytest.param("../beside", UnsafeNameError, id="up"),
        pytest.param("..", UnsafeNameError, id="the folder above"),
        pytest.param(".", UnsafeNameError, id="the root"),
        pytest.param("", UnsafeNameError, id="nothing"),
        pytest.param("a/../../beside", UnsafeNameError, id="up after down"),
        pytest.param("./a", UnsafeNameError, id="a path of a run"),
        pytest.param("a/", UnsafeNameError, id="slash at the end"),
        pytest.param("..\\beside", UnsafeNameError, id="backslash"),
        pytest.param("a\x00", UnsafeNameError, id="NUL"),
        pytest.param(".registry", UnsafeNameError, id="hidden"),
        pytest.param("*", UnsafeNameError, id="wildcard"),
        pytest.param("con", UnsafeNameError, id="device"),
        pytest.param("c", RunNotFoundError, id="not there"),
        pytest.param("beside", RunNotFoundError, id="in another folder"),
        pytest.param("thesis", RunNotFoundError, id="a folder that is no run"),
        pytest.param("notes.txt", RunNotFoundError, id="a file"),
    ],
)
@pytest.mark.parametrize("purge", [False, True])
def test_what_is_no_run_of_the_root_is_never_touched(
    root: Path, run_id: str, error: type[FlowtimeError], purge: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)  # where "beside" is the path of a run
    before = names(root), names(root.parent)
    with pytest.raises(error):
        delete(root, "a", run_id, purge=purge)
    assert (names(root), names(root.parent)) == before


def test_a_folder_whose_run_file_says_nothing_is_left_alone(root: Path) -> None:
    (root / "b" / "run.json").write_text("{")
    with pytest.raises(RunCorruptError, match="may be no run"):
        delete(root, "a", "b")
    assert ids_of(root) == ["a", "b"]


def test_a_copy_of_a_run_can_be_deleted(root: Path) -> None:
    (root / "a").rename(root / "copy")
    delete(root, "copy")
    assert ids_of(root) == ["b"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_what_a_link_leads_to_is_not_deleted(root: Path) -> None:
    (root / "link").symlink_to(make_run(root.parent, "link"))
    delete(root, "link", purge=True)
    assert not (root / "link").is_symlink()
    assert (root.parent / "link" / "run.json").is_file()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_nothing_is_moved_or_removed_through_a_link(root: Path) -> None:
    make_run(root.parent / "elsewhere", TRASHED)
    (root / ".trash").symlink_to(root.parent / "elsewhere")
    with pytest.raises(StorageError, match="is a link"):
        delete(root, "a")
    assert empty_trash(root) == ()
    assert names(root.parent / "elsewhere") == [TRASHED]


def test_a_trash_that_can_not_be_made_is_an_error(root: Path) -> None:
    (root / ".trash").write_text("in the way")
    with pytest.raises(StorageError, match="can not move a into the trash"):
        delete(root, "a")
    assert ids_of(root) == ["a", "b"]


def test_the_trash_is_emptied_of_runs_alone(root: Path) -> None:
    delete(root, "a", "b")
    (root / ".trash" / "letters").mkdir()
    assert [run.run_id for run in empty_trash(root)] == ["a", "b"]
    assert names(root / ".trash") == ["letters"]
    assert empty_trash(root) == ()


def test_a_root_that_is_not_there_has_no_trash(tmp_path: Path) -> None:
    assert empty_trash(tmp_path / "none") == ()
    with pytest.raises(RunNotFoundError):
        delete(tmp_path / "none", "a")


def delete_at(root: Path, run_id: str, day: int, draw: bytes) -> None:
    delete_runs(root, [run_id], purge=False, clock=lambda: NOW + timedelta(days=day), entropy=lambda _size: draw)


@pytest.fixture
def twice(root: Path) -> Path:
    """Run a was deleted, made again and deleted again, in the same second; and b one day later."""
    delete_at(root, "a", 0, b"\xff\xff\xff\xff")
    make_run(root, "a", "2026-01-01T00:00:00.000Z", mode="telemetry", templateId="shop")
    delete_at(root, "a", 0, b"\x00\x00\x00\x00")
    delete_at(root, "b", 1, b"\x00\x00\x00\x00")
    return root


FIRST = "a~20300101T000000Z-ffffffff"


def test_the_trash_is_listed_from_what_was_deleted_last(twice: Path) -> None:
    found = list_trash(twice)
    assert [Path(run.trash).name for run in found] == ["b~20300102T000000Z-00000000", TRASHED, FIRST]
    assert [run.deleted_utc for run in found] == [
        "2030-01-02T00:00:00.000Z",
        *["2030-01-01T00:00:00.000Z"] * 2,
    ]
    assert (found[1].run_id, found[1].created_utc, found[1].mode, found[1].template_id) == (
        *("a", "2026-01-01T00:00:00.000Z", "telemetry", "shop"),
    )


def test_what_is_none_of_ours_is_not_listed(root: Path) -> None:
    (root / ".trash" / "letters").mkdir(parents=True)
    (root / ".trash" / "a~20309999T000000Z-00000000").mkdir()
    assert [(run.run_id, run.deleted_utc, run.created_utc) for run in list_trash(root)] == [("a", None, None)]
    assert list_trash(root / "none") == ()


@pytest.mark.parametrize(
    ("name", "left"),
    [
        pytest.param("a", FIRST, id="by id, the one deleted last"),
        pytest.param(FIRST, TRASHED, id="by the name in the trash"),
    ],
)
def test_one_of_several_of_an_id_is_restored(twice: Path, name: str, left: str) -> None:
    (restored,) = restore_runs(twice, [name])
    assert restored.path == str(twice / "a")
    assert names(twice / ".trash") == [left, "b~20300102T000000Z-00000000"]


def test_several_are_restored_at_once_and_each_once(twice: Path) -> None:
    assert [run.run_id for run in restore_runs(twice, ["b", "a", "b"])] == ["b", "a"]
    assert ids_of(twice) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        pytest.param("../beside", UnsafeNameError, "can not be a run id", id="up"),
        pytest.param("", UnsafeNameError, "can not be a run id", id="nothing"),
        pytest.param("../.trash/a~20300101T000000Z-00000000", UnsafeNameError, "can not be", id="a path in the trash"),
        pytest.param("~20300101T000000Z-00000000", UnsafeNameError, "can not be", id="no id"),
        pytest.param("a~../../beside", RunNotFoundError, "in the trash", id="up after an id"),
        pytest.param("a~20300101T000000Z-12345678", RunNotFoundError, "did you mean a~", id="another name"),
        pytest.param("c", RunNotFoundError, "restore --list", id="not there"),
        pytest.param("letters", RunNotFoundError, "in the trash", id="none of ours"),
        pytest.param("thesis", RunNotFoundError, "among the runs", id="not deleted"),
        pytest.param(FIRST, RunConflictError, "can not both be restored", id="twice one id"),
    ],
)
def test_what_is_not_restored(twice: Path, name: str, error: type[FlowtimeError], told: str) -> None:
    (twice / ".trash" / "letters").mkdir()
    before = names(twice), names(twice / ".trash")
    with pytest.raises(error) as caught:
        restore_runs(twice, ["b", "a", name])
    assert told in f"{caught.value.message} {caught.value.hint}"
    assert (names(twice), names(twice / ".trash")) == before


@pytest.mark.parametrize(
    "take",
    [
        pytest.param(lambda path: make_run(path.parent, path.name), id="a run"),
        pytest.param(Path.mkdir, id="an empty folder"),
        pytest.param(Path.touch, id="a file"),
        pytest.param(
            lambda path: path.symlink_to("nowhere"),
            id="a link that leads nowhere",
            marks=pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows"),
        ),
    ],
)
def test_a_run_whose_id_is_taken_stays_in_the_trash(twice: Path, take: Callable[[Path], object]) -> None:
    take(twice / "a")
    with pytest.raises(RunConflictError) as caught:
        restore_runs(twice, ["b", "a"])
    assert caught.value.code == "run.conflict"
    assert len(list_trash(twice)) == 3


def test_an_id_that_is_taken_meanwhile_is_a_conflict(twice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(twice, "a")
    answers = iter([False, True])
    monkeypatch.setattr(trash.os.path, "lexists", lambda _path: next(answers))
    with pytest.raises(RunConflictError):
        restore_runs(twice, ["a"])
    assert len(list_trash(twice)) == 3


def test_what_is_removed_meanwhile_is_not_found(twice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trash.os.path, "lexists", lambda _path: not empty_trash(twice))
    with pytest.raises(RunNotFoundError, match="removed meanwhile"):
        restore_runs(twice, ["a"])


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_nothing_is_restored_through_a_link(root: Path) -> None:
    make_run(root.parent / "elsewhere", TRASHED)
    (root / ".trash").symlink_to(root.parent / "elsewhere")
    assert list_trash(root) == ()
    with pytest.raises(RunNotFoundError):
        restore_runs(root, ["a"])


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_run_that_is_a_link_is_restored_as_one(root: Path) -> None:
    make_run(root.parent, "link")
    (root / "link").symlink_to("../link")
    delete(root, "link")
    restore_runs(root, ["link"])
    assert (root / "link").is_symlink()
    assert ids_of(root) == ["a", "b", "link"]
