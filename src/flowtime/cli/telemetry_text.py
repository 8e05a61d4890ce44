"""How captures are told to a person: what was written, whether it is sound, how far a run is from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from flowtime.cli.console import count, print_table

if TYPE_CHECKING:
    from flowtime.telemetry.capture import CapturedFile, CaptureReport
    from flowtime.telemetry.diff import DiffPart, DiffReport, DiffRow
    from flowtime.telemetry.manifest import BinRange, CaptureWarning, GapRecord
    from flowtime.telemetry.verify import VerifyReport

__all__ = ["print_capture", "print_diff", "print_verdict"]

FILE_COLUMNS = ("file", "bytes", "series", "is")
DIFF_COLUMNS = ("metric", "bins", "missing", "differ", "bias", "RMSE", "correlation", "worst bin", "there")
DROPPABLE = ("missing", "bins", "there")
SHOWN_RANGES = 3
SHOWN_WARNINGS = 20


def print_capture(report: CaptureReport) -> None:
    """Print the files of a dry run, or a line about what was written; then what is odd, and where it is."""
    size = f"{count(len(report.files), 'file')}, {count(report.bytes, 'byte')}"
    if report.is_dry_run:
        print_table(f"{report.run_id}: nothing is written", FILE_COLUMNS, [_file_row(file) for file in report.files])
    for record in report.manifest.injections:
        click.echo(f"put in: {_record(record)}")
    _print_warnings(report.manifest.warnings)
    if report.is_dry_run:
        state = " (replaces the capture that is there)" if report.replaces else ""
        click.echo(f"would write {size} to {report.folder}{state}")
        return
    grid = report.manifest.grid
    named = count(len(report.manifest.files), "metric")
    click.echo(f"captured {report.run_id}: {named} of {count(grid.bins, 'bin')} in {size}")
    click.echo(f"wrote {report.folder}")


def print_verdict(report: VerifyReport) -> None:
    """Print every problem, and a last line that says whether the capture is sound."""
    for problem in report.problems:
        where = "" if problem.path in problem.message else f"{problem.path}: "
        click.echo(f"{where}{problem.message} [{problem.code}]")
    if report.other_files:
        click.echo(f"not of the capture: {', '.join(report.other_files)}")
    verdict = "sound" if report.valid else count(len(report.problems), "problem")
    click.echo(f"{report.folder}: {verdict}, {count(report.files, 'file')} of {count(report.bins, 'bin')}")


def print_diff(report: DiffReport) -> None:
    """Print a row for each metric that differs, and a last line that says whether any does."""
    if report.resample is not None:
        click.echo(f"the telemetry is resampled to the bins of the run: {report.resample}")
    apart = [row for row in report.rows if not row.within]
    if apart:
        rows = [_diff_row(row) for row in apart]
        print_table(f"{report.run_id} less the telemetry", DIFF_COLUMNS, rows, droppable=DROPPABLE)
    _print_parts(report)
    if apart and not report.only_in_capture and not any(row.unexplained for row in apart):
        click.echo("it differs only where gaps were put in on purpose")
    total = len(report.rows) + len(report.only_in_capture)
    verdict = "the same" if report.within else "not the same"
    click.echo(f"{verdict}: {len(report.rows) - len(apart)} of {count(total, 'metric')} within the tolerance")


def _print_parts(report: DiffReport) -> None:
    """Name what one side does not have: each that the run lacks, and some of the many that are not measured."""
    for part in report.only_in_capture:
        click.echo(f"not in the run: {_part(part.subject, part.metric, part.class_id)}")
    if report.only_in_run:
        click.echo(f"not in the telemetry: {_some(report.only_in_run)}")


def _file_row(file: CapturedFile) -> tuple[str, ...]:
    first = file.parts[0]
    more = f" and {len(file.parts) - 1} more" if len(file.parts) > 1 else ""
    return file.path, f"{file.bytes:,}", file.series_id, _part(first.subject, first.metric, first.class_id) + more


def _diff_row(row: DiffRow) -> tuple[str, ...]:
    return (
        _part(row.subject, row.metric, row.class_id),
        f"{row.compared:,}",
        f"{row.missing:,}" if row.missing else "-",
        f"{row.differing:,}",
        _number(row.bias),
        _number(row.rmse),
        _number(row.correlation),
        "-" if row.worst_bin is None else f"{row.worst_bin:,}",
        f"{_number(row.worst_model)} for {_number(row.worst_telemetry)}",
    )


def _print_warnings(warnings: Sequence[CaptureWarning]) -> None:
    for warning in warnings[:SHOWN_WARNINGS]:
        where = _part(warning.node_id, warning.metric, warning.class_id)
        bins = f" (bins {_ranges(warning.bins)}; {warning.bin_count:,} in all)" if warning.bins else ""
        click.echo(f"{warning.severity}: {where}: {warning.message}{bins} [{warning.code}]")
    if len(warnings) > SHOWN_WARNINGS:
        click.echo(f"and {count(len(warnings) - SHOWN_WARNINGS, 'warning')} more, in the manifest")


def _record(record: GapRecord) -> str:
    where = _part(record.node_id, record.metric, record.class_id)
    return f"{record.kind} into {where} (bins {_ranges(record.bins)}) [{record.code}]"


def _ranges(bins: Sequence[BinRange]) -> str:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in bins[:SHOWN_RANGES]]
    return ", ".join(shown) + (", ..." if len(bins) > SHOWN_RANGES else "")


def _part(subject: str | None, metric: str | None, class_id: str | None) -> str:
    """Name a part as ``node.metric``, with its class where it is of one."""
    from flowtime.model.naming import DEFAULT_CLASS

    name = ".".join(text for text in (subject, metric) if text)
    return name if class_id in (None, DEFAULT_CLASS) else f"{name}@{class_id}"


def _some(parts: Sequence[DiffPart]) -> str:
    shown = ", ".join(_part(part.subject, part.metric, part.class_id) for part in parts[:5])
    return f"{shown} and {len(parts) - 5} more" if len(parts) > 5 else shown


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"
