"""The one error tree of flowtime, with stable codes and positions.

    FlowtimeError                      flowtime.error
    +-- FaultsError                    faults in one document, reported together
    |   +-- ModelError                 model.*  expression.*
    |   +-- TemplateError              template.*
    |   +-- SettingsError              settings.*
    |   +-- GapPlanError               gaps.*        a file of gaps to put into telemetry
    +-- ParameterError                 parameter.*   an override or argument of a call
    +-- CompileError                   compile.*     a model the engine can not run
    +-- StorageError                   storage.*     a disk that did not do as asked
    |   +-- UnsafeNameError            storage.unsafe_name
    +-- RunError                       run.*
    |   +-- RunNotFoundError           run.not_found
    |   +-- RunConflictError           run.conflict
    |   +-- RunCorruptError            run.corrupt
    +-- TelemetryError                 telemetry.*   a capture, or a plan for one
    |   +-- CaptureNotFoundError       telemetry.not_found
    |   +-- CaptureConflictError       telemetry.exists
    |   +-- CaptureAlteredError        telemetry.altered
    +-- StateError                     state.*       a question about a run that it can not answer
    +-- PerfError                      perf.*        a performance suite, or a measurement that broke
    +-- MissingExtraError              extra.missing

Codes are what callers match; texts may change.  ``EXIT_STATUS`` is the only table from code to
exit status, ``exit_status`` its only reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

__all__ = [
    "EXIT_STATUS",
    "CaptureAlteredError",
    "CaptureConflictError",
    "CaptureNotFoundError",
    "CompileError",
    "Fault",
    "FaultsError",
    "FlowtimeError",
    "GapPlanError",
    "MissingExtraError",
    "ModelError",
    "ParameterError",
    "PerfError",
    "RunConflictError",
    "RunCorruptError",
    "RunError",
    "RunNotFoundError",
    "SettingsError",
    "StateError",
    "StorageError",
    "TelemetryError",
    "TemplateError",
    "UnsafeNameError",
    "exit_status",
]


class Fault(NamedTuple):
    """One thing that is wrong in a document, and where.

    ``line`` and ``column`` count from 1, as editors do; ``path`` is a JSON path such as
    ``$.nodes[2].expr``; ``hint`` says what to do.
    """

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        """Render ``file:line:column: message [code] at path; hint``, leaving out what is unknown."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = f"{place}: {self.message}" if place else self.message
        text += f" [{self.code}]"
        if self.path:
            text += f" at {self.path}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class FlowtimeError(Exception):
    """Base of every error that flowtime raises on purpose.

    ``code`` is stable; a subclass sets its usual one, and an instance may carry a finer one.
    """

    code: str = "flowtime.error"

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The error as faults, so that every edge can print or encode all errors alike."""
        return (Fault(self.code, self.message, hint=self.hint),)

    def __str__(self) -> str:
        """Render the faults, one a line."""
        return "\n".join(str(fault) for fault in self.faults)


class FaultsError(FlowtimeError):
    """All the faults of one document, in the order of the file."""

    code = "document.invalid"
    noun: ClassVar[str] = "document"

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(sorted(faults, key=_place))
        first = self._faults[0]
        count = len(self._faults)
        more = f" (and {count - 1} more)" if count > 1 else ""
        super().__init__(f"{first.message}{more}", code=first.code, hint=first.hint)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault found, sorted by line and column."""
        return self._faults

    def __reduce__(self) -> tuple[type[FaultsError], tuple[tuple[Fault, ...]]]:
        """Pickle by the faults, since the base class would pass the message back in."""
        return type(self), (self._faults,)


class ModelError(FaultsError):
    """A model file or text that is not a valid model."""

    code = "model.invalid"
    noun = "model"


class TemplateError(FaultsError):
    """A template, or the parameters handed to it, that can not be rendered."""

    code = "template.invalid"
    noun = "template"


class SettingsError(FaultsError):
    """A settings file, environment variable or flag with a wrong name or value."""

    code = "settings.invalid"
    noun = "settings"


