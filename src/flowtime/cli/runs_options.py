"""Options that the commands of ``flowtime runs`` share."""

from __future__ import annotations

import click

__all__ = ["markdown_option"]

markdown_option = click.option("--markdown", is_flag=True, help="Print Markdown tables.")
