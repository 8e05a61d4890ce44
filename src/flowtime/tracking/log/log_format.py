"""The bytes of the event log: kinds, streams, records, the header and the seal of a segment, names of files.

A segment is a header of 64 bytes, which never changes, a mark of 64 bytes, which says how much there is, and records::

    header  magic FLOWSEG1 | version | stream | record size or 0 | pid | first sequence | wall ns | monotonic ns |
            writer | crc32 of all that
    mark    crc32 of the rest | 1 when sealed | records | bytes used | wall ns
    record  crc32 of the rest | size, low 16 bits | kind | size, high 8 bits | sequence | body

Of the stream ``scalars`` every record has 40 bytes, and the place of a record tells its sequence; its body is
``monotonic ns | key | row | value``.  There the high byte of the size holds flags.  In the other streams the body is
``wall ns | monotonic ns`` and a JSON object in UTF-8.  Numbers are little-endian.  A compacted segment (``.segz``,
magic FLOWSEGZ) has the same header and mark, then blocks (see ``compaction``).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Collection, Mapping
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from zlib import crc32

__all__ = [
    "BLOCK",
    "COMPACT_SUFFIX",
    "CONTENT",
    "FIXED",
    "HEAD",
    "HEADER_BYTES",
    "MARK_AT",
    "MAX_RECORD_BYTES",
    "MAX_WRITER_LETTERS",
    "RAW_SUFFIX",
    "RECORD_BYTES",
    "SCALAR_BODY",
    "SCALAR_BYTES",
    "SCALAR_STREAM",
    "STREAMS",
    "STREAM_OF_KIND",
    "TIMES",
    "Kind",
    "Mark",
    "SegmentHeader",
    "SegmentName",
    "decode_header",
    "decode_mark",
    "encode_header",
    "encode_mark",
    "encode_record",
    "kind_name",
    "list_segments",
    "log_folder",
]


class Kind(IntEnum):
    """What a record tells; the stream that it is written to follows from it."""

    VOID = 0  # a slot that was taken for a value that could not be written
    SCALAR = 1
    RUN = 2  # {status, ...}: a session of the run begins or ends
    STEP = 3  # {id, status, attempt, parent, order, name, reason, done, total}: a delta
    NAME = 4  # {id, name}: the name of a key of the scalars
    ADVICE = 5
    PERF = 6
    REPAIR = 7  # {file, offset, bytes}: what a resumed log found damaged
    ARTIFACT = 8
    CARRY = 9  # a scalar again, at the start of a page: the last value of a key before that page
    SAMPLE = 16
    PROGRESS = 17  # {step: [done, total]}
    ETA = 18
    NOTE = 24  # {level, text}


SCALAR_STREAM = "scalars"
# The place in this tuple is the code in the header: append only.
STREAMS = (SCALAR_STREAM, "control", "samples", "notes", "names")
# Names lie apart from `control`: the last values of a run of 50,000 steps must not cost reading all its steps.
STREAM_OF_KIND: Mapping[int, str] = MappingProxyType(
    {
        Kind.VOID: SCALAR_STREAM,
        Kind.SCALAR: SCALAR_STREAM,
        Kind.CARRY: SCALAR_STREAM,
        Kind.NAME: "names",
        Kind.RUN: "control",
        Kind.STEP: "control",
        Kind.ADVICE: "control",
        Kind.PERF: "control",
        Kind.REPAIR: "control",
        Kind.ARTIFACT: "control",
        Kind.SAMPLE: "samples",
        Kind.PROGRESS: "samples",
        Kind.ETA: "samples",
        Kind.NOTE: "notes",
    }
)

RAW_SUFFIX = ".seg"
COMPACT_SUFFIX = ".segz"
VERSION = 1
HEADER_BYTES = 128
SCALAR_BYTES = 40
MAX_WRITER_LETTERS = 16
MAX_RECORD_BYTES = (1 << 24) - 1

HEAD = struct.Struct("<IHBBQ")
RECORD_BYTES = HEAD.size
CONTENT = struct.Struct("<HBBQ")
TIMES = struct.Struct("<qq")
SCALAR_BODY = struct.Struct("<HBBQqIId")
FIXED = struct.Struct("<I36s")
BLOCK = struct.Struct("<IIII")

_HEADER = struct.Struct("<8sHBBIQqq16s")
_CRC = struct.Struct("<I")
_MARK = struct.Struct("<IIQQq")
MARK_AT = 64
_MAGICS = {b"FLOWSEG1": False, b"FLOWSEGZ": True}
_NAME = re.compile(r"([a-z0-9][a-z0-9-]*)-([a-z]+)-(\d{6,12})\.segz?")


class SegmentHeader(NamedTuple):
    """What the first 64 bytes of a segment say; ``first_sequence`` is that of its first record."""

    stream: str
    record_bytes: int
    pid: int
    first_sequence: int
    wall_ns: int
    monotonic_ns: int
    writer: str
    is_compacted: bool = False


class Mark(NamedTuple):
    """How much a segment holds: ``records`` that tell something, up to byte ``used``; for good once sealed."""

    is_sealed: bool
    records: int
    used: int
    wall_ns: int


class SegmentName(NamedTuple):
    """One segment file of ``folder``, as its name tells; ``is_compacted`` when there is but a compacted one."""

    writer: str
    stream: str
    number: int
    folder: str
    is_compacted: bool

    @property
    def file(self) -> str:
        """The name of the file."""
        suffix = COMPACT_SUFFIX if self.is_compacted else RAW_SUFFIX
        return f"{self.writer}-{self.stream}-{self.number:06d}{suffix}"

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.folder, self.file)


def encode_header(header: SegmentHeader) -> bytes:
    """Return the 64 bytes of a header."""
    magic = b"FLOWSEGZ" if header.is_compacted else b"FLOWSEG1"
    body = _HEADER.pack(
        magic,
        VERSION,
        STREAMS.index(header.stream),
        header.record_bytes,
        header.pid,
        header.first_sequence,
        header.wall_ns,
        header.monotonic_ns,
        header.writer.encode("ascii"),
    )
    return (body + _CRC.pack(crc32(body))).ljust(MARK_AT, b"\0")


def decode_header(data: bytes) -> SegmentHeader | None:
    """Return the header that the first bytes of a segment hold, None where they are damaged or of a later version."""
    size = _HEADER.size
    if len(data) < HEADER_BYTES or _CRC.unpack_from(data, size)[0] != crc32(data[:size]):
        return None
    magic, version, stream, record_bytes, pid, first, wall_ns, monotonic_ns, writer = _HEADER.unpack_from(data)
    if magic not in _MAGICS or version != VERSION or stream >= len(STREAMS):
        return None
    name = writer.rstrip(b"\0").decode("ascii", "replace")
    return SegmentHeader(STREAMS[stream], record_bytes, pid, first, wall_ns, monotonic_ns, name, _MAGICS[magic])


def encode_mark(mark: Mark) -> bytes:
    """Return the bytes of a mark; they lie at byte 64 of a segment."""
    body = _MARK.pack(0, mark.is_sealed, mark.records, mark.used, mark.wall_ns)[_CRC.size :]
    return _CRC.pack(crc32(body)) + body


def decode_mark(data: bytes) -> Mark | None:
    """Return the mark among the first bytes of a segment, None where there is none that can be trusted."""
    if len(data) < HEADER_BYTES:
        return None
    crc, is_sealed, records, used, wall_ns = _MARK.unpack_from(data, MARK_AT)
    if crc != crc32(data[MARK_AT + _CRC.size : MARK_AT + _MARK.size]) or used < HEADER_BYTES:
        return None
    return Mark(bool(is_sealed), records, used, wall_ns)


def encode_record(kind: int, sequence: int, times: bytes, text: bytes) -> bytes:
    """Return one record of a stream of JSON objects; ``times`` is packed by TIMES."""
    size = RECORD_BYTES + len(times) + len(text)
    content = CONTENT.pack(size & 0xFFFF, kind, size >> 16, sequence) + times + text
    return _CRC.pack(crc32(content)) + content


def kind_name(kind: int) -> str:
    """Return the name of a kind in lower case, ``kind_<number>`` of one that a later version added."""
    try:
        return Kind(kind).name.lower()
    except ValueError:
        return f"kind_{kind}"


def log_folder(folder: Path) -> Path:
    """Return where the segments lie: ``tracking`` below a run folder, or the folder itself."""
    inner = folder / "tracking"
    return inner if inner.is_dir() else folder


def list_segments(folder: Path, streams: Collection[str] | None = None) -> list[SegmentName]:
    """Return the segments of a log by writer, stream and number; the raw one where a compacted one lies beside it.

    A folder that is not there has none.  Lets other OSErrors through.
    """
    place = str(log_folder(folder))
    found: dict[tuple[str, str, int], SegmentName] = {}
    try:
        names = os.listdir(place)
    except FileNotFoundError:
        return []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None or match[2] not in STREAMS or (streams is not None and match[2] not in streams):
            continue
        key = (match[1], match[2], int(match[3]))
        is_compacted = name.endswith(COMPACT_SUFFIX)
        if not is_compacted or key not in found:
            found[key] = SegmentName(*key, place, is_compacted)
    return [found[key] for key in sorted(found)]
