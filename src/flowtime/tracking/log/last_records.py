"""The last record of a kind in a stream of JSON records, read from its end: a long log costs no more.

The mark of a segment lags behind by up to 64 records, and records tell where the next one begins but not the one
before.  So pieces are read from the end on backwards; the first whole record of a piece is found by its checksum.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from flowtime.tracking.log.log_format import HEAD, HEADER_BYTES, RECORD_BYTES, STREAM_OF_KIND, TIMES, list_segments
from flowtime.tracking.log.segment_file import SegmentFile, open_segments

__all__ = ["LastRecord", "last_records"]

_FIRST_PIECE = 32 << 10
_GROWTH = 8
# What may have been written after the mark.
_AFTER_MARK = 1 << 20
# What is not found in so many bytes is not looked for any further.
_MOST = 8 << 20
_LEAST = RECORD_BYTES + TIMES.size + len(b"{}")
_CRC_BYTES = 4
_ROOM = bytes(64)
_KIND_AT = 6


class LastRecord(NamedTuple):
    """A record: its kind, its times in nanoseconds, and what it says."""

    kind: int
    wall_ns: int
    monotonic_ns: int
    data: dict[str, Any]


def last_records(
    folder: Path, stream: str, kind: int, *, along: Collection[int] = (), writer: str = "main"
) -> list[LastRecord]:
    """Return the last record of a kind, after what is found of the kinds ``along`` while it is looked for.

    It is not found where it lies further back than 8 MiB, or after damage.
    """
    others: list[LastRecord] = []
    size = 0
    for piece in _pieces(folder, stream, writer):
        bodies = list(_bodies(piece, {kind, *along}))
        others = [*(record for item in bodies if item[0] != kind and (record := _decode(*item))), *others]
        last = next((record for item in reversed(bodies) if item[0] == kind and (record := _decode(*item))), None)
        size += len(piece)
        if last is not None:
            return [*others, last]
        if size >= _MOST:
            break
    return others


def _pieces(folder: Path, stream: str, writer: str) -> Iterator[bytes]:
    """Yield the bytes of a stream from its end on, in pieces that begin with a record."""
    for file in open_segments(reversed([item for item in list_segments(folder, (stream,)) if item.writer == writer])):
        if file.header is not None:
            yield from _blocks(file) if file.name.is_compacted else _windows(file, stream)


def _blocks(file: SegmentFile) -> Iterator[bytes]:
    for head in reversed(file.block_heads()):
        block = file.block(head)
        if block is not None:
            yield block.data


def _windows(file: SegmentFile, stream: str) -> Iterator[bytes]:
    used = HEADER_BYTES if file.mark is None else file.mark.used
    tail = _after(file, used)
    end, size = used, _FIRST_PIECE
    while True:
        start = max(HEADER_BYTES, end - size)
        data = file.read(start, end - start) + tail
        first = 0 if start == HEADER_BYTES else _first_record(data, stream)
        yield data[first:]
        if start == HEADER_BYTES:
            return
        end, tail = start + first, b""
        # A piece without any record is read again as a part of a larger one.
        size *= _GROWTH


def _after(file: SegmentFile, used: int) -> bytes:
    """Return what was written after the mark, and some of the room behind it."""
    size = _FIRST_PIECE
    while True:
        data = file.read(used, size)
        # So many zeros are in no record: its text holds none.
        if len(data) < size or data.endswith(_ROOM) or size >= _AFTER_MARK:
            return data
        size *= _GROWTH


def _first_record(data: bytes, stream: str) -> int:
    """Return where the first whole record begins, or the end."""
    known = {int(kind) for kind, home in STREAM_OF_KIND.items() if home == stream}
    for at in range(len(data) - RECORD_BYTES):
        if data[at + _KIND_AT] in known and _size_at(data, at) is not None:
            return at
    return len(data)


def _bodies(data: bytes, kinds: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the body of each record of some kinds; to decode them all would take ten times as long."""
    at = 0
    while (size := _size_at(data, at)) is not None:
        kind = data[at + _KIND_AT]
        if kind in kinds:
            yield kind, data[at + RECORD_BYTES : at + size]
        at += size


def _size_at(data: bytes, at: int) -> int | None:
    """Return the size of the record that begins at an offset, None where no whole one does."""
    if at + RECORD_BYTES > len(data):
        return None
    crc, low, _, high, _ = HEAD.unpack_from(data, at)
    size = int(low | high << 16)
    if size < _LEAST or at + size > len(data) or crc32(data[at + _CRC_BYTES : at + size]) != crc:
        return None
    return size


def _decode(kind: int, body: bytes) -> LastRecord | None:
    try:
        data = json.loads(body[TIMES.size :])
    except ValueError:
        return None
    wall_ns, monotonic_ns = TIMES.unpack_from(body)
    return LastRecord(kind, wall_ns, monotonic_ns, data) if isinstance(data, dict) else None
