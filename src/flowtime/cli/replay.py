"""What commands that replay a capture share: their options, and how a capture is bound and told of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

from flowtime.cli.options import pairs_of, stacked

if TYPE_CHECKING:
    from flowtime.bundle.documents import GapChoice, Resampling
    from flowtime.orchestration import RunEnvelope
    from flowtime.orchestration.telemetry_run import Replay, TelemetryRequest
    from flowtime.settings import Settings

__all__ = [
    "ReplayWords",
    "RunName",
    "naming_options",
    "prepare_model",
    "prepare_template",
    "print_fed",
    "replay_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class ReplayWords(NamedTuple):
    """What a command line says of the capture; ``capture_dir`` None: it names none."""

    capture_dir: Path | None
    bindings: Mapping[str, str]
    resample: Resampling | None
    gaps: GapChoice

    @property
    def are_given(self) -> bool:
        """Whether any of them was said."""
        return self.capture_dir is not None or bool(self.bindings) or self.resample is not None or self.gaps != "model"

    def request(self) -> TelemetryRequest:
        """Return the request of the library; a missing ``--capture-dir`` is a usage error."""
        from flowtime.orchestration.telemetry_run import TelemetryRequest

        if self.capture_dir is None:
            raise click.UsageError("A telemetry run needs --capture-dir DIR.")
        return TelemetryRequest(
            capture_dir=self.capture_dir, bindings=self.bindings, resample=self.resample, gaps=self.gaps
        )


def replay_options(command: Command) -> Command:
    """Add ``--capture-dir``, ``--bind``, ``--resample`` and ``--gaps``; the command receives ``replay``."""

    @wraps(command)
    def with_words(
        *,
        capture_dir: Path | None,
        bindings: Mapping[str, str],
        resample: Resampling | None,
        gaps: GapChoice,
        **others: Any,
    ) -> Any:
        return command(replay=ReplayWords(capture_dir, bindings, resample, gaps), **others)

    options = (
        click.option(
            "--capture-dir",
            metavar="DIR",
            type=click.Path(file_okay=False, path_type=Path),
            help="The capture that the inputs are taken from.",
        ),
        click.option(
            "--bind",
            "bindings",
            metavar="NAME=FILE",
            multiple=True,
            callback=pairs_of("NAME=FILE", verb="bound", may_be_empty=False),
            help="Take a template parameter, or a series of the model, from a file of the capture; repeatable.",
        ),
        click.option(
            "--resample",
            type=click.Choice(("sum", "mean")),
            help="Bring a capture with other bins, or a longer window, to the grid of the model.",
        ),
        click.option(
            "--gaps",
            type=click.Choice(("model", "keep")),
            default="model",
            show_default=True,
            help="What stands where an input was not measured: the model's own values, or nothing.",
        ),
    )
    return stacked(cast("Command", with_words), options)


class RunName(NamedTuple):
    """What a command line says of the folder: its id, whether the inputs name it (None: nothing was said of that),
    and whether a run that is there may go."""

    run_id: str | None
    by_inputs: bool | None
    overwrite: bool


def naming_options(command: Command) -> Command:
    """Add ``--run-id``, ``--deterministic-run-id``, ``--reuse/--fresh-run`` and ``--overwrite``; the command
    receives ``name``, a ``RunName``."""

    @wraps(command)
    def with_name(
        *, run_id: str | None, deterministic_run_id: bool, reuse: bool | None, overwrite: bool, **others: Any
    ) -> Any:
        if deterministic_run_id and reuse is False:
            raise click.UsageError("--deterministic-run-id names a run by its inputs, and --fresh-run does not.")
        return command(name=RunName(run_id, True if deterministic_run_id else reuse, overwrite), **others)

    options = (
        click.option("--run-id", metavar="ID", help="Name of the run folder.  [default: time and a random part]"),
        click.option(
            "--deterministic-run-id",
            is_flag=True,
            help="Name the run by its inputs; the same inputs are not run twice.",
        ),
        click.option(
            "--reuse/--fresh-run",
            default=None,
            help="The same as --deterministic-run-id, or not.  [default: reuse in telemetry mode]",
        ),
        click.option("--overwrite", is_flag=True, help="Replace a run of that id."),
    )
    return stacked(cast("Command", with_name), options)


def prepare_template(
    template_id: str, parameters: tuple[Mapping[str, str], Path | None], replay: ReplayWords, settings: Settings
) -> Replay:
    """Render the template of that id and bind the capture to it."""
    from flowtime.cli.options import template_folders
    from flowtime.orchestration.telemetry_run import bind_template
    from flowtime.templates import find_template, given_parameters

    template = find_template(template_id, template_folders(settings))
    return bind_template(template, given_parameters(template, *parameters), replay.request())


def prepare_model(model: str, replay: ReplayWords) -> Replay:
    """Read a model file, or stdin for ``-``, and bind the capture to it."""
    from flowtime.cli.options import read_model
    from flowtime.orchestration.telemetry_run import bind_model

    return bind_model(read_model(model), replay.request())


def print_fed(replay: Replay, words: ReplayWords, envelope: RunEnvelope, root: Path) -> None:
    """Say what came from the capture, and how to compare the run with it."""
    from flowtime.cli.console import count

    fed = sorted(replay.source.origin.telemetry_bindings)
    click.echo(f"fed by {words.capture_dir}: {', '.join(fed) or 'nothing'} ({count(len(fed), 'input')})")
    if envelope.metadata is not None:
        click.echo(f"compare: flowtime telemetry diff {root / envelope.metadata.run_id} {words.capture_dir}")
