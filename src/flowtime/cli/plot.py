"""``flowtime plot``: a picture of a run."""

from __future__ import annotations

from pathlib import Path

import click

from flowtime.cli.options import json_option, kernel_folder, run_argument

__all__ = ["plot"]


@click.command()
@run_argument
@click.option("--node", "nodes", metavar="ID", multiple=True, help="Draw this node only; repeatable.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where to write: .png, .svg or .pdf.",
)
@json_option
def plot(run: Path, nodes: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Draw a picture of a run.

    RUN is its folder.  Each node is a row: flows on the left, the queue on the right.  Needs
    matplotlib: pip install 'flowtime[plot]'.
    """
    from flowtime.bundle import open_bundle
    from flowtime.bundle.plot import plot_run
    from flowtime.bundle.view import view_bundle
    from flowtime.cli.console import prepare_kernels, print_json

    bundle = open_bundle(run)
    prepare_kernels(kernel_folder())
    plot_run(view_bundle(bundle), output, title=bundle.run.template_title or bundle.run.run_id, nodes=nodes)
    if as_json:
        print_json({"runId": bundle.run.run_id, "file": output})
    else:
        click.echo(f"wrote {output}")
