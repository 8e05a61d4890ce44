"""How a run is told to a person: a row per node, then what is odd, then where the folder is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowtime.cli.console import count, print_table, sparkline

if TYPE_CHECKING:
    from flowtime.bundle.documents import WarningEntry
    from flowtime.bundle.summary import NodeSummary, Peak
    from flowtime.bundle.view import RunView
    from flowtime.orchestration import RunEnvelope, RunPlan

__all__ = ["count_findings", "print_run", "print_warnings"]

# The shape draws the queue, else utilization, else arrivals.
COLUMNS = (
    "node",
    "arrivals",
    "served",
    "ratio",
    "util. (max)",
    "peak queue",
    "at bin",
    "max wait",
    "warnings",
    "shape",
)
# What a narrow terminal does without, the least missed first.
DROPPABLE = ("arrivals", "served", "warnings", "shape", "at bin")
SHOWN_RANGES = 3
SECOND_MS = 1000.0
DURATIONS = ((86_400 * SECOND_MS, "d"), (3600 * SECOND_MS, "h"), (60 * SECOND_MS, "min"), (SECOND_MS, "s"))


def print_run(envelope: RunEnvelope, root: Path, view: RunView | None) -> None:
    """Print a finished run below ``root``, or the plan of a dry one.

    ``view`` is what was evaluated; None for a run that was reused, which is then read from its folder.
    """
    if envelope.plan is not None:
        _print_plan(envelope.plan, root)
    if envelope.metadata is None:
        return
    from flowtime.bundle import open_bundle
    from flowtime.bundle.summary import summarize
    from flowtime.bundle.view import view_bundle

    folder = root / envelope.metadata.run_id
    title = envelope.metadata.template_title or envelope.metadata.run_id
    _print_nodes(title, summarize(view or view_bundle(open_bundle(folder))))
    print_warnings(envelope.warnings)
    click.echo(f"{'reused' if envelope.was_reused else 'wrote'} {folder}")


def _print_nodes(title: str, nodes: Sequence[NodeSummary]) -> None:
    if not nodes:
        click.echo("no topology nodes: the series are in the run folder")
        return
    print_table(title, COLUMNS, [_row(node) for node in nodes], droppable=DROPPABLE)


def _row(node: NodeSummary) -> tuple[str, ...]:
    return (
        node.node_id,
        _number(node.arrivals),
        _number(node.served),
        _percent(node.throughput_ratio),
        _utilization(node),
        _number(node.peak_queue.value if node.peak_queue else None),
        _when(node.peak_queue),
        _duration(node.worst_wait_ms.value if node.worst_wait_ms else None),
        str(node.warning_count) if node.warning_count else "-",
        sparkline(node.profile),
    )


def _number(value: float | None) -> str:
    """Render with one decimal below 1000, else grouped digits; "-" where it is not known."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.1f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _utilization(node: NodeSummary) -> str:
    if node.mean_utilization is None or node.max_utilization is None:
        return "-"
    return f"{node.mean_utilization:.0%} ({node.max_utilization:.0%})"


def _when(peak: Peak | None) -> str:
    """Render the bin and, where the grid has a start, the time (UTC); "-" where nothing ever waited."""
    if peak is None or peak.value <= 0.0:
        return "-"
    if peak.time is None:
        return str(peak.bin)
    return f"{peak.bin}, {peak.time.replace('T', ' ').removesuffix('Z').removesuffix(':00')}"


def _duration(milliseconds: float | None) -> str:
    """Render with the largest unit that gives at least 1."""
    if milliseconds is None:
        return "-"
    for length, unit in DURATIONS:
        if milliseconds >= length:
            return f"{milliseconds / length:.1f} {unit}"
    return f"{milliseconds:.0f} ms"


def print_warnings(warnings: Iterable[WarningEntry]) -> None:
    """Print a line per warning: how bad, where, what, which bins, and its code."""
    for warning in warnings:
        node = f"{warning.node_id}: " if warning.node_id else ""
        click.echo(f"{warning.severity}: {node}{warning.message}{_bins(warning)} [{warning.code}]")


def count_findings(warnings: Sequence[WarningEntry]) -> str:
    """Return how many warnings there are and, where there are any, hints: ``1 warning, 2 hints``."""
    hints = sum(warning.severity == "info" for warning in warnings)
    told = count(len(warnings) - hints, "warning")
    return f"{told}, {count(hints, 'hint')}" if hints else told


def _bins(warning: WarningEntry) -> str:
    """Name the first ranges of bins, and how many bins there are in all."""
    if not warning.bins:
        return ""
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in warning.bins[:SHOWN_RANGES]]
    more = ", ..." if len(warning.bins) > SHOWN_RANGES else ""
    return f" (bins {', '.join(shown)}{more}; {warning.bin_count} in all)"


def _print_plan(plan: RunPlan, root: Path) -> None:
    rows = [(file.path, f"{file.estimated_bytes:,}") for file in plan.files]
    print_table(
        "dry run: nothing is written", ("file", "bytes, about"), [*rows, ("in all", f"{plan.estimated_bytes:,}")]
    )
    state = "exists" if plan.exists else "does not exist"
    if plan.would_reuse:
        state = "exists, and would be reused"
    click.echo(f"folder:     {root / plan.run_id} ({state})" if plan.run_id else f"folder:     {root} / a new id")
    click.echo(f"input hash: {plan.input_hash}")
    click.echo(f"model hash: {plan.model_hash}")
