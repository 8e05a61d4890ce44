"""JSON as files carry it, and the canonical JSON that hashes are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import numpy as np

from flowtime.errors import RunCorruptError
from flowtime.storage import sha256_bytes

__all__ = ["canonical_hash", "decode_file", "encode_file"]

T = TypeVar("T")

# Beyond it floats have gaps, and an integer is another number than the float beside it.
_EXACT = 2.0**53


def encode_file(document: msgspec.Struct) -> bytes:
    """Return a struct as UTF-8 JSON for a file: indented, no byte order mark, one newline at the end.

    Fields keep the order of the struct, mappings are sorted; NaN and infinities become null.
    """
    return msgspec.json.format(_encoder().encode(document), indent=2) + b"\n"


def decode_file(data: bytes, kind: type[T], *, file: str) -> T:
    """Read a JSON file into a struct; a byte order mark is passed over.  Raises RunCorruptError."""
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except msgspec.DecodeError as error:
        raise RunCorruptError(f"{file} is not what it should be: {error}", code="run.corrupt") from error


def canonical_hash(value: Mapping[str, object]) -> str:
    """Return ``sha256:<hex>`` of plain data as canonical JSON: sorted keys, no spaces.

    A whole number hashes alike as 1 and as 1.0, since JSON does not tell them apart.
    """
    return sha256_bytes(_encoder().encode(_canonical(value)))


def _encoder() -> msgspec.json.Encoder:
    return msgspec.json.Encoder(order="deterministic", enc_hook=_plain)


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _canonical(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return _canonical(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value
