"""Checks a capture: its manifest, the checksum of every file, and that each holds what the manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from flowtime.bundle.documents import Count
from flowtime.errors import CaptureAlteredError, TelemetryError
from flowtime.model.spec import Wire
from flowtime.telemetry.manifest import (
    DEFAULT_CLASS,
    MANIFEST,
    CaptureManifest,
    check_content,
    decode_manifest,
    window_minutes,
)
from flowtime.telemetry.reader import Capture, columns_of, read_capture, read_column

__all__ = ["CaptureProblem", "VerifyReport", "read_sound", "require_sound", "verify_capture"]

_TOLERANCE_MINUTES = 1e-9


class CaptureProblem(Wire, frozen=True, kw_only=True):
    """One thing that is wrong with a capture; ``path`` is the file that it is about."""

    code: str
    message: str
    path: str


class VerifyReport(Wire, frozen=True, kw_only=True):
    """What was found: ``files`` counts what was checked, ``otherFiles`` are those that the manifest does not name."""

    folder: str
    valid: bool
    content_hash: str
    files: Count
    bins: Count
    problems: tuple[CaptureProblem, ...]
    other_files: tuple[str, ...]

    @property
    def code(self) -> str | None:
        """The code of the gravest problem: an altered file before anything else; None where all is well."""
        gravest = _gravest(self.problems)
        return None if gravest is None else gravest.code


def verify_capture(folder: Path) -> VerifyReport:
    """Check everything in the capture in ``folder``, and go on after the first problem.

    Raises CaptureNotFoundError where there is no manifest and TelemetryError for one that can not be read: there
    is nothing to check then.
    """
    manifest = decode_manifest(folder)
    problems = [*_manifest_problems(manifest), *_file_problems(folder, manifest)]
    named = {file.path for file in manifest.files} | {MANIFEST}
    return VerifyReport(
        folder=str(folder),
        valid=not problems,
        content_hash=manifest.content_hash,
        files=len({file.path for file in manifest.files}),
        bins=manifest.grid.bins,
        problems=tuple(problems),
        other_files=tuple(sorted(path.name for path in folder.iterdir() if path.name not in named)),
    )


def require_sound(folder: Path) -> None:
    """Raise for the gravest problem of a capture: CaptureAlteredError or TelemetryError, naming the file."""
    _raise_gravest(verify_capture(folder).problems)


def read_sound(folder: Path) -> Capture:
    """Check the capture in ``folder`` wholly and read it, every file once.

    Raises CaptureNotFoundError where there is none, and what ``require_sound`` raises.
    """
    try:
        capture = read_capture(folder)
    except TelemetryError:
        # Once more and to the end: another file may be altered, which is graver than what was met first.
        require_sound(folder)
        raise
    _raise_gravest(tuple(_manifest_problems(capture.manifest)))
    return capture


def _gravest(problems: Sequence[CaptureProblem]) -> CaptureProblem | None:
    altered = (problem for problem in problems if problem.code == CaptureAlteredError.code)
    return next(altered, next(iter(problems), None))


def _raise_gravest(problems: Sequence[CaptureProblem]) -> None:
    problem = _gravest(problems)
    if problem is not None:
        kind = CaptureAlteredError if problem.code == CaptureAlteredError.code else TelemetryError
        raise kind(problem.message, code=problem.code, hint="capture again, or put the file back")


def _manifest_problems(manifest: CaptureManifest) -> Iterator[CaptureProblem]:
    try:
        check_content(manifest)
    except CaptureAlteredError as error:
        yield CaptureProblem(code=error.code, message=error.message, path=MANIFEST)
    expected = window_minutes(manifest.grid)
    if abs(manifest.window.duration_minutes - expected) > _TOLERANCE_MINUTES * expected:
        message = f"the window is of {manifest.window.duration_minutes:g} minutes, the grid of {expected:g}"
        yield CaptureProblem(code="telemetry.grid_mismatch", message=message, path=MANIFEST)
    parts = Counter((file.kind, file.subject, file.metric, file.class_id) for file in manifest.files)
    for (kind, subject, metric, class_id), times in parts.items():
        if times > 1:
            message = f"{metric} of {kind} {subject} for class {class_id} is named {times} times"
            yield CaptureProblem(code="telemetry.duplicate_part", message=message, path=MANIFEST)
    yield from _entry_problems(manifest)


def _entry_problems(manifest: CaptureManifest) -> Iterator[CaptureProblem]:
    hashes: dict[str, str] = {}
    for file in manifest.files:
        if file.subject is None:
            message = f"{file.metric} is said to be of kind {file.kind}, and of which one is not said"
            yield CaptureProblem(code="telemetry.no_subject", message=message, path=file.path)
        if hashes.setdefault(file.path, file.hash) != file.hash:
            message = f"{file.path} is named with two hashes"
            yield CaptureProblem(code="telemetry.duplicate_part", message=message, path=file.path)
        if file.class_id not in (DEFAULT_CLASS, *manifest.classes):
            message = f"{file.path} is of class {file.class_id}, which the manifest does not list"
            yield CaptureProblem(code="telemetry.unknown_class", message=message, path=file.path)


def _file_problems(folder: Path, manifest: CaptureManifest) -> Iterator[CaptureProblem]:
    for file in columns_of(manifest.files).values():
        try:
            read_column(folder, file, manifest.grid.bins)
        except TelemetryError as error:
            yield CaptureProblem(code=error.code, message=error.message, path=file.path)
