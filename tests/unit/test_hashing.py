"""Hashes in the spelling of the files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flowtime.errors import StorageError
from flowtime.storage import array_bytes, sha256_array, sha256_bytes, sha256_file

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_bytes_and_files_hash_alike(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(data)
    assert sha256_bytes(data) == sha256_file(tmp_path / "a") == "sha256:" + hashlib.sha256(data).hexdigest()


def test_nothing_has_the_known_hash() -> None:
    assert sha256_bytes(b"") == sha256_array(np.zeros(0)) == EMPTY


def test_a_file_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        sha256_file(tmp_path / "a")
    assert caught.value.code == "storage.unreadable"


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.array([1.0, 2.5, 3.0]), id="plain"),
        pytest.param(np.array([1.0, 2.5, 3.0], dtype=">f8"), id="big endian"),
        pytest.param(np.array([1.0, 0.0, 2.5, 0.0, 3.0])[::2], id="strided"),
        pytest.param(np.array([3.0, 2.5, 1.0])[::-1], id="backward"),
        pytest.param(np.array([1.0, 2.5, 3.0], dtype=np.float32), id="float32"),
    ],
)
def test_the_values_decide_and_not_their_layout(values: NDArray[np.float64]) -> None:
    expected = bytes.fromhex("000000000000f03f00000000000004400000000000000840")
    assert bytes(array_bytes(values)) == expected
    assert sha256_array(values) == sha256_bytes(expected)
