"""Deleting runs: into the trash and for good, and nothing that is no run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from flowtime.errors import FlowtimeError, RunCorruptError, RunNotFoundError, StorageError, UnsafeNameError
from flowtime.runs.trash import DeletedRun, delete_runs, empty_trash
from registryfakes import NOW, ids_of, make_run

TRASHED = "a~20300101T000000Z-00000000"


def delete(root: Path, *run_ids: str, purge: bool = False) -> Sequence[DeletedRun]:
    return delete_runs(root, run_ids, purge=purge, clock=lambda: NOW, entropy=bytes)


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


def test_it_can_be_moved_back(root: Path) -> None:
    (deleted,) = delete(root, "a")
    Path(str(deleted.trash)).rename(root / "a")
    assert ids_of(root) == ["a", "b"]


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
