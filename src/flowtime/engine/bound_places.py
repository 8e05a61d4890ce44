"""Every place of a model where a reference to a series stands, beside expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flowtime.model import Model
from flowtime.model.bindings import bound_references
from flowtime.model.spec import DispatchSchedule, QueueNode, RouterNode

__all__ = ["BoundPlace", "bound_places"]


class BoundPlace(NamedTuple):
    """A reference text and the JSON path where it stands."""

    text: str
    path: str


def bound_places(model: Model) -> Iterator[BoundPlace]:
    """Yield the references that an evaluation follows, in the order of the file."""
    for index, node in enumerate(model.spec.nodes):
        path = f"$.nodes[{index}]"
        if isinstance(node, RouterNode):
            yield BoundPlace(node.inputs.queue, f"{path}.inputs.queue")
        elif isinstance(node, QueueNode):
            bound = {"inflow": node.inflow, "outflow": node.outflow, "loss": node.loss}
            yield from (BoundPlace(text, f"{path}.{name}") for name, text in bound.items() if text is not None)
            yield from _of_schedule(node.dispatch_schedule, path)
    topology = model.spec.topology
    for index, station in enumerate(topology.nodes if topology else ()):
        path = f"$.topology.nodes[{index}]"
        references = bound_references(station.semantics).items()
        yield from (BoundPlace(text, f"{path}.semantics.{name}") for name, text in references)
        yield from _of_schedule(station.dispatch_schedule, path)
        if station.wip_limit_series is not None:
            yield BoundPlace(station.wip_limit_series, f"{path}.wipLimitSeries")
    for index, constraint in enumerate(topology.constraints if topology else ()):
        yield BoundPlace(constraint.semantics.served, f"$.topology.constraints[{index}].semantics.served")


def _of_schedule(schedule: DispatchSchedule | None, path: str) -> Iterator[BoundPlace]:
    if schedule is not None and schedule.capacity_series is not None:
        yield BoundPlace(schedule.capacity_series, f"{path}.dispatchSchedule.capacitySeries")
