"""``flowtime plan``: what a model compiles to."""

from __future__ import annotations

import click

from flowtime.cli.options import json_option, kernel_folder, model_argument, read_model

__all__ = ["plan"]


@click.command()
@model_argument
@json_option
def plan(model: str, as_json: bool) -> None:
    """Print what a model compiles to.

    MODEL is a file, or - for stdin.  The plan names its operations, columns, feedback components and bytes.
    """
    from flowtime.cli.console import prepare_kernels, print_json
    from flowtime.engine import compile_model, describe_plan, summarize_plan

    prepare_kernels(kernel_folder())
    compiled = compile_model(read_model(model))
    if as_json:
        print_json({"model": model, "summary": summarize_plan(compiled), "lines": describe_plan(compiled).splitlines()})
    else:
        click.echo(describe_plan(compiled), nl=False)
