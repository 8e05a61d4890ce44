"""``flowtime validate``: what is wrong with a model, without running it into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowtime.cli.options import json_option, kernel_folder, read_model

if TYPE_CHECKING:
    from flowtime.orchestration.validation import Tier

__all__ = ["validate"]

TIERS = ("schema", "compile", "analyse")


@click.command()
@click.argument("model", metavar="[MODEL]", default="-", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--tier",
    type=click.Choice(TIERS),
    default="analyse",
    show_default=True,
    help="How deep: schema reads the model, compile also plans it, analyse also evaluates it and checks the numbers.",
)
@json_option
@click.pass_context
def validate(context: click.Context, model: str, tier: Tier, as_json: bool) -> None:
    """Say all that is wrong with a model.

    MODEL is a file, or - for stdin, as without it.  Exit status: 0 valid, warnings or not; 1 invalid; 3 there is
    no such file.
    """
    from msgspec.structs import astuple

    from flowtime.cli.console import count, prepare_kernels, print_json
    from flowtime.cli.run_report import print_warnings
    from flowtime.errors import Fault, exit_status
    from flowtime.orchestration.validation import validate_model

    if tier != "schema":
        prepare_kernels(kernel_folder())
    report = validate_model(lambda: read_model(model), tier)
    if as_json:
        print_json(report)
    else:
        for entry in report.errors:
            click.echo(str(Fault(*astuple(entry))))
        print_warnings(report.warnings)
        verdict = "valid" if report.is_valid else "invalid"
        found = (count(len(report.errors), "error"), count(len(report.warnings), "warning"))
        click.echo(f"{verdict} ({tier}): {', '.join(found)}")
    context.exit(0 if report.is_valid else exit_status(report.errors[0].code))
