"""A tracked run as one file: its report as JSON or Markdown, or its whole log as lines of JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, TypeAlias, get_args

import msgspec

from flowtime.errors import RunConflictError
from flowtime.storage.atomic import disk_error
from flowtime.tracking.log.jsonl_export import export_jsonl
from flowtime.tracking.report.run_report import RunReport, report_run, report_sections
from flowtime.tracking.report.run_status import require_tracked
from flowtime.tracking.report.sections import markdown_text

__all__ = ["EXPORT_FORMATS", "ExportFormat", "export_run", "write_export"]

ExportFormat: TypeAlias = Literal["json", "markdown", "jsonl"]
EXPORT_FORMATS: tuple[str, ...] = get_args(ExportFormat)


def export_run(folder: Path, form: ExportFormat, target: Path, *, overwrite: bool = False) -> int:
    """Write a run to ``target``, whole or not at all, and return the bytes; folders above it are made.

    Raises RunConflictError ``run.export_exists`` where something is there and ``overwrite`` is not set, RunError
    ``run.not_tracked`` for a run of another kind, and StorageError.
    """
    require_tracked(folder)
    if not overwrite and os.path.lexists(target):
        raise _exists(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return _published(target, lambda out: write_export(folder, form, out), overwrite=overwrite)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        raise disk_error(error, target) from error


def write_export(folder: Path, form: ExportFormat, out: IO[str]) -> None:
    """Write a run to an open text file; lets OSError through, else raises as ``report_run``."""
    require_tracked(folder)
    if form == "jsonl":
        export_jsonl(folder, out)
        return
    report = report_run(folder)
    out.write(markdown_text(report_sections(report)) if form == "markdown" else _json(report))


def _json(report: RunReport) -> str:
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _published(target: Path, write: Callable[[IO[str]], None], *, overwrite: bool) -> int:
    """Write a file beside the target and give it its name in one step."""
    temporary = target.with_name(f".{target.name[:128]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8", newline="\n") as out:
            write(out)
        size = temporary.stat().st_size
        if overwrite:
            os.replace(temporary, target)
        else:
            _name_once(temporary, target)
        return size
    finally:
        with suppress(OSError):  # the first error is the one to report
            temporary.unlink(missing_ok=True)


def _name_once(temporary: Path, target: Path) -> None:
    """Give a file its name unless that is taken, by now; FileExistsError."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this disk: the name was free a moment ago.
        if os.path.lexists(target):
            raise FileExistsError(str(target)) from None
        os.replace(temporary, target)


def _exists(target: Path) -> RunConflictError:
    hint = "--overwrite replaces it"
    return RunConflictError(f"{target.name} is there already", code="run.export_exists", hint=hint)
