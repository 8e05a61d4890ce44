"""How an import is told to a person: the series that were made, and what is odd about the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowtime.cli.console import count, print_table

if TYPE_CHECKING:
    from flowtime.telemetry.importing import ImportedSeries, ImportReport
    from flowtime.telemetry.manifest import CaptureWarning

__all__ = ["print_import"]

# As ``telemetry.manifest`` calls it, which would bring msgspec along.
DEFAULT_CLASS = "DEFAULT"
COLUMNS = ("series", "from", "bins", "sum", "file", "bytes")
DROPPABLE = ("bytes", "file")
SHOWN_WARNINGS = 20


def print_import(report: ImportReport) -> None:
    """Print a row for each series, the grid that was found, the warnings, and what was written or would be."""
    grid, window = report.manifest.grid, report.manifest.window
    start = f" from {window.start_time_utc}" if window.start_time_utc else ""
    found = f"{count(grid.bins, 'bin')} of {count(grid.bin_size, grid.bin_unit.removesuffix('s'))}{start}"
    title = f"{count(report.rows, 'row')} of {report.source}: {found}"
    print_table(title, COLUMNS, [_row(series) for series in report.series], droppable=DROPPABLE)
    for warning in report.manifest.warnings[:SHOWN_WARNINGS]:
        click.echo(_line(warning))
    if len(report.manifest.warnings) > SHOWN_WARNINGS:
        click.echo(f"and {count(len(report.manifest.warnings) - SHOWN_WARNINGS, 'warning')} more, in the manifest")
    size = f"{count(len(report.series), 'file')}, {count(report.bytes, 'byte')}"
    if report.is_dry_run:
        state = " (replaces the capture that is there)" if report.replaces else ""
        click.echo(f"would write {size} to {report.folder}{state}")
    else:
        click.echo(f"wrote {size} to {report.folder}")


def _row(series: ImportedSeries) -> tuple[str, ...]:
    total = "-" if series.total is None else f"{series.total:,.10g}"
    whole = f"{series.subject}.{series.metric}"
    name = whole if series.class_id == DEFAULT_CLASS else f"{whole}@{series.class_id}"
    return name, series.measure or "spans", f"{series.points:,}", total, series.path, f"{series.bytes:,}"


def _line(warning: CaptureWarning) -> str:
    where = ".".join(part for part in (warning.node_id, warning.metric) if part)
    where += f"@{warning.class_id}" if warning.class_id not in (None, DEFAULT_CLASS) else ""
    return f"{warning.severity}: {where + ': ' if where else ''}{warning.message} [{warning.code}]"
