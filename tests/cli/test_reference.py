"""The CLI reference: made from the commands, complete, and up to date on disk."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from flowtime.cli import cli
from flowtime.cli.group import COMMANDS
from flowtime.cli.reference import PAGE, render_reference

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return render_reference()


def test_page_on_disk_is_up_to_date(page: str) -> None:
    hint = "python -m flowtime.cli.reference --write"
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page, hint


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(page: str, name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help
    assert f"## flowtime {name}\n" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    mute = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert mute == []
