"""How flowtime touches the disk: safe names, atomic writes, staging folders, hashes and locks."""

from __future__ import annotations

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
