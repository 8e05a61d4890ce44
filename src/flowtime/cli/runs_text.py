"""How lists, details and comparisons of runs are told to a person: tables, for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from flowtime.cli.console import count, print_fields, print_table
from flowtime.cli.run_report import count_findings, print_warnings

if TYPE_CHECKING:
    from flowtime.bundle import Bundle
    from flowtime.bundle.comparison import RunComparison, ValueDifference
    from flowtime.orchestration import RunEnvelope
    from flowtime.runs import RunSummary
    from flowtime.runs.query import RunPage
    from flowtime.runs.trash import TrashedRun

__all__ = ["bytes_text", "moment_text", "print_comparison", "print_run_details", "print_runs", "print_trash"]

# Columns of flow runs alone and of tracked runs alone stand where there are such runs on the page.
COLUMNS = (
    *("run", "created (UTC)", "mode", "template", "bins", "series"),
    *("scenario", "steps", "elapsed", "tags", "warnings", "status"),
)
TRASH_COLUMNS = ("run", "deleted (UTC)", "created (UTC)", "mode", "template", "folder in the trash")
OF_FLOWS = frozenset({"bins", "series"})
OF_TRACKED = frozenset({"scenario", "steps", "elapsed", "tags"})
# What a narrow terminal does without, the least missed first.
DROPPABLE = ("tags", "series", "bins", "scenario", "mode", "warnings", "elapsed", "created (UTC)", "status")
SHOWN_DIFFERENCES = 20
SHOWN_HASH = len("sha256:") + 12


def print_runs(page: RunPage, *, as_markdown: bool) -> None:
    """Print one page of runs, then what is wrong with those that are broken."""
    if not page.items:
        click.echo("no runs" if page.total_count == 0 else f"no runs on page {page.page} of {page.total_count:,} runs")
        return
    first = (page.page - 1) * page.page_size + 1
    title = f"runs {first:,} to {first + len(page.items) - 1:,} of {page.total_count:,}"
    columns, rows = _run_table(page.items)
    _table(title, columns, rows, as_markdown, DROPPABLE)
    for run in page.items:
        if run.problem is not None:
            click.echo(f"broken: {run.run_id}: {run.problem}")


def print_trash(trashed: Sequence[TrashedRun], *, as_markdown: bool) -> None:
    """Print a row for each run in the trash."""
    rows = [
        (
            run.run_id,
            moment_text(run.deleted_utc),
            moment_text(run.created_utc),
            run.mode or "-",
            run.template_id or "-",
            PurePath(run.trash).name,
        )
        for run in trashed
    ]
    _table(f"{count(len(rows), 'run')} in the trash", TRASH_COLUMNS, rows, as_markdown, ("mode", "template"))


def print_run_details(bundle: Bundle, envelope: RunEnvelope, *, as_markdown: bool) -> None:
    """Print what a run was made of, and what was odd about its numbers."""
    run, metadata = bundle.run, bundle.metadata
    grid = run.grid
    starts = f", from {grid.start}" if grid.start else ""
    facts = {
        "template": f"{run.template_id} {run.template_version}",
        "mode": run.mode,
        "created": f"{moment_text(run.created_utc)} UTC",
        "grid": f"{grid.bins:,} bins of {grid.bin_size} {grid.bin_unit}{starts}",
        "seed": _seed(envelope),
        "series": f"{len(run.series):,}",
        "classes": ", ".join(item.id for item in run.classes) or "-",
        "input hash": run.input_hash,
        "model hash": run.model_hash,
        "scenario hash": run.scenario_hash,
        "can be replayed": "yes" if envelope.can_replay else "no",
        "findings": count_findings(envelope.warnings),
        "folder": str(bundle.path),
    }
    title = f"{run.template_title} ({run.run_id})" if run.template_title else run.run_id
    if as_markdown:
        _table(title, ("", "value"), list(facts.items()), as_markdown)
    else:
        click.echo(title)
        print_fields(facts, as_json=False)
    if metadata.parameters:
        click.echo("")
        _table("parameters", ("parameter", "value"), _pairs(metadata.parameters), as_markdown)
    print_warnings(envelope.warnings)


def print_comparison(found: RunComparison, *, as_markdown: bool) -> None:
    """Print what differs, the largest tables cut short, then one line that sums it up."""
    sides = (found.a, found.b)
    _print_values("made of", found.inputs, sides, as_markdown)
    _print_values("parameters", found.parameters, sides, as_markdown)
    series = [
        (item.name, f"{item.bins:,}", str(item.first_bin), _number(item.a), _number(item.b), _number(item.largest))
        for item in found.series
    ]
    columns = ("series", "bins that differ", "first", *sides, "largest difference")
    _print_differences(f"series, {found.compared_bins:,} bins", columns, series, as_markdown)
    nodes = [(f"{item.node_id}.{item.metric}", _number(item.a), _number(item.b)) for item in found.nodes]
    _print_differences("nodes", ("node", *sides), nodes, as_markdown)
    for run_id, names in zip(sides, (found.only_in_a, found.only_in_b), strict=True):
        if names:
            click.echo(f"only in {run_id}: {', '.join(names)}\n")
    click.echo(_verdict(found))


def _verdict(found: RunComparison) -> str:
    if found.is_same:
        return f"{found.a} and {found.b} are the same: {count(found.compared_series, 'series').removesuffix('s')}"
    if found.compared_bins == 0:
        return "the bins are not of one length: no series was compared"
    return f"{len(found.series):,} of {found.compared_series:,} series differ"


def _print_values(title: str, values: Sequence[ValueDifference], sides: tuple[str, str], as_markdown: bool) -> None:
    _print_differences(title, ("", *sides), [(item.name, _text(item.a), _text(item.b)) for item in values], as_markdown)


def _print_differences(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], as_markdown: bool) -> None:
    """Print a table of differences; nothing where there are none."""
    if not rows:
        return
    _table(title, columns, rows[:SHOWN_DIFFERENCES], as_markdown)
    if len(rows) > SHOWN_DIFFERENCES:
        click.echo(f"and {len(rows) - SHOWN_DIFFERENCES:,} more; --json has them all")
    click.echo("")


def _run_table(runs: Sequence[RunSummary]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the columns that say something of these runs, and a row of each run."""
    tracked = [run.pipeline is not None for run in runs]
    cells = [_run_cells(run) for run in runs]
    silent = set() if any(tracked) else set(OF_TRACKED)
    if all(tracked):
        silent |= OF_FLOWS
    # Few runs have a scenario or tags.
    silent.update(name for name in ("scenario", "tags") if all(row[name] == "-" for row in cells))
    names = [name for name in COLUMNS if name not in silent]
    what = "pipeline" if all(tracked) else "template or pipeline" if any(tracked) else "template"
    columns = tuple(what if name == "template" else name for name in names)
    return columns, [tuple(row[name] for name in names) for row in cells]


