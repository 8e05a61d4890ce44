"""``flowtime telemetry import``: from a file of measurements to a capture."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

from flowtime.cli.options import json_option, kernel_folder, now, pairs_of, settings_from, stacked

if TYPE_CHECKING:
    from flowtime.telemetry.loaders.base import Duplicates, ImportOptions, OffGrid, Progress
    from flowtime.telemetry.loaders.moments import TimeUnit

__all__ = ["import_source"]

Command = TypeVar("Command", bound=Callable[..., Any])

LOADERS = ("csv", "parquet", "otel")
STDIN = "<stdin>"
SUFFIXES = (".gz", ".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".json")


class _TimeWords(NamedTuple):
    """What the command line says of times."""

    start: str | None
    end: str | None
    column: str | None
    unit: TimeUnit
    zone: str | None


class _RowWords(NamedTuple):
    """What the command line says of rows: which count, of what class they are, and what odd ones do."""

    class_column: str | None
    where: Mapping[str, str]
    duplicates: Duplicates
    off_grid: OffGrid


class _PlaceWords(NamedTuple):
    """What the command line says of the capture."""

    output: Path | None
    dry_run: bool
    overwrite: bool


def _time_options(command: Command) -> Command:
    """Add what is said of times; the command receives ``times``."""

    @wraps(command)
    def with_times(
        *,
        start: str | None,
        end: str | None,
        time_column: str | None,
        time_unit: TimeUnit,
        timezone: str | None,
        **others: Any,
    ) -> Any:
        return command(times=_TimeWords(start, end, time_column, time_unit, timezone), **others)

    options = (
        click.option(
            "--start", metavar="TIME", help="Start of bin 0; rows before it are left out.  [default: the first row]"
        ),
        click.option("--end", metavar="TIME", help="Rows from here on are left out.  [default: after the last row]"),
        click.option(
            "--time", "time_column", metavar="COLUMN", help="Column of the time.  [default: found by its name]"
        ),
        click.option(
            "--time-unit",
            type=click.Choice(("auto", "s", "ms", "us", "ns")),
            default="auto",
            show_default=True,
            help="Unit of times that are counts since 1970; auto tells it by 10, 13, 16 or 19 digits.",
        ),
        click.option(
            "--timezone", metavar="ZONE", help="Zone of times that do not say theirs, as Europe/Berlin.  [default: UTC]"
        ),
    )
    return stacked(cast("Command", with_times), options)


def _row_options(command: Command) -> Command:
    """Add what is said of rows; the command receives ``rows``."""

    @wraps(command)
    def with_rows(
        *,
        class_column: str | None,
        where: Mapping[str, str],
        duplicates: Duplicates,
        off_grid: OffGrid,
        **others: Any,
    ) -> Any:
        return command(rows=_RowWords(class_column, where, duplicates, off_grid), **others)

    options = (
        click.option(
            "--class-column",
            metavar="COLUMN",
            help="Column of the class of a row: what counts and sums up is imported by class too.",
        ),
        click.option(
            "--where",
            metavar="COLUMN=VALUE",
            multiple=True,
            callback=pairs_of("COLUMN=VALUE"),
            help="Only rows with this text in a column count, repeatable: all must match.",
        ),
        click.option(
            "--duplicates",
            type=click.Choice(("error", "first", "last")),
            default="error",
            show_default=True,
            help="What a second row of a bin does: it is an error, or the first or the last counts.",
        ),
        click.option(
            "--off-grid",
            type=click.Choice(("error", "floor")),
            default="error",
            show_default=True,
            help="What a row does that is not at the start of a bin: it is an error, or it is of the bin that it "
            "lies in.",
        ),
    )
    return stacked(cast("Command", with_rows), options)


def _place_options(command: Command) -> Command:
    """Add what is said of the capture; the command receives ``place``."""

    @wraps(command)
    def with_place(*, output: Path | None, dry_run: bool, overwrite: bool, **others: Any) -> Any:
        return command(place=_PlaceWords(output, dry_run, overwrite), **others)

    options = (
        click.option(
            "--output",
            metavar="DIR",
            type=click.Path(file_okay=False, path_type=Path),
            help="Where the capture goes.  [default: captures/SOURCE]",
        ),
        click.option("--dry-run", is_flag=True, help="Read all of it, say what would be written, and write nothing."),
        click.option("--overwrite", is_flag=True, help="Replace a capture that is there; never anything else."),
    )
    return stacked(cast("Command", with_place), options)


@click.command("import")
@click.argument("source", metavar="SOURCE", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--grid", metavar="STEP", required=True, help="Length of a bin: 30s, 5m, 1h, 1d or 1w.")
@click.option(
    "--map",
    "maps",
    metavar="NODE.METRIC=COLUMN",
    multiple=True,
    help="A series to make, repeatable: a column of numbers, one row a bin; or of events count, sum(COLUMN), "
    "mean(COLUMN), min(COLUMN), max(COLUMN), last(COLUMN).  A->B.METRIC is of an edge.",
)
@_time_options
@_row_options
@click.option("--loader", type=click.Choice(LOADERS), help="What SOURCE is.  [default: told by its suffix]")
@_place_options
@json_option
def import_source(
    source: str,
    grid: str,
    maps: tuple[str, ...],
    times: _TimeWords,
    rows: _RowWords,
    loader: str | None,
    place: _PlaceWords,
    as_json: bool,
) -> None:
    """Import measurements: counts per bin, event logs, spans.

    SOURCE is a CSV (plain or .gz), a Parquet file, or OpenTelemetry spans as JSON lines, which need no --map; - is a
    CSV from stdin.  Whatever is imperfect is a warning of the capture, with its bins.  Exit status 1: a row can not be
    read; the message names its line.  4: something is there already.
    """
    import sys

    from flowtime.cli.console import print_json, progress, use_kernels
    from flowtime.cli.telemetry_import_text import print_import
    from flowtime.telemetry.importing import ImportRequest, import_telemetry

    settings = settings_from()
    use_kernels(kernel_folder(settings))
    path = Path(STDIN if source == "-" else source)
    with progress() as moved:
        request = ImportRequest(
            source=path,
            output=place.output or Path(settings.captures_dir) / _stem(path.name),
            options=_options((grid, maps), times, rows, moved),
            loader=loader,
            dry_run=place.dry_run,
            overwrite=place.overwrite,
            stream=sys.stdin.buffer if source == "-" else None,
        )
        report = import_telemetry(request, clock=now, durability=settings.durability)
    if as_json:
        print_json(report)
    else:
        print_import(report)


def _options(
    what: tuple[str, tuple[str, ...]], times: _TimeWords, rows: _RowWords, progress: Progress | None
) -> ImportOptions:
    """Read the words of the command line: the length of a bin and the maps, times, and rows."""
    from flowtime.telemetry.loaders.axis import parse_step
    from flowtime.telemetry.loaders.base import ImportOptions
    from flowtime.telemetry.loaders.mapping import parse_measures
    from flowtime.telemetry.loaders.zones import find_zone

    zone = None if times.zone is None else find_zone(times.zone)
    return ImportOptions(
        step=parse_step(what[0]),
        measures=parse_measures(what[1]),
        start=_moment(times.start, zone, "--start"),
        end=_moment(times.end, zone, "--end"),
        time_column=times.column,
        time_unit=times.unit,
        zone=zone,
        duplicates=rows.duplicates,
        off_grid=rows.off_grid,
        class_column=rows.class_column,
        where=tuple(rows.where.items()),
        progress=progress,
    )


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
