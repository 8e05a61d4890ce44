"""The answers about a run as a whole: its graph, and how well its services kept up."""

from __future__ import annotations

from typing import Literal

import msgspec

from flowtime.bundle.documents import Count, RunId
from flowtime.state.documents import Analytical, Answer, Category, DispatchInfo, Values

__all__ = [
    "GraphAnswer",
    "GraphEdge",
    "GraphNode",
    "GraphUi",
    "MetricsAnswer",
    "MetricsGrid",
    "MetricsWindow",
    "ServiceMetrics",
]


class GraphUi(Answer, frozen=True, kw_only=True):
    """Where to draw a node: as the author says, and its layer (longest way from a start) and place within it."""

    x: float | None
    y: float | None
    layer: int | None
    order: int | None


class GraphNode(Answer, frozen=True, kw_only=True):
    """A node of the graph; ``semantics`` names the series of each part as ``series:name``."""

    id: str
    kind: str
    category: Category
    analytical: Analytical | None = None
    node_role: str | None = None
    group: str | None = None
    semantics: dict[str, str] = msgspec.field(default_factory=dict)
    aliases: dict[str, str] = msgspec.field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    dispatch_schedule: DispatchInfo | None = None
    ui: GraphUi


class GraphEdge(Answer, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    """An edge of the graph; ``series`` edges say which declared series feeds which part."""

    id: str
    source: str
    target: str
    weight: float
    edge_type: str = msgspec.field(name="edgeType")
    field: str | None
    multiplier: float | None
    lag: int | None


class GraphAnswer(Answer, frozen=True, kw_only=True):
    """How the nodes of a run hang together."""

    run_id: RunId
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class MetricsWindow(Answer, frozen=True, kw_only=True):
    """Which bins were looked at; the start is null where the grid has none."""

    start: str | None
    timezone: Literal["UTC"] = "UTC"
    start_bin: Count
    end_bin: Count


class MetricsGrid(Answer, frozen=True, kw_only=True):
    """The grid, and how many of its bins were looked at."""

    bin_minutes: float
    bins: Count


class ServiceMetrics(Answer, frozen=True, kw_only=True):
    """In how many bins a service let through at least 95 % of what arrived.

    ``slaPct`` is a share, from 0 to 1; a bin without arrivals counts as met.  ``mini`` draws the ratio of
    served to arrivals, each point over its stretch of bins.
    """

    id: str
    sla_pct: float | None
    bins_met: Count
    bins_total: Count
    mini: Values


class MetricsAnswer(Answer, frozen=True, kw_only=True):
    """How well each service of a run kept up."""

    run_id: RunId
    window: MetricsWindow
    grid: MetricsGrid
    services: tuple[ServiceMetrics, ...]
