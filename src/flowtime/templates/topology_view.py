"""The topology of a model as a drawing in text: nodes as boxes, edges as arrows from top to bottom.

A box says what a node is and what holds work back there: a queue, servers, a limit, a gate, a shared
constraint, retries.  An arrow says its weight, type and lag where they are not the usual ones.  Edges that
lead back up are named in the box they start from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowtime.model.naming import NO_OVERFLOW_TARGET, has_buffer, is_sink, split_endpoint
from flowtime.model.spec import ConstraintSpec, Edge, Topology, TopologyNode
from flowtime.templates.canvas import ASCII
from flowtime.templates.layered import Arrow, Box, draw, ring_arrows

__all__ = ["draw_topology"]


def draw_topology(topology: Topology, *, width: int = 100, ascii_only: bool = False) -> tuple[str, ...]:
    """Return the lines of a drawing at most ``width`` columns wide, or of a list of edges where none fits.

    ``ascii_only`` draws with characters that every terminal can print.  Deterministic; no node gives no line.
    """
    if not topology.nodes:
        return ()
    arrows = tuple(_arrows(topology))
    rings = ring_arrows(len(topology.nodes), arrows)
    boxes = tuple(_box(topology, index, arrows, rings) for index in range(len(topology.nodes)))
    lines = draw(boxes, arrows)
    if max(map(len, lines)) > width:
        lines = tuple(_outline(topology, boxes, arrows))
    shared = tuple(_constraint_line(topology, constraint) for constraint in topology.constraints)
    lines = (*lines, "", *shared) if shared else lines
    return tuple(line.translate(ASCII) for line in lines) if ascii_only else lines


def _box(topology: Topology, index: int, arrows: Sequence[Arrow], rings: Sequence[int]) -> Box:
    node = topology.nodes[index]
    back = (arrows[ring] for ring in rings if arrows[ring].source == index)
    ups = (f"↑ {topology.nodes[arrow.target].id}{_after(arrow.label)}" for arrow in back)
    return Box((node.id, _kind(node), *_marks(node), *ups), is_round=is_sink(node))


def _kind(node: TopologyNode) -> str:
    if is_sink(node):
        return "sink"
    servers = node.semantics.parallelism
    times = "" if servers is None else f" x {servers}" if isinstance(servers, str) else f" x{servers:g}"
    kind = {"serviceWithBuffer": "queue + service", "dlq": "dead-letter queue"}.get(node.kind, node.kind)
    return f"{kind}{times}"


def _marks(node: TopologyNode) -> Iterator[str]:
    """Yield what holds work back at a node, one line each."""
    start = node.initial_condition.queue_depth if node.initial_condition else 0.0
    if start and has_buffer(node):
        yield f"starts with {start:,g}"
    yield from _holds(node)
    yield from _retries(node)


def _holds(node: TopologyNode) -> Iterator[str]:
    limit = node.wip_limit_series or (None if node.wip_limit is None else f"{node.wip_limit:,g}")
    if limit is not None:
        to = node.wip_overflow or NO_OVERFLOW_TARGET
        yield f"limit {limit}, overflow {'lost' if to == NO_OVERFLOW_TARGET else f'to {to}'}"
    gate = node.dispatch_schedule
    if gate is not None:
        yield f"gate every {gate.period_bins} bins from {gate.phase_offset % gate.period_bins}"
        if gate.accumulate:
            yield "gate lets all through that waits"
    for name in node.constraints:
        yield f"shares {name}" + (", excess lost" if node.constraint_excess == "loss" else "")


def _retries(node: TopologyNode) -> Iterator[str]:
    semantics = node.semantics
    if semantics.retry_echo is not None:
        attempts = "" if semantics.max_attempts is None else f", {semantics.max_attempts} attempts"
        yield f"retries{attempts}"
    if semantics.retry_budget is not None:
        budget = semantics.retry_budget
        yield f"retry budget {budget if isinstance(budget, str) else f'{budget:,g}'}"


def _arrows(topology: Topology) -> Iterator[Arrow]:
    """Yield the edges as arrows, then the overflow that no edge shows."""
    place = {node.id: index for index, node in enumerate(topology.nodes)}
    shown: set[tuple[int, int]] = set()
    for edge in topology.edges:
        source, target = split_endpoint(edge.source, place), split_endpoint(edge.target, place)
        if source is not None and target is not None:
            ends = (place[source[0]], place[target[0]])
            shown.add(ends)
            moves = edge.type in ("throughput", "terminal")
            yield Arrow(*ends, tuple(_edge_words(edge, source[1])), is_dotted=not moves)
    for index, node in enumerate(topology.nodes):
        ends = (index, place.get(node.wip_overflow or "", -1))
        if ends[1] >= 0 and ends not in shown:
            yield Arrow(*ends, ("overflow",), is_dotted=True)


def _edge_words(edge: Edge, port: str | None) -> Iterator[str]:
    """Yield what is not usual about an edge, a line each."""
    measure = edge.measure or port
    measure = None if measure in ("out", "served") else measure
    if edge.type == "topology":
        yield measure or "link"
    elif edge.type != "throughput":
        yield edge.type
    if measure is not None and edge.type != "topology":
        yield measure
    if edge.weight != 1.0:
        yield f"weight {edge.weight:g}"
    if edge.multiplier != 1.0:
        yield f"x{edge.multiplier:g}"
    if edge.lag:
        yield f"lag {edge.lag}"


def _after(words: Sequence[str]) -> str:
    return f": {', '.join(words)}" if words else ""


def _constraint_line(topology: Topology, constraint: ConstraintSpec) -> str:
    members = [node.id for node in topology.nodes if constraint.id in node.constraints]
    way = constraint.allocation
    if way == "priority":
        way_text = f"by priority ({', '.join(constraint.priorities)})" if constraint.priorities else "by priority"
    else:
        way_text = "in proportion to demand" if way == "proportional" else "max-min fair"
    who = ", ".join(members) or "no node"
    return f"{constraint.id}: shared by {who}, {way_text}; capacity {constraint.semantics.served}"


def _outline(topology: Topology, boxes: Sequence[Box], arrows: Sequence[Arrow]) -> Iterator[str]:
    """Yield a line per node and, indented, one per edge: for what does not fit the width as a drawing."""
    for index, box in enumerate(boxes):
        name, *told = (line for line in box.lines if not line.startswith("↑"))
        yield f"{name} ({'; '.join(told)})"
        for arrow in arrows:
            if arrow.source == index:
                yield f"  → {topology.nodes[arrow.target].id}{_after(arrow.label)}"
