"""``flowtime runs pin``, ``unpin`` and ``prune``: which runs stay, and which may go."""

from __future__ import annotations

from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

import click

from flowtime.cli.options import json_option, now, root_option, settings_from

if TYPE_CHECKING:
    from flowtime.runs.retention import PruneReport

__all__ = ["pin", "prune", "unpin"]


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@root_option
@json_option
def pin(runs: tuple[str, ...], runs_dir: str | None, as_json: bool) -> None:
    """Pin runs: they are neither pruned nor deleted until they are unpinned."""
    _set_pins(runs, runs_dir, as_json, is_pinned=True)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@root_option
@json_option
def unpin(runs: tuple[str, ...], runs_dir: str | None, as_json: bool) -> None:
    """Unpin runs: they may be pruned and deleted again."""
    _set_pins(runs, runs_dir, as_json, is_pinned=False)


@click.command()
@click.option("--keep", metavar="N", type=click.IntRange(min=0), help="Keep the newest N, prune the others.")
@click.option("--older-than", metavar="DAYS", type=click.FloatRange(min=0), help="Prune those that ended before that.")
@click.option("--max-bytes", metavar="SIZE", help="Prune the oldest until the rest takes no more: 500MB, 20GiB.")
@click.option("--tag", metavar="TAG", multiple=True, help="Choose runs with this tag, key or key=value; repeatable.")
@click.option("--kind", type=click.Choice(("flow", "pipeline", "perf")), help="Choose runs of this kind.")
@click.option("--pipeline", metavar="NAME", help="Choose runs of this pipeline.")
@click.option("--status", metavar="STATUS", help="Choose runs of this status.")
@click.option("--dry-run", is_flag=True, help="Only say what would be pruned, and how large it is.")
@click.option("--purge", is_flag=True, help="Remove them for good, instead of moving them into the trash.")
@root_option
@json_option
def prune(
    keep: int | None,
    older_than: float | None,
    max_bytes: str | None,
    dry_run: bool,
    purge: bool,
    runs_dir: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Move runs into the trash by count, age, bytes or tag.

    --tag, --kind, --pipeline and --status choose runs, and all that are given must hold.  Of the chosen runs one goes
    when --keep, --older-than or --max-bytes says so; with none of these three all that were chosen go.  Runs that are
    going on, are pinned, are lost (they may be alive on another host) or can not be read always stay, but they count.
    """
    from flowtime.cli.console import print_json
    from flowtime.runs.query import parse_query
    from flowtime.runs.retention import RetentionRules, parse_size, plan_retention, prune_runs, report_of
    from flowtime.tracking.live.holding import hold_ended
    from flowtime.tracking.live.live_runs import open_registry

    filters = {name: value for name, value in chosen.items() if value}
    if not (filters or dry_run) and keep is None and older_than is None and max_bytes is None:
        raise click.UsageError("Say what is to be pruned: --keep, --older-than, --max-bytes, --tag or another choice.")
    rules = RetentionRules(
        keep=keep,
        older_than_days=older_than,
        max_bytes=None if max_bytes is None else parse_size(max_bytes),
    )
    root = Path(settings_from(runs_dir=runs_dir).runs_dir)
    query = parse_query(filters)
    with open_registry(root, clock=now) as registry:
        runs = registry.all_runs(query)
        registry.require_known(query)
    plan = plan_retention(runs, rules, root=root, now=now())
    if dry_run:
        report = report_of(plan, is_purged=purge)
    else:
        report = prune_runs(root, plan, guard=hold_ended, purge=purge, clock=now, entropy=token_bytes)
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _set_pins(words: tuple[str, ...], runs_dir: str | None, as_json: bool, *, is_pinned: bool) -> None:
    from flowtime.cli.console import print_json
    from flowtime.runs import find_run
    from flowtime.runs.pins import pin_run, unpin_run

    root = Path(settings_from(runs_dir=runs_dir).runs_dir)
    change = pin_run if is_pinned else unpin_run
    # All are found before the first one is changed.
    changed = [(folder.name, change(folder)) for folder in [find_run(root, word) for word in words]]
    if as_json:
        pins = [{"runId": name, "isPinned": is_pinned, "hasChanged": has_changed} for name, has_changed in changed]
        print_json({"pins": pins})
        return
    verb = "pinned" if is_pinned else "unpinned"
    for name, has_changed in changed:
        click.echo(f"{verb} {name}" if has_changed else f"{name} was {verb} already")


def _print_report(report: PruneReport) -> None:
    from flowtime.cli.console import count, print_table
    from flowtime.cli.runs_text import bytes_text, moment_text
    from flowtime.runs.retention import reason_text

    if report.pruned:
        title = (
            "would be pruned" if report.is_dry_run else "removed for good" if report.is_purged else "moved to the trash"
        )
        rows = [
            (run.run_id, moment_text(run.created_utc), bytes_text(run.size_bytes), ", ".join(run.why))
            for run in report.pruned
        ]
        print_table(title, ("run", "created (UTC)", "size", "by"), rows)
    for run in report.spared:
        click.echo(f"stays: {run.run_id} {reason_text(run.reason)}{f': {run.detail}' if run.detail else ''}")
    verb = "would go" if report.is_dry_run else "gone"
    freed = f", {bytes_text(report.freed_bytes)}" if report.pruned else ""
    click.echo(f"{count(len(report.pruned), 'run')} {verb}{freed}; {count(report.kept, 'run')} of the chosen kept")
