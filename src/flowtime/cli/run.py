"""``flowtime run``: from a model file or a template to a published run folder and a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

from flowtime.cli.options import (
    json_option,
    log_option,
    now,
    parameter_options,
    random_options,
    read_model,
    render_template,
    settings_from,
    stacked,
)
from flowtime.cli.replay import (
    ReplayWords,
    RunName,
    naming_options,
    prepare_model,
    prepare_template,
    print_fed,
    replay_options,
)

if TYPE_CHECKING:
    from flowtime.model import Model
    from flowtime.orchestration import RunEnvelope, RunRequest
    from flowtime.orchestration.simulate import PreparedSource
    from flowtime.orchestration.telemetry_run import Replay
    from flowtime.settings import Settings
    from flowtime.templates import Rendered

__all__ = ["carry_out", "run"]

Command = TypeVar("Command", bound=Callable[..., Any])


class _Inputs(NamedTuple):
    """What the command line names to run, and where the numbers come from."""

    model: str | None
    template_id: str | None
    mode: str
    parameters: tuple[Mapping[str, str], Path | None]


class _Outputs(NamedTuple):
    """What the command line says of what is written and told: the folder of the runs, and how much."""

    dry_run: bool
    root: str | None
    no_csv: bool
    log_json: bool

    def settings(self) -> Settings:
        """Return the settings of this process."""
        csv, log = ("never" if self.no_csv else None), ("json" if self.log_json else None)
        return settings_from(runs_dir=self.root, series_csv=csv, log=log)


def _input_options(command: Command) -> Command:
    """Add MODEL, ``--template-id``, ``--mode`` and parameters; the command receives ``inputs``, ``_Inputs``."""

    @wraps(command)
    def with_inputs(
        *,
        model: str | None,
        template_id: str | None,
        mode: str,
        parameters: Mapping[str, str],
        parameter_file: Path | None,
        **others: Any,
    ) -> Any:
        return command(inputs=_Inputs(model, template_id, mode, (parameters, parameter_file)), **others)

    options = (
        click.argument("model", metavar="[MODEL]", required=False, type=click.Path(dir_okay=False, allow_dash=True)),
        click.option("--template-id", metavar="ID", help="Run a template instead of a MODEL file."),
        click.option(
            "--mode",
            type=click.Choice(["simulation", "telemetry"]),
            default="simulation",
            show_default=True,
            help="Where the inputs come from: the model, or a capture (--capture-dir).",
        ),
        parameter_options,
    )
    return stacked(cast("Command", with_inputs), options)


def _output_options(command: Command) -> Command:
    """Add ``--dry-run``, ``--out``, ``--no-csv`` and ``--log-json``; the command receives ``outputs``, ``_Outputs``."""

    @wraps(command)
    def with_outputs(*, dry_run: bool, out: str | None, no_csv: bool, log_json: bool, **others: Any) -> Any:
        return command(outputs=_Outputs(dry_run, out, no_csv, log_json), **others)

    out_option = click.option(
        "--out", metavar="DIR", type=click.Path(file_okay=False), help="Folder of the runs.  [default: runs]"
    )
    options = (
        click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing."),
        out_option,
        click.option("--no-csv", is_flag=True, help="Write no CSV per series; series.npy holds them all."),
        log_option,
    )
    return stacked(cast("Command", with_outputs), options)


@click.command()
@_input_options
@replay_options
@random_options
@naming_options
@_output_options
@json_option
def run(
    inputs: _Inputs,
    replay: ReplayWords,
    random: tuple[bool, int | None],
    name: RunName,
    outputs: _Outputs,
    as_json: bool,
) -> None:
    """Run a model or a template, and write its folder.

    MODEL is a file, or - for stdin.  The summary says per node: the largest queue and when, how busy it was,
    which share of the arrivals was served, and the longest wait.  Exit status 4: a run of that id was made from
    other inputs.

    With --mode telemetry the series of a capture take the place of the inputs of the model, and all else is
    computed from them.  Without a capture they come from the files beside MODEL that its semantics name
    (`arrivals: file:NAME.csv`).  Exit status 6: the capture was altered.
    """
    from flowtime.orchestration import RunRequest

    sample, seed = random
    settings = outputs.settings()
    is_telemetry = _is_telemetry(inputs.mode, replay, sample)
    prepared = _replay(inputs, replay, settings) if is_telemetry and replay.are_given else None
    if prepared is not None:
        source: Model | Rendered | PreparedSource = prepared.source
    else:
        source = _with_files(inputs) if is_telemetry else _source(inputs, settings)
    request = RunRequest(
        source=source,
        sample=sample,
        seed=seed,
        run_id=name.run_id,
        deterministic=is_telemetry if name.by_inputs is None else name.by_inputs,
        overwrite=name.overwrite,
        dry_run=outputs.dry_run,
    )
    envelope = carry_out(request, settings, as_json=as_json)
    if sample:
        _note_that_nothing_is_random(source)
    if prepared is not None and not as_json:
        print_fed(prepared, replay, envelope, Path(settings.runs_dir))


def carry_out(request: RunRequest, settings: Settings, *, as_json: bool) -> RunEnvelope:
    """Run a request below the folder of the runs, and print its envelope or its summary."""
    from secrets import token_bytes

    from flowtime.cli.console import prepare_kernels, print_json, progress
    from flowtime.cli.options import kernel_folder, observer_from
    from flowtime.cli.run_report import print_run
    from flowtime.orchestration import run_simulation
    from flowtime.orchestration.watch import WatchedCompiler

    root = Path(settings.runs_dir)
    compiler = WatchedCompiler(lambda: prepare_kernels(kernel_folder(settings)))
    with progress() as moved:
        envelope = run_simulation(
            request,
            root=root,
            settings=settings,
            clock=now,
            entropy=token_bytes,
            compiler=compiler,
            progress=moved,
            observer=observer_from(settings),
        )
    if as_json:
        print_json(envelope)
    else:
        print_run(envelope, root, compiler.view)
    return envelope


def _is_telemetry(mode: str, replay: ReplayWords, sample: bool) -> bool:
    """Whether a capture is to be bound; what fits only one of the modes is a usage error in the other."""
    if mode == "telemetry" and sample:
        raise click.UsageError("--sample draws inputs, and those of a telemetry run were measured.")
    if mode != "telemetry" and replay.are_given:
        raise click.UsageError("--capture-dir, --bind, --resample and --gaps need --mode telemetry.")
    return mode == "telemetry"


def _replay(inputs: _Inputs, replay: ReplayWords, settings: Settings) -> Replay:
    """Bind the capture to the template or the model."""
    model = _checked_model(inputs)
    if model is None:
        return prepare_template(str(inputs.template_id), inputs.parameters, replay, settings)
    return prepare_model(model, replay)


def _with_files(inputs: _Inputs) -> PreparedSource:
    """Load a model whose semantics name files beside it; without a capture, nothing else has telemetry."""
    from flowtime.orchestration.file_references import load_with_files

    model = _checked_model(inputs)
    found = None if model in (None, "-") else load_with_files(str(model))
    if found is None:
        raise click.UsageError("A telemetry run needs --capture-dir DIR, or a MODEL file whose semantics name files.")
    return found


def _source(inputs: _Inputs, settings: Settings) -> Model | Rendered:
    """Load the model, or render the template."""
    model = _checked_model(inputs)
    if model is None:
        return render_template(str(inputs.template_id), *inputs.parameters, settings)
    return read_model(model)


def _checked_model(inputs: _Inputs) -> str | None:
    """Return the model file, None for a template; exactly one of them is a usage error away."""
    if (inputs.model is None) == (inputs.template_id is None):
        raise click.UsageError("Give either MODEL or --template-id ID.")
    if inputs.model is not None and any(inputs.parameters):
        raise click.UsageError("--param and --param-file need --template-id; a model has no parameters.")
    return inputs.model


def _note_that_nothing_is_random(source: Model | Rendered | PreparedSource) -> None:
    """Say on stderr that sampling changed no number, where there is nothing in the model to draw."""
    from flowtime.model import Model
    from flowtime.model.randomness import random_inputs

    model = source if isinstance(source, Model) else source.model
    if not random_inputs(model.spec):
        click.echo("note: nothing was drawn: the model holds no distribution and no Poisson arrivals", err=True)
