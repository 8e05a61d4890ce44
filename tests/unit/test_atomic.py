"""Atomic writes: what they cost, and what they leave when they fail."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from diskfakes import count_calls, fail, fill_disk_after
from flowtime.errors import StorageError
from flowtime.storage import write_atomic


@pytest.mark.parametrize(
    ("durability", "fsyncs"), [pytest.param("power", 2, id="power"), pytest.param("process", 0, id="process")]
)
def test_a_write_costs_two_fsyncs_and_one_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, fsyncs: int
) -> None:
    calls = count_calls(monkeypatch, "fsync", "replace")
    write_atomic(tmp_path / "a.json", b"new", durability=durability)  # type: ignore[arg-type]
    assert (calls["fsync"], calls["replace"]) == (fsyncs, 1)
    assert (tmp_path / "a.json").read_bytes() == b"new"


@pytest.mark.parametrize("data", [b"", b"x" * 100_000, memoryview(b"abc")], ids=["empty", "large", "view"])
def test_what_was_written_is_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(b"old")
    write_atomic(tmp_path / "a", data, durability="process")
    assert (tmp_path / "a").read_bytes() == bytes(data)


def test_a_write_that_is_taken_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_atomic(tmp_path / "a", b"0123456789" * 5, durability="process")
    assert (tmp_path / "a").read_bytes() == b"0123456789" * 5


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    fill_disk_after(monkeypatch, 5)
    with pytest.raises(StorageError) as caught:
        write_atomic(tmp_path / "a", b"0123456789", durability="power")
    assert caught.value.code == "storage.full"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_failing_disk_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fail(monkeypatch, name, errno.EIO)
    with pytest.raises(StorageError, match="can not write a: ") as caught:
        write_atomic(tmp_path / "a", b"x", durability="power")
    assert caught.value.code == "storage.failed"
    assert list(tmp_path.iterdir()) == []


def test_the_message_shows_no_absolute_path(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        write_atomic(tmp_path / "missing" / "a.json", b"x", durability="process")
    assert str(tmp_path) not in str(caught.value)


def test_a_name_of_the_longest_length_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("x" * 255), b"1", durability="process")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"1"
