"""The state of a run: any bin, any window, the graph, and how well services kept up."""

from __future__ import annotations

from flowtime.state.documents import Snapshot, Window
from flowtime.state.encoding import encode_answer
from flowtime.state.graph import read_graph
from flowtime.state.metrics import read_metrics
from flowtime.state.open_run import OpenRun, open_run_state
from flowtime.state.overview import GraphAnswer, MetricsAnswer
from flowtime.state.snapshot import read_state
from flowtime.state.window import DEFAULT_RESOLUTION, MOST_POINTS, WindowMode, read_window

__all__ = [
    "DEFAULT_RESOLUTION",
    "MOST_POINTS",
    "GraphAnswer",
    "MetricsAnswer",
    "OpenRun",
    "Snapshot",
    "Window",
    "WindowMode",
    "encode_answer",
    "open_run_state",
    "read_graph",
    "read_metrics",
    "read_state",
    "read_window",
]
