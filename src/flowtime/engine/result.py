"""What an evaluation gives: series by name, derived metrics and warnings, all computed when asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from flowtime.engine.coverage import Coverage, class_coverage, least_coverage
from flowtime.engine.edge_flows import EDGE_UNITS
from flowtime.engine.ir import SeriesInfo
from flowtime.engine.kernel_cache import Kernels
from flowtime.engine.overrides import unknown_name
from flowtime.engine.plan import IndexArray, Plan
from flowtime.errors import ParameterError
from flowtime.model.spec import FloatArray, Grid
from flowtime_kernels import table

if TYPE_CHECKING:
    import pandas
    import polars
    import xarray

    from flowtime.engine.blocking import Blocking
    from flowtime.engine.bottlenecks import Bottleneck
    from flowtime.engine.compiled import CompiledModel
    from flowtime.engine.cumulative_flow import CumulativeFlow
    from flowtime.engine.drain import DrainTime
    from flowtime.engine.edge_series import Edges
    from flowtime.engine.node_metrics import Metrics
    from flowtime.engine.warnings import RunWarning

__all__ = ["Buffer", "Result"]


class Buffer:
    """The values of one evaluation: float64 (plan.size,), rows of series first."""

    def __init__(self, plan: Plan, values: FloatArray) -> None:
        self.plan = plan
        self.values = values
        self._bins = plan.constants.shape[1]
        self._start = np.empty(plan.layout.shape[1], dtype=np.int64)
        self._rows = np.empty((len(plan.ops), 2 * table.WIDTH), dtype=np.uint64)

    @classmethod
    def fresh(cls, plan: Plan) -> Buffer:
        """Return a new buffer with inputs and scalars in place; the rest is filled by ``run``."""
        values = np.empty(plan.size)
        values[: plan.constants.size] = plan.constants.reshape(-1)
        values[plan.first_scalar : plan.first_scalar + plan.scalars.size] = plan.scalars
        return cls(plan, values)

    def row(self, row: int) -> FloatArray:
        """Return row ``row``, float64 (bins,), as a view."""
        return self.values[row * self._bins : (row + 1) * self._bins]

    def restore(self, column: int) -> None:
        """Put an input back to the value that the model gives it."""
        plan = self.plan
        if column in plan.row_of:
            self.row(plan.row_of[column])[:] = plan.constants[plan.row_of[column]]
        elif column in plan.slot_of:
            place = plan.slot_of[column]
            self.values[place] = plan.scalars[place - plan.first_scalar]

    def moved(self, plan: Plan) -> Buffer:
        """Return a new buffer for another plan of the same model, with the inputs and scalars of this one."""
        other = Buffer.fresh(plan)
        for column, row in islice(self.plan.row_of.items(), len(self.plan.constants)):
            other.row(plan.row_of[column])[:] = self.row(row)
        for column, place in self.plan.slot_of.items():
            other.values[plan.slot_of[column]] = self.values[place]
        return other

    def run(self, kernels: Kernels, steps: IndexArray) -> None:
        """Run steps of the plan over all bins."""
        plan = self.plan
        kernels.run_plan(
            plan.ops, steps, plan.layout, plan.params, plan.block, self._bins, self._start, self._rows, self.values
        )

    def holds(self, column: int) -> bool:
        """Whether all bins of a column are there."""
        return column in self.plan.row_of or column in self.plan.slot_of

    def column(self, column: int) -> FloatArray:
        """Return the values of a column, read-only float64 (bins,); a scalar is broadcast."""
        row = self.plan.row_of.get(column)
        if row is not None:
            view = self.row(row)
            view.flags.writeable = False
            return view
        value: FloatArray = np.broadcast_to(self.values[self.plan.slot_of[column]], (self._bins,))
        return value


class Result(Mapping[str, FloatArray]):
    """Series by name, each read-only float64 (bins,), in the order of the model.

    ``metrics`` and ``warnings`` are computed when first asked for.
    """

    def __init__(self, compiled: CompiledModel, buffer: Buffer) -> None:
        self._compiled = compiled
        self._buffer = buffer
        flow = compiled.flow
        self._names: Mapping[str, int] = flow.names if compiled.outputs is None else compiled.outputs
        self._lock = threading.Lock()
        self._has_metrics = False

    def __getitem__(self, name: str) -> FloatArray:
        column = self._names.get(name)
        if column is None:
            raise KeyError(str(unknown_name("kept series", name, tuple(self._names), code="parameter.unknown_output")))
        if name not in self._compiled.flow.names:
            self.need_metrics()
        return self._buffer.column(column)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    @property
    def grid(self) -> Grid:
        """The time grid."""
        return self._compiled.model.spec.grid

    @property
    def compiled(self) -> CompiledModel:
        """The compiled model that gave this result."""
        return self._compiled

    def describe(self, name: str) -> SeriesInfo:
        """Say what a series is; raises ParameterError for a name that does not exist."""
        info, edges = self._compiled.flow.info, self._compiled.flow.edges
        base, at, class_id = name.partition("@")
        if edges is not None and name in edges.columns:
            metric = base.rpartition("_")[2]
            return SeriesInfo(name, "edge", EDGE_UNITS[metric], None, metric, True, class_id or None)
        if name not in self._compiled.flow.names or base not in info:
            raise unknown_name("series", name, tuple(info), code="parameter.unknown_output")
        return info[base]._replace(name=name, class_id=class_id) if at else info[base]

    @property
    def class_ids(self) -> tuple[str, ...]:
        """The classes of the model, in its order."""
        return self._compiled.flow.class_ids

    def by_class(self, name: str) -> dict[str, FloatArray]:
        """Return the parts of a series by class, each read-only float64 (bins,); empty where it has none."""
        parts = (f"{name}@{class_id}" for class_id in self.class_ids)
        kept = {part.rpartition("@")[2]: self[part] for part in parts if part in self._names}
        return kept

    def coverage(self, name: str) -> Coverage:
        """Say how far the classes of a series make up its total; raises KeyError for a series that was not kept."""
        return class_coverage(self[name], tuple(self.by_class(name).values()))

    @cached_property
    def class_coverage(self) -> Coverage:
        """The same for all that arrives, is served and waits at the nodes of the topology, taken together."""
        roles = ("arrivals", "served", "queueDepth")
        bound = {s.series[role]: None for s in self._compiled.stations for role in roles if role in s.series}
        return least_coverage(self.coverage(name) for name in bound if name in self)

    @property
    def derived_series(self) -> tuple[str, ...]:
        """What there is beyond the series of the model: parts by class, and volumes of edges."""
        return self._compiled.derived_series

    def values_of(self, name: str) -> FloatArray:
        """Return a series, a metric (``node.metric``) or a volume of an edge, read-only float64 (bins,)."""
        return self[name] if name in self._names else self.metric(name)

    def metric(self, name: str) -> FloatArray:
        """Return a derived metric by its full name ``node.metric``, read-only float64 (bins,).

        Raises ParameterError where only chosen outputs were kept and it is none of them.
        """
        self.need_metrics()
        column = self._compiled.flow.metrics[name]
        if not self._buffer.holds(column):
            raise ParameterError(
                f"the metric {name!r} was not kept",
                code="parameter.unknown_output",
                hint="name it among the outputs, or compile without outputs",
            )
        return self._buffer.column(column)

    def need_metrics(self) -> None:
        """Run the operations of the derived metrics, once."""
        with self._lock:
            if not self._has_metrics:
                kernels = self._compiled.kernels
                plan = self._compiled.plan_with_metrics(self._buffer.plan)
                if plan is not self._buffer.plan:
                    # Evaluated before anybody asked for metrics: there is no room for them, so once more.
                    self._buffer = self._buffer.moved(plan)
                    self._buffer.run(kernels, plan.steps)
                self._buffer.run(kernels, plan.metric_steps)
                self._has_metrics = True

    @cached_property
    def metrics(self) -> Metrics:
        """Derived metrics by topology node; where only chosen outputs were kept, others raise ParameterError."""
        from flowtime.engine.node_metrics import Metrics

        return Metrics(self)

    @cached_property
    def edges(self) -> Edges:
        """Volumes over the edges of the topology, by edge id."""
        from flowtime.engine.edge_series import Edges

        return Edges(self, self._compiled.flow.edges)

    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """Rank the nodes that hold the flow up, the worst first; see ``engine.bottlenecks``."""
        from flowtime.engine.bottlenecks import rank_bottlenecks

        return rank_bottlenecks(self)

    def blocking(self, node: str) -> Blocking:
        """Say when a topology node is blocked and when starved; see ``engine.blocking``."""
        from flowtime.engine.blocking import find_blocking

        return find_blocking(self, node)

    def drain_time(self, node: str) -> DrainTime:
        """Return how long it takes until what waits at a topology node is gone; see ``engine.drain``."""
        from flowtime.engine.drain import find_drain_time

        return find_drain_time(self, node)

    def cumulative_flow(self, node: str | None = None) -> CumulativeFlow:
        """Return what has come in and gone out so far, of a topology node or of the whole system."""
        from flowtime.engine.cumulative_flow import node_cumulative_flow, system_cumulative_flow

        return system_cumulative_flow(self) if node is None else node_cumulative_flow(self, node)

    @cached_property
    def warnings(self) -> tuple[RunWarning, ...]:
        """Broken invariants of the flow, in the order of the model; see ``engine.warnings``."""
        from flowtime.engine.warnings import find_warnings

        return find_warnings(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas frame: bins by series, indexed by time where the grid has a start."""
        from flowtime.engine.frames import to_pandas

        return to_pandas(self)

    def to_polars(self) -> polars.DataFrame:
        """Return a polars frame: a ``bin`` column, a ``time`` column where the grid has a start, series."""
        from flowtime.engine.frames import to_polars

        return to_polars(self)

    def to_xarray(self) -> xarray.Dataset:
        """Return an xarray dataset with one variable per series along ``bin``, units as attributes."""
        from flowtime.engine.frames import to_xarray

        return to_xarray(self)

    def _repr_html_(self) -> str:
        from flowtime.engine.frames import to_html

        return to_html(self)

    def __repr__(self) -> str:
        grid = self.grid
        return f"<Result of {len(self)} series x {grid.bins} bins of {grid.bin_size} {grid.bin_unit}>"

    def __eq__(self, other: object) -> Any:
        return self is other

    def __hash__(self) -> int:
        return id(self)
