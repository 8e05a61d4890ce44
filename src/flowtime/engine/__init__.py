"""The engine: a model to a plan, a plan to series, series to metrics and warnings."""

from __future__ import annotations

from flowtime.engine.compiled import CompiledModel, Workspace, compile_model
from flowtime.engine.ir import SeriesInfo
from flowtime.engine.node_metrics import Metrics, NodeMetrics
from flowtime.engine.overrides import Override, Overrides, Scale
from flowtime.engine.result import Result

__all__ = [
    "CompiledModel",
    "Metrics",
    "NodeMetrics",
    "Override",
    "Overrides",
    "Result",
    "Scale",
    "SeriesInfo",
    "Workspace",
    "compile_model",
]
