"""Slots of scalars in bytes: which kinds and keys they hold, told without reading each of them."""

from __future__ import annotations

import struct
import sys

from flowtime.tracking.log.log_format import SCALAR_BYTES

__all__ = [
    "BODY_AT",
    "CARRY_END",
    "CONTENT_BYTES",
    "FLAGS_AT",
    "KIND_AT",
    "count_kind",
    "last_slots",
    "shuffle",
    "unshuffle",
]

# Where the times of a slot begin; before them are the checksum, the size, the kind, the flags and the sequence.
BODY_AT = 16
KIND_AT = 6
FLAGS_AT = 7
# The flag of the last of the values that are carried into a page: those before it are then all there.
CARRY_END = 1
_KEY = struct.Struct("<24xI12x")
_WORDS = SCALAR_BYTES // 4
_KEY_WORD = 6
_CRC_BYTES = 4
CONTENT_BYTES = SCALAR_BYTES - _CRC_BYTES


def count_kind(slots: bytes | memoryview, kind: int) -> int:
    """Return how many whole slots are of a kind."""
    return bytes(slots[KIND_AT::SCALAR_BYTES]).count(kind)


def last_slots(slots: memoryview) -> dict[int, int]:
    """Return key -> index of the last slot that holds it; ``slots`` is of whole slots, empty ones are passed over."""
    if sys.byteorder == "little":
        with slots.cast("I") as words:
            keys = words[_KEY_WORD::_WORDS].tolist()
    else:
        keys = [key for (key,) in _KEY.iter_unpack(slots)]
    last = dict(zip(keys, range(len(keys)), strict=True))
    last.pop(0, None)
    return last


def shuffle(slots: bytes) -> bytes:
    """Return whole slots by columns of bytes, without their checksums: alike bytes beside each other pack well."""
    return b"".join(slots[at::SCALAR_BYTES] for at in range(_CRC_BYTES, SCALAR_BYTES))


def unshuffle(columns: bytes, count: int, slot_bytes: int = CONTENT_BYTES) -> bytes:
    """Return what ``shuffle`` was given: slots of 36 bytes, or of 40 with zeros for checksums."""
    slots = bytearray(slot_bytes * count)
    first = slot_bytes - CONTENT_BYTES
    for at in range(CONTENT_BYTES):
        slots[first + at :: slot_bytes] = columns[at * count : (at + 1) * count]
    return bytes(slots)
