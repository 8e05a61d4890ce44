"""What a run may not lack, by its mode: a simulation fails fast, a telemetry run warns (reference: runs.md 3.3).

What is asked of both modes, arrivals and served at every node and series as long as the grid, the model checks
itself before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle.documents import Mode, WarningEntry
from flowtime.errors import Fault, ModelError
from flowtime.model import Model, resolve_reference
from flowtime.model.bindings import bound_references
from flowtime.model.naming import ALL_CLASSES, NodeSeries
from flowtime.model.spec import FloatArray, Semantics, TopologyNode
from flowtime.orchestration.telemetry_warnings import telemetry_warning

__all__ = ["SOURCED_METRICS", "NodeSource", "check_mode", "check_sources"]

# Flows and stocks that every derived value is made from: the metric, and the part that the topology may imply.
_CHECKED: Mapping[str, str | None] = MappingProxyType(
    {
        "arrivals": None,
        "served": "served",
        "queueDepth": "queue",
        "attempts": "attempts",
        "failures": None,
        "retryEcho": "retry_echo",
    }
)
# What telemetry is expected to measure at a node.
SOURCED_METRICS = (
    "arrivals",
    "served",
    "errors",
    "attempts",
    "failures",
    "retryEcho",
    "queueDepth",
    "capacity",
    "externalDemand",
    "parallelism",
)
_NO_DATA = "missing_node_data"
_INVALID = "telemetry_series_invalid"


class NodeSource(NamedTuple):
    """A metric of a topology node that the model takes from outside, and whether telemetry gave it."""

    node_id: str
    metric: str
    is_measured: bool


class _Odd(NamedTuple):
    """What a rule found at one node: with ``metric`` None, about all of it."""

    code: str
    node_index: int
    metric: str | None
    message: str
    broken: NDArray[np.bool_]


def check_mode(mode: Mode, model: Model, values: Mapping[str, FloatArray]) -> tuple[WarningEntry, ...]:
    """Check the series of every node, each (bins,) by its name; what is not among ``values`` is passed over.

    Gaps and infinities in a flow or stock are warnings ``telemetry_series_invalid`` of a telemetry run, and in a
    simulation raise ModelError ``model.mode_validation_failed``; a node without a single number raises ModelError
    ``model.missing_node_data`` in both.
    """
    found = list(_odd(model, values))
    fatal = [odd for odd in found if mode == "simulation" or odd.code == _NO_DATA]
    if fatal:
        raise ModelError([_fault(model, odd) for odd in fatal])
    return tuple(_warning(model, odd) for odd in found)


def check_sources(sources: tuple[NodeSource, ...], *, is_fed: bool) -> tuple[WarningEntry, ...]:
    """Return what a telemetry run does not take from telemetry; ``is_fed`` says that it takes anything from there.

    ``telemetry_sources_missing`` for a run that takes nothing, ``telemetry_sources_unresolved`` for each node
    where inputs stayed as the model has them.
    """
    warnings = []
    if not is_fed:
        message = "no series of the capture took the place of one of the model: the run is a simulation"
        warnings.append(telemetry_warning("telemetry_sources_missing", message))
    unresolved: dict[str, list[str]] = {}
    for source in sources:
        if not source.is_measured and source.metric in SOURCED_METRICS:
            unresolved.setdefault(source.node_id, []).append(source.metric)
    for node_id, metrics in unresolved.items():
        message = f"not measured, and taken from the model: {', '.join(metrics)}"
        warnings.append(telemetry_warning("telemetry_sources_unresolved", message, node_id=node_id))
    return tuple(warnings)


def _odd(model: Model, values: Mapping[str, FloatArray]) -> Iterator[_Odd]:
    for index, (station, own) in enumerate(zip(_stations(model), model.names.nodes, strict=True)):
        bound = _known(model, station.semantics, own, values)
        if bound and not any(np.isfinite(series).any() for series in bound.values()):
            everywhere = np.ones(model.spec.grid.bins, dtype=np.bool_)
            yield _Odd(
                _NO_DATA, index, None, f"{station.id!r} has no data: not one number in {_listed(bound)}", everywhere
            )
            continue
        for metric, series in bound.items():
            broken = ~np.isfinite(series)
            if broken.any():
                message = f"{metric} is no finite number in {np.count_nonzero(broken):,} of {series.size:,} bins"
                yield _Odd(_INVALID, index, metric, message, broken)


def _known(
    model: Model, semantics: Semantics, own: NodeSeries, values: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Return the checked series of a node by their metric."""
    texts = bound_references(semantics)
    found: dict[str, FloatArray] = {}
    for metric, part in _CHECKED.items():
        name = None if part is None else getattr(own, part)
        text = texts.get(metric)
        reference = resolve_reference(text, model.names, own.queue) if text is not None else None
        if reference is not None and reference.id is not None:
            whole = reference.class_id is None or reference.class_id in ALL_CLASSES
            name = reference.id if whole else f"{reference.id}@{reference.class_id}"
        if name is not None and name in values:
            found[metric] = values[name]
    return found


def _stations(model: Model) -> tuple[TopologyNode, ...]:
    return model.spec.topology.nodes if model.spec.topology else ()


def _listed(bound: Mapping[str, FloatArray]) -> str:
    return ", ".join(bound)


def _fault(model: Model, odd: _Odd) -> Fault:
    path = f"$.topology.nodes[{odd.node_index}].semantics"
    if odd.code == _NO_DATA:
        return model.fault("model.missing_node_data", odd.message, path, hint="bind series that hold numbers")
    hint = "fill them, for instance by `EMA(x, 1)`, which keeps the last value; a telemetry run takes them as they are"
    return model.fault("model.mode_validation_failed", odd.message, f"{path}.{odd.metric}", hint=hint)


def _warning(model: Model, odd: _Odd) -> WarningEntry:
    return telemetry_warning(odd.code, odd.message, node_id=_stations(model)[odd.node_index].id, broken=odd.broken)
