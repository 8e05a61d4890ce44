"""The files that TensorBoard reads, written byte by byte: records with checksums, each an event of protocol buffers.

Written here and not by a library, because the length of the file has to be known to the byte: what a killed mirror
left behind its last mark is cut off by the next one, so that nothing stands there twice.
"""

from __future__ import annotations

import struct
from functools import cache, lru_cache

__all__ = ["file_head", "scalar_event", "text_event"]

_DOUBLE = struct.Struct("<Bd")
_FLOAT = struct.Struct("<Bf")
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_CASTAGNOLI = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF
_STRING_TYPE = 7

# Field numbers, with the wire type in their low bits.
_WALL_TIME, _STEP, _FILE_VERSION, _SUMMARY = 0x09, 0x10, 0x1A, 0x2A
_VALUE, _TAG, _SIMPLE_VALUE, _TENSOR, _METADATA = 0x0A, 0x0A, 0x15, 0x42, 0x4A
_PLUGIN, _PLUGIN_NAME = 0x0A, 0x0A
_TYPE, _SHAPE, _STRINGS = 0x08, 0x12, 0x42
_ONE_ROW = bytes((0x12, 2, 0x08, 1))  # a dimension of size 1


def file_head(wall_ns: int) -> bytes:
    """Return the record that a file begins with."""
    return _record(_stamp(wall_ns, 0) + _field(_FILE_VERSION, b"brain.Event:2"))


def scalar_event(tag: str, value: float, step: int, wall_ns: int) -> bytes:
    """Return the record of one figure, which TensorBoard keeps with 24 bits."""
    try:
        packed = _FLOAT.pack(_SIMPLE_VALUE, value)
    except OverflowError:
        packed = _FLOAT.pack(_SIMPLE_VALUE, float("inf") if value > 0 else float("-inf"))
    return _record(_stamp(wall_ns, step) + _summary(_tag(tag) + packed))


def text_event(tag: str, text: str, step: int, wall_ns: int) -> bytes:
    """Return the record of one text, which TensorBoard shows as Markdown."""
    tensor = bytes((_TYPE, _STRING_TYPE)) + _field(_SHAPE, _ONE_ROW) + _field(_STRINGS, _utf8(text))
    metadata = _field(_PLUGIN, _field(_PLUGIN_NAME, b"text"))
    value = _tag(f"{tag}/text_summary") + _field(_TENSOR, tensor) + _field(_METADATA, metadata)
    return _record(_stamp(wall_ns, step) + _summary(value))


def _stamp(wall_ns: int, step: int) -> bytes:
    return _DOUBLE.pack(_WALL_TIME, wall_ns / 1e9) + bytes((_STEP,)) + _varint(step)


def _summary(value: bytes) -> bytes:
    return _field(_SUMMARY, _field(_VALUE, value))


@lru_cache(maxsize=4096)
def _tag(tag: str) -> bytes:
    return _field(_TAG, _utf8(tag))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _field(key: int, content: bytes) -> bytes:
    return bytes((key,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _record(event: bytes) -> bytes:
    return _length(len(event)) + event + _masked_crc(event)


@lru_cache(maxsize=4096)
def _length(size: int) -> bytes:
    length = _LENGTH.pack(size)
    return length + _masked_crc(length)


def _masked_crc(data: bytes) -> bytes:
    table = _table()
    crc = _ALL
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= _ALL
    return _CRC.pack(((crc >> 15 | crc << 17) + _MASK_DELTA) & _ALL)


@cache
def _table() -> tuple[int, ...]:
    """Return the table of CRC-32C, which is another one than that of zlib."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
