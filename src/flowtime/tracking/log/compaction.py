"""Making sealed segments small, beside a writer that goes on writing.

A compacted segment has the header and the mark of the raw one and then blocks: ``crc32 | packed bytes | bytes |
records`` and that many bytes packed by zlib.  A block of scalars holds 4096 slots by columns of bytes, without
checksums; one of JSON records holds whole records.  The raw file goes when the compacted one is there whole, so a
kill at any instant leaves one of them; where both are there the raw one is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from flowtime.storage.atomic import disk_error, sync_folder, write_chunks
from flowtime.tracking.log.log_format import (
    COMPACT_SUFFIX,
    HEADER_BYTES,
    SCALAR_BYTES,
    SCALAR_STREAM,
    TIMES,
    Mark,
    SegmentName,
    encode_header,
    encode_mark,
    encode_record,
    list_segments,
)
from flowtime.tracking.log.log_report import scan_segment
from flowtime.tracking.log.resume import seal_file
from flowtime.tracking.log.scalar_slots import shuffle
from flowtime.tracking.log.segment_file import SegmentFile, open_segment, pack_block
from flowtime.tracking.log.segment_reader import read_records

__all__ = ["CompactionReport", "compact"]

_BLOCK_SLOTS = 4096
_BLOCK_BYTES = 256 << 10
# Higher ones cost twice the time for 2 % fewer bytes: most of what is left of a scalar is its value.
_LEVEL = 4


class CompactionReport(NamedTuple):
    """What was made small: segments, and their bytes before and after; ``kept`` names damaged ones left as they are."""

    segments: int
    bytes_before: int
    bytes_after: int
    kept: tuple[str, ...]


def compact(folder: Path, *, only_sealed: bool = True) -> CompactionReport:
    """Compact every raw segment of a log that is sealed and whole.

    With ``only_sealed`` False the unsealed ones too: only for a log that nobody writes any more.  A damaged segment
    stays as it is, for who wants to look at it.  Raises StorageError where the disk would not.
    """
    before = after = done = 0
    kept: list[str] = []
    for name in list_segments(folder):
        if name.is_compacted:
            continue
        try:
            if not only_sealed:
                seal_file(name)
            sizes = _compact_segment(name, kept)
        except OSError as error:
            raise disk_error(error, name.path) from error
        if sizes is not None:
            before, after, done = before + sizes[0], after + sizes[1], done + 1
    return CompactionReport(done, before, after, tuple(kept))


def _compact_segment(name: SegmentName, kept: list[str]) -> tuple[int, int] | None:
    """Compact one segment and return its bytes before and after; None where there is nothing to do."""
    file = open_segment(name)
    if file is None:
        return None
    with file:
        header, mark = file.header, file.mark
        if file.name.is_compacted or header is None or mark is None or not mark.is_sealed:
            return None
        report = scan_segment(name)
        if report is None or report.damages:
            kept.append(file.file_name)
            return None
        target = name.path.with_suffix(COMPACT_SUFFIX)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
        head = encode_header(header._replace(is_compacted=True)) + encode_mark(mark)
        blocks = _slot_blocks(file, mark) if name.stream == SCALAR_STREAM else _record_blocks(file)
        try:
            size = write_chunks(temporary, _chunks(head, blocks), durability="power")
            os.replace(temporary, target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    sync_folder(target.parent, durability="power")
    # Windows does not remove what a reader has open; the next compaction will.
    with suppress(PermissionError):
        name.path.unlink(missing_ok=True)
    return file.size, size


def _chunks(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield head.ljust(HEADER_BYTES, b"\0")
    yield from blocks


def _slot_blocks(file: SegmentFile, mark: Mark) -> Iterator[bytes]:
    for at in range(HEADER_BYTES, mark.used, _BLOCK_SLOTS * SCALAR_BYTES):
        slots = file.read(at, min(_BLOCK_SLOTS * SCALAR_BYTES, mark.used - at))
        yield pack_block(shuffle(slots), len(slots) // SCALAR_BYTES, _LEVEL)


def _record_blocks(file: SegmentFile) -> Iterator[bytes]:
    parts: list[bytes] = []
    size = 0
    for record in read_records(file):
        times = TIMES.pack(record.wall_ns, record.monotonic_ns)
        parts.append(encode_record(record.kind, record.sequence, times, record.text))
        size += len(parts[-1])
        if size >= _BLOCK_BYTES:
            yield pack_block(b"".join(parts), len(parts), _LEVEL)
            parts, size = [], 0
    if parts:
        yield pack_block(b"".join(parts), len(parts), _LEVEL)
