"""``flowtime state``, ``window``, ``graph`` and ``metrics``: what happened in a run, bin by bin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowtime.cli.options import json_option, kernel_folder, observer_from, settings_from

if TYPE_CHECKING:
    from flowtime.state import OpenRun
    from flowtime.state.documents import Answer

__all__ = ["graph", "metrics", "state", "window"]

Command = TypeVar("Command", bound=Callable[..., Any])
MODES = ("operational", "full")


def _run_option(command: Command) -> Command:
    """Add the argument RUN, an id or a folder, and ``--runs-dir``; the command receives ``name`` and ``runs_dir``."""
    folder = click.option(
        "--runs-dir", metavar="DIR", help="Folder that holds the runs.  [default: the setting runs_dir]"
    )
    return click.argument("name", metavar="RUN")(folder(command))


def _choice_options(command: Command) -> Command:
    """Add ``--nodes`` and ``--classes``; the command receives tuples, None for all."""
    nodes = click.option(
        "--nodes", metavar="ID,...", callback=_listed, help="Only these topology nodes, split by commas."
    )
    classes = click.option("--classes", metavar="ID,...", callback=_listed, help="Only these classes of flow.")
    return nodes(classes(command))


def _listed(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


@click.command()
@_run_option
@click.option("--bin", "bin_index", metavar="N", type=int, help="The bin, from 0.")
@click.option("--at", "moment", metavar="TIME", help="The bin in which this moment lies, such as 2025-01-31T08:30Z.")
@_choice_options
@json_option
def state(
    name: str,
    runs_dir: str | None,
    bin_index: int | None,
    moment: str | None,
    nodes: tuple[str, ...] | None,
    classes: tuple[str, ...] | None,
    as_json: bool,
) -> None:
    """Show the state of a run in one bin.

    RUN is an id in the runs folder, or the path of a run folder.  Name the bin by --bin or --at.
    """
    from flowtime.cli.state_report import print_state
    from flowtime.state import read_state

    if (bin_index is None) == (moment is None):
        raise click.UsageError("Name the bin by --bin N or by --at TIME, one of the two.")
    run = _open(name, runs_dir)
    index = run.bin_at(moment) if moment is not None else int(bin_index or 0)
    answer = read_state(run, index, nodes=nodes, classes=classes)
    _tell("state_snapshot", run, bin_index=index)
    if as_json:
        _print_json(answer)
    else:
        print_state(answer)


@click.command()
@_run_option
@click.option("--start", metavar="N", type=int, default=0, show_default=True, help="The first bin.")
@click.option("--end", metavar="N", type=int, help="The last bin.  [default: that of the run]")
@click.option(
    "--resolution",
    metavar="N",
    type=int,
    default=1000,
    show_default=True,
    help="Most points: where there are more bins, several become one.",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    help="full: the declared series of the model too.",
)
@_choice_options
@json_option
def window(
    name: str,
    runs_dir: str | None,
    start: int,
    end: int | None,
    resolution: int,
    mode: Any,
    nodes: tuple[str, ...] | None,
    classes: tuple[str, ...] | None,
    as_json: bool,
) -> None:
    """Show a run over a window of bins.

    RUN is an id in the runs folder, or the path of a run folder.
    """
    from flowtime.cli.state_report import print_window
    from flowtime.state import read_window

    run = _open(name, runs_dir)
    answer = read_window(run, start, end, resolution=resolution, nodes=nodes, classes=classes, mode=mode)
    last = run.bins - 1 if end is None else end
    _tell("state_window", run, window_mode=mode, start_bin=start, end_bin=last, requested_bins=last - start + 1)
    if as_json:
        _print_json(answer)
    else:
        print_window(answer)


@click.command()
@_run_option
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    help="full: the declared series of the model too, in the JSON.",
)
@json_option
def graph(name: str, runs_dir: str | None, mode: Any, as_json: bool) -> None:
    """Draw how the nodes of a run hang together.

    RUN is an id in the runs folder, or the path of a run folder.
    """
    from flowtime.cli.state_report import print_graph
    from flowtime.state import read_graph

    run = _open(name, runs_dir)
    if as_json:
        _print_json(read_graph(run, mode=mode))
    else:
        print_graph(run)


@click.command()
@_run_option
@click.option("--start", metavar="N", type=int, default=0, show_default=True, help="The first bin.")
@click.option("--end", metavar="N", type=int, help="The last bin.  [default: that of the run]")
@json_option
def metrics(name: str, runs_dir: str | None, start: int, end: int | None, as_json: bool) -> None:
    """Show in how many bins each service of a run kept up with what arrived.

    A bin is met where at least 95 % of what arrived was served.  RUN is an id in the runs folder, or the path of a
    run folder.
    """
    from flowtime.cli.state_report import print_metrics
    from flowtime.state import read_metrics

    answer = read_metrics(_open(name, runs_dir), start, end)
    if as_json:
        _print_json(answer)
    else:
        print_metrics(answer)


def _open(name: str, runs_dir: str | None) -> OpenRun:
    """Open a run by its id, or by the path of its folder."""
    from pathlib import Path

    from flowtime.cli.console import use_kernels
    from flowtime.runs import find_run
    from flowtime.state import open_run_state

    settings = settings_from(runs_dir=runs_dir)
    use_kernels(kernel_folder(settings))
    return open_run_state(find_run(Path(settings.runs_dir), name))


def _tell(event: str, run: OpenRun, **fields: object) -> None:
    """Log what was asked of a run, where the setting ``log`` wants it."""
    of_run = run.bundle.run
    events = observer_from(settings_from()).events
    events.log(event, run_id=of_run.run_id, mode=of_run.mode, **fields, total_bins=run.bins)


def _print_json(answer: Answer) -> None:
    import msgspec

    from flowtime.state import encode_answer

    click.echo(msgspec.json.format(encode_answer(answer), indent=2))
