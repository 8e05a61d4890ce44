"""Options that the commands of ``flowtime runs`` share."""

from __future__ import annotations

import click

__all__ = ["markdown_option", "root_option"]

root_option = click.option(
    "--runs-dir", metavar="DIR", type=click.Path(file_okay=False), help="Folder of the runs.  [default: runs]"
)
markdown_option = click.option("--markdown", is_flag=True, help="Print Markdown tables.")
