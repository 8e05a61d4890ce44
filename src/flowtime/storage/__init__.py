"""How flowtime touches the disk: safe names, atomic writes, staging folders, hashes and locks.

Names are loaded when first used: a program that only tracks its run pays for neither staging nor psutil.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowtime.storage.atomic import write_atomic
    from flowtime.storage.hashing import array_bytes, sha256_array, sha256_bytes, sha256_file
    from flowtime.storage.locks import locked
    from flowtime.storage.names import safe_id, safe_relative
    from flowtime.storage.staging import StagedFile, StagingFolder, sweep

__all__ = [
    "StagedFile",
    "StagingFolder",
    "array_bytes",
    "locked",
    "safe_id",
    "safe_relative",
    "sha256_array",
    "sha256_bytes",
    "sha256_file",
    "sweep",
    "write_atomic",
]

_HOMES = (
    ("flowtime.storage.atomic", ("write_atomic",)),
    ("flowtime.storage.hashing", ("array_bytes", "sha256_array", "sha256_bytes", "sha256_file")),
    ("flowtime.storage.locks", ("locked",)),
    ("flowtime.storage.names", ("safe_id", "safe_relative")),
    ("flowtime.storage.staging", ("StagedFile", "StagingFolder", "sweep")),
)


def __getattr__(name: str) -> object:
    for module, names in _HOMES:
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'flowtime.storage' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
