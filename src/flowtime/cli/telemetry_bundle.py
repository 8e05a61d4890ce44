"""``flowtime telemetry bundle``: a capture and a model file become a run of mode telemetry."""

from __future__ import annotations

from pathlib import Path

import click

from flowtime.cli.options import json_option, settings_from
from flowtime.cli.replay import ReplayWords, RunName, naming_options, prepare_model, print_fed, replay_options
from flowtime.cli.run import carry_out

__all__ = ["bundle"]


@click.command()
@click.option(
    "--model",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    help="The model, or - for stdin.",
)
@replay_options
@naming_options
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False), help="Folder of the runs.  [default: runs]")
@click.option("--no-csv", is_flag=True, help="Write no CSV per series; series.npy holds them all.")
@json_option
def bundle(
    model: str,
    replay: ReplayWords,
    name: RunName,
    dry_run: bool,
    out: str | None,
    no_csv: bool,
    as_json: bool,
) -> None:
    """Bind a capture to a model, run it, and write its folder.

    The same as `flowtime run FILE --mode telemetry --capture-dir DIR`.  Exit status 4: a run of that id was made
    from other inputs.  6: the capture was altered.
    """
    from flowtime.orchestration import RunRequest

    settings = settings_from(runs_dir=out, series_csv="never" if no_csv else None)
    prepared = prepare_model(model, replay)
    request = RunRequest(
        source=prepared.source,
        run_id=name.run_id,
        deterministic=name.by_inputs is not False,
        overwrite=name.overwrite,
        dry_run=dry_run,
    )
    envelope = carry_out(request, settings, as_json=as_json)
    if not as_json:
        print_fed(prepared, replay, envelope, Path(settings.runs_dir))
