"""``flowtime runs``: list, show, delete and compare the runs that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowtime.cli.options import json_option, now, root_option, settings_from, template_folders
from flowtime.cli.runs_keep import pin, prune, unpin
from flowtime.cli.runs_options import markdown_option
from flowtime.cli.runs_profile import profile
from flowtime.cli.runs_report import (
    export,
    is_tracked_run,
    print_tracked,
    print_tracked_comparison,
    resume,
    summary,
)
from flowtime.cli.runs_restore import restore
from flowtime.cli.runs_status import status, watch

if TYPE_CHECKING:
    from flowtime.runs.registry import Registry
    from flowtime.settings import Settings

__all__ = ["runs"]

KINDS = ("flow", "pipeline", "perf")
MODES = ("simulation", "telemetry")
STATUSES = (
    *("completed", "failed", "cancelled", "preempted", "timeout", "killed", "lost"),
    *("running", "pending", "broken"),
)
MAX_PAGE_SIZE = 200
Command = TypeVar("Command", bound=Callable[..., Any])


def _run_words(*names: str) -> Callable[[Command], Command]:
    """Add an argument for each run, an id or the path of a folder."""

    def add(command: Command) -> Command:
        for name in reversed(names):
            command = click.argument(name, metavar=name.upper())(command)
        return command

    return add


@click.group()
def runs() -> None:
    """List, show, follow, keep, delete, restore and compare runs.

    RUN is the id of a run in the folder of the runs, or the path of its folder.
    """


for command in (status, watch, summary, export, resume, pin, unpin, prune, restore, profile):
    runs.add_command(command)


@runs.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Runs of a model, of a tracked pipeline, or perf tests.")
@click.option("--template", metavar="ID", multiple=True, help="Runs of this template; repeatable, any of them.")
@click.option("--mode", type=click.Choice(MODES), help="Runs of this mode.")
@click.option("--status", type=click.Choice(STATUSES), help="Runs that ended like that, go on, or can not be read.")
@click.option("--pipeline", metavar="NAME", help="Runs of this pipeline.")
@click.option("--scenario", metavar="NAME", help="Runs of this scenario: its path, or the stem of its file.")
@click.option(
    "--tag", metavar="TAG", multiple=True, help="Runs with this tag, key or key=value; repeatable, all of them."
)
@click.option("--warnings/--no-warnings", default=None, help="Runs with warnings, or without; hints are none.")
@click.option("--since", metavar="TIME", help="Runs created at that time or later; UTC if it names no zone.")
@click.option("--before", metavar="TIME", help="Runs created before that time.")
@click.option("--input-hash", metavar="HASH", help="Runs made from these inputs: the first digits, at least 4.")
@click.option("--page", type=click.IntRange(min=1), default=1, show_default=True, help="Which page.")
@click.option(
    "--page-size", type=click.IntRange(1, MAX_PAGE_SIZE), default=50, show_default=True, help="Runs on a page."
)
@root_option
@markdown_option
@json_option
def list_command(runs_dir: str | None, markdown: bool, as_json: bool, **filters: Any) -> None:
    """List runs of all kinds, newest first; one that can not be read is listed with what is wrong.

    A run whose process is gone is shown as killed, with what it did until then, from the next list on.

    The index that makes this quick is kept below the folder of the runs.  Where it can not be, every run is read.
    """
    from flowtime.cli.console import print_json
    from flowtime.cli.runs_text import print_runs
    from flowtime.runs.query import parse_query
    from flowtime.tracking.live.live_runs import open_registry

    settings = settings_from(runs_dir=runs_dir)
    query = parse_query(_asked(filters))
    with open_registry(Path(settings.runs_dir), clock=now) as registry:
        page = registry.page(query, check="all")
        registry.require_known(query)
        _require_templates(registry, query.templates, settings)
    if page.note is not None:
        click.echo(f"note: {page.note}", err=True)
    if as_json:
        print_json(page)
    else:
        print_runs(page, as_markdown=markdown)


def _asked(filters: dict[str, Any]) -> dict[str, str | Sequence[str]]:
    """Return the filters that were given, as the library spells them."""
    warnings = filters.pop("warnings")
    texts: dict[str, Any] = {
        "template": filters.pop("template") or None,
        "tag": filters.pop("tag") or None,
        "warnings": None if warnings is None else str(warnings).lower(),
        "inputHash": filters.pop("input_hash"),
        "page": str(filters.pop("page")),
        "pageSize": str(filters.pop("page_size")),
        **filters,
    }
    return {name: text for name, text in texts.items() if text is not None}


def _require_templates(registry: Registry, templates: Sequence[str], settings: Settings) -> None:
    """Raise ParameterError for the id of a template that neither a run nor the catalogue knows."""
    unknown = sorted(set(templates).difference(registry.template_ids())) if templates else []
    if not unknown:
        return
    from difflib import get_close_matches

    from flowtime.errors import ParameterError
    from flowtime.templates import list_templates

    known = {*registry.template_ids(), *(info.id for info in list_templates(template_folders(settings)))}
    for name in unknown:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`flowtime templates list` shows the templates"
            message = f"there is no template {name!r}, and no run of one"
            raise ParameterError(message, code="parameter.filter_value", hint=hint)


@runs.command()
@_run_words("run")
@root_option
@markdown_option
@json_option
def show(run: str, runs_dir: str | None, markdown: bool, as_json: bool) -> None:
    """Show what RUN is: its template and parameters, its hashes, its files, its warnings.

    Of a tracked run its configuration, its environment, its steps and how it ended; with --json its record.
    """
    from flowtime.bundle import open_bundle
    from flowtime.cli.console import print_json
    from flowtime.cli.runs_text import print_run_details
    from flowtime.orchestration import describe_run
    from flowtime.runs import find_run

    folder = find_run(Path(settings_from(runs_dir=runs_dir).runs_dir), run)
    if is_tracked_run(folder):
        print_tracked(folder, markdown=markdown, as_json=as_json)
        return
    bundle = open_bundle(folder)
    envelope = describe_run(bundle, was_reused=False)
    if as_json:
        print_json(envelope)
    else:
        print_run_details(bundle, envelope, as_markdown=markdown)


@runs.command()
@click.argument("run_ids", metavar="[RUN_ID]...", nargs=-1)
@click.option("--purge", is_flag=True, help="Remove them for good, and what the trash holds of them.")
@click.option("--empty-trash", is_flag=True, help="Remove what is in the trash for good.")
@root_option
@json_option
def delete(run_ids: tuple[str, ...], purge: bool, empty_trash: bool, runs_dir: str | None, as_json: bool) -> None:
    """Move runs into the trash, from where `flowtime runs restore` brings them back.

    Only ids are taken here, and only folders whose run.json can be read are moved, not those of runs that are going
    on or are pinned.  All are checked before the first one is.
    """
    from flowtime.cli.console import print_json
    from flowtime.runs import trash
    from flowtime.runs.retention import require_ended
    from flowtime.tracking.live.holding import hold_ended

    if bool(run_ids) == empty_trash:
        raise click.UsageError("Give the ids of runs, or --empty-trash.")
    root = Path(settings_from(runs_dir=runs_dir).runs_dir)
    if empty_trash:
        deleted = trash.empty_trash(root)
    else:
        require_ended(root, run_ids, hold_ended)
        deleted = trash.delete_runs(root, run_ids, purge=purge, clock=now, entropy=token_bytes)
    if as_json:
        print_json({"deleted": deleted})
        return
    for run in deleted:
        click.echo(f"moved {run.run_id} to {run.trash}" if run.trash else f"removed {run.run_id} for good")
    if not deleted:
        click.echo("the trash is empty")


@runs.command()
@root_option
@json_option
def reindex(runs_dir: str | None, as_json: bool) -> None:
    """Make the index of the runs anew from their folders.

    Lists notice what changed by themselves; this is for an index that is wrong all the same.
    """
    from flowtime.cli.console import count, print_json
    from flowtime.runs.registry import Registry

    with Registry(Path(settings_from(runs_dir=runs_dir).runs_dir), clock=now) as registry:
        report = registry.reindex()
    if report.note is not None:
        click.echo(f"note: {report.note}", err=True)
    if as_json:
        print_json(report)
    else:
        broken = f", {report.broken_count:,} of them broken" if report.broken_count else ""
        click.echo(f"read {count(report.run_count, 'run')}{broken}")


@runs.command()
@_run_words("a", "b")
@click.option("--rtol", type=click.FloatRange(min=0), default=0.0, help="Relative tolerance.  [default: 0]")
@click.option("--atol", type=click.FloatRange(min=0), default=0.0, help="Absolute tolerance.  [default: 0]")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where the runs differ.")
@root_option
@markdown_option
@json_option
@click.pass_context
def compare(
    context: click.Context,
    a: str,
    b: str,
    rtol: float,
    atol: float,
    exit_code: bool,
    runs_dir: str | None,
    markdown: bool,
    as_json: bool,
) -> None:
    """Compare run A with run B: what they were made of, their parameters, every series, every node.

    Two numbers are equal where |a - b| <= atol + rtol * |a|.  Of tracked runs it shows what they were made with, how
    long each step took, and the figures of their summaries.
    """
    from flowtime.bundle import open_bundle
    from flowtime.bundle.comparison import Tolerance, compare_runs
    from flowtime.cli.console import print_json
    from flowtime.cli.runs_text import print_comparison
    from flowtime.runs import find_run

    root = Path(settings_from(runs_dir=runs_dir).runs_dir)
    folders = [find_run(root, word) for word in (a, b)]
    if any(map(is_tracked_run, folders)):
        is_same = print_tracked_comparison(*folders, markdown=markdown, as_json=as_json)
        context.exit(1 if exit_code and not is_same else 0)
    left, right = map(open_bundle, folders)
    comparison = compare_runs(left, right, Tolerance(rtol, atol))
    if as_json:
        print_json(comparison)
    else:
        print_comparison(comparison, as_markdown=markdown)
    context.exit(1 if exit_code and not comparison.is_same else 0)
