"""``flowtime track``: run a program as a tracked run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowtime.cli.options import root_option, settings_from

if TYPE_CHECKING:
    from flowtime.tracking.program.wrapper import ProgramRequest, TrackedProgram

__all__ = ["track"]


def _steps(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Split ``a,b,c``; an empty or a repeated name is a usage error."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise click.BadParameter(f"{text!r} must be different names with commas between them.")
    return names


def _tags(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    """Split ``KEY=VALUE`` words; the later wins."""
    pairs = [word.partition("=") for word in words]
    if not all(key and equals for key, equals, _value in pairs):
        raise click.BadParameter("each tag is KEY=VALUE.")
    return {key: value for key, _equals, value in pairs}


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--name", metavar="NAME", help="Name of the pipeline.  [default: that of the program or script]")
@click.option("--steps", metavar="A,B,C", callback=_steps, help="Its steps, in their order.")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, callback=_tags, help="A tag; repeatable.")
@click.option("--scenario", metavar="NAME", help="What it works on.")
@click.option("--resume", metavar="RUN", help="Go on with this run; without COMMAND, with the one it was begun with.")
@click.option("--no-sample", is_flag=True, help="Do not sample processes and machine.")
@click.option(
    "--interval",
    "interval_s",
    metavar="S",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    help="Seconds between samples; long runs sample less often.",
)
@click.option(
    "--timeout",
    "timeout_s",
    metavar="S",
    type=click.FloatRange(min=0.001),
    help="Seconds after which the program is ended: SIGTERM, and SIGKILL 10 s later.",
)
@click.option(
    "--durability",
    type=click.Choice(("process", "batch", "power")),
    default="process",
    show_default=True,
    help="What records survive: a killed tracker; the machine, but for 100 ms; the machine.",
)
@root_option
@click.option("--quiet", is_flag=True, help="Print nothing but what the program prints.")
@click.option("--json", "as_json", is_flag=True, help="At the end print the record as a line of JSON, to stderr.")
@click.argument("command", metavar="-- COMMAND...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def track(
    context: click.Context,
    /,
    runs_dir: str | None,
    resume: str | None,
    no_sample: bool,
    quiet: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Run COMMAND as a tracked run, without a change to it.

    Its output is passed on as it is, kept in output.log of the run, and watched for lines that tell of progress:
    `::step NAME`, `::progress 3/200`, `::metric loss=0.5`, `::skip NAME WHY`, `::note TEXT`.  Signals are passed to
    COMMAND and all that it started; the second Ctrl-C kills.

    \b
    Exit status: that of COMMAND; 128 + N where signal N ended it; 124 where its time was up;
    126 it can not be executed; 127 it is not found; 2 wrong usage.
    """
    from os import environ

    from flowtime.tracking.program.wrapper import ProgramRequest, track_program

    if not asked["command"] and resume is None:
        raise click.UsageError("Give a command: flowtime track [OPTIONS] -- COMMAND...")
    settings = settings_from(runs_dir=runs_dir)
    root, run_id = _place(Path(settings.runs_dir), resume)
    request = ProgramRequest(
        root=root, resume=run_id, sample=not no_sample, output_bytes=settings.output_log_mb << 20, **asked
    )

    def started(run_id: str, folder: Path) -> None:
        if not quiet and not as_json:
            click.echo(f"flowtime: run {run_id} in {folder}", err=True)

    done = track_program(request, environ=environ, started=started)
    _tell(request, done, quiet=quiet, as_json=as_json)
    context.exit(done.exit_status)


def _place(root: Path, resume: str | None) -> tuple[Path, str | None]:
    """Return root and id of a run that goes on, which may be given by its folder."""
    if resume is None:
        return root, None
    from flowtime.runs import find_run

    folder = find_run(root, resume)
    return folder.parent, folder.name


def _tell(request: ProgramRequest, done: TrackedProgram, *, quiet: bool, as_json: bool) -> None:
    """Say on stderr how it went."""
    if as_json:
        click.echo(_record(done), err=True)
    elif not quiet and done.folder is None:
        click.echo("flowtime: the run is not recorded", err=True)
    elif not quiet:
        click.echo(f"flowtime: run {done.run_id} {done.status} after {done.seconds:.1f} s", err=True)


def _record(done: TrackedProgram) -> str:
    from json import dumps

    if done.folder is None:
        return dumps({"runId": None, "status": done.status, "exitStatus": done.exit_status})
    from flowtime.tracking.run_files import read_document

    return dumps(read_document(done.folder))
