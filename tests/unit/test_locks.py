"""A lock between processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowtime.errors import StorageError
from flowtime.storage import locked


def test_a_held_lock_is_an_error(tmp_path: Path) -> None:
    with locked(tmp_path / "a.lock", timeout_s=0), pytest.raises(StorageError) as caught:
        locked(tmp_path / "a.lock", timeout_s=0.05).__enter__()
    assert caught.value.code == "storage.locked"


def test_a_lock_can_be_taken_again_after(tmp_path: Path) -> None:
    with locked(tmp_path / "a.lock", timeout_s=0):
        held = (tmp_path / "a.lock").exists()
    with locked(tmp_path / "a.lock", timeout_s=0):
        assert held


def test_a_lock_is_freed_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "a.lock", timeout_s=0):
        1 / 0  # noqa: B018
    with locked(tmp_path / "a.lock", timeout_s=0):
        assert True


def test_a_lock_that_can_not_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"can not lock a\.lock"):
        locked(tmp_path / "file" / "a.lock", timeout_s=0).__enter__()
