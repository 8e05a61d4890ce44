"""Options that several commands share, each a decorator, so that they read the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from flowtime.events import Observer
    from flowtime.model import Model
    from flowtime.settings import Settings
    from flowtime.templates import Rendered

__all__ = [
    "fail_on_option",
    "json_option",
    "kernel_folder",
    "log_option",
    "model_argument",
    "now",
    "observer_from",
    "pairs_of",
    "parameter_options",
    "random_options",
    "read_model",
    "render_template",
    "root_option",
    "run_argument",
    "settings_from",
    "stacked",
    "template_folders",
]

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add ``--json``; the command receives ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def log_option(command: Command) -> Command:
    """Add ``--log-json``; the command receives ``log_json`` and hands it on as the setting ``log``."""
    return click.option("--log-json", is_flag=True, help="Write log events to stderr, a line of JSON each.")(command)


def fail_on_option(command: Command) -> Command:
    """Add ``--fail-on warning|error|never``; the command receives ``fail_on``."""
    return click.option(
        "--fail-on",
        type=click.Choice(("warning", "error", "never")),
        default="error",
        show_default=True,
        help="What makes the exit status 1: warnings too (hints never do), errors only, or nothing.",
    )(command)


def model_argument(command: Command) -> Command:
    """Add the argument MODEL, a file or ``-`` for stdin; the command receives ``model``."""
    return click.argument("model", metavar="MODEL", type=click.Path(dir_okay=False, allow_dash=True))(command)


def run_argument(command: Command) -> Command:
    """Add the argument RUN, a run folder; the command receives ``run`` as a ``Path``."""
    return click.argument("run", metavar="RUN", type=click.Path(file_okay=False, path_type=Path))(command)


def root_option(command: Command) -> Command:
    """Add ``--runs-dir DIR``; the command receives ``runs_dir``, None where it was not given."""
    return click.option(
        "--runs-dir", metavar="DIR", type=click.Path(file_okay=False), help="Folder of the runs.  [default: runs]"
    )(command)


def parameter_options(command: Command) -> Command:
    """Add ``--param NAME=VALUE`` and ``--param-file FILE``.

    The command receives ``parameters`` (name to the text after the first ``=``; the template knows
    the type) and ``parameter_file`` (a ``Path`` or None).  A flag wins over the file.
    """
    file_option = click.option(
        "--param-file",
        "parameter_file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Template parameters from a YAML or JSON mapping.",
    )
    pair_option = click.option(
        "--param",
        "parameters",
        metavar="NAME=VALUE",
        multiple=True,
        callback=pairs_of("NAME=VALUE"),
        help="A template parameter, repeatable; VALUE is a number, a text, true or false, or [1, 2, 3].",
    )
    return pair_option(file_option(command))


def random_options(command: Command) -> Command:
    """Add ``--sample`` and ``--seed N``; the command receives both as one pair, ``random``."""

    @wraps(command)
    def with_pair(*, sample: bool, seed: int | None, **others: Any) -> Any:
        return command(random=(sample, seed), **others)

    seed_option = click.option(
        "--seed",
        type=click.IntRange(0, 2_147_483_647),
        help="Seed recorded with the run, and drawn from with --sample.  [default: the model's]",
    )
    sample_option = click.option(
        "--sample", is_flag=True, help="Draw distributions and Poisson arrivals instead of taking what they expect."
    )
    return cast("Command", sample_option(seed_option(with_pair)))


def settings_from(**flags: object) -> Settings:
    """Return the settings of this process: defaults < ``flowtime.toml`` here < ``FLOWTIME_*`` < flags.

    A flag that is None was not given.  Raises SettingsError with every fault of every source.
    """
    from os import environ

    from flowtime.settings import load_settings

    return load_settings(folder=Path.cwd(), environ=environ, flags=flags)


def kernel_folder(settings: Settings | None = None) -> Path | None:
    """Return the folder that the settings name for the kernels; None is the cache folder of the user."""
    folder = (settings or settings_from()).kernel_cache_dir
    return None if folder is None else Path(folder)


def observer_from(settings: Settings) -> Observer:
    """Return where the events of this process go, by the setting ``log``; its figures are kept by nobody."""
    from time import perf_counter

    from flowtime.events import JsonLog, Observer, SilentMeter, silent_observer

    if settings.log == "off":
        return silent_observer()
    return Observer(JsonLog(_to_stderr, now), SilentMeter(), perf_counter)


def read_model(source: str) -> Model:
    """Load a model file, or stdin for ``-`` (its series files lie below the working folder)."""
    import sys

    from flowtime.model import load_model, parse_model

    if source != "-":
        return load_model(source)
    return parse_model(sys.stdin.buffer.read(), file="<stdin>", folder=Path.cwd())


def render_template(name: str, texts: Mapping[str, str], file: Path | None, settings: Settings) -> Rendered:
    """Render the template of that id; parameters from ``texts`` win over those in ``file``."""
    from flowtime.templates import find_template, given_parameters

    template = find_template(name, template_folders(settings))
    return template.render(given_parameters(template, texts, file))


def template_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders of templates to search before the shipped catalogue."""
    return (Path(settings.templates_dir),) if settings.templates_dir else ()


def stacked(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add options, which help shows in their order."""
    # From the last to the first, as decorators are applied.
    for option in reversed(options):
        command = option(command)
    return command


def now() -> datetime:
    """Return the time in UTC: the clock that commands hand on."""
    return datetime.now(UTC)


def pairs_of(
    form: str, *, verb: str = "given", may_be_empty: bool = True
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, str]]:
    """Return a callback that splits words of a form such as ``NAME=VALUE`` into a mapping.

    A word of another form, or a name that is ``verb`` twice, is a usage error.
    """

    def split(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
        pairs: dict[str, str] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not (name and equals and (value or may_be_empty)):
                raise click.BadParameter(f"{word!r} is not {form}.")
            if name in pairs:
                raise click.BadParameter(f"{name!r} is {verb} twice.")
            pairs[name] = value
        return pairs

    return split


def _to_stderr(line: str) -> None:
    click.echo(line, err=True, nl=False)
