"""How a measurement is told to a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowtime.cli.console import count, print_json, print_table

if TYPE_CHECKING:
    from flowtime.tracking.perf.outcome import PerfOutcome
    from flowtime.tracking.perf.selfcheck import SelfCheck

__all__ = ["print_outcome", "print_selfcheck"]

# What a narrow terminal does without, the least missed first.
DROPPABLE = ("wall", "probe", "twin", "interval", "base")


def print_outcome(outcome: PerfOutcome, folder: Path | None, *, as_markdown: bool, as_json: bool) -> None:
    """Print what was judged, and where it is kept; ``folder`` is None where nothing was."""
    import msgspec

    from flowtime.tracking.perf.report import case_rows, markdown_text, summary_line

    if as_json:
        # The turns are in the run folder; a page of numbers is no answer.
        print_json({"run": folder, **msgspec.to_builtins(msgspec.structs.replace(outcome, turns=()))})
        return
    if as_markdown:
        click.echo(markdown_text(outcome), nl=False)
        return
    columns, rows = case_rows(outcome)
    print_table(outcome.verdict, columns, rows, droppable=DROPPABLE)
    for note in outcome.notes:
        click.echo(f"note: {note}")
    for result in outcome.results:
        if why := result.evidence.get("why"):
            click.echo(f"{result.test_id}: {why}")
    click.echo(summary_line(outcome))
    if folder is not None:
        click.echo(f"kept in {folder}")


def print_selfcheck(found: SelfCheck) -> None:
    """Print the rates, then how each case was called."""
    verdicts = ("passed", "soft-breach", "failed")
    columns = ("case", *(f"same: {name}" for name in verdicts), *(f"slower: {name}" for name in verdicts))
    rows = [
        (
            case.name,
            *(str(case.same.get(name, 0)) for name in verdicts),  # type: ignore[call-overload]
            *(str(case.slower.get(name, 0)) for name in verdicts),  # type: ignore[call-overload]
        )
        for case in found.cases
    ]
    failed = f"{found.failed} failed and {found.soft} soft of {count(found.suites, 'equal suite')}"
    print_table(f"{failed}; {found.caught:.0%} of {found.slow:.0%} caught", columns, rows)
    click.echo(f"{found.duration_seconds:.0f} s")
