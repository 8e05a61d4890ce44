"""How a failed command says so: a text for people or JSON for programs, on stderr, and an exit status."""

from __future__ import annotations

from collections.abc import Iterable

import click

from flowtime.errors import Fault, FlowtimeError, exit_status

__all__ = ["internal_failure", "known_failure", "usage_failure"]

USAGE_CODE = "usage.invalid"
INTERNAL_CODE = "flowtime.internal"


def known_failure(error: FlowtimeError, *, as_json: bool) -> int:
    """Print every fault of an error that we raised on purpose; return the exit status of its code."""
    if as_json:
        _print_json(error.code, error.message, error.faults)
    else:
        click.echo("\n".join(str(fault) for fault in error.faults), err=True)
    return exit_status(error.code)


def usage_failure(error: click.ClickException, *, as_json: bool) -> int:
    """Print what is wrong with the command line itself; return Click's exit status (2)."""
    if as_json:
        _print_json(USAGE_CODE, error.format_message(), ())
    else:
        error.show()
    return error.exit_code


def internal_failure(error: Exception, *, as_json: bool, with_traceback: bool) -> int:
    """Print an exception that nobody foresaw, short unless the traceback is asked for; return 70."""
    message = f"{type(error).__name__}: {error}"
    if with_traceback:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    elif as_json:
        _print_json(INTERNAL_CODE, message, ())
    else:
        hint = "this is a defect of flowtime; `flowtime --traceback COMMAND ...` shows where"
        click.echo(f"internal error: {message} [{INTERNAL_CODE}]\n    hint: {hint}", err=True)
    return exit_status(INTERNAL_CODE)


def _print_json(code: str, message: str, faults: Iterable[Fault]) -> None:
    from json import dumps

    listed = [fault._asdict() for fault in faults]
    click.echo(dumps({"error": {"code": code, "message": message, "faults": listed}}, indent=2), err=True)
