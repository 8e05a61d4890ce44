"""The records of one segment, each checked: what is damaged is passed over and told, never glued to what is whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from flowtime.tracking.log.log_format import (
    CONTENT,
    FIXED,
    HEAD,
    HEADER_BYTES,
    RECORD_BYTES,
    SCALAR_BODY,
    SCALAR_BYTES,
    TIMES,
)
from flowtime.tracking.log.scalar_slots import unshuffle
from flowtime.tracking.log.segment_file import Faults, SegmentFile

__all__ = ["Record", "Slot", "live_end", "read_records", "read_slots", "slot_blocks"]

# size, kind, flags, sequence, monotonic ns, key, row, value
Slot = tuple[int, int, int, int, int, int, int, float]

CHUNK_SLOTS = 6400
_PIECE_SLOTS = 1024
# Slots that threads have taken and not written yet lie near the end: this many empty ones in a row are its end.
_EMPTY_SLOTS = 512
_NO_SLOT = bytes(SCALAR_BYTES - 4)
_LEAST_RECORD = RECORD_BYTES + TIMES.size
_SEQUENCE = struct.Struct("<Q")
# How many records in a row a damage may have taken for what follows it to be found again.
_LOOK_AHEAD = 64
_SEQUENCE_AT = 8
_ROOM = bytes(1024)


class Record(NamedTuple):
    """One record of JSON, its text not read yet; ``end`` is the offset behind it, 0 in a compacted segment."""

    sequence: int
    kind: int
    wall_ns: int
    monotonic_ns: int
    text: bytes
    end: int


class _SlotBlock(NamedTuple):
    """Bytes of whole slots from the slot ``first`` on, at ``offset`` of the file; checked ones have no checksums."""

    first: int
    offset: int
    data: bytes
    is_checked: bool


def slot_blocks(file: SegmentFile, start: int, faults: Faults | None) -> Iterator[_SlotBlock]:
    """Yield the slots of a segment from ``start`` on, as blocks of whole slots."""
    if file.name.is_compacted:
        for block in file.blocks(faults, start=start):
            yield _SlotBlock(block.first, block.offset, unshuffle(block.data, block.records), True)
        return
    at = HEADER_BYTES + start * SCALAR_BYTES
    while True:
        data = file.read(at, CHUNK_SLOTS * SCALAR_BYTES)
        rest = len(data) % SCALAR_BYTES
        whole = data[: len(data) - rest] if rest else data
        if whole:
            yield _SlotBlock((at - HEADER_BYTES) // SCALAR_BYTES, at, whole, False)
        at += len(whole)
        if len(data) < CHUNK_SLOTS * SCALAR_BYTES:
            if faults is not None and any(data[len(whole) :]):
                faults.damaged(at, rest)
            return


def read_slots(
    file: SegmentFile, *, start: int = 0, faults: Faults | None = None, is_live: bool = False
) -> Iterator[Slot]:
    """Yield the slots from ``start`` on that are whole, VOID and CARRY ones too.

    With ``is_live`` the first block of empty ones ends it, so that a page costs no reading of the room after it.
    """
    if file.header is None:
        return
    sequence = file.header.first_sequence
    empty = _Empty(faults)
    for first, offset, data, is_checked in slot_blocks(file, start, faults):
        if is_checked:
            yield from _checked_slots(data, sequence + first, start - first, empty)
        elif data.count(0) == len(data):
            empty.slots += len(data) // SCALAR_BYTES
            if is_live:
                return
        else:
            yield from _raw_slots(data, sequence + first, offset, empty)
    if faults is not None and file.mark is not None and file.mark.is_sealed and not file.name.is_compacted:
        # A sealed segment ends at its last slot, whether that was written or not; zeros behind it are room.
        faults.holes += max(0, empty.slots - max(0, file.size - file.mark.used) // SCALAR_BYTES)


class _Empty:
    """Empty slots seen of late: holes once something follows them, else the end of the log."""

    __slots__ = ("faults", "slots")

    def __init__(self, faults: Faults | None) -> None:
        self.faults = faults
        self.slots = 0

    def settle(self) -> None:
        if self.faults is not None:
            self.faults.holes += self.slots
        self.slots = 0


def _raw_slots(data: bytes, sequence: int, offset: int, empty: _Empty) -> Iterator[Slot]:
    unpack = SCALAR_BODY.unpack
    for crc, body in FIXED.iter_unpack(data):
        if crc32(body) == crc:
            slot: Slot = unpack(body)
            if slot[3] == sequence and slot[0] == SCALAR_BYTES:
                if empty.slots:
                    empty.settle()
                yield slot
                sequence += 1
                offset += SCALAR_BYTES
                continue
        if crc == 0 and body == _NO_SLOT:
            empty.slots += 1
        else:
            empty.settle()
            if empty.faults is not None:
                empty.faults.damaged(offset, SCALAR_BYTES)
        sequence += 1
        offset += SCALAR_BYTES


def _checked_slots(data: bytes, sequence: int, skip: int, empty: _Empty) -> Iterator[Slot]:
    slots: Iterator[Slot] = SCALAR_BODY.iter_unpack(data)
    for index, slot in enumerate(slots):
        if slot[0] == 0:
            empty.slots += 1
            empty.settle()
        elif index >= skip and slot[3] == sequence + index:
            yield slot


def read_records(
    file: SegmentFile, *, start: int = HEADER_BYTES, sequence: int | None = None, faults: Faults | None = None
) -> Iterator[Record]:
    """Yield the records of JSON from byte ``start`` on that are whole.

    ``sequence`` is that of the record at ``start``, the first of the segment if None.
    """
    if file.header is None:
        return
    expected = file.header.first_sequence if sequence is None else sequence
    if not file.name.is_compacted:
        # A record ends with a brace, so zeros at the end are room that nothing was written to.
        data = _without_room(file.read(start, max(0, file.size - start)))
        yield from _parse(data, start, expected, faults)
        if faults is not None and file.mark is not None and start + len(data) < file.mark.used:
            faults.damaged(start + len(data), file.mark.used - start - len(data))
        return
    for block in file.blocks(faults):
        for record in _parse(block.data, 0, expected, faults):
            expected = record.sequence + 1
            yield record._replace(end=0)


def _parse(data: bytes, base: int, expected: int, faults: Faults | None) -> Iterator[Record]:
    at = 0
    while at < len(data):
        record = _record_at(data, at, base, expected)
        if record is None:
            end = _find_record(data, at + 1, expected)
            if faults is not None:
                faults.damaged(base + at, end - at)
            at = end
            continue
        yield record
        expected = record.sequence + 1
        at = record.end - base


def _record_at(data: bytes, at: int, base: int, least_sequence: int) -> Record | None:
    """Return the record that begins at ``at``, None where there is no whole one of a sequence that may follow."""
    if at + _LEAST_RECORD > len(data):
        return None
    crc, low, kind, high, sequence = HEAD.unpack_from(data, at)
    end = at + (low | high << 16)
    if end < at + _LEAST_RECORD or end > len(data) or sequence < least_sequence:
        return None
    if crc32(memoryview(data)[at + RECORD_BYTES - CONTENT.size : end]) != crc:
        return None
    wall_ns, monotonic_ns = TIMES.unpack_from(data, at + RECORD_BYTES)
    return Record(sequence, kind, wall_ns, monotonic_ns, data[at + _LEAST_RECORD : end], base + end)


def _find_record(data: bytes, start: int, expected: int) -> int:
    """Return where the next whole record begins from ``start`` on, the end of the data if there is none.

    Looked for by the sequences that may come next: text is ASCII, so it holds no such eight bytes.
    """
    best = len(data)
    for sequence in range(expected, expected + _LOOK_AHEAD):
        pattern = _SEQUENCE.pack(sequence)
        found = data.find(pattern, start + _SEQUENCE_AT, best + _SEQUENCE_AT)
        while found >= 0:
            if _record_at(data, found - _SEQUENCE_AT, 0, expected) is not None:
                best = min(best, found - _SEQUENCE_AT)
                break
            found = data.find(pattern, found + 1, best + _SEQUENCE_AT)
    return best


def live_end(file: SegmentFile) -> tuple[int, bytes]:
    """Return how many slots of a raw segment are taken, and the bytes of those after its mark (whole slots).

    Costs one page, as writers set the mark at every page; a segment without one is read whole.
    """
    used = HEADER_BYTES if file.mark is None else file.mark.used
    if file.is_sealed:
        return (min(used, file.size) - HEADER_BYTES) // SCALAR_BYTES, b""
    parts: list[bytes] = []
    at = used
    while True:
        piece = file.read(at, _PIECE_SLOTS * SCALAR_BYTES)
        parts.append(piece)
        at += len(piece)
        written = len(_without_room(piece))
        if len(piece) < _PIECE_SLOTS * SCALAR_BYTES or len(piece) - written > _EMPTY_SLOTS * SCALAR_BYTES:
            break
    data = b"".join(parts)
    slots = min(-(-len(_without_room(data)) // SCALAR_BYTES), len(data) // SCALAR_BYTES)
    return (used - HEADER_BYTES) // SCALAR_BYTES + slots, data[: slots * SCALAR_BYTES]


def _without_room(data: bytes) -> bytes:
    """Return ``data`` without the zeros at its end; by comparing blocks, since ``rstrip`` looks at each byte."""
    end = len(data)
    while data.endswith(_ROOM, 0, end):
        end -= len(_ROOM)
    return data[:end].rstrip(b"\0")
