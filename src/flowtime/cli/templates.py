"""``flowtime templates``: list, show, render and check parameterized models."""

from __future__ import annotations

from pathlib import Path

import click

from flowtime.cli.options import json_option, parameter_options, render_template, settings_from, template_folders

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
    """Show what TEMPLATE is about and which parameters it has."""
    from flowtime.cli.console import print_json
    from flowtime.cli.template_text import template_text
    from flowtime.templates import details, find_template

    header = find_template(template, template_folders(settings_from())).header
    if as_json:
        print_json(details(header))
    else:
        click.echo(template_text(header))


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
@click.argument("template", metavar="TEMPLATE")
@parameter_options
@json_option
@click.pass_context
def validate(
    context: click.Context, template: str, parameters: dict[str, str], parameter_file: Path | None, as_json: bool
) -> None:
    """Check TEMPLATE and the model that it renders to with its defaults, or with the parameters given."""
    from flowtime.cli.console import print_json
    from flowtime.errors import FlowtimeError, exit_status

    try:
        render_template(template, parameters, parameter_file, settings_from())
    except FlowtimeError as error:
        # As JSON the faults are the result; as text they go to stderr, like those of any command.
        if not as_json:
            raise
        print_json({"valid": False, "faults": [fault._asdict() for fault in error.faults]})
        context.exit(exit_status(error.code))
    if as_json:
        print_json({"valid": True, "faults": []})
    else:
        click.echo(f"{template} is valid")
