"""The event log of one writer: scalars by the million and records of all else; a kill at any instant loses none."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from flowtime.errors import ParameterError
from flowtime.tracking.clock import SYSTEM_CLOCK, Clock
from flowtime.tracking.log.drops import Drops
from flowtime.tracking.log.flusher import Flusher
from flowtime.tracking.log.log_format import (
    MAX_WRITER_LETTERS,
    SCALAR_STREAM,
    STREAM_OF_KIND,
    STREAMS,
    Kind,
    list_segments,
)
from flowtime.tracking.log.record_stream import DROPPED, QUEUED, RecordStream
from flowtime.tracking.log.scalar_stream import Resumed, ScalarStream
from flowtime.tracking.log.segment import Shelf

__all__ = ["DROPPED", "DURABILITIES", "QUEUED", "Counts", "EventLog"]

DURABILITIES = ("process", "batch", "power")
_WRITER = re.compile(r"[a-z0-9][a-z0-9-]*")
_LEAST_SEGMENT_BYTES = 8 << 10
_MOST_SEGMENT_BYTES = 1 << 30
# Readers hold one segment of records in memory a stream; scalars they read piece by piece.
_MOST_RECORD_SEGMENT_BYTES = 1 << 20
_MOST_DEPTH = 32


class Counts(NamedTuple):
    """What a writer's log holds, earlier sessions included, and what this session could not write.

    ``events`` counts scalars too; ``dropped_reason`` is why the first of the dropped ones was.
    """

    events: int
    scalars: int
    dropped: int
    dropped_reason: str | None


class EventLog:
    """The log that one process writes to a folder, under its writer's name; other processes read it meanwhile.

    ``scalars(**values)`` logs numbers; it is one callable for the life of the log and may be kept.  It and ``append``
    may be called from any thread, and from a signal handler at any instant of another call.  Neither raises for what
    happens to the disk or for what it was given: such events are dropped and counted.

    ``durability``: with ``process`` what a call wrote survives the death of the process at any instant; with
    ``batch`` also a power cut, but for the last 0.1 s; with ``power`` records of the stream ``control`` are on the
    disk before ``append`` returns.

    A log that is opened on segments of the same writer goes on with their sequence, keys and rows in new segments;
    what it finds damaged it tells in REPAIR records.  No two logs may have one writer's name at a time.

    ``on_drop(reason)`` is called for each event that is dropped, outside all locks; what it raises goes to the
    caller, which is how a strict mode is made.

    Raises ParameterError for a writer, durability or size that can not be, and OSError where the folder can not be
    listed; a folder that can not be written to only drops what comes.
    """

    scalars: Callable[..., None]

    def __init__(
        self,
        folder: Path,
        *,
        writer: str = "main",
        durability: str = "process",
        segment_bytes: int = 8 << 20,
        clock: Clock = SYSTEM_CLOCK,
        on_drop: Callable[[str], object] | None = None,
    ) -> None:
        _check(writer, durability, segment_bytes)
        self.folder = folder
        self.writer = writer
        self.durability = durability
        self._drops = Drops(on_drop)
        self._is_abandoned = False
        self._encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain).encode
        self._lock = threading.RLock()
        shelves = {
            stream: Shelf(folder, writer, stream, most_bytes=_most_bytes(stream, segment_bytes), clock=clock)
            for stream in STREAMS
        }
        self._streams: dict[str, RecordStream] = {}
        self.is_resumed = any(name.writer == writer for name in list_segments(folder))
        self._open(shelves)
        self.scalars = self._scalars.log
        self._flusher = Flusher(self._sync_all) if durability != "process" else None

    def append(self, kind: int, data: Mapping[str, object]) -> int:
        """Write one record and return its sequence, from 1 in each stream.

        DROPPED (-1) is returned for one that could not be written, QUEUED (0) inside a signal handler that came in
        while this thread was appending to the same stream: it is written before that append returns.
        Raises ParameterError for a kind that is none of JSON records.
        """
        stream = STREAM_OF_KIND.get(kind, SCALAR_STREAM)
        if stream == SCALAR_STREAM:
            raise ParameterError(f"kind {kind} is not of a record that can be appended")
        if self._is_abandoned:
            return DROPPED
        try:
            sequence = self._write(stream, kind, data)
        except Exception as error:  # safe mode: neither odd data nor a defect of ours may reach the host
            return self._drop(f"{type(error).__name__}: {error}")
        if sequence == DROPPED and self._drops.tell is not None:
            self._drops.tell(self._streams[stream].reason)
        return sequence

    def flush(self) -> None:
        """Bring all that was written to the disk, whatever the durability; raises OSError where it would not."""
        if not self._is_abandoned:
            self._sync_all()

    def close(self) -> None:
        """Seal everything; later events are dropped.  A second call does nothing."""
        if self._is_abandoned:
            return
        if self._flusher is not None:
            self._flusher.stop()
        self._scalars.close()
        for stream in self._streams.values():
            stream.close()
        if self._flusher is not None:
            try:
                self._sync_all()
            except OSError as error:
                self._drops.add(f"not brought to the disk: {error.strerror or error}")

    def abandon(self) -> None:
        """Forget the log without writing to it, as a forked child must; later events vanish uncounted."""
        self._is_abandoned = True
        if self._flusher is not None:
            self._flusher.abandon()
        self._scalars.abandon()
        for stream in self._streams.values():
            stream.abandon()

    @property
    def counts(self) -> Counts:
        """What the log holds and what it could not take."""
        scalars = self._scalars.records
        records = sum(stream.records for name, stream in self._streams.items() if name != "names")
        return Counts(scalars + records, scalars, self._drops.total, self._drops.reason)

    def drops(self) -> dict[str, int]:
        """Return how many events this session dropped, by reason."""
        return self._drops.by_reason()

    def _open(self, shelves: Mapping[str, Shelf]) -> None:
        """Make the streams, going on where segments of this writer are there already."""
        resumed = Resumed()
        starts: dict[str, tuple[int, int]] = {}
        repairs: tuple[dict[str, object], ...] = ()
        if self.is_resumed:
            from flowtime.tracking.log.resume import resume_log

            found = resume_log(self.folder, self.writer, shelves)
            resumed, starts, repairs = found.scalars, found.starts, found.repairs
        for name in STREAMS:
            if name != SCALAR_STREAM:
                sequence, records = starts.get(name, (1, 0))
                # A name that can not be written is no event lost: its scalar is, and that is counted.
                drops = Drops(None) if name == "names" else self._drops
                self._streams[name] = RecordStream(shelves[name], drops, sequence=sequence, records=records)
        self._scalars = ScalarStream(shelves[SCALAR_STREAM], self._drops, self._register, resumed)
        for repair in repairs:
            self.append(Kind.REPAIR, repair)

    def _register(self, name: str, key: int) -> str:
        stream = self._streams["names"]
        if self._write("names", Kind.NAME, {"id": key, "name": name}) > 0:
            return ""
        return stream.reason

    def _write(self, stream: str, kind: int, data: Mapping[str, object]) -> int:
        try:
            text = self._encode(data)
        except ValueError:  # a number that JSON has not, or data that holds itself
            text = self._encode(_finite(data, 0))
        target = self._streams[stream]
        sequence = target.append(kind, text.encode("ascii"))
        if stream == "control" and self.durability == "power" and sequence > 0:
            target.sync()
        return sequence

    def _drop(self, reason: str) -> int:
        self._drops.add(reason)
        if self._drops.tell is not None:
            self._drops.tell(reason)
        return DROPPED

    def _sync_all(self) -> None:
        # Names and records first: a scalar on the disk must find the name of its key there.
        for stream in self._streams.values():
            stream.sync()
        self._scalars.sync()


def _check(writer: str, durability: str, segment_bytes: int) -> None:
    if not _WRITER.fullmatch(writer) or len(writer) > MAX_WRITER_LETTERS:
        hint = f"use up to {MAX_WRITER_LETTERS} of a-z, 0-9 and -"
        raise ParameterError(f"{writer!r} can not name a writer", hint=hint)
    if durability not in DURABILITIES:
        raise ParameterError(f"there is no durability {durability!r}", hint=f"one of {', '.join(DURABILITIES)}")
    if not _LEAST_SEGMENT_BYTES <= segment_bytes <= _MOST_SEGMENT_BYTES:
        raise ParameterError(
            f"a segment of {segment_bytes} bytes can not be",
            hint=f"from {_LEAST_SEGMENT_BYTES} to {_MOST_SEGMENT_BYTES}",
        )


def _most_bytes(stream: str, segment_bytes: int) -> int:
    return segment_bytes if stream == SCALAR_STREAM else min(segment_bytes, _MOST_RECORD_SEGMENT_BYTES)


def _plain(value: Any) -> object:
    """Return what JSON can say of a value that it has no form for: its number, or its text."""
    if hasattr(value, "__float__"):
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)


def _finite(value: Any, depth: int) -> Any:
    """Return data with None for numbers that JSON has not; raises ValueError for data nested too deep."""
    if depth > _MOST_DEPTH:
        raise ValueError(f"data is nested more than {_MOST_DEPTH} deep")
    if isinstance(value, Mapping):
        return {key: _finite(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