class GapPlanError(FaultsError):
    """A file of gaps that can not be read, or does not fit the series that it is meant for."""

    code = "gaps.invalid"
    noun = "gap plan"


class CompileError(FaultsError):
    """A valid document that describes something the engine can not compute."""

    code = "compile.invalid"
    noun = "model"


class ParameterError(FlowtimeError):
    """An override, scenario or argument of a call that does not fit the model."""

    code = "parameter.invalid"


class StorageError(FlowtimeError):
    """The file system refused, or holds something that it should not."""

    code = "storage.failed"


class UnsafeNameError(StorageError):
    """An id or path from outside that must not reach the disk."""

    code = "storage.unsafe_name"


class RunError(FlowtimeError):
    """Something about a run folder."""

    code = "run.invalid"


class RunNotFoundError(RunError):
    """No run of that id, or no run folder at that path."""

    code = "run.not_found"


class RunConflictError(RunError):
    """A run of that id exists and was made from other inputs."""

    code = "run.conflict"


class RunCorruptError(RunError):
    """A run folder whose files do not agree with their hashes."""

    code = "run.corrupt"


class TelemetryError(FlowtimeError):
    """A telemetry capture, or what was asked of one, that is not as it should be."""

    code = "telemetry.invalid"


class CaptureNotFoundError(TelemetryError):
    """No capture in that folder, or no such series in it."""

    code = "telemetry.not_found"


class CaptureConflictError(TelemetryError):
    """Where a capture should go, there is one already, or something that is none."""

    code = "telemetry.exists"


class CaptureAlteredError(TelemetryError):
    """A capture whose files do not agree with their hashes."""

    code = "telemetry.altered"


class StateError(FlowtimeError):
    """A question about a run that it can not answer: a bin that it does not have, a node that is not there."""

    code = "state.invalid"


class PerfError(FlowtimeError):
    """A performance suite that is not valid, or a measurement that came to no judgement."""

    code = "perf.invalid"


class MissingExtraError(FlowtimeError):
    """A feature whose optional dependency is not installed."""

    code = "extra.missing"


# Codes are looked up whole first, then by everything before their first dot.
EXIT_STATUS: Mapping[str, int] = MappingProxyType(
    {
        "document": 1,
        "model": 1,
        "expression": 1,
        "compile": 1,
        "template": 1,
        "parameter": 1,
        "usage": 2,
        "settings": 2,
        "extra": 2,
        "storage.unsafe_name": 2,
        "model.not_found": 3,
        "template.not_found": 3,
        "run.not_found": 3,
        "run.series_not_found": 3,
        "run.profile_not_found": 3,
        "run.conflict": 4,
        "run.not_tracked": 1,
        "run.export_exists": 4,
        "telemetry": 1,
        "gaps": 1,
        "gaps.not_found": 3,
        "telemetry.not_found": 3,
        "telemetry.source_not_found": 3,
        "telemetry.series_not_found": 3,
        "telemetry.exists": 4,
        "telemetry.not_a_capture": 4,
        "telemetry.altered": 6,
        "state": 1,
        "perf": 2,
        "perf.worker": 3,
        "perf.result": 3,
        "perf.case_failed": 3,
        "perf.checkout": 3,
        "perf.busy": 3,
        "run": 5,
        "storage": 5,
        "run.corrupt": 6,
        # As shells do, since `flowtime track` stands where a program stood.
        "run.command_not_executable": 126,
        "run.command_not_found": 127,
        "flowtime": 70,
    }
)


def exit_status(code: str) -> int:
    """Return the exit status of an error code: 1 invalid input, 2 usage, 3 not found, 4 conflict,
    5 storage, 6 corrupt data, 70 a defect of ours."""
    if code in EXIT_STATUS:
        return EXIT_STATUS[code]
    return EXIT_STATUS.get(code.partition(".")[0], EXIT_STATUS["flowtime"])


def _place(fault: Fault) -> tuple[str, int, int]:
    return (fault.file or "", fault.line or 0, fault.column or 0)
