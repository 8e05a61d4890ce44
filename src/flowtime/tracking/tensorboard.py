"""A run as TensorBoard shows it: figures, samples, steps and texts with the times at which they really were.

One file, and beside it a mark: how long the file is, and which event of each stream of the log came last.  The mark
is written after the file, and the next mirror cuts the file to it, so that every event is there once, whatever
was killed in between.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from flowtime.storage.atomic import disk_error, write_atomic
from flowtime.storage.locks import locked
from flowtime.tracking.live.liveness import status_of
from flowtime.tracking.log.event_reader import LogEvent, read_events
from flowtime.tracking.log.follower import Follower
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.run_files import is_terminal, read_document
from flowtime.tracking.step_table import StepTable
from flowtime.tracking.tensorboard_file import file_head, scalar_event, text_event

__all__ = ["MirrorReport", "mirror_tensorboard"]

FOLDER = "tensorboard"
INTERVAL_S = 0.5
_MARK = "flowtime-mirror.json"
_LOCK = "flowtime-mirror.lock"
_VERSION = 1
_BUFFER_BYTES = 1 << 20
# Of a sample: what is no figure to draw.
_NO_FIGURES = frozenset({"timestampMs", "stepId", "frameIdx", "notes", "gpuDevices"})
_MAIN = "main"


class MirrorReport(NamedTuple):
    """What a call has mirrored: how many figures and texts, into which file, and the status of the run then."""

    scalars: int
    texts: int
    file: Path
    status: str


def mirror_tensorboard(
    run_folder: str | os.PathLike[str],
    logdir: str | os.PathLike[str] | None = None,
    *,
    follow: bool = False,
    interval_s: float = INTERVAL_S,
    sleep: Callable[[float], None] = time.sleep,
) -> MirrorReport:
    """Write what a run has recorded since the last call into event files of TensorBoard; nothing twice.

    Into ``<logdir>/<run id>``, so that one logdir shows many runs, or without it into ``tensorboard`` in the folder of
    the run.  ``follow`` goes on until the run has ended.  Tags: the names of the figures (those of a child process
    below its name), ``telemetry/cpu_percent_process`` and so on, ``progress/<step>``, ``eta/seconds``, and
    ``steps/<step>``, 1 while a step runs and 0 after; texts ``run``, ``steps``, ``notes``, ``advice``.

    Raises RunNotFoundError and RunCorruptError for what is no tracked run, and StorageError where the disk refuses or
    (``storage.locked``) another process mirrors to the same place.
    """
    folder = Path(run_folder)
    recorded = read_document(folder)
    place = folder / FOLDER if logdir is None else Path(logdir) / str(recorded["runId"])
    try:
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / _LOCK, timeout_s=0.0), _EventFile(place) as file:
            status = _mirror(folder, file, sleep if follow else None, interval_s)
    except OSError as error:
        raise disk_error(error, place) from error
    return MirrorReport(file.scalars, file.texts, file.path, status)


def _mirror(folder: Path, file: _EventFile, sleep: Callable[[float], None] | None, interval_s: float) -> str:
    """Bring the file up to date; where ``sleep`` is given, until the run has ended. Return its status."""
    translator = _Translator(folder, file)
    # Before the long way through all there is, so that nothing falls between the two.
    follower = None if sleep is None else Follower(folder, from_start=False)
    status = _status(folder)
    translator.take(read_events(folder))
    while sleep is not None and follower is not None:
        # The status first: what a run wrote before its end is then there to be read.
        status = _status(folder)
        translator.take(follower.poll())
        if is_terminal(status):
            break
        sleep(interval_s)
    return status


def _status(folder: Path) -> str:
    return status_of(folder, read_document(folder)["status"])


class _EventFile:
    """The file of events, and the mark beside it."""

    def __init__(self, place: Path) -> None:
        self.scalars = 0
        self.texts = 0
        self._mark = place / _MARK
        known = _read_mark(self._mark)
        self.path = place / str(known.get("file", f"events.out.tfevents.{time.time_ns() // 10**9}.flowtime"))
        self.last: dict[str, int] = dict(known.get("last", {}))
        self.counts: dict[str, int] = dict(known.get("counts", {}))
        self._size = int(known.get("bytes", 0))
        self._buffer = bytearray()
        self._descriptor = -1

    def __enter__(self) -> _EventFile:
        """Open the file, and cut off what is behind the mark."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        found = os.fstat(self._descriptor).st_size
        if found < self._size:
            # Somebody has taken it away: all anew, rather than a file with a hole.
            self.last, self.counts, self._size = {}, {}, 0
        os.ftruncate(self._descriptor, self._size)
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        if not self._size:
            self._buffer += file_head(time.time_ns())
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Close the file; what was not committed is left to the next mirror."""
        with suppress(OSError):
            os.close(self._descriptor)

    def scalar(self, tag: str, value: float, step: int, wall_ns: int) -> None:
        """Add a figure."""
        self._buffer += scalar_event(tag, value, step, wall_ns)
        self.scalars += 1

    def text(self, tag: str, text: str, wall_ns: int) -> None:
        """Add a text."""
        self._buffer += text_event(tag, text, self.count(tag), wall_ns)
        self.texts += 1

    def count(self, name: str) -> int:
        """Return 0, 1, 2 ... for each name, on over all mirrors."""
        number = self.counts.get(name, 0)
        self.counts[name] = number + 1
        return number

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit."""
        return len(self._buffer) >= _BUFFER_BYTES

    def commit(self) -> None:
        """Write what was added, then the mark; lets OSError and StorageError through."""
        if not self._buffer:
            return
        rest = memoryview(bytes(self._buffer))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._size += len(self._buffer)
        self._buffer.clear()
        mark = {
            "version": _VERSION,
            "file": self.path.name,
            "bytes": self._size,
            "last": self.last,
            "counts": self.counts,
        }
        write_atomic(self._mark, json.dumps(mark).encode(), durability="process")


