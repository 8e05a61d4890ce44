"""``flowtime run``: from a model file or a template to a published run folder and a summary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING

import click

from flowtime.cli.options import (
    json_option,
    kernel_folder,
    parameter_options,
    random_options,
    read_model,
    render_template,
    settings_from,
)

if TYPE_CHECKING:
    from flowtime.model import Model
    from flowtime.settings import Settings
    from flowtime.templates import Rendered

__all__ = ["run"]


@click.command()
@click.argument("model", metavar="[MODEL]", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--template-id", metavar="ID", help="Run a template instead of a MODEL file.")
@click.option(
    "--mode",
    type=click.Choice(["simulation"]),
    default="simulation",
    show_default=True,
    expose_value=False,
    help="Where the inputs come from: simulation takes them from the model.",
)
@parameter_options
@random_options
@click.option("--run-id", metavar="ID", help="Name of the run folder.  [default: time and a random part]")
@click.option(
    "--deterministic-run-id", is_flag=True, help="Name the run by its inputs; the same inputs are not run twice."
)
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--overwrite", is_flag=True, help="Replace a run of that id.")
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False), help="Folder of the runs.  [default: runs]")
@click.option("--no-csv", is_flag=True, help="Write no CSV per series; series.npy holds them all.")
@json_option
def run(
    model: str | None,
    template_id: str | None,
    parameters: Mapping[str, str],
    parameter_file: Path | None,
    random: tuple[bool, int | None],
    run_id: str | None,
    deterministic_run_id: bool,
    dry_run: bool,
    overwrite: bool,
    out: str | None,
    no_csv: bool,
    as_json: bool,
) -> None:
    """Run a model or a template, and write its folder.

    MODEL is a file, or - for stdin.  The summary says per node: the largest queue and when, how busy it was,
    which share of the arrivals was served, and the longest wait.  Exit status 4: a run of that id was made from
    other inputs.
    """
    from flowtime.cli.console import prepare_kernels, print_json, progress
    from flowtime.cli.run_report import print_run
    from flowtime.orchestration import RunRequest, run_simulation
    from flowtime.orchestration.watch import WatchedCompiler

    sample, seed = random
    settings = settings_from(runs_dir=out, series_csv="never" if no_csv else None)
    source = _source(model, template_id, (parameters, parameter_file), settings)
    request = RunRequest(
        source=source,
        sample=sample,
        seed=seed,
        run_id=run_id,
        deterministic=deterministic_run_id,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    root = Path(settings.runs_dir)
    compiler = WatchedCompiler(lambda: prepare_kernels(kernel_folder(settings)))
    with progress() as moved:
        envelope = run_simulation(
            request,
            root=root,
            settings=settings,
            clock=_now,
            entropy=token_bytes,
            compiler=compiler,
            progress=moved,
        )
    if sample:
        _note_that_nothing_is_random(source)
    if as_json:
        print_json(envelope)
    else:
        print_run(envelope, root, compiler.view)


def _source(
    model: str | None,
    template_id: str | None,
    parameters: tuple[Mapping[str, str], Path | None],
    settings: Settings,
) -> Model | Rendered:
    """Load the model, or render the template; exactly one of them is a usage error away."""
    texts, file = parameters
    if (model is None) == (template_id is None):
        raise click.UsageError("Give either MODEL or --template-id ID.")
    if template_id is not None:
        return render_template(template_id, texts, file, settings)
    if texts or file:
        raise click.UsageError("--param and --param-file need --template-id; a model has no parameters.")
    return read_model(str(model))


def _note_that_nothing_is_random(source: Model | Rendered) -> None:
    """Say on stderr that sampling changed no number, where there is nothing in the model to draw."""
    from flowtime.model import Model
    from flowtime.model.randomness import random_inputs

    model = source if isinstance(source, Model) else source.model
    if not random_inputs(model.spec):
        click.echo("note: nothing was drawn: the model holds no distribution and no Poisson arrivals", err=True)


def _now() -> datetime:
    return datetime.now(UTC)
