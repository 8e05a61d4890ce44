"""``flowtime runs status`` and ``watch``: where a tracked run is, once or until it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowtime.cli.options import json_option, root_option, settings_from
from flowtime.cli.runs_options import markdown_option

if TYPE_CHECKING:
    from flowtime.tracking.report.run_watch import WatchUpdate

__all__ = ["status", "tracked_folder", "watch"]

PLAIN_EVERY_S = 10.0
FINAL_ROWS = 40


def tracked_folder(word: str, runs_dir: str | None) -> Path:
    """Return the folder of a tracked run, given its id or its path."""
    from flowtime.tracking.report.run_status import require_tracked

    folder = _folder(word, runs_dir)
    require_tracked(folder)
    return folder


def _folder(word: str, runs_dir: str | None) -> Path:
    from flowtime.runs import find_run

    return find_run(Path(settings_from(runs_dir=runs_dir).runs_dir), word)


@click.command()
@click.argument("run", metavar="RUN")
@root_option
@markdown_option
@json_option
def status(run: str, runs_dir: str | None, markdown: bool, as_json: bool) -> None:
    """Show where RUN is: its steps, its progress, when it will end, its last values, the machine, advice.

    Of a run that has ended, how it ended.  It takes no longer for a long run than for a short one.
    """
    from flowtime.cli.console import print_json
    from flowtime.tracking.report.run_status import read_status
    from flowtime.tracking.report.sections import markdown_text, plain_text
    from flowtime.tracking.report.status_text import status_sections

    found = read_status(_folder(run, runs_dir))
    if as_json:
        print_json(found)
        return
    sections = status_sections(found)
    click.echo(markdown_text(sections) if markdown else plain_text(sections), nl=False)


@click.command()
@click.argument("run", metavar="RUN")
@root_option
@json_option
@click.pass_context
def watch(context: click.Context, run: str, runs_dir: str | None, as_json: bool) -> None:
    """Follow RUN until it ends.

    On a terminal its status is drawn again in place; elsewhere each change is a line, and with --json a line of JSON.

    Exit status, by how the run ended: completed 0, failed 1, lost 69, timeout 124, cancelled 130, killed 137,
    preempted 143.  Ctrl-C stops the watching and not the run, with 130.
    """
    from time import sleep

    from flowtime.tracking.report.run_watch import exit_status_of, watch_run

    show = _json_lines() if as_json else _screen() if sys.stdout.isatty() else _plain_lines()
    ended = "running"
    for update in watch_run(_folder(run, runs_dir), wait=sleep):
        show(update)
        ended = update.status.status
    context.exit(exit_status_of(ended))


def _json_lines() -> Callable[[WatchUpdate], None]:
    import msgspec

    def show(update: WatchUpdate) -> None:
        click.echo(msgspec.json.encode({"status": update.status, "news": update.news}).decode())

    return show


def _plain_lines() -> Callable[[WatchUpdate], None]:
    """Show news as they come, and how far the run is every ten seconds, at its start and at its end."""
    from time import monotonic

    from flowtime.tracking.report.run_watch import progress_line

    said_at = -PLAIN_EVERY_S

    def show(update: WatchUpdate) -> None:
        nonlocal said_at
        for line in update.news:
            click.echo(line)
        if update.status.status != "running" or monotonic() - said_at >= PLAIN_EVERY_S:
            said_at = monotonic()
            click.echo(progress_line(update.status))

    return show


def _screen() -> Callable[[WatchUpdate], None]:
    """Draw the status in place, cut to the size of the terminal; the last one stays, whole."""
    from shutil import get_terminal_size

    from flowtime.tracking.report.sections import plain_lines
    from flowtime.tracking.report.status_text import status_sections
    from flowtime.tracking.run_files import is_terminal

    drawn = 0

    def show(update: WatchUpdate) -> None:
        nonlocal drawn
        width, height = get_terminal_size()
        room = max(4, height - 1)
        is_over = is_terminal(update.status.status)
        sections = status_sections(update.status, most_rows=FINAL_ROWS if is_over else max(3, room - 16))
        lines = plain_lines(sections)
        if not is_over:
            lines = lines[:room]
        # Up to where the last one began, then all below is cleared; no line may wrap, else that is not its place.
        up = f"\x1b[{drawn}F" if drawn else ""
        text = "\n".join(line if is_over else line[: width - 1] for line in lines)
        click.echo(f"{up}\x1b[J{text}", color=True)
        drawn = len(lines)

    return show
