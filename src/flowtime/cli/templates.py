"""``flowtime templates``: list, show, render and check parameterized models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowtime.cli.options import (
    fail_on_option,
    json_option,
    kernel_folder,
    parameter_options,
    render_template,
    settings_from,
    template_folders,
)
from flowtime.cli.replay import ReplayWords, replay_options

if TYPE_CHECKING:
    from flowtime.orchestration.validation import FailOn

__all__ = ["templates"]


@click.group()
def templates() -> None:
    """List, show, render or check templates: models with parameters.

    TEMPLATE is an id of the catalogue or the path of a template file.
    """


@templates.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the templates that there are; a broken one is listed with its faults."""
    from flowtime.cli.console import print_json
    from flowtime.cli.template_text import listing_text
    from flowtime.templates import list_templates, summary

    infos = list_templates(template_folders(settings_from()))
    if as_json:
        print_json([summary(info) for info in infos])
    else:
        click.echo(listing_text(infos))


@templates.command()
@click.argument("template", metavar="TEMPLATE")
@json_option
def show(template: str, as_json: bool) -> None:
    """Show what TEMPLATE is about, how its nodes hang together, and which parameters it has.

    The drawing is of the defaults; a box names what holds work back at a node.
    """
    from flowtime.cli.console import print_json
    from flowtime.cli.template_text import template_text, topology_text
    from flowtime.templates import details, find_template

    found = find_template(template, template_folders(settings_from()))
    if as_json:
        print_json(details(found.header))
    else:
        click.echo(template_text(found.header, topology_text(found)))


@templates.command()
@click.argument("template", metavar="TEMPLATE")
@parameter_options
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the model to FILE."
)
@json_option
def render(
    template: str, parameters: dict[str, str], parameter_file: Path | None, output: Path | None, as_json: bool
) -> None:
    """Render TEMPLATE and print the model as YAML, or write it to a file.

    The model stands alone: values that the template keeps in a file are written into it.  --json prints
    which template, version and parameters it was made from, with the model unless that went to a file.
    """
    from flowtime.cli.console import print_json
    from flowtime.storage import write_atomic

    settings = settings_from()
    rendered = render_template(template, parameters, parameter_file, settings)
    text = rendered.yaml()
    if output is not None:
        write_atomic(output, text.encode(), durability=settings.durability)
    if as_json:
        print_json({**rendered.origin(), "file": output, "model": text if output is None else None})
    elif output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"wrote {output}", err=True)


@templates.command()
@click.option("--id", "template_id", metavar="ID", required=True, help="The template.")
@replay_options
@parameter_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the request (.json) or the model (.yaml) to FILE.",
)
@json_option
def generate(
    template_id: str,
    replay: ReplayWords,
    parameters: dict[str, str],
    parameter_file: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Map a capture onto the parameters of a template, and write the request or the model.

    The files of the capture become arrays and numbers where a parameter is all of a node; the grid is that of the
    capture, other parameters are those of the run that was captured.  Types, lengths and bounds are checked.  The
    table says where each value is from; --json prints the request.
    """
    from flowtime.bundle.encoding import encode_file
    from flowtime.cli.console import print_json
    from flowtime.cli.template_text import print_mapping
    from flowtime.orchestration.template_payload import generate as generate_payload
    from flowtime.storage import write_atomic
    from flowtime.templates import find_template, given_parameters

    if output is not None and output.suffix not in (".json", ".yaml", ".yml"):
        raise click.UsageError("-o writes a request to a .json file, or a model to a .yaml one.")
    settings = settings_from()
    template = find_template(template_id, template_folders(settings))
    made = generate_payload(template, given_parameters(template, parameters, parameter_file), replay.request())
    if output is not None:
        text = encode_file(made.payload) if output.suffix == ".json" else made.model_text().encode()
        write_atomic(output, text, durability=settings.durability)
    if as_json:
        print_json(made.payload)
    else:
        print_mapping(made)
        if output is not None:
            click.echo(f"wrote {output}")


@templates.command()
@click.argument("template", metavar="TEMPLATE")
@parameter_options
@fail_on_option
@json_option
@click.pass_context
def validate(
    context: click.Context,
    template: str,
    parameters: dict[str, str],
    parameter_file: Path | None,
    fail_on: FailOn,
    as_json: bool,
) -> None:
    """Check TEMPLATE and the model that it renders to with its defaults, or with the parameters given.

    The model is evaluated, and what is odd about its numbers is told: warnings, and hints, which are no faults.
    """
    from flowtime.cli.console import prepare_kernels, print_json
    from flowtime.cli.template_text import print_verdict
    from flowtime.orchestration.validation import validate_model, validation_status

    settings = settings_from()
    prepare_kernels(kernel_folder(settings))
    report = validate_model(lambda: render_template(template, parameters, parameter_file, settings).model, "analyse")
    if as_json:
        print_json({"valid": report.is_valid, "faults": report.errors, "warnings": report.warnings})
    else:
        print_verdict(template, report)
    context.exit(validation_status(report, fail_on))
