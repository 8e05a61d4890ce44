"""SHA-256 in the one spelling that files carry: ``sha256:<64 hex digits>``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowtime.errors import StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sha256", "array_bytes", "sha256_array", "sha256_bytes", "sha256_file"]

_PREFIX = "sha256:"


class Sha256:
    """A hash that grows with what passes by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def passing(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """Yield each chunk after adding it to the hash."""
        for chunk in chunks:
            self._hash.update(chunk)
            yield chunk

    def text(self) -> str:
        """Return ``sha256:<hex>`` of what has passed."""
        return _PREFIX + self._hash.hexdigest()


def sha256_bytes(data: bytes | bytearray | memoryview) -> str:
    """Return ``sha256:<hex>`` of bytes."""
    return _PREFIX + hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return ``sha256:<hex>`` of a file, read in pieces; raises StorageError when it can not be read."""
    try:
        with path.open("rb") as file:
            return _PREFIX + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"can not read {path.name}: {error.strerror}", code="storage.unreadable") from error


def sha256_array(values: NDArray[Any]) -> str:
    """Return ``sha256:<hex>`` of the little-endian float64 bytes of an array, in C order.

    The bytes decide: NaNs of another payload, and -0.0, hash apart.  Writers make NaNs equal first.
    """
    return sha256_bytes(array_bytes(values))


def array_bytes(values: NDArray[Any]) -> memoryview:
    """Return the little-endian float64 bytes of an array in C order, without a copy where they lie so."""
    flat = values.astype("<f8", order="C", copy=False).reshape(-1)
    return flat.view("u1").data
