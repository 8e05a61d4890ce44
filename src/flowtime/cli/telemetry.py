"""``flowtime telemetry``: captures of runs, checked and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowtime.cli.options import json_option, log_option, now, settings_from
from flowtime.cli.telemetry_bundle import bundle
from flowtime.cli.telemetry_import import import_source

if TYPE_CHECKING:
    from flowtime.telemetry.gaps import Filling

__all__ = ["telemetry"]

FILLINGS = ("none", "zero", "forward", "linear", "seasonal")
_folder = click.Path(file_okay=False, path_type=Path)
_file = click.Path(dir_okay=False, path_type=Path)


@click.group()
def telemetry() -> None:
    """Keep what a run gave as telemetry, check it, and compare a model with it.

    A capture is a folder of CSV files with a manifest that holds the hash of each.
    """


telemetry.add_command(bundle)
telemetry.add_command(import_source)


@telemetry.command()
@click.option("--run", "run_id", metavar="RUN", help="Id of the run, in the folder of the runs.")
@click.option("--run-dir", metavar="DIR", type=_folder, help="Folder of the run, instead of its id.")
@click.option("--output", metavar="DIR", type=_folder, help="Where the capture goes.  [default: captures/RUN]")
@click.option("--gaps", metavar="FILE", type=_file, help="Put the gaps of a YAML file into the numbers.")
@click.option("--fill", type=click.Choice(FILLINGS), default="none", show_default=True, help="Fill missing bins.")
@click.option("--fill-limit", metavar="N", type=click.IntRange(min=1), help="Leave gaps above N bins.")
@click.option("--fill-period", metavar="N", type=click.IntRange(min=1), help="Bins of a season.  [default: a day]")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--overwrite", is_flag=True, help="Replace a capture that is there; never anything else.")
@log_option
@json_option
def capture(
    run_id: str | None,
    run_dir: Path | None,
    output: Path | None,
    gaps: Path | None,
    fill: Filling,
    fill_limit: int | None,
    fill_period: int | None,
    dry_run: bool,
    overwrite: bool,
    log_json: bool,
    as_json: bool,
) -> None:
    """Capture a run: every metric of its nodes, edges and constraints, by class.

    Exit status 3: there is no such run.  4: something is there already.  6: the run was altered.
    """
    from flowtime.bundle import open_bundle
    from flowtime.cli.console import print_json, use_kernels
    from flowtime.cli.options import kernel_folder, observer_from
    from flowtime.cli.telemetry_text import print_capture
    from flowtime.telemetry.capture import CaptureRequest, capture_run
    from flowtime.telemetry.gap_plan import load_gap_plan

    settings = settings_from(log="json" if log_json else None)
    use_kernels(kernel_folder(settings))
    bundle = open_bundle(_run_folder(run_id, run_dir, Path(settings.runs_dir)))
    request = CaptureRequest(
        output=output or Path(settings.captures_dir) / bundle.run.run_id,
        gaps=None if gaps is None else load_gap_plan(gaps),
        fill=fill,
        fill_limit=fill_limit,
        fill_period=fill_period,
        dry_run=dry_run,
        overwrite=overwrite,
    )
    events = observer_from(settings).events
    report = capture_run(bundle, request, clock=now, durability=settings.durability, events=events)
    if as_json:
        print_json(report)
    else:
        print_capture(report)


@telemetry.command()
@click.argument("capture", metavar="CAPTURE", type=_folder)
@json_option
@click.pass_context
def verify(context: click.Context, capture: Path, as_json: bool) -> None:
    """Check every checksum of a capture, its grid and its manifest.

    CAPTURE is its folder.  Exit status 6: a file was altered or is gone.  1: something else is wrong.
    """
    from flowtime.cli.console import print_json
    from flowtime.cli.telemetry_text import print_verdict
    from flowtime.errors import exit_status
    from flowtime.telemetry.verify import verify_capture

    report = verify_capture(capture)
    if as_json:
        print_json(report)
    else:
        print_verdict(report)
    context.exit(0 if report.code is None else exit_status(report.code))


@telemetry.command()
@click.argument("run", metavar="RUN")
@click.argument("capture", metavar="CAPTURE", type=_folder)
@click.option("--rtol", type=click.FloatRange(min=0), default=1e-9, show_default=True, help="Relative tolerance.")
@click.option("--atol", type=click.FloatRange(min=0), default=1e-9, show_default=True, help="Absolute tolerance.")
@json_option
@click.pass_context
def diff(context: click.Context, run: str, capture: Path, rtol: float, atol: float, as_json: bool) -> None:
    """Compare a run with a capture, metric by metric.

    RUN is the id of a run or its folder, CAPTURE a folder.  A bin differs where the model is further from the
    telemetry than ATOL + RTOL * |telemetry|; bins that the telemetry misses are passed over.  A capture that was
    resampled to feed the run is resampled in the same way.  Exit status 1: a metric differs, or the run has it not.
    """
    from flowtime.bundle import open_bundle
    from flowtime.cli.console import print_json
    from flowtime.cli.telemetry_text import print_diff
    from flowtime.runs import find_run
    from flowtime.telemetry.diff import diff_capture
    from flowtime.telemetry.reader import read_capture

    folder = find_run(Path(settings_from().runs_dir), run)
    report = diff_capture(open_bundle(folder), read_capture(capture), rtol=rtol, atol=atol)
    if as_json:
        print_json(report)
    else:
        print_diff(report)
    context.exit(0 if report.within else 1)


def _run_folder(run_id: str | None, run_dir: Path | None, root: Path) -> Path:
    """Return the folder of the run; exactly one of id and folder is a usage error away."""
    if (run_id is None) == (run_dir is None):
        raise click.UsageError("Give either --run RUN or --run-dir DIR.")
    if run_dir is not None:
        return run_dir
    from flowtime.runs import find_run
    from flowtime.storage import safe_id

    # An id and no path: whoever means a folder says so.
    return find_run(root, safe_id(str(run_id), "run id"))
