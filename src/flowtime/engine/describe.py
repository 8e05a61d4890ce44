"""A plan as text for a person: what is computed in which order, and how much memory it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from flowtime.engine.compiled import CompiledModel
from flowtime.engine.ir import ColumnKind, Operation
from flowtime.engine.plan import Stage
from flowtime.model.spec import Wire
from flowtime_kernels import opcodes as op

__all__ = ["PlanSummary", "describe_plan", "summarize_plan"]

_NAMES: Mapping[int, str] = MappingProxyType(
    {getattr(op, name): name.lower() for name in op.__all__ if not name.endswith("_FIRST")}
)


class PlanSummary(Wire, frozen=True, kw_only=True):
    """The size of a plan: counts of operations and columns, bytes of the buffer, and the feedback."""

    bins: int
    block_bins: int
    operations: int
    metric_operations: int
    series: int
    block_columns: int
    scalars: int
    parameters: tuple[str, ...]
    feedback: tuple[tuple[str, ...], ...]
    bytes: int


def summarize_plan(compiled: CompiledModel) -> PlanSummary:
    """Count what a plan holds; ``feedback`` names the series of each component that runs bin by bin."""
    plan, flow = compiled.plan_with_metrics(), compiled.flow
    metric = sum(len(stage.operations) for stage in plan.stages if stage.is_metric)
    used = {c for stage in plan.stages for o in stage.operations for c in (*o.ins, *o.outs)}
    local = [c for c in used if c not in plan.row_of and c not in plan.slot_of]
    return PlanSummary(
        bins=flow.bins,
        block_bins=plan.block,
        operations=len(plan.ops) - metric,
        metric_operations=metric,
        series=plan.rows,
        block_columns=len(local),
        scalars=len(plan.slot_of),
        parameters=compiled.parameters,
        feedback=tuple(_members(compiled, stage) for stage in plan.stages if stage.is_feedback),
        bytes=plan.size * 8,
    )


def describe_plan(compiled: CompiledModel) -> str:
    """Return the plan as text: a summary, then every operation in the order in which it runs."""
    summary = summarize_plan(compiled)
    lines = [
        f"operations: {summary.operations:,} of series, {summary.metric_operations:,} of derived metrics",
        f"bins: {summary.bins:,}, computed {summary.block_bins:,} at a time",
        f"columns: {summary.series:,} of all bins, {summary.block_columns:,} of one block, {summary.scalars:,} scalars",
        f"memory: {summary.bytes:,} bytes",
    ]
    for number, stage in enumerate(compiled.plan_with_metrics().stages, start=1):
        lines.append("")
        lines.append(f"stage {number}: {_title(stage)}")
        lines.extend(_operations(compiled, stage))
    return "\n".join(lines) + "\n"


def _title(stage: Stage) -> str:
    what = "derived metrics" if stage.is_metric else "series"
    return f"{what}, bin by bin (feedback)" if stage.is_feedback else f"{what}, operation by operation"


def _members(compiled: CompiledModel, stage: Stage) -> tuple[str, ...]:
    owners = (compiled.flow.whole.columns[c].owner for o in stage.operations for c in o.outs)
    return tuple(dict.fromkeys(name for name in owners if name in compiled.flow.names))


def _operations(compiled: CompiledModel, stage: Stage) -> Iterator[str]:
    for operation in stage.operations:
        outs = ", ".join(_label(compiled, column) for column in operation.outs)
        ins = ", ".join(_label(compiled, column) for column in operation.ins)
        yield f"  {outs} = {_NAMES[operation.code]}({ins}{_details(operation)})"


def _details(operation: Operation) -> str:
    parts = []
    if operation.code in (op.SHIFT, op.PULSE):
        parts.append(f"{'lag' if operation.code == op.SHIFT else 'period'} {operation.length}")
    if operation.code == op.PULSE and operation.phase:
        parts.append(f"phase {operation.phase}")
    if operation.params and operation.params != (0.0,):
        parts.append(" ".join(f"{value:g}" for value in operation.params))
    return "; " + ", ".join(parts) if parts else ""


def _label(compiled: CompiledModel, column: int) -> str:
    described = compiled.flow.whole.columns[column]
    if described.kind is ColumnKind.SCALAR and described.parameter is None:
        return f"{described.value:g}"
    named = compiled.flow.names.get(described.owner) == column or compiled.flow.metrics.get(described.owner) == column
    return described.owner if named else f"{described.owner}#{column}"
