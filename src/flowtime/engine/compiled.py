"""A compiled model: planned once, evaluated many times."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from flowtime.engine.collection import collector_paused
from flowtime.engine.cycle_fault import cycle_fault
from flowtime.engine.ir import Flow
from flowtime.engine.kernel_cache import Kernels, load_kernels
from flowtime.engine.lowering import lower_model
from flowtime.engine.overrides import Overrides, Resolved, Scale, resolve_overrides, unknown_name
from flowtime.engine.plan import BLOCK_BINS, Plan, Schedule, plan_flow, schedule
from flowtime.engine.result import Buffer, Result
from flowtime.engine.stations import Station
from flowtime.engine.support import unsupported
from flowtime.errors import CompileError, ParameterError
from flowtime.model import Model
from flowtime.model.spec import FloatArray

__all__ = ["CompiledModel", "Workspace", "compile_model", "output_columns"]

T = TypeVar("T")


def compile_model(model: Model, *, outputs: Sequence[str] | None = None, seed: int | None = None) -> CompiledModel:
    """Plan a model for evaluation.

    ``outputs`` names the series and metrics (``node.metric``) to keep; what they do not need is neither
    computed nor stored.  Without it every series is kept and every metric can be had.  With a ``seed``
    distributions and Poisson traffic are drawn from; without one they enter as their expected values.

    Raises CompileError with all faults: ``compile.unsupported`` for files bound by semantics, which belong to
    a telemetry run, ``compile.same_bin_cycle`` for series that wait for each other within one bin.
    """
    faults = unsupported(model)
    if faults:
        raise CompileError(faults)
    with collector_paused():
        flow = lower_model(model, seed)
        # Without the derived metrics, which close no cycle and are planned when somebody asks for them.
        order = schedule(flow, tuple(flow.names.values()))
        if order.cycles:
            raise CompileError(cycle_fault(model, flow, cycle) for cycle in order.cycles)
        if outputs is None:
            return CompiledModel(model, flow, None, order, seed)
        kept = output_columns(flow, outputs)
        return CompiledModel(model, flow, kept, schedule(flow, tuple(kept.values())), seed)


def output_columns(flow: Flow, outputs: Iterable[str]) -> dict[str, int]:
    """Map names of series or metrics to columns; raises ParameterError ``parameter.unknown_output``."""
    found: dict[str, int] = {}
    for name in outputs:
        column = flow.names.get(name)
        if column is None:
            column = flow.metrics.get(name)
        if column is None:
            known = (*flow.names, *flow.metrics)
            raise unknown_name("series or metric", name, known, code="parameter.unknown_output")
        found[name] = column
    return found


class CompiledModel:
    """A model with its plan.

    Immutable from outside and safe to share between threads: each ``evaluate`` has a buffer of its own.
    To reuse one, take a ``workspace()`` a thread.

    Most evaluations never ask for a derived metric, so where every series is kept there is a plan without them
    at first.  Once somebody asks, evaluations have room for them from the start.
    """

    def __init__(
        self, model: Model, flow: Flow, outputs: dict[str, int] | None, order: Schedule, seed: int | None = None
    ) -> None:
        self.model = model
        self.seed = seed
        self._order = order
        self.flow = flow
        self.outputs = outputs
        self.kernels: Kernels = load_kernels()
        self._made: dict[Hashable, object] = {}
        # Chosen outputs say themselves which metrics they want.
        self._has_metrics = outputs is not None
        self._lock = threading.RLock()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Ids of the inputs (const and pmf nodes) that ``evaluate`` lets one override."""
        return tuple(self.flow.parameters)

    @property
    def derived_series(self) -> tuple[str, ...]:
        """What an evaluation gives beyond the series of the model: parts by class, and volumes of edges."""
        parts = (f"{name}@{class_id}" for name in self.flow.classes for class_id in self.flow.class_ids)
        return (*parts, *(self.flow.edges.columns if self.flow.edges else ()))

    @property
    def stations(self) -> tuple[Station, ...]:
        """The topology nodes of the model with their bindings resolved, in the order of the file."""
        return self.flow.stations

    def station(self, node: str) -> Station:
        """Return a topology node of the model with its bindings resolved."""
        return next(station for station in self.stations if station.id == node)

    @property
    def plan(self) -> Plan:
        """The plan without overrides."""
        return self.plan_for(())

    def evaluate(
        self, overrides: Overrides | None = None, *, block_bins: int | None = None, with_metrics: bool = False
    ) -> Result:
        """Compute every kept series over the whole grid.

        ``overrides`` maps inputs to a number for all bins, a ``Scale`` or a series (bins,).  ``block_bins``
        sets how many bins are computed at a time; it changes no number of the result, to the last bit (which
        of its bit patterns a NaN has may differ; writers make them one).  ``with_metrics`` is for whoever will
        ask for metrics or warnings: there is room for them from the start, so that nothing is computed twice.
        Raises ParameterError for overrides that do not fit.
        """
        if with_metrics:
            self._has_metrics = True
        resolved = resolve_overrides(self.flow, overrides)
        plan = self.plan_for(resolved, block_bins)
        return self._run(plan, Buffer.fresh(plan), resolved)

    def workspace(self) -> Workspace:
        """Return a buffer to evaluate in again and again, for one thread."""
        return Workspace(self)

    def plan_for(self, resolved: Sequence[Resolved], block_bins: int | None = None) -> Plan:
        """Return the plan for overrides: a scalar input that is given a series needs a row of its own."""
        block = BLOCK_BINS if block_bins is None else block_bins
        if block < 1:
            raise ParameterError(f"block_bins must be at least 1, not {block}", code="parameter.value")
        full = frozenset(
            r.column for r in resolved
            if isinstance(r.value, np.ndarray) and self.flow.columns[r.column].values is None
        )  # fmt: skip
        return self._plan(full, block, self._has_metrics)

    def plan_with_metrics(self, plan: Plan | None = None) -> Plan:
        """Return ``plan`` (or the one without overrides) with the operations of the derived metrics, if any are kept.

        From here on ``plan_for`` returns plans with metrics.
        """
        self._has_metrics = True
        return self.plan if plan is None else self._plan(plan.full, plan.block, True)

    def _plan(self, full: frozenset[int], block: int, has_metrics: bool) -> Plan:
        # No block is longer than the grid, so that a plan is found again by the block that it says.
        block = min(block, self.flow.bins)

        def make() -> Plan:
            with collector_paused():
                order = self._whole_order() if has_metrics else self._order
                return plan_flow(self.flow, order, block=block, full=full)

        return self.remember((full, block, has_metrics), make)

    def _whole_order(self) -> Schedule:
        if self.outputs is not None:
            return self._order
        flow = self.flow
        return self.remember("whole", lambda: schedule(flow, (*flow.names.values(), *flow.metrics.values())))

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` gave for this key before, or make it: plans are made once a model."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            found: T = self._made[key]  # type: ignore[assignment]
        return found

    def _run(self, plan: Plan, buffer: Buffer, resolved: Sequence[Resolved]) -> Result:
        for override in resolved:
            _apply(plan, buffer, override)
        buffer.run(self.kernels, plan.steps)
        return Result(self, buffer)


class Workspace:
    """A reused buffer.  The series of a result are overwritten by the next evaluation in the same workspace."""

    def __init__(self, compiled: CompiledModel) -> None:
        self._compiled = compiled
        # By the inputs that have a row: a buffer, and what the last evaluation changed there.
        self._states: dict[frozenset[int], tuple[Buffer, tuple[Resolved, ...]]] = {}
        self._busy = threading.Lock()

    def evaluate(self, overrides: Overrides | None = None) -> Result:
        """As ``CompiledModel.evaluate``, in this buffer.

        Raises ParameterError ``parameter.workspace_busy`` if another thread is in it.
        """
        if not self._busy.acquire(blocking=False):
            raise ParameterError(
                "this workspace is in use by another thread",
                code="parameter.workspace_busy",
                hint="take a workspace() for each thread",
            )
        try:
            resolved = resolve_overrides(self._compiled.flow, overrides)
            plan = self._compiled.plan_for(resolved)
            buffer, changed = self._states.get(plan.full, (None, ()))
            if buffer is None or buffer.plan is not plan:
                buffer, changed = Buffer.fresh(plan), ()
            for override in changed:
                buffer.restore(override.column)
            self._states[plan.full] = (buffer, resolved)
            return self._compiled._run(plan, buffer, resolved)
        finally:
            self._busy.release()


def _apply(plan: Plan, buffer: Buffer, override: Resolved) -> None:
    column, value = override.column, override.value
    if column in plan.row_of:
        row = buffer.row(plan.row_of[column])
        base = plan.constants[plan.row_of[column]]
        row[:] = base * value.factor if isinstance(value, Scale) else value
    elif column in plan.slot_of:
        place = plan.slot_of[column]
        base_value = float(plan.scalars[place - plan.first_scalar])
        buffer.values[place] = base_value * value.factor if isinstance(value, Scale) else _single(value)


def _single(value: float | FloatArray) -> float:
    # A series never reaches a slot: plan_for gave it a row.
    return float(value) if not isinstance(value, np.ndarray) else float(value[0])
