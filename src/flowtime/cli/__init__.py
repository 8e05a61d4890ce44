"""The command line: a thin face of the library, one module a command.

Everything here imports Click and the standard library only; what a command needs is imported in
its body, so that ``flowtime --help`` and shell completion stay quick (``tests/cli/test_imports.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from flowtime.cli.failure import internal_failure, known_failure, usage_failure
from flowtime.cli.group import CommandGroup
from flowtime.errors import FlowtimeError

__all__ = ["cli", "main"]

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def _show_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from flowtime import __version__

        click.echo(f"flowtime {__version__}")
        context.exit()


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
@click.option("--traceback", is_flag=True, expose_value=False, help="On an internal error, print where it happened.")
def cli() -> None:
    """Model service flows on a grid of time bins: queues, utilization, waiting, and what if.

    Results go to stdout, all else to stderr.  Exit status: 0 done, 1 invalid input, 2 wrong usage or unreadable
    input, 3 not found, 4 conflict, 5 storage failed, 6 corrupt data, 70 a defect of ours, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status.

    The one place where errors become text and a status: ours by ``errors.exit_status``, Click's
    own by Click, anything else as an internal error (70).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Read off the words, since a usage error comes before Click has parsed its flags.
    flags = words[: words.index("--")] if "--" in words else words
    as_json = "--json" in flags
    try:
        status = cli.main(words, prog_name="flowtime", standalone_mode=False)
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        return usage_failure(error, as_json=as_json)
    except FlowtimeError as error:
        return known_failure(error, as_json=as_json)
    except Exception as error:
        return internal_failure(error, as_json=as_json, with_traceback="--traceback" in flags)
    return status if isinstance(status, int) else 0
