"""``flowtime tensorboard``: a run as TensorBoard shows it."""

from __future__ import annotations

from pathlib import Path

import click

from flowtime.cli.options import json_option, root_option, settings_from

__all__ = ["tensorboard"]


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--logdir",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write into a folder below this one.  [default: `tensorboard` in the run]",
)
@click.option("--follow", is_flag=True, help="Go on until the run has ended.")
@root_option
@json_option
def tensorboard(run: str, logdir: Path | None, follow: bool, runs_dir: str | None, as_json: bool) -> None:
    """Write RUN as event files of TensorBoard.

    RUN is the id of a tracked run, or its folder.  Figures, samples, steps and texts keep the times at which they
    were.  What was written before is not written again.
    """
    from flowtime.cli.console import print_json
    from flowtime.runs import find_run
    from flowtime.tracking.tensorboard import mirror_tensorboard

    folder = find_run(Path(settings_from(runs_dir=runs_dir).runs_dir), run)
    report = mirror_tensorboard(folder, logdir, follow=follow)
    if as_json:
        print_json(report._asdict())
    else:
        click.echo(f"wrote {report.scalars:,} figures and {report.texts:,} texts to {report.file}")
