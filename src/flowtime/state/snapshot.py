"""The state of a run in one bin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np

from flowtime.state.documents import (
    BinInfo,
    ConstraintState,
    ConstraintValues,
    NodeDerived,
    NodeMetrics,
    NodeState,
    SlaValue,
    Snapshot,
)
from flowtime.state.edge_answers import constraint_metadata
from flowtime.state.figures import ATTRIBUTES
from flowtime.state.open_run import OpenRun
from flowtime.state.places import ABSENT
from flowtime.state.reading import Reading, read
from flowtime.state.status import node_color, objectives, paused, point_status

__all__ = ["read_state"]

_METRICS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(NodeMetrics))
_CONSTRAINT_ATTRIBUTES: Final = {f.encode_name: f.name for f in msgspec.structs.fields(ConstraintValues)}


def read_state(
    run: OpenRun, bin_index: int, *, nodes: Sequence[str] | None = None, classes: Sequence[str] | None = None
) -> Snapshot:
    """Return the state in one bin, from 0, of all nodes and classes or of those that are named.

    Raises StateError: ``state.bin_out_of_range``, ``state.unknown_node``, ``state.unknown_class``.
    """
    run.check_bins(bin_index, bin_index)
    reading = read(run, bin_index, bin_index + 1, 1, nodes=nodes, classes=classes)
    return Snapshot(
        metadata=run.metadata,
        bin=BinInfo(
            index=bin_index,
            start_utc=run.time_of(bin_index),
            end_utc=run.time_of(bin_index + 1),
            duration_minutes=run.milliseconds / 60_000.0,
        ),
        nodes=_Nodes(reading).answers(),
        edges=reading.edges,
        edge_warnings=reading.edge_warnings,
        warnings=reading.warnings,
    )


class _Nodes:
    """The nodes of one answer."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._run = reading.run
        self._figures = reading.figures
        # Plain numbers, since structs hold those: a list of nodes of lists of parts.
        self._values = {name: values[:, :, 0].tolist() for name, values in reading.figures.values.items()}

    def answers(self) -> tuple[NodeState, ...]:
        """Return a struct per chosen node."""
        return tuple(self._node(node) for node in self._reading.choice.nodes)

    def _node(self, node: int) -> NodeState:
        reading = self._reading
        metrics, derived = self._numbers(node)
        held = reading.constraints(node)
        return NodeState(
            **reading.head(node),
            metrics=metrics,
            derived=derived,
            series_metadata=dict(self._run.fields.metadata[node]),
            by_class=reading.by_class(node, lambda name, part: _known(self._values[name][node][part])),
            constraints={place.spec.id: self._constraint(place.rows) for place in held},
            constraint_status={place.spec.id: self._flag(place.status) for place in held},
            sla=self._sla(node),
        )

    def _numbers(self, node: int) -> tuple[NodeMetrics, NodeDerived]:
        """What happens at a node, of all classes together, and what follows from that."""
        metrics: dict[str, Any] = {}
        derived: dict[str, Any] = {}
        for name in self._run.fields.names[node][0]:
            found = metrics if name in _METRICS else derived
            found[ATTRIBUTES[name]] = _known(self._values[name][node][0])
        station = self._run.places.stations[node]
        if station.node.semantics.max_attempts is not None:
            metrics["max_attempts"] = station.node.semantics.max_attempts
        status = self._gate_status(node)
        if status is not False:
            metrics["queue_latency_status"] = status
        color = node_color(station, derived.get("utilization"), derived.get("latency_minutes"))
        return NodeMetrics(**metrics), NodeDerived(**derived, color=color)

    def _gate_status(self, node: int) -> Literal["paused_gate_closed", False] | None:
        """Whether a closed gate holds work back; False for a node without a gate."""
        held = paused(self._run.places, self._figures, node)
        if held is None:
            return False
        return "paused_gate_closed" if held[0] else None

    def _constraint(self, rows: Mapping[str, int]) -> ConstraintState:
        values = self._figures.block.sum(np.array(list(rows.values()), dtype=np.int64))[:, -1].tolist()
        named = {_CONSTRAINT_ATTRIBUTES[key]: _known(value) for key, value in zip(rows, values, strict=True)}
        return ConstraintState(metrics=ConstraintValues(**named), series_metadata=constraint_metadata(rows))

    def _flag(self, row: int) -> bool | None:
        if row == ABSENT:
            return None
        value = float(self._figures.block.sum(np.array([row]))[0, -1])
        return None if value != value else value > 0.0

    def _sla(self, node: int) -> tuple[SlaValue, ...]:
        return tuple(
            SlaValue(
                kind=objective.kind,
                status=point_status(objective, 0),
                threshold=objective.threshold,
                value=_known(float(objective.values[0])),
            )
            for objective in objectives(self._run.places, self._figures, node)
        )


def _known(value: float) -> float | None:
    """None for NaN and infinities: what is undefined is null."""
    return value if -math.inf < value < math.inf else None
