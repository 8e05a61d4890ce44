"""Many scenarios of one compiled model, side by side in vector lanes and over threads of our own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.compiled import CompiledModel, output_columns
from flowtime.engine.ir import ColumnKind, Flow
from flowtime.engine.lane_plan import LanePlan, Source, plan_lanes
from flowtime.engine.overrides import Overrides, Scale, resolve_overrides
from flowtime.engine.plan import Schedule, plan_flow, schedule
from flowtime.engine.result import Buffer
from flowtime.errors import ParameterError
from flowtime.model.spec import FloatArray

__all__ = ["MEMORY_BUDGET_MB", "Scenarios", "Sweep", "evaluate_many"]

MEMORY_BUDGET_MB = 1024

Scenarios: TypeAlias = Sequence[Overrides]


class Sweep(Mapping[str, FloatArray]):
    """The kept outputs of every scenario: name -> read-only float64 (scenarios, bins)."""

    def __init__(self, names: Sequence[str], values: FloatArray) -> None:
        self._places = {name: i for i, name in enumerate(names)}
        self.values_array = values
        values.flags.writeable = False

    def __getitem__(self, name: str) -> FloatArray:
        return self.values_array[:, self._places[name], :]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def scenarios(self) -> int:
        """The number of scenarios."""
        return int(self.values_array.shape[0])

    def __repr__(self) -> str:
        scenarios, outputs, bins = self.values_array.shape
        return f"<Sweep of {scenarios} scenarios x {outputs} outputs x {bins} bins>"


def evaluate_many(
    compiled: CompiledModel,
    scenarios: Scenarios,
    outputs: Sequence[str],
    *,
    threads: int = 0,
    memory_budget_mb: float = MEMORY_BUDGET_MB,
) -> Sweep:
    """Evaluate a model under each scenario and keep the chosen outputs.

    A scenario maps inputs to a number, a ``Scale`` or a series (bins,), as for ``evaluate``; what it does
    not name stays as in the model.  ``outputs`` are series or metrics (``node.metric``).  ``threads`` 0
    means one a processor; the bytes of the result do not depend on it.

    Raises ParameterError: a wrong override or output, or ``parameter.memory_budget`` where outputs and
    working memory would need more than ``memory_budget_mb``.
    """
    if not outputs:
        raise ParameterError("a sweep keeps no output", code="parameter.value", hint="name series or metrics to keep")
    kept = output_columns(compiled.flow, outputs)
    job = _Job.prepare(compiled, scenarios, tuple(kept.values()))
    workers = min(threads if threads > 0 else os.cpu_count() or 1, max(1, job.blocks))
    job.check_memory(workers, memory_budget_mb)
    out = np.empty((len(scenarios), len(kept), compiled.flow.bins))
    if workers == 1:
        job.run(out, range(job.blocks))
    else:
        with ThreadPoolExecutor(workers) as pool:
            # Fixed shares: which thread computes a block changes no byte of it.
            shares = [range(worker, job.blocks, workers) for worker in range(workers)]
            for future in [pool.submit(job.run, out, share) for share in shares]:
                future.result()
    return Sweep(tuple(kept), out)


@dataclass(frozen=True)
class _Inputs:
    """The overrides of one input over all scenarios: ``kind`` 0 none, 1 number, 2 factor, 3 series."""

    column: int
    kind: NDArray[np.uint8]
    number: FloatArray
    series: Mapping[int, FloatArray]

    def source(self, flow: Flow) -> Source:
        """Choose the cheapest way that serves every scenario."""
        is_scalar = flow.columns[self.column].kind is ColumnKind.SCALAR
        if not self.series and (is_scalar or bool(np.all(self.kind == 1))):
            return Source(self.column, "number")
        if not self.series and not np.any(self.kind == 1):
            return Source(self.column, "factor")
        return Source(self.column, "series")

    def numbers(self, flow: Flow, how: str) -> FloatArray:
        """The number or factor of each scenario, (scenarios,)."""
        if how == "factor":
            return np.where(self.kind == 2, self.number, 1.0)
        base = flow.columns[self.column].value
        return np.where(self.kind == 1, self.number, np.where(self.kind == 2, base * self.number, base))

    def load(self, flow: Flow, first: int, end: int, lanes: int) -> FloatArray:
        """The series of scenarios first to end, (bins, lanes); spare lanes repeat the last."""
        column = flow.columns[self.column]
        base = np.full(flow.bins, column.value) if column.values is None else column.values
        rows = np.empty((lanes, flow.bins))
        for lane in range(lanes):
            scenario = min(first + lane, end - 1)
            kind = self.kind[scenario]
            if kind == 3:
                rows[lane] = self.series[scenario]
            elif kind == 1:
                rows[lane] = self.number[scenario]
            else:
                rows[lane] = base * self.number[scenario] if kind == 2 else base
        return np.ascontiguousarray(rows.T)


class _Job:
    """A sweep made ready: tables, shared series and the numbers of each scenario."""

    def __init__(
        self, compiled: CompiledModel, plan: LanePlan, inputs: Sequence[_Inputs], sources: Sequence[Source],
        uniform: FloatArray, picks: Sequence[int], count: int,
    ) -> None:  # fmt: skip
        self._kernels = compiled.kernels
        self._flow = compiled.flow
        self._plan = plan
        self._uniform = uniform
        self._count = count
        self._picks = np.array([plan.place[column] for column in picks], dtype=np.int64)
        paired = list(zip(inputs, sources, strict=True))
        self._loads = [given for given, source in paired if source.how == "series"]
        self._numbers = [
            (plan.number_at[given.column], given.numbers(self._flow, source.how))
            for given, source in paired
            if source.how != "series"
        ]

    @classmethod
    def prepare(cls, compiled: CompiledModel, scenarios: Scenarios, picks: tuple[int, ...]) -> _Job:
        """Check the scenarios, find what varies and evaluate once what does not."""
        flow = compiled.flow
        inputs = _gather(flow, scenarios)
        sources = [given.source(flow) for given in inputs]
        plan, shared = compiled.remember((picks, *sources), lambda: _lane_plan(compiled, picks, sources))
        return cls(compiled, plan, inputs, sources, shared, picks, len(scenarios))

    @property
    def blocks(self) -> int:
        """How many blocks of scenarios there are."""
        return -(-self._count // self._kernels.LANES)

    def check_memory(self, workers: int, budget_mb: float) -> None:
        """Refuse a sweep that would not fit."""
        bins, lanes = self._flow.bins, self._kernels.LANES
        result = self._count * self._picks.size * bins
        working = workers * (self._plan.size + len(self._loads) * bins * lanes) + self._uniform.size
        needed = (result + working) * 8 / 2**20
        if needed > budget_mb:
            raise ParameterError(
                f"this sweep needs {needed:,.0f} MB ({result * 8 / 2**20:,.0f} MB of it results), "
                f"more than the budget of {budget_mb:,.0f} MB",
                code="parameter.memory_budget",
                hint="keep fewer outputs, run fewer scenarios at a time, or raise memory_budget_mb",
            )

    def run(self, out: FloatArray, blocks: range) -> None:
        """Evaluate some blocks of scenarios into ``out`` (scenarios, outputs, bins)."""
        plan, lanes = self._plan, self._kernels.LANES
        buffer = np.zeros(plan.size)
        loads = np.empty((len(self._loads), self._flow.bins, lanes))
        for block in blocks:
            first = block * lanes
            end = min(first + lanes, self._count)
            for start, stop, value in plan.initials:
                buffer[start:stop] = value
            for place, numbers in self._numbers:
                buffer[place : place + end - first] = numbers[first:end]
                # Spare lanes repeat the last scenario, so that they compute nothing odd.
                buffer[place + end - first : place + lanes] = numbers[end - 1]
            for i, given in enumerate(self._loads):
                loads[i] = given.load(self._flow, first, end, lanes)
            self._kernels.run_lanes(
                plan.ops, plan.rings, plan.params, self._uniform, loads, self._picks, buffer, out[first:end]
            )


def _gather(flow: Flow, scenarios: Scenarios) -> list[_Inputs]:
    count = len(scenarios)
    found: dict[str, _Inputs] = {}
    for s, scenario in enumerate(scenarios):
        for name, value in scenario.items():
            given = found.get(name)
            if given is None:
                column = resolve_overrides(flow, {name: 0.0})[0].column
                given = _Inputs(column, np.zeros(count, dtype=np.uint8), np.ones(count), {})
                found[name] = given
            # Plain finite floats, by far the most, skip the checks that they pass anyhow.
            plain = value.factor if type(value) is Scale else value
            if type(plain) is float and abs(plain) < np.inf:
                given.kind[s] = 2 if type(value) is Scale else 1
                given.number[s] = plain
            else:
                _note(flow, given, s, name, value)
    return list(found.values())


def _note(flow: Flow, given: _Inputs, s: int, name: str, value: object) -> None:
    checked = resolve_overrides(flow, {name: value})[0].value  # type: ignore[dict-item]
    if isinstance(checked, Scale):
        given.kind[s], given.number[s] = 2, checked.factor
    elif isinstance(checked, np.ndarray):
        given.kind[s] = 3
        given.series[s] = checked  # type: ignore[index]
    else:
        given.kind[s], given.number[s] = 1, checked


def _lane_plan(
    compiled: CompiledModel, picks: tuple[int, ...], sources: Sequence[Source]
) -> tuple[LanePlan, FloatArray]:
    order = schedule(compiled.flow, picks)
    plan = plan_lanes(compiled.flow, order, sources, compiled.kernels.LANES)
    return plan, _shared_series(compiled, plan)


def _shared_series(compiled: CompiledModel, plan: LanePlan) -> FloatArray:
    """Evaluate once the columns that no override reaches, float64 (columns, bins)."""
    flow = compiled.flow
    shared = np.zeros((max(1, len(plan.uniform)), flow.bins))
    if plan.uniform:
        order: Schedule = schedule(flow, plan.uniform)
        single = plan_flow(flow, order)
        buffer = Buffer.fresh(single)
        buffer.run(compiled.kernels, single.steps)
        buffer.run(compiled.kernels, single.metric_steps)
        for row, column in enumerate(plan.uniform):
            shared[row] = buffer.column(column)
    return shared
