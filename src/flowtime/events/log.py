"""Structured log events: each has a name, a number, a level and named fields.

Whoever works is handed an ``EventLog`` and calls ``events.log("run_start", run_id=...)``; where the event goes is
the caller's choice: nowhere, JSON lines, Python's own ``logging``, or a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    import logging

__all__ = [
    "EVENTS",
    "BoundLog",
    "Event",
    "EventKind",
    "EventLog",
    "JsonLog",
    "Level",
    "MemoryLog",
    "SilentLog",
    "StandardLog",
]

Level: TypeAlias = Literal["info", "warning", "error"]


class EventLog(Protocol):
    """Takes events; must neither raise nor keep the caller waiting for long."""

    def log(self, name: str, **fields: object) -> None:
        """Tell that something happened; ``name`` is one of ``EVENTS``, fields are named as in Python (``run_id``)."""


class EventKind(NamedTuple):
    """What an event is: its number, how bad it is, and its fields as they are written (camelCase)."""

    id: int
    level: Level
    fields: tuple[str, ...]
    meaning: str


class Event(NamedTuple):
    """One event that was told, fields named as in Python."""

    name: str
    fields: Mapping[str, object]


_RUN = ("runId", "templateId", "mode")

EVENTS: Mapping[str, EventKind] = MappingProxyType(
    {
        "capture_start": EventKind(2001, "info", ("runId", "dryRun"), "A capture begins."),
        "capture_file": EventKind(
            2002,
            "info",
            ("runId", "nodeId", "metric", "classId", "path", "points"),
            "A file of a capture was written.",
        ),
        "capture_completed": EventKind(2003, "info", ("runId", "files", "warnings"), "A capture is published."),
        "capture_warning": EventKind(
            2004,
            "warning",
            ("runId", "code", "nodeId", "metric", "classId", "binCount"),
            "A capture found something odd about the data.",
        ),
        "state_snapshot": EventKind(
            3001, "info", ("runId", "mode", "binIndex", "totalBins"), "The state of one bin was asked for."
        ),
        "state_window": EventKind(
            3002,
            "info",
            ("runId", "mode", "windowMode", "startBin", "endBin", "requestedBins", "totalBins"),
            "A window of bins was asked for.",
        ),
        "run_start": EventKind(4001, "info", (*_RUN, "dryRun"), "A run begins."),
        "run_validation": EventKind(4002, "info", (*_RUN, "nodes"), "The model of a run is sound and compiled."),
        "run_evaluation": EventKind(
            4003, "info", (*_RUN, "bins", "binSize", "binUnit", "elapsedMs"), "The model of a run was evaluated."
        ),
        "run_artifacts": EventKind(
            4004, "info", (*_RUN, "seed", "files", "bytes"), "The files of a run are written, and not yet published."
        ),
        "run_completed": EventKind(
            4005,
            "info",
            (*_RUN, "dryRun", "wasReused", "warnings"),
            "A run is published; or was there already; or, dry, was planned.",
        ),
        "run_failed": EventKind(
            4500, "error", (*_RUN, "dryRun", "code", "message"), "A run ended by an error, and no folder was published."
        ),
    }
)
"""Every event by its name.  A field that is not known, such as the id of a run that has none, is null."""

_UNKNOWN = EventKind(0, "info", (), "")
# Those of Python's logging, which is not imported for three numbers.
_LEVELS: Mapping[Level, int] = MappingProxyType({"info": 20, "warning": 30, "error": 40})


class SilentLog:
    """Drops every event."""

    def log(self, name: str, **fields: object) -> None:
        """Do nothing."""


class MemoryLog:
    """Keeps every event, for tests and for whoever wants to show them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def log(self, name: str, **fields: object) -> None:
        """Keep the event."""
        self.events.append(Event(name, fields))


class JsonLog:
    """Writes one line of JSON an event: time (UTC), level, event, eventId, then its fields."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], datetime]) -> None:
        """``write`` gets each line whole, with its end; ``clock`` gives aware times."""
        self._write = write
        self._clock = clock

    def log(self, name: str, **fields: object) -> None:
        """Write the line."""
        kind = EVENTS.get(name, _UNKNOWN)
        moment = self._clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"time": moment, "level": kind.level, "event": name, "eventId": kind.id}
        self._write(_json({**head, **_wire(fields)}) + "\n")


class StandardLog:
    """Hands every event to a logger of Python's ``logging``, for programs that use flowtime as a library.

    The message is the name and the fields as JSON; ``record.event`` and ``record.fields`` hold them apart.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def log(self, name: str, **fields: object) -> None:
        """Log at the level of the event."""
        level = _LEVELS[EVENTS.get(name, _UNKNOWN).level]
        if self._logger.isEnabledFor(level):
            wire = _wire(fields)
            self._logger.log(level, "%s %s", name, _json(wire), extra={"event": name, "fields": wire})


class BoundLog:
    """Adds the same fields, such as the id of the run, to every event."""

    def __init__(self, log: EventLog, **fields: object) -> None:
        self._log = log
        self._fields = fields

    def log(self, name: str, **fields: object) -> None:
        """Pass the event on; what is given here wins."""
        self._log.log(name, **{**self._fields, **fields})


def _wire(fields: Mapping[str, object]) -> dict[str, object]:
    return {_camel(name): value for name, value in fields.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _json(record: Mapping[str, object]) -> str:
    # Whatever is no JSON is written as text: a log line must not fail for a path.
    return msgspec.json.encode(record, enc_hook=str).decode()
