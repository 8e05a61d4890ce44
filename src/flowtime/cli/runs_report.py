"""``flowtime runs summary``, ``export`` and ``resume``: what became of a tracked run, and going on with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from flowtime.cli.options import json_option, root_option
from flowtime.cli.runs_options import markdown_option
from flowtime.cli.runs_status import tracked_folder

if TYPE_CHECKING:
    from flowtime.tracking.report.resumption import ResumePlan

__all__ = ["export", "is_tracked_run", "print_tracked", "print_tracked_comparison", "resume", "summary"]

FORMATS = ("json", "markdown", "jsonl")


@click.command()
@click.argument("run", metavar="RUN")
@root_option
@markdown_option
@json_option
def summary(run: str, runs_dir: str | None, markdown: bool, as_json: bool) -> None:
    """Report on RUN: its steps and how long they took, the machine, advice, performance tests, how good the ETA was."""
    from flowtime.cli.console import print_json
    from flowtime.tracking.report.run_report import report_run, report_sections
    from flowtime.tracking.report.sections import markdown_text, plain_text

    report = report_run(tracked_folder(run, runs_dir))
    if as_json:
        print_json(report)
        return
    sections = report_sections(report)
    click.echo(markdown_text(sections) if markdown else plain_text(sections), nl=False)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--format", "form", type=click.Choice(FORMATS), default="json", show_default=True, help="What to write.")
@click.option("-o", "--output", metavar="FILE", default="-", help="File to write; - is stdout.  [default: -]")
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@root_option
def export(run: str, form: str, output: str, overwrite: bool, runs_dir: str | None) -> None:
    """Write RUN into one file: its report as json or markdown, or its whole event log as jsonl, one event a line.

    The file is there whole or not at all.
    """
    from flowtime.tracking.report.run_export import ExportFormat, export_run, write_export

    folder = tracked_folder(run, runs_dir)
    wanted = cast("ExportFormat", form)
    if output == "-":
        write_export(folder, wanted, sys.stdout)
        return
    size = export_run(folder, wanted, Path(output), overwrite=overwrite)
    click.echo(f"wrote {output} ({size:,} bytes)", err=True)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@root_option
@json_option
@click.pass_context
def resume(context: click.Context, run: str, dry_run: bool, runs_dir: str | None, as_json: bool) -> None:
    """Go on with RUN, which ended before it was completed, as a new session of the same run.

    A run of `flowtime track` is run again by its command, in its folder, and the exit status is that of the command;
    steps that are done are named to it in FLOWTIME_STEPS_DONE.  For any other run this says how its program resumes it.
    """
    from flowtime.cli.console import print_json
    from flowtime.tracking.report.resumption import plan_resume, resume_sections
    from flowtime.tracking.report.sections import plain_text

    plan = plan_resume(tracked_folder(run, runs_dir))
    if as_json:
        print_json(plan)
    else:
        is_run = plan.command is not None and not dry_run
        click.echo(plain_text(resume_sections(plan)), nl=False, err=is_run)
    if plan.command is not None and not dry_run and not as_json:
        context.exit(_run(plan))


def is_tracked_run(folder: Path) -> bool:
    """Say whether a run has a record of the tracker, which one of a model has not."""
    from flowtime.tracking import is_tracked

    return is_tracked(folder)


def print_tracked_comparison(a: Path, b: Path, *, markdown: bool, as_json: bool) -> bool:
    """Print two tracked runs beside each other; says whether all but times is the same."""
    from flowtime.cli.console import print_json
    from flowtime.tracking.report.run_comparison import compare_tracked, comparison_sections
    from flowtime.tracking.report.sections import markdown_text, plain_text

    found = compare_tracked(a, b)
    if as_json:
        print_json(found)
    else:
        sections = comparison_sections(found)
        click.echo(markdown_text(sections) if markdown else plain_text(sections), nl=False)
    return found.is_same


def print_tracked(folder: Path, *, markdown: bool, as_json: bool) -> None:
    """Print what a tracked run is: as `runs show`."""
    from flowtime.cli.console import print_json
    from flowtime.tracking.report.run_report import report_run, show_sections
    from flowtime.tracking.report.sections import markdown_text, plain_text

    report = report_run(folder)
    if as_json:
        from flowtime.tracking.run_files import read_record

        print_json(read_record(folder))
        return
    sections = show_sections(report)
    click.echo(markdown_text(sections) if markdown else plain_text(sections), nl=False)


def _run(plan: ResumePlan) -> int:
    """Become the command of a plan, so that signals and exit status are its own; on Windows, wait for it."""
    import os
    import subprocess

    from flowtime.errors import RunError

    words = list(plan.command or ())
    try:
        if os.name == "nt":
            return subprocess.run(words, cwd=plan.working_folder, check=False).returncode
        os.chdir(plan.working_folder or ".")
        sys.stdout.flush()
        os.execv(words[0], words)
    except OSError as error:
        raise RunError(f"can not run {words[0]}: {error.strerror}", code="run.command_not_found") from error
