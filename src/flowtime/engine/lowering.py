"""A valid model to columns and operations: every series gets its column first, so that feedback finds it.

Inputs and expressions are lowered here; what routers, stations, constraints and retries do stands in
``routing``, ``station_flows``, ``constraints`` and ``retries``, and what classes add in ``class_expressions``
and ``mixing``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np

from flowtime.engine.class_expressions import ClassExpressions
from flowtime.engine.class_reach import ClassReach, find_classed, unclassed_parts
from flowtime.engine.context import Amount, LoweringContext, Parts, declared_shares
from flowtime.engine.edge_flows import lower_edges
from flowtime.engine.expressions import ExpressionLowering
from flowtime.engine.ir import Derived, Flow
from flowtime.engine.lazy import Lazy
from flowtime.engine.metrics import lower_metrics
from flowtime.engine.retries import lower_retries
from flowtime.engine.routing import lower_routers, router_targets
from flowtime.engine.sampling import expected_pmf, poisson_counts, sampled_pmf
from flowtime.engine.station_flows import StationFlows
from flowtime.engine.stations import Station, describe_series, stations
from flowtime.errors import CompileError
from flowtime.model import Model
from flowtime.model.randomness import arrival_stream
from flowtime.model.spec import ConstNode, ExprNode, FloatArray, Node, PmfNode, TrafficArrival
from flowtime_kernels import opcodes as op

__all__ = ["lower_model"]


def lower_model(model: Model, seed: int | None = None) -> Flow:
    """Return the columns and operations of a model that ``support.unsupported`` has nothing against.

    With a ``seed`` distributions and Poisson traffic are drawn from, without one they are expected values.
    """
    return _Lowering(model, seed).run()


class _Lowering:
    """One pass over one model."""

    def __init__(self, model: Model, seed: int | None) -> None:
        spec = model.spec
        class_ids = tuple(declared.id for declared in spec.classes or ())
        self._context = LoweringContext(model, class_ids=class_ids, shares=declared_shares(spec, class_ids))
        self._builder = self._context.builder
        self._seed = seed
        self._stations = stations(spec, model.names)
        targets = router_targets(spec)
        self._replaced = frozenset(target for target in targets if target in model.names.declared)
        self._reach: ClassReach = find_classed(model, self._stations, self._replaced)
        self._traffic: dict[str, list[TrafficArrival]] = {}
        for arrival in spec.traffic.arrivals if spec.traffic else ():
            self._traffic.setdefault(arrival.node_id, []).append(arrival)
        # What defines a series whose name means what a constraint grants of it.
        self._asked: dict[str, Amount] = {}

    def run(self) -> Flow:
        """Lower inputs, then expressions, then routers, stations and retries, then the derived metrics."""
        context, spec = self._context, self._context.spec
        for station in self._stations:
            self._note_initial(station)
        faults = tuple(unclassed_parts(context.model, self._reach))
        if faults:
            raise CompileError(faults)
        self._allocate()
        self._inputs()
        self._expressions()
        lower_routers(context)
        StationFlows(context, self._stations, self._asked, self._reach.heirs).lower()
        for station in self._stations:
            lower_retries(context, station)
        names = context.named()
        return Flow(
            bins=spec.grid.bins,
            columns=tuple(self._builder.columns),
            operations=tuple(self._builder.operations),
            metric_start=len(self._builder.operations),
            names=MappingProxyType(names),
            stations=self._stations,
            described=Lazy(partial(describe_series, spec, context.names, self._stations)),
            derived=Lazy(partial(self._derive, names)),
            classes=MappingProxyType(dict(context.classes)),
            class_ids=context.class_ids,
            parameters=MappingProxyType(
                {column.parameter: i for i, column in enumerate(self._builder.columns) if column.parameter}
            ),
        )

    def _derive(self, names: Mapping[str, int]) -> Derived:
        """Lower volumes over edges and derived metrics, behind all that has been lowered so far."""
        context, builder = self._context, self._builder
        by_class = context.classes, context.class_ids
        edges = lower_edges(builder, self._stations, names, *by_class, context.spec)
        metrics = lower_metrics(builder, self._stations, names, context.spec, *by_class, edges)
        all_metrics = MappingProxyType({**metrics, **edges.columns})
        return Derived(tuple(builder.columns), tuple(builder.operations), all_metrics, edges)

    def _note_initial(self, station: Station) -> None:
        if station.node.initial_condition is None:
            return
        depth, initial = station.series.get("queueDepth"), self._context.initial
        if depth is not None:
            initial[depth] = station.initial_depth
        # A declared series may carry the id of the node itself (the self-SHIFT rule of engine.md 3).
        if station.id in self._context.names.declared:
            initial.setdefault(station.id, station.initial_depth)

    # Columns

    def _allocate(self) -> None:
        """Give every series its columns, inputs too where something else decides what they are worth."""
        context, builder, classed = self._context, self._builder, self._reach.classed
        held = {name for s in self._stations if (name := self._held_back(s)) is not None}
        computed = [n.id for n in context.spec.nodes if n.id in held or not self._is_input(n)]
        for name in (*computed, *context.names.series):
            context.columns[name] = builder.column(name)
        context.classes.update({name: self._parts_of(name) for name in context.names.names if name in classed})
        for name in sorted(held):
            has_parts = name in classed and name not in self._reach.heirs
            parts = self._parts_of(f"{name} asked for") if has_parts else None
            self._asked[name] = Amount(builder.column(f"{name} asked for"), parts)

    def _is_input(self, node: Node) -> bool:
        """Whether the values of a node are what the author says, and no draw around them."""
        is_given = isinstance(node, ConstNode | PmfNode) and node.id not in self._replaced
        return is_given and not self._is_drawn(node.id)

    def _parts_of(self, name: str) -> Parts:
        return tuple(self._builder.column(f"{name}@{class_id}") for class_id in self._context.class_ids)

    def _held_back(self, station: Station) -> str | None:
        """The series whose name comes to mean what constraints grant of it."""
        node = station.node
        if not node.constraints or node.dispatch_schedule is not None or station.made.served is not None:
            return None
        return station.bound("served")

    def _definition(self, name: str) -> Amount:
        """The columns that the author's own words for a series fill."""
        return self._asked.get(name) or self._context.of_name(name)

    # Inputs

    def _inputs(self) -> None:
        for node in self._context.spec.nodes:
            if isinstance(node, ConstNode | PmfNode) and node.id not in self._replaced:
                self._input(node)
        for name, entries in self._traffic.items():
            if name not in self._context.names.declared:
                self._generate(name, entries)

    def _input(self, node: ConstNode | PmfNode) -> None:
        if self._is_drawn(node.id):
            self._draw(node.id, self._values(node))
            return
        value = self._values(node)
        builder, name = self._builder, node.id
        made = builder.series(name, value) if isinstance(value, np.ndarray) else builder.parameter(name, value)
        if name in self._asked:
            builder.copy(made, self._asked[name].total)
        else:
            self._context.columns[name] = made
        self._split(name)

    def _values(self, node: ConstNode | PmfNode) -> float | FloatArray:
        if isinstance(node, PmfNode):
            grid = self._context.spec.grid
            return expected_pmf(node, grid) if self._seed is None else sampled_pmf(node, grid, self._seed)
        values = node.values
        return values if isinstance(values, np.ndarray) else float(values) if isinstance(values, float | int) else 0.0

    def _is_drawn(self, name: str) -> bool:
        """Whether a declared series is the mean of counts that are drawn."""
        return self._seed is not None and any(entry.pattern.kind == "poisson" for entry in self._traffic.get(name, ()))

    def _split(self, name: str) -> None:
        """Split a declared series over the classes that traffic says arrive there."""
        if name not in self._context.classes or not self._traffic.get(name, ()):
            return
        total, outs = self._definition(name)
        for class_id, out in zip(self._context.class_ids, outs or (), strict=True):
            share = self._share(name, class_id, None)
            self._builder.emit(op.MUL, total, self._builder.scalar(share), owner=name, out=out)

    def _share(self, name: str, class_id: str | None, kind: str | None) -> float:
        """The share of a class, or of one kind of its arrivals, in what arrives; equal ones if no rate is above 0."""
        entries = self._traffic.get(name, ())
        own = [e for e in entries if e.class_id == class_id and (kind is None or e.pattern.kind == kind)]
        total = math.fsum(entry.pattern.rate_or(1.0) for entry in entries)
        if total <= 0.0:
            return len(own) / len(entries)
        return math.fsum(entry.pattern.rate_or(1.0) for entry in own) / total

    def _draw(self, name: str, mean: float | FloatArray) -> None:
        """Draw the counts of a declared series whose values are their mean, class by class."""
        seed, bins = self._seed or 0, self._context.spec.grid.bins
        total, outs = self._definition(name)
        class_ids: tuple[str | None, ...] = self._context.class_ids if outs else (None,)
        drawn = []
        for class_id, out in zip(class_ids, outs or (total,), strict=True):
            stream = arrival_stream(self._context.spec, name, class_id)
            steady, random = (np.asarray(mean) * self._share(name, class_id, kind) for kind in ("constant", "poisson"))
            counts = poisson_counts(random, bins, seed, stream) + steady
            made = self._builder.series(name if class_id is None else stream, counts)
            drawn.append(self._builder.copy(made, out))
        if outs:
            self._context.add_up(drawn, name, total)

    def _generate(self, name: str, entries: Iterable[TrafficArrival]) -> None:
        """Make arrivals that nothing but traffic declares."""
        context, builder = self._context, self._builder
        if not context.class_ids:
            builder.copy(self._arrivals(name, list(entries)), context.columns[name])
            return
        outs = []
        for class_id, out in zip(context.class_ids, context.classes[name], strict=True):
            own = [entry for entry in entries if entry.class_id == class_id]
            outs.append(builder.copy(self._arrivals(f"{name}@{class_id}", own), out))
        context.add_up(outs, name, context.columns[name])

    def _arrivals(self, name: str, entries: list[TrafficArrival]) -> int:
        rates = {"constant": 0.0, "poisson": 0.0}
        for entry in entries:
            rates[entry.pattern.kind] += entry.pattern.rate_or(1.0)
        if self._seed is None or rates["poisson"] <= 0.0:
            return self._builder.parameter(name, rates["constant"] + rates["poisson"])
        # `name` is the stream: ``arrival_stream`` calls what nothing declares by the name of its series.
        counts = poisson_counts(rates["poisson"], self._context.spec.grid.bins, self._seed, name)
        return self._builder.series(name, counts + rates["constant"])

    # Expressions

    def _expressions(self) -> None:
        context = self._context
        by_column = {column: context.initial.get(name, 0.0) for name, column in context.columns.items()}
        lowering = ExpressionLowering(self._builder, self._column_of, lambda column: by_column.get(column, 0.0))
        nodes = [n for n in context.spec.nodes if isinstance(n, ExprNode) and n.id not in self._replaced]
        for node in nodes:
            lowering.lower(context.model.expressions[node.id], node.id, self._definition(node.id).total)
        by_class = ClassExpressions(context, lowering)
        for node in nodes:
            outs = self._definition(node.id).parts
            if outs is None or node.id in self._reach.heirs:
                continue
            if self._traffic.get(node.id):
                self._require_input(node)
                self._split(node.id)
            else:
                by_class.lower(context.model.expressions[node.id], node.id, outs)

    def _column_of(self, name: str) -> int:
        return self._context.columns[self._context.names.resolve(name) or name]

    def _require_input(self, node: ExprNode) -> None:
        """Counts are drawn around given means only: those of an expression are known when all is evaluated."""
        if self._is_drawn(node.id):
            model = self._context.model
            index = next(
                i for i, entry in enumerate(self._context.spec.traffic.arrivals if self._context.spec.traffic else ())
                if entry.node_id == node.id and entry.pattern.kind == "poisson"
            )  # fmt: skip
            message = f"{node.id!r} is an expression, around which no Poisson counts can be drawn"
            hint = "name a const or pmf node, or a series that nothing declares"
            path = f"$.traffic.arrivals[{index}].nodeId"
            raise CompileError([model.fault("compile.poisson_needs_input", message, path, hint=hint)])
