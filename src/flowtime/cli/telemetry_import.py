"""``flowtime telemetry import``: from a file of measurements to a capture."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowtime.cli.options import json_option, settings_from

if TYPE_CHECKING:
    from flowtime.telemetry.loaders.base import Duplicates, OffGrid
    from flowtime.telemetry.loaders.moments import TimeUnit

__all__ = ["import_source"]

LOADERS = ("csv", "parquet", "otel")
SUFFIXES = (".gz", ".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".json")


@click.command("import")
@click.argument("source", metavar="SOURCE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--grid", metavar="STEP", required=True, help="Length of a bin: 30s, 5m, 1h, 1d or 1w.")
@click.option(
    "--map",
    "maps",
    metavar="NODE.METRIC=COLUMN",
    multiple=True,
    help="A series to make, repeatable: a column of numbers, one row a bin; or of events count, sum(COLUMN), "
    "mean(COLUMN), min(COLUMN), max(COLUMN), last(COLUMN).  A->B.METRIC is of an edge.",
)
@click.option("--start", metavar="TIME", help="Start of bin 0; rows before it are left out.  [default: the first row]")
@click.option("--end", metavar="TIME", help="Rows from here on are left out.  [default: after the last row]")
@click.option("--time", "time_column", metavar="COLUMN", help="Column of the time.  [default: found by its name]")
@click.option(
    "--time-unit",
    type=click.Choice(("auto", "s", "ms", "us", "ns")),
    default="auto",
    show_default=True,
    help="Unit of times that are counts since 1970; auto tells it by 10, 13, 16 or 19 digits.",
)
@click.option(
    "--timezone", metavar="ZONE", help="Zone of times that do not say theirs, as Europe/Berlin.  [default: UTC]"
)
@click.option(
    "--duplicates",
    type=click.Choice(("error", "first", "last")),
    default="error",
    show_default=True,
    help="What a second row of a bin does: it is an error, or the first or the last counts.",
)
@click.option(
    "--off-grid",
    type=click.Choice(("error", "floor")),
    default="error",
    show_default=True,
    help="What a row does that is not at the start of a bin: it is an error, or it is of the bin that it lies in.",
)
@click.option("--loader", type=click.Choice(LOADERS), help="What SOURCE is.  [default: told by its suffix]")
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the capture goes.  [default: captures/SOURCE]",
)
@click.option("--dry-run", is_flag=True, help="Read all of it, say what would be written, and write nothing.")
@click.option("--overwrite", is_flag=True, help="Replace a capture that is there; never anything else.")
@json_option
def import_source(
    source: Path,
    grid: str,
    maps: tuple[str, ...],
    start: str | None,
    end: str | None,
    time_column: str | None,
    time_unit: TimeUnit,
    timezone: str | None,
    duplicates: Duplicates,
    off_grid: OffGrid,
    loader: str | None,
    output: Path | None,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Import measurements: counts per bin, event logs, spans.

    SOURCE is a CSV (plain or .gz), a Parquet file, or OpenTelemetry spans as JSON lines, which need no --map.  Whatever
    is imperfect is a warning of the capture, with its bins.  Exit status 1: a row can not be read; the message names
    its line.  4: something is there already.
    """
    from flowtime.cli.console import print_json, progress
    from flowtime.cli.telemetry_import_text import print_import
    from flowtime.telemetry.importing import ImportRequest, import_telemetry
    from flowtime.telemetry.loaders.axis import parse_step
    from flowtime.telemetry.loaders.base import ImportOptions
    from flowtime.telemetry.loaders.mapping import parse_measures
    from flowtime.telemetry.loaders.zones import find_zone

    settings = settings_from()
    zone = None if timezone is None else find_zone(timezone)
    with progress() as moved:
        options = ImportOptions(
            step=parse_step(grid),
            measures=parse_measures(maps),
            start=_moment(start, zone, "--start"),
            end=_moment(end, zone, "--end"),
            time_column=time_column,
            time_unit=time_unit,
            zone=zone,
            duplicates=duplicates,
            off_grid=off_grid,
            progress=moved,
        )
        request = ImportRequest(
            source=source,
            output=output or Path(settings.captures_dir) / _stem(source.name),
            options=options,
            loader=loader,
            dry_run=dry_run,
            overwrite=overwrite,
        )
        report = import_telemetry(request, clock=_now, durability=settings.durability)
    if as_json:
        print_json(report)
    else:
        print_import(report)


def _moment(text: str | None, zone: tzinfo | None, option: str) -> int | None:
    """Read a time of the command line, by the clocks of the zone unless it says its own."""
    from flowtime.telemetry.loaders.zones import parse_moment

    return None if text is None else parse_moment(text, zone, option)


def _stem(name: str) -> str:
    """Return the name of a source without what says its kind, as the name of a folder."""
    stem = name
    while stem.lower().endswith(SUFFIXES):
        stem = stem.rpartition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:100] or "import"


def _now() -> datetime:
    return datetime.now(UTC)
