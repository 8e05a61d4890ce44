"""The engine: a model to a plan, a plan to series, series to metrics and warnings."""

from __future__ import annotations

from flowtime.engine.compiled import CompiledModel, Workspace, compile_model
from flowtime.engine.describe import PlanSummary, describe_plan, summarize_plan
from flowtime.engine.ir import SeriesInfo
from flowtime.engine.node_metrics import Metrics, NodeMetrics
from flowtime.engine.overrides import Override, Overrides, Scale
from flowtime.engine.result import Result
from flowtime.engine.run_warning import RunWarning
from flowtime.engine.sweep import Scenarios, Sweep, evaluate_many

__all__ = [
    "CompiledModel",
    "Metrics",
    "NodeMetrics",
    "Override",
    "Overrides",
    "PlanSummary",
    "Result",
    "RunWarning",
    "Scale",
    "Scenarios",
    "SeriesInfo",
    "Sweep",
    "Workspace",
    "compile_model",
    "describe_plan",
    "evaluate_many",
    "summarize_plan",
]
