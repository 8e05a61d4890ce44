"""The CLI reference, made from the commands themselves: ``python -m flowtime.cli.reference --write``.

A test fails when the page on disk is not what this makes, so a command can not stay undocumented.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from flowtime.cli import cli

__all__ = ["PAGE", "render_reference"]

PAGE = Path("docs/reference/cli.md")  # from the root of the checkout
PREAMBLE = """# Command line

<!-- Made by `python -m flowtime.cli.reference --write` from the commands themselves; do not edit. -->
"""


def render_reference() -> str:
    """Return the page: every command and subcommand with its usage, help and options, in the order of ``--help``."""
    root = click.Context(cli, info_name="flowtime", **cli.context_settings)
    sections = "\n".join(_section(command, context) for command, context in _walk(cli, root))
    return f"{PREAMBLE}\n{sections}"


def _walk(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    yield command, context
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if child is not None:
            yield from _walk(child, click.Context(child, info_name=name, parent=context))


def _section(command: click.Command, context: click.Context) -> str:
    """Render one command; lists and not Click's columns, whose widths change between its releases."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    level = "#" * min(4, 2 + context.command_path.count(" "))
    lines = [f"{level} {context.command_path}", "", "```text", usage, "```", "", *_help_lines(command)]
    options = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
    records = [option.get_help_record(context) for option in options]
    lines += [f"- `{names}`: {text}" for names, text in filter(None, records)]
    if isinstance(command, click.Group):
        children = ((name, command.get_command(context, name)) for name in command.list_commands(context))
        lines += ["", "Commands:", ""]
        lines += [f"- `{name}`: {child.get_short_help_str(limit=200)}" for name, child in children if child]
    return "\n".join([*lines, ""])


def _help_lines(command: click.Command) -> list[str]:
    text = (command.help or "").replace("\b\n", "")
    return [*(line.strip() for line in text.strip().splitlines()), ""]


@click.command()
@click.option("--write", is_flag=True, help="Write the page; without it, only check it.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), default=PAGE, help="Which file.")
def _main(write: bool, page: Path) -> None:
    """Write the CLI reference, or exit with 1 if it is not up to date."""
    text = render_reference()
    if write:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8", newline="\n")
    elif not page.exists() or page.read_text(encoding="utf-8") != text:
        click.echo(f"{page} is not up to date: python -m flowtime.cli.reference --write", err=True)
        sys.exit(1)


if __name__ == "__main__":
    _main()
