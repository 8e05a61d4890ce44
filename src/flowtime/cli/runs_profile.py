"""``flowtime runs profile``: where the time of a step went."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from flowtime.cli.options import root_option, settings_from

__all__ = ["profile"]


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("step", metavar="STEP", required=False)
@click.option(
    "--format",
    "shape",
    type=click.Choice(("text", "html", "speedscope", "json")),
    default="text",
    show_default=True,
    help="How it is shown.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of stdout.",
)
@root_option
def profile(run: str, step: str | None, shape: Any, output: Path | None, runs_dir: str | None) -> None:
    """Show where the time of STEP of RUN went; without STEP, of which steps there is a profile.

    Steps are profiled by `run.step(..., profile=True)`.  Needs pyinstrument: pip install 'flowtime[profile]'.
    """
    from flowtime.runs import find_run
    from flowtime.tracking.profiles import profiled_steps, render_profile

    folder = find_run(Path(settings_from(runs_dir=runs_dir).runs_dir), run)
    if step is None:
        click.echo("\n".join(profiled_steps(folder)) or "no step of this run was profiled")
        return
    if output is None:
        is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        click.echo(render_profile(folder, step, shape, color=sys.stdout.isatty(), unicode=is_unicode))
        return
    text = render_profile(folder, step, shape)
    from flowtime.storage.atomic import write_atomic

    write_atomic(output, text.encode(), durability="process")
    click.echo(f"wrote {output}")
