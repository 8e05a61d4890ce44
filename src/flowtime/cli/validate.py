"""``flowtime validate``: what is wrong with a model, without running it into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowtime.cli.options import fail_on_option, json_option, kernel_folder, read_model

if TYPE_CHECKING:
    from flowtime.orchestration.validation import FailOn, Tier

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
@fail_on_option
@json_option
@click.pass_context
def validate(context: click.Context, model: str, tier: Tier, fail_on: FailOn, as_json: bool) -> None:
    """Say all that is wrong with a model.

    MODEL is a file, or - for stdin, as without it.  Exit status: 0 valid; 1 invalid, or what --fail-on says; 3
    there is no such file.
    """
    from msgspec.structs import astuple

    from flowtime.cli.console import count, prepare_kernels, print_json
    from flowtime.cli.run_report import count_findings, print_warnings
    from flowtime.errors import Fault
    from flowtime.orchestration.validation import validate_model, validation_status

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
        found = f"{count(len(report.errors), 'error')}, {count_findings(report.warnings)}"
        click.echo(f"{verdict} ({tier}): {found}")
    context.exit(validation_status(report, fail_on))