def _run_cells(run: RunSummary) -> dict[str, str]:
    from flowtime.tracking.report.progress_text import duration_text

    return {
        "run": run.run_id,
        "created (UTC)": moment_text(run.created_utc),
        "mode": run.mode or run.kind or "-",
        "template": run.template_id or run.pipeline or "-",
        "bins": "-" if run.bins is None else f"{run.bins:,}",
        "series": str(run.series_count) if run.series_count else "-",
        "scenario": run.scenario or "-",
        "steps": "-" if run.steps_total is None else f"{run.steps_done}/{run.steps_total}",
        "elapsed": "-" if run.elapsed_seconds is None else duration_text(run.elapsed_seconds),
        "tags": " ".join(f"{key}={value}" if value else key for key, value in run.tags.items()) or "-",
        "warnings": str(run.warning_count) if run.warning_count else "-",
        "status": run.status,
    }


def bytes_text(size: int) -> str:
    """Return a number of bytes as ``12 B``, ``3.4 MB`` or ``5.6 GB``."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.3g} TB"


def moment_text(text: str | None) -> str:
    """Render a time in UTC by the second; one that is no time as it stands."""
    from flowtime.runs.times import parse_utc

    moment = parse_utc(text) if text else None
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment is not None else text or "-"


def _seed(envelope: RunEnvelope) -> str:
    rng = envelope.metadata.rng if envelope.metadata is not None else None
    if rng is None:
        return "-"
    return f"{rng.seed} ({rng.kind}, {'drawn from' if rng.sampled else 'not drawn from'})"


def _pairs(values: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in values.items()]


def _text(value: object) -> str:
    """Render a value as JSON, texts without quotes; hashes and long ones cut."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return f"{value[:SHOWN_HASH]}..." if value.startswith("sha256:") else value
    from json import dumps

    text = dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    as_markdown: bool,
    droppable: Sequence[str] = (),
) -> None:
    if not as_markdown:
        print_table(title, columns, rows, droppable=droppable)
        return
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    click.echo(f"**{title}**\n")
    click.echo("\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines))


def _escaped(cell: str) -> str:
    """Keep a cell in its column."""
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
