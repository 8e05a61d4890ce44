"""Answers about a run for people: tables, bars and drawings."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from flowtime.cli.console import count, print_table, sparkline

if TYPE_CHECKING:
    from msgspec import UnsetType

    from flowtime.model import FloatArray
    from flowtime.state import MetricsAnswer, OpenRun, Snapshot, Window
    from flowtime.state.documents import EdgeState, NodeState, NodeWindow, StateMetadata, StateWarning

__all__ = ["print_graph", "print_metrics", "print_state", "print_window"]

STATE_COLUMNS = ("node", "color", "arrivals", "served", "queue", "util.", "wait, min", "flow, min", "ratio", "notes")
WINDOW_COLUMNS = ("node", "value", "from", "mean", "max", "last", "shape")
DROPPABLE = ("flow, min", "ratio", "arrivals")
SHAPE_POINTS = 48
MINUTE_MS = 60_000.0
# What is drawn of a node, as far as it has it.
DRAWN = (
    ("arrivals", "arrivals"),
    ("served", "served"),
    ("queue", "queue"),
    ("utilization", "utilization"),
    ("latency_minutes", "wait, min"),
)


def print_state(answer: Snapshot) -> None:
    """Print the state of one bin: a row a node, a line an edge that something moves over, the warnings."""
    when = f", {_time(answer.bin.start_utc)}" if answer.bin.start_utc else ""
    title = f"{_title(answer.metadata)}: bin {answer.bin.index}{when}, {answer.bin.duration_minutes:g} min"
    print_table(title, STATE_COLUMNS, [_state_row(node) for node in answer.nodes], droppable=DROPPABLE)
    _print_edges(answer.edges)
    _print_warnings((*answer.warnings, *(w for own in answer.edge_warnings.values() for w in own)))


def _state_row(node: NodeState) -> tuple[str, ...]:
    metrics, derived = node.metrics, node.derived
    flow = derived.flow_latency_ms
    return (
        node.id,
        derived.color,
        _number(metrics.arrivals),
        _number(metrics.served),
        _number(metrics.queue),
        _percent(derived.utilization),
        _number(derived.latency_minutes),
        _number(flow / MINUTE_MS if isinstance(flow, float) else None),
        _percent(derived.throughput_ratio),
        ", ".join(_notes(node)) or "-",
    )


def _notes(node: NodeState) -> Iterable[str]:
    if node.metrics.queue_latency_status == "paused_gate_closed":
        yield "gate closed"
    yield from (f"held by {name}" for name, is_held in node.constraint_status.items() if is_held)
    yield from (f"{objective.kind} breached" for objective in node.sla if objective.status == "breached")


def print_window(answer: Window) -> None:
    """Print a window: for each node a line for each of its main values, drawn as bars."""
    window = answer.window
    each = f", {count(window.bins_per_point, 'bin')} a point" if window.bins_per_point > 1 else ""
    times = answer.timestamps_utc
    since = f" from {_time(times[0])}" if times else ""
    title = f"{_title(answer.metadata)}: {_bins(window.start_bin, window.end_bin)}{since}{each}"
    rows = [row for node in answer.nodes for row in _window_rows(node)]
    print_table(title, WINDOW_COLUMNS, rows, droppable=("from", "last"))
    _print_warnings((*answer.warnings, *(w for own in answer.edge_warnings.values() for w in own)))


def _window_rows(node: NodeWindow) -> Iterable[tuple[str, ...]]:
    import numpy as np

    drawn = (*DRAWN, ("values", "values"))
    name = node.id
    for attribute, label in drawn:
        values = getattr(node.series, attribute)
        if not isinstance(values, np.ndarray):
            continue
        known = values[np.isfinite(values)]
        numbers = [known[0], known.mean(), known.max(), known[-1]] if known.size else [None] * 4
        if attribute == "queue" and isinstance(node.series.queue_max, np.ndarray) and known.size:
            # The points are means, which hide the peak.
            numbers[2] = np.nanmax(node.series.queue_max)
        yield (name, label, *(_number(None if n is None else float(n)) for n in numbers), sparkline(_shape(values)))
        # The node is named once.
        name = ""


def _shape(values: FloatArray) -> list[float | None]:
    """At most 48 points, each the largest of its stretch."""
    import numpy as np

    stretches = np.array_split(values, min(SHAPE_POINTS, values.size))
    known = (stretch[np.isfinite(stretch)] for stretch in stretches)
    return [max(0.0, float(stretch.max())) if stretch.size else None for stretch in known]


def print_graph(run: OpenRun) -> None:
    """Draw the topology, and say how far the volumes over its edges can be relied on."""
    from flowtime.templates.topology_view import draw_topology

    topology = run.model.spec.topology
    if topology is None:
        return
    click.echo(_title(run.metadata))
    lines = draw_topology(topology, ascii_only=not _draws_boxes())
    click.echo("\n".join(lines))
    weak = [edge.id for edge, quality in zip(run.edges, run.qualities, strict=True) if quality != "exact"]
    if weak:
        click.echo(f"volumes that are not exact: {', '.join(weak)}")


def _draws_boxes() -> bool:
    try:
        "─│┌▶".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def print_metrics(answer: MetricsAnswer) -> None:
    """Print a row a service: in how many bins it kept up, and the ratio over time."""
    rows = [
        (
            service.id,
            _percent(service.sla_pct),
            f"{service.bins_met:,} of {service.bins_total:,}",
            sparkline(_shape_of_ratio(service.mini)),
        )
        for service in answer.services
    ]
    window = answer.window
    title = f"{answer.run_id}: {_bins(window.start_bin, window.end_bin)}, met where 95 % of arrivals were served"
    print_table(title, ("service", "met", "bins", "served of arrivals"), rows)


def _shape_of_ratio(values: FloatArray) -> list[float | None]:
    """At most 48 points, each the smallest of its stretch: what matters is where it fell short."""
    import numpy as np

    stretches = np.array_split(values, min(SHAPE_POINTS, values.size))
    known = (stretch[np.isfinite(stretch)] for stretch in stretches)
    return [float(stretch.min()) if stretch.size else None for stretch in known]


def _print_edges(edges: Sequence[EdgeState]) -> None:
    moving = [(edge, float(edge.series["flowVolume"][0])) for edge in edges if "flowVolume" in edge.series]
    rows = [
        (f"{edge.source} -> {edge.target}", _number(volume), edge.edge_type, edge.quality) for edge, volume in moving
    ]
    if rows:
        print_table("edges", ("from -> to", "flow", "type", "quality"), rows)


def _print_warnings(warnings: Sequence[StateWarning]) -> None:
    for warning in warnings:
        where = next((x for x in (warning.node_id, warning.edge_id, warning.constraint_id) if x is not None), None)
        bins = ""
        if warning.start_bin is not None and warning.end_bin is not None:
            bins = f" ({_bins(warning.start_bin, warning.end_bin)})"
        place = f"{where}: " if where else ""
        click.echo(f"{warning.severity}: {place}{warning.message}{bins} [{warning.code}]")


def _bins(start: int, end: int) -> str:
    return f"bin {start}" if start == end else f"bins {start} to {end}"


def _title(metadata: StateMetadata) -> str:
    return metadata.template_title or metadata.run_id


def _time(text: str | None) -> str:
    return (text or "").replace("T", " ").removesuffix("Z").removesuffix(":00")


def _number(value: float | UnsetType | None) -> str:
    """Render with two decimals below 1000, else grouped digits; "-" where it is not known."""
    if not isinstance(value, float) or not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.2f}"


def _percent(share: float | UnsetType | None) -> str:
    return f"{share:.1%}" if isinstance(share, float) and math.isfinite(share) else "-"
