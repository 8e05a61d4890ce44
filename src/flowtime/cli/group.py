"""The table of commands, and the group that loads a command's module when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

__all__ = ["COMMANDS", "CommandGroup"]

# Command -> module of this package that holds a Click command of the same name; in the order of `--help`.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "run": "flowtime.cli.run",
        "validate": "flowtime.cli.validate",
        "plan": "flowtime.cli.plan",
        "plot": "flowtime.cli.plot",
        "templates": "flowtime.cli.templates",
        "runs": "flowtime.cli.runs",
        "state": "flowtime.cli.state",
        "window": "flowtime.cli.state",
        "graph": "flowtime.cli.state",
        "metrics": "flowtime.cli.state",
        "telemetry": "flowtime.cli.telemetry",
        "track": "flowtime.cli.track",
        "tensorboard": "flowtime.cli.tensorboard",
        "perf": "flowtime.cli.perf",
        "kernels": "flowtime.cli.kernels",
    }
)


class CommandGroup(click.Group):
    """A Click group over ``COMMANDS``; an unknown name is answered with the nearest known one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order that a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command and return it; None where there is no such command."""
        from importlib import import_module

        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words name; a usage error says which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            if near:
                raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from error
            raise
