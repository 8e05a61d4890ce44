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
    StateWarning,
    TelemetryInfo,
)
from flowtime.state.edge_answers import constraint_metadata, edge_answers
from flowtime.state.facts import Choice, choose, class_truths
from flowtime.state.figures import ATTRIBUTES, Figures, read_figures
from flowtime.state.findings import about, about_telemetry, by_edge
from flowtime.state.open_run import OpenRun
from flowtime.state.places import ABSENT
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
    choice = choose(run.places, nodes, classes)
    figures = read_figures(run.fields, run.reader, run.milliseconds, bin_index, bin_index + 1, 1)
    edges = edge_answers(run, figures, choice)
    chosen = {run.places.stations[node].id for node in choice.nodes}
    warnings = about(run.findings.within(bin_index, bin_index), chosen, {edge.id for edge in edges})
    return Snapshot(
        metadata=run.metadata,
        bin=BinInfo(
            index=bin_index,
            start_utc=run.time_of(bin_index),
            end_utc=run.time_of(bin_index + 1),
            duration_minutes=run.milliseconds / 60_000.0,
        ),
        nodes=_Nodes(run, figures, choice, warnings).answers(),
        edges=edges,
        edge_warnings=by_edge(warnings),
        warnings=tuple(warning for warning in warnings if warning.edge_id is None),
    )


class _Nodes:
    """The nodes of one answer."""

    def __init__(self, run: OpenRun, figures: Figures, choice: Choice, warnings: tuple[StateWarning, ...]) -> None:
        self._run = run
        self._figures = figures
        self._choice = choice
        self._warnings = warnings
        # Plain numbers, since structs hold those: a list of nodes of lists of parts.
        self._values = {name: values[:, :, 0].tolist() for name, values in figures.values.items()}
        self._truths = class_truths(run.places, figures.block)

    def answers(self) -> tuple[NodeState, ...]:
        """Return a struct per chosen node."""
        return tuple(self._node(node) for node in self._choice.nodes)

    def _node(self, node: int) -> NodeState:
        run, station = self._run, self._run.places.stations[node]
        names = run.fields.names[node]
        own = {name: _known(self._values[name][node][0]) for name in names[0]}
        metrics: dict[str, Any] = {ATTRIBUTES[name]: value for name, value in own.items() if name in _METRICS}
        derived: dict[str, Any] = {ATTRIBUTES[name]: value for name, value in own.items() if name not in _METRICS}
        if station.node.semantics.max_attempts is not None:
            metrics["max_attempts"] = station.node.semantics.max_attempts
        status = self._gate_status(node)
        if status is not False:
            metrics["queue_latency_status"] = status
        facts = run.facts[node]
        held = [run.constraints[name] for name in dict.fromkeys(station.node.constraints) if name in run.constraints]
        return NodeState(
            id=station.id,
            kind=station.node.kind,
            category=facts.category,
            analytical=facts.analytical,
            class_truth=self._truths[node],
            metrics=NodeMetrics(**metrics),
            derived=NodeDerived(
                **derived, color=node_color(station, own.get("utilization"), own.get("latencyMinutes"))
            ),
            series_metadata=dict(run.fields.metadata[node]),
            by_class=self._by_class(node),
            constraints={place.spec.id: self._constraint(place.rows) for place in held},
            constraint_status={place.spec.id: self._flag(place.status) for place in held},
            telemetry=TelemetryInfo(
                sources=run.sources.get(station.id, ()), warnings=about_telemetry(self._warnings, station.id)
            ),
            aliases=station.node.semantics.aliases,
            dispatch_schedule=facts.dispatch,
            sla=self._sla(node),
        )

    def _by_class(self, node: int) -> dict[str, dict[str, float | None]]:
        names, class_ids = self._run.fields.names[node], self._run.places.class_ids
        return {
            class_ids[part - 1]: {name: _known(self._values[name][node][part]) for name in names[part]}
            for part in self._choice.parts
            if names[part]
        }

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
