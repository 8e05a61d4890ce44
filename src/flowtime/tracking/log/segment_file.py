"""One segment as a file to read: its header, its bytes, and what of them is damaged.

Files are read, never mapped: a mapped one that its writer cuts at the seal would end the reader by SIGBUS.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self
from zlib import crc32

from flowtime.tracking.log.log_format import (
    BLOCK,
    HEADER_BYTES,
    Mark,
    SegmentHeader,
    SegmentName,
    decode_header,
    decode_mark,
)

__all__ = ["Block", "BlockHead", "Damage", "Faults", "SegmentFile", "open_segment", "open_segments", "pack_block"]

_SIZES = struct.Struct("<III")
# No block that we write comes near; a damaged size must not ask for all the memory there is.
_MOST_BLOCK_BYTES = 64 << 20


class Damage(NamedTuple):
    """Bytes of a file that are no record: torn, cut or changed."""

    file: str
    offset: int
    bytes: int


class Faults:
    """What a reader of a segment could not read: damaged bytes, and slots that were taken and never written."""

    __slots__ = ("damages", "file", "holes")

    def __init__(self, file: str) -> None:
        self.file = file
        self.holes = 0
        self.damages: list[Damage] = []

    def damaged(self, offset: int, size: int) -> None:
        """Take note of damaged bytes, joined to those just before them."""
        last = self.damages[-1] if self.damages else None
        if last is not None and last.offset + last.bytes == offset:
            self.damages[-1] = last._replace(bytes=last.bytes + size)
        else:
            self.damages.append(Damage(self.file, offset, size))


class BlockHead(NamedTuple):
    """Where a block of a compacted segment lies, and how many bytes and records it holds; not checked yet."""

    offset: int
    crc: int
    packed: int
    size: int
    records: int


class Block(NamedTuple):
    """One block of a compacted segment: its bytes, how many records or slots they hold, and the number of the first.

    ``offset`` is where the block lies in the file.
    """

    offset: int
    data: bytes
    records: int
    first: int = 0


class SegmentFile:
    """An open segment; ``header`` is None where it is damaged, and then nothing else can be told of it.

    ``mark`` is None where there is none to trust.  ``size`` is that of the file when it was opened.
    """

    __slots__ = ("_file", "header", "is_blank", "mark", "name", "size")

    def __init__(self, name: SegmentName, file: io.FileIO) -> None:
        self.name = name
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        head = self.read(0, HEADER_BYTES)
        self.header: SegmentHeader | None = decode_header(head)
        self.mark: Mark | None = decode_mark(head)
        # A writer was killed, or is now, between making the file and writing its header.
        self.is_blank = self.header is None and not head.strip(b"\0")

    @property
    def file_name(self) -> str:
        """The name of the file, for messages."""
        return self.name.file

    @property
    def is_sealed(self) -> bool:
        """Whether nothing more will be written to it."""
        return self.mark is not None and self.mark.is_sealed

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset`` on, fewer at the end of the file."""
        self._file.seek(offset)
        parts = []
        while size > 0:
            part = self._file.read(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def block_heads(self) -> list[BlockHead]:
        """Return where the blocks of a compacted segment lie, as far as their heads lead from one to the next."""
        heads = []
        at = HEADER_BYTES
        while at + BLOCK.size <= self.size:
            crc, packed, size, records = BLOCK.unpack(self.read(at, BLOCK.size))
            if not 0 < packed <= self.size - at - BLOCK.size or not 0 < size <= _MOST_BLOCK_BYTES:
                break
            heads.append(BlockHead(at, crc, packed, size, records))
            at += BLOCK.size + packed
        return heads

    def block(self, head: BlockHead) -> Block | None:
        """Return one block of a compacted segment, None where it is damaged."""
        data = self.read(head.offset + BLOCK.size, head.packed)
        if head.crc != crc32(data, crc32(_SIZES.pack(head.packed, head.size, head.records))):
            return None
        return Block(head.offset, zlib.decompressobj().decompress(data, head.size), head.records)

    def blocks(self, faults: Faults | None = None, *, start: int = 0) -> Iterator[Block]:
        """Yield the blocks of a compacted segment that are whole, without those that end before record ``start``."""
        first, end = 0, HEADER_BYTES
        for head in self.block_heads():
            end = head.offset + BLOCK.size + head.packed
            if first + head.records > start:
                block = self.block(head)
                if block is not None:
                    yield block._replace(first=first)
                elif faults is not None:
                    faults.damaged(head.offset, end - head.offset)
            first += head.records
        if faults is not None and end < self.size:
            faults.damaged(end, self.size - end)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


def open_segments(names: Iterable[SegmentName]) -> Iterator[SegmentFile]:
    """Open segments one after the other, each closed before the next; those that are gone are passed over."""
    for name in names:
        file = open_segment(name)
        if file is not None:
            with file:
                yield file


def open_segment(name: SegmentName) -> SegmentFile | None:
    """Open a segment, or None where it is gone.

    A raw one may have been compacted since its name was read; then that is opened.  Lets other OSErrors through.
    """
    try:
        return SegmentFile(name, io.FileIO(os.path.join(name.folder, name.file), "r"))
    except FileNotFoundError:
        if name.is_compacted:
            return None
    other = name._replace(is_compacted=True)
    try:
        return SegmentFile(other, io.FileIO(os.path.join(other.folder, other.file), "r"))
    except FileNotFoundError:
        return None


def pack_block(data: bytes, records: int, level: int) -> bytes:
    """Return a block of a compacted segment: its head and its bytes, packed."""
    packed = zlib.compress(data, level)
    sizes = _SIZES.pack(len(packed), len(data), records)
    return crc32(packed, crc32(sizes)).to_bytes(4, "little") + sizes + packed
