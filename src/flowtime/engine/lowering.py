"""A valid model to columns and operations: the meaning of every node kind stands here."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np

from flowtime.engine.builder import FlowBuilder
from flowtime.engine.expressions import ExpressionLowering
from flowtime.engine.ir import Flow
from flowtime.engine.metrics import effective_capacity, lower_metrics
from flowtime.engine.stations import Station, describe_series, stations
from flowtime.model import Model
from flowtime.model.naming import is_sink, resolve_reference
from flowtime.model.spec import ConstNode, ExprNode, PmfNode, QueueNode
from flowtime_kernels import opcodes as op

__all__ = ["lower_model"]


def lower_model(model: Model) -> Flow:
    """Return the columns and operations of a model that ``support.unsupported`` has nothing against."""
    return _Lowering(model).run()


class _Lowering:
    """One pass over one model: every series gets its column first, so that feedback finds it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._names = model.names
        self._stations = stations(model.spec, self._names)
        self._builder = FlowBuilder()
        self._columns: dict[str, int] = {}
        self._initial: dict[str, float] = {}

    def run(self) -> Flow:
        """Lower inputs, then expressions and queues, then stations, then the derived metrics."""
        spec = self._model.spec
        for station in self._stations:
            self._note_initial(station)
        for node in spec.nodes:
            self._columns[node.id] = self._input(node)
        for name in self._names.series:
            self._columns[name] = self._builder.column(name)
        owners = {column: name for name, column in self._columns.items()}
        by_column = {column: self._initial.get(name, 0.0) for column, name in owners.items()}
        lowering = ExpressionLowering(self._builder, self._column_of, lambda column: by_column.get(column, 0.0))
        for node in spec.nodes:
            if isinstance(node, ExprNode):
                lowering.lower(self._model.expressions[node.id], node.id, self._columns[node.id])
            elif isinstance(node, QueueNode):
                self._queue_node(node)
        for station in self._stations:
            self._station(station)
        metric_start = len(self._builder.operations)
        metrics = lower_metrics(self._builder, self._stations, self._columns, spec)
        return Flow(
            bins=spec.grid.bins,
            columns=tuple(self._builder.columns),
            operations=tuple(self._builder.operations),
            metric_start=metric_start,
            names=MappingProxyType(dict(self._columns)),
            metrics=MappingProxyType(metrics),
            info=describe_series(spec, self._names, self._stations),
            stations=self._stations,
            parameters=MappingProxyType(
                {column.parameter: i for i, column in enumerate(self._builder.columns) if column.parameter}
            ),
        )

    def _note_initial(self, station: Station) -> None:
        if station.node.initial_condition is None:
            return
        depth = station.series.get("queueDepth")
        if depth is not None:
            self._initial[depth] = station.initial_depth
        # A declared series may carry the id of the node itself (the self-SHIFT rule of engine.md 3).
        if station.id in self._names.declared:
            self._initial.setdefault(station.id, station.initial_depth)

    def _input(self, node: object) -> int:
        match node:
            case ConstNode(id=name, values=values) if isinstance(values, np.ndarray):
                return self._builder.series(name, values)
            case ConstNode(id=name, values=value) if isinstance(value, float | int):
                return self._builder.parameter(name, float(value))
            case PmfNode(id=name, pmf=pmf):
                mean = math.fsum(v * p for v, p in zip(pmf.values, pmf.probabilities, strict=True))
                return self._builder.parameter(name, mean / math.fsum(pmf.probabilities))
            case ExprNode(id=name) | QueueNode(id=name):
                return self._builder.column(name)
        return self._builder.column("?")

    def _column_of(self, text: str) -> int:
        name = self._names.resolve(text)
        return self._columns[name if name is not None else text]

    def _queue_node(self, node: QueueNode) -> None:
        inflow, outflow, loss = (
            None if text is None else resolve_reference(text, self._names)
            for text in (node.inflow, node.outflow, node.loss)
        )
        ins = [
            self._builder.scalar(0.0) if found is None or found.id is None else self._columns[found.id]
            for found in (inflow, outflow, loss)
        ]
        initial = self._initial.get(node.id, 0.0)
        self._builder.emit_many(op.QUEUE, (self._columns[node.id],), ins, (initial,))

    def _station(self, station: Station) -> None:
        made = station.made
        column = {role: self._columns[name] for role, name in station.series.items()}
        nothing = self._builder.scalar(0.0)
        arrivals = column.get("arrivals", nothing)
        loss = column.get("errors", nothing)
        if made.served is not None and is_sink(station.node):
            self._sink(self._columns[made.served], arrivals, loss)
        elif made.served is not None:
            self._serve(station, arrivals, loss)
        elif made.queue is not None:
            out = (self._columns[made.queue],)
            outflow = column.get("served", column.get("capacity", nothing))
            self._builder.emit_many(op.QUEUE, out, (arrivals, outflow, loss), (station.initial_depth,))

    def _sink(self, served: int, arrivals: int, loss: int) -> None:
        builder = self._builder
        owner = builder.columns[served].owner
        came, went = (builder.emit(op.SAFE, column, owner=owner) for column in (arrivals, loss))
        rest = builder.emit(op.SUB, came, went, owner=owner)
        builder.emit(op.MAX, builder.scalar(0.0), rest, owner=owner, out=served)

    def _serve(self, station: Station, arrivals: int, loss: int) -> None:
        made, builder = station.made, self._builder
        capacity = effective_capacity(builder, station, self._columns)
        capacity = builder.scalar(0.0) if capacity is None else capacity
        served = self._columns[made.served or ""]
        lost = self._columns[made.loss] if made.loss else builder.column(f"{station.id} loss")
        ins = (arrivals, capacity, loss)
        if made.overflow is not None:
            builder.emit_many(op.SERVICE, (served, lost, self._columns[made.overflow]), ins)
            return
        depth = self._columns[made.queue] if made.queue else builder.column(f"{station.id} queue")
        builder.emit_many(op.SERVE, (served, lost, depth), ins, (station.initial_depth,))
