"""Staging folders: everything or nothing, and no traces."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import psutil
import pytest

from diskfakes import count_calls, fail, fill_disk_after
from flowtime.errors import StorageError, UnsafeNameError
from flowtime.storage import StagingFolder, sha256_bytes, sweep
from flowtime.storage.owner import is_gone, owner_mark

HOST, PID, START = owner_mark().split("-")
GONE = f"{HOST}-{PID}-{int(START) + 100_000}"


def publish(root: Path, name: str, files: dict[str, bytes], *, replace: bool = False) -> Path:
    with StagingFolder(root, name, "process") as staging:
        for path, data in files.items():
            staging.write(path, data)
        return staging.publish(replace=replace)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_appear_all_at_once(tmp_path: Path) -> None:
    with StagingFolder(tmp_path / "runs", "one", "power") as staging:
        staging.write("run.json", b"{}")
        staging.write("series/deep/a.csv", b"1")
        before = (tmp_path / "runs" / "one").exists()
        path = staging.publish()
    assert not before
    assert content(path) == {"run.json": b"{}", "series/deep/a.csv": b"1"}
    assert os.listdir(tmp_path / "runs") == ["one"]


def test_what_was_written_is_recorded(tmp_path: Path) -> None:
    with StagingFolder(tmp_path, "one", "process") as staging:
        staged = staging.write_chunks("a/b", [b"12", memoryview(b"345"), b""])
    assert staged == ("a/b", 5, sha256_bytes(b"12345"))
    assert staging.files == [staged]


@pytest.mark.parametrize(
    ("durability", "fsyncs"), [pytest.param("power", 6, id="power"), pytest.param("process", 0, id="process")]
)
def test_files_and_folders_are_synced_before_and_the_root_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, fsyncs: int
) -> None:
    calls = count_calls(monkeypatch, "fsync")
    with StagingFolder(tmp_path, "one", durability) as staging:  # type: ignore[arg-type]
        staging.write("a", b"1")
        staging.write("x/y/b", b"2")
        staging.publish()
    # two files, x, x/y, the folder itself, the root
    assert calls["fsync"] == fsyncs


def test_leaving_without_publishing_leaves_nothing(tmp_path: Path) -> None:
    with StagingFolder(tmp_path, "one", "power") as staging:
        staging.write("a", b"1")
    assert os.listdir(tmp_path) == []


def test_an_error_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), StagingFolder(tmp_path, "one", "power") as staging:
        staging.write("a", b"1" * (1 // 0))
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk_after(monkeypatch, 5)
    with pytest.raises(StorageError) as caught:
        publish(tmp_path, "one", {"a": b"123", "b": b"456"})
    assert caught.value.code == "storage.full"
    assert os.listdir(tmp_path) == []


def test_an_fsync_that_fails_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, "fsync", errno.EIO)
    with StagingFolder(tmp_path, "one", "power") as staging:
        staging.write("a", b"1")
        with pytest.raises(StorageError, match="can not write one"):
            staging.publish()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("existing", [{}, {"a": b"old"}], ids=["empty folder", "full folder"])
def test_a_taken_name_is_refused_and_left_alone(tmp_path: Path, existing: dict[str, bytes]) -> None:
    publish(tmp_path, "one", existing)
    with pytest.raises(StorageError) as caught:
        publish(tmp_path, "one", {"a": b"new"})
    assert caught.value.code == "storage.exists"
    assert content(tmp_path / "one") == existing
    assert os.listdir(tmp_path) == ["one"]


@pytest.mark.parametrize("existing", [[], ["one"]], ids=["nothing there", "an old folder there"])
def test_replace_leaves_only_the_new_files(tmp_path: Path, existing: list[str]) -> None:
    for name in existing:
        publish(tmp_path, name, {"old": b"old"})
    publish(tmp_path, "one", {"new": b"new"}, replace=True)
    assert content(tmp_path / "one") == {"new": b"new"}
    assert sorted(os.listdir(tmp_path)) == [".publish.lock", "one"]


def test_a_replacement_that_fails_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, "one", {"old": b"old"})
    rename = Path.rename

    def refuse_staged(path: Path, target: Path) -> Path:
        if path.name.startswith(".staging-"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_staged)
    with pytest.raises(StorageError):
        publish(tmp_path, "one", {"new": b"new"}, replace=True)
    assert content(tmp_path / "one") == {"old": b"old"}
    assert sorted(os.listdir(tmp_path)) == [".publish.lock", "one"]


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", ""], ids=repr)
def test_an_unsafe_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeNameError):
        StagingFolder(tmp_path, name, "process")


def test_an_unsafe_file_name_is_refused(tmp_path: Path) -> None:
    with StagingFolder(tmp_path, "one", "process") as staging, pytest.raises(UnsafeNameError):
        staging.write("../escape", b"")


def test_sweep_removes_what_an_ended_process_staged(tmp_path: Path) -> None:
    (tmp_path / f".staging-my-run.1-{GONE}-0123abcd" / "series").mkdir(parents=True)
    assert sweep(tmp_path) == ["my-run.1"]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(f".staging-a-{owner_mark()}-0123abcd", id="of a living process"),
        pytest.param(f".staging-a-000000-{PID}-1-0123abcd", id="of another host"),
        pytest.param(".staging-a-0123abcd", id="of nobody"),
        pytest.param("staging-a", id="a run"),
    ],
)
def test_sweep_leaves_the_rest_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert sweep(tmp_path) == []
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("present", "kept"), [(False, {"old": b"old"}), (True, {"new": b"new"})], ids=["put back", "done with"]
)
def test_sweep_settles_a_replacement_that_was_cut_off(tmp_path: Path, present: bool, kept: dict[str, bytes]) -> None:
    publish(tmp_path, "one", {"old": b"old"}).rename(tmp_path / f".replaced-one-{GONE}-0123abcd")
    for name in ["one"] * present:
        publish(tmp_path, name, {"new": b"new"})
    assert sweep(tmp_path) == ["one"]
    assert content(tmp_path / "one") == kept
    assert os.listdir(tmp_path) == ["one"]


def test_sweep_of_a_root_that_is_not_there(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == []


def test_the_mark_of_a_living_process_is_steady() -> None:
    marks = {owner_mark() for _ in range(3)}
    assert len(marks) == 1
    assert not is_gone(marks.pop())


@pytest.mark.parametrize("mark", ["", "x", f"{HOST}-x-1", f"{HOST}-1-x"], ids=repr)
def test_a_mark_that_can_not_be_read_is_not_gone(mark: str) -> None:
    assert not is_gone(mark)


def test_a_pid_that_is_not_there_is_gone() -> None:
    missing = max(psutil.pids()) + 100_000
    assert is_gone(f"{HOST}-{missing}-{START}")


def test_a_file_holds_no_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError) as caught:
        sweep(tmp_path / "file")
    assert caught.value.code == "storage.not_a_folder"
