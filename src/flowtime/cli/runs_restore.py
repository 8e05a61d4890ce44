"""``flowtime runs restore``: bring back what `flowtime runs delete` moved into the trash, and show what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowtime.cli.options import json_option, root_option, settings_from
from flowtime.cli.runs_options import markdown_option

if TYPE_CHECKING:
    from flowtime.runs.trash import TrashedRun

__all__ = ["restore"]


@click.command()
@click.argument("run_ids", metavar="[RUN_ID]...", nargs=-1)
@click.option("--list", "shows_list", is_flag=True, help="Show what is in the trash, and restore nothing.")
@root_option
@markdown_option
@json_option
def restore(run_ids: tuple[str, ...], shows_list: bool, runs_dir: str | None, markdown: bool, as_json: bool) -> None:
    """Bring runs back from the trash.

    Of several with one id it is the one that was deleted last; the name of its folder in the trash brings back
    another one.  All are checked before the first one is moved, and no run that is there is ever replaced.
    """
    from flowtime.cli.console import print_json
    from flowtime.runs.trash import list_trash, restore_runs

    if bool(run_ids) == shows_list:
        raise click.UsageError("Give the ids of runs, or --list.")
    if markdown and not shows_list:
        raise click.UsageError("--markdown is for --list.")
    root = Path(settings_from(runs_dir=runs_dir).runs_dir)
    if shows_list:
        trashed = list_trash(root)
        if as_json:
            print_json({"trash": trashed})
        else:
            _print_trash(trashed, as_markdown=markdown)
        return
    restored = restore_runs(root, run_ids)
    if as_json:
        print_json({"restored": restored})
        return
    for run in restored:
        click.echo(f"restored {run.run_id} to {run.path}")


def _print_trash(trashed: tuple[TrashedRun, ...], *, as_markdown: bool) -> None:
    from flowtime.cli.runs_text import print_trash

    if trashed:
        print_trash(trashed, as_markdown=as_markdown)
    else:
        click.echo("the trash is empty")