class _Translator:
    """Turns events of the log into those of TensorBoard."""

    def __init__(self, folder: Path, file: _EventFile) -> None:
        self._file = file
        self._table = StepTable()
        self._by_kind: Mapping[int, Callable[[LogEvent], None]] = {
            Kind.SAMPLE: self._sample,
            Kind.PROGRESS: self._progress,
            Kind.ETA: self._eta,
            Kind.RUN: self._run,
            Kind.NOTE: self._note,
            Kind.ADVICE: self._advice,
            Kind.ARTIFACT: self._artifact,
        }

    def take(self, events: Iterable[LogEvent]) -> None:
        """Add the events that were not added before, and commit them."""
        file, last = self._file, self._file.last
        for event in events:
            stream = f"{event.writer}/{event.stream}"
            is_new = event.sequence > last.get(stream, 0)
            # The old ones too: the end of a step tells how long it took, and the plan its name.
            if event.kind == Kind.STEP:
                self._step(event, is_new)
            elif event.kind == Kind.RUN:
                self._table.plan(event.data.get("steps") or ())
            if not is_new:
                continue
            last[stream] = event.sequence
            if event.kind == Kind.SCALAR:
                data = event.data
                tag = data["name"] if event.writer == _MAIN else f"{event.writer}/{data['name']}"
                file.scalar(tag, data["value"], data["row"], event.wall_ns)
            elif event.kind in self._by_kind:
                self._by_kind[event.kind](event)
            if file.is_full:
                file.commit()
        file.commit()

    def _step(self, event: LogEvent, is_new: bool) -> None:
        row = self._table.apply(event.data, event.wall_ns, event.monotonic_ns)
        status = event.data.get("status")
        if not is_new or status is None:
            return
        tag = f"steps/{row.id}"
        if row.attempts:
            self._file.scalar(tag, float(status == "running"), self._file.count(tag), event.wall_ns)
        seconds = row.seconds()
        took = f" after {seconds:.3f} s" if status != "running" and seconds is not None else ""
        reason = f": {row.reason}" if row.reason else ""
        self._file.text("steps", f"{row.name}: {status}{took}{reason}", event.wall_ns)

    def _sample(self, event: LogEvent) -> None:
        number = self._file.count("telemetry")
        for key, value in event.data.items():
            if key not in _NO_FIGURES:
                self._figure(f"telemetry/{_snake(key)}", value, number, event.wall_ns)
        for device in event.data.get("gpuDevices") or ():
            for key, value in device.items():
                if key != "index":
                    self._figure(f"telemetry/gpu{device.get('index')}/{_snake(key)}", value, number, event.wall_ns)

    def _progress(self, event: LogEvent) -> None:
        for step, (done, _total) in event.data.items():
            tag = f"progress/{step}"
            self._figure(tag, done, self._file.count(tag), event.wall_ns)

    def _eta(self, event: LogEvent) -> None:
        number = self._file.count("eta")
        for key in ("seconds", "low", "high"):
            self._figure(f"eta/{key}", event.data.get(key), number, event.wall_ns)

    def _figure(self, tag: str, value: object, step: int, wall_ns: int) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._file.scalar(tag, value, step, wall_ns)

    def _run(self, event: LogEvent) -> None:
        known = {key: value for key, value in event.data.items() if value is not None}
        self._file.text("run", json.dumps(known, ensure_ascii=False), event.wall_ns)

    def _note(self, event: LogEvent) -> None:
        self._file.text("notes", f"{event.data.get('level')}: {event.data.get('text')}", event.wall_ns)

    def _advice(self, event: LogEvent) -> None:
        text = f"{event.data.get('severity')}: {event.data.get('message')} ({event.data.get('trigger')})"
        self._file.text("advice", text, event.wall_ns)

    def _artifact(self, event: LogEvent) -> None:
        self._file.text("artifacts", str(event.data.get("path")), event.wall_ns)


def _read_mark(path: Path) -> dict[str, Any]:
    """Return the mark; nothing where there is none, or one that can not be read: then all is mirrored anew."""
    try:
        known = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(known, dict) or known.get("version") != _VERSION or os.sep in str(known.get("file", os.sep)):
        return {}
    return known


def _snake(camel: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)
