"""Classes at the stations of the oracle: work mixes, and leaves in proportion to what is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import oracle_kernels as kernels
from flowtime.model.spec import DispatchSchedule, QueueNode
from oracle_algebra import Parts, added, scaled
from oracle_names import computes_served, is_buffered
from oracle_stations import Flow

if TYPE_CHECKING:
    from oracle import Evaluation

__all__ = ["ClassFlow", "StationClasses"]


class ClassFlow(NamedTuple):
    """The parts of what a station does in a bin."""

    served: Parts
    loss: Parts
    overflow: Parts
    queue: Parts


class StationClasses:
    """The parts of the stations of one evaluation; asked only of those that are classed."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.stations = evaluation.flows
        self.none: Parts = (0.0,) * len(evaluation.class_ids)

    # Which stations are classed

    def is_inflow_classed(self, index: int) -> bool:
        """Whether what arrives, or what overflows into the station, belongs to classes."""
        if self.evaluation.classes.is_bound_classed(self.stations.nodes[index].semantics.arrivals, index):
            return True
        return any(self.is_classed(sender) for sender in self.stations.senders.get(index, ()))

    def is_classed(self, index: int) -> bool:
        """Whether the station works on classes: what flows in tells, since nothing else can be in it."""
        return self.is_inflow_classed(index)

    def read(self, index: int, role: str, t: int) -> Parts:
        """The parts of a series that the station computes."""
        if role == "inflow":
            return self.inflow(index, t)
        if role == "gated_outflow":
            return self.served(index, t)
        if role in ("queue", "served", "loss", "overflow"):
            parts: Parts = getattr(self.flow(index, t), role)
            return parts
        return self.evaluation.retries.parts(index, role, t)

    # What is there

    def inflow(self, index: int, t: int) -> Parts:
        """The parts of arrivals and overflow; what has none adds none."""
        rows = [self.evaluation.bound_parts(self.stations.nodes[index].semantics.arrivals, t, index) or self.none]
        for sender in self.stations.senders.get(index, ()):
            rows.append(self.flow(sender, t).overflow if self.is_classed(sender) else self.none)
        return added(rows, len(self.none))

    def before(self, queue: str | None, t: int) -> Parts:
        """The parts of a queue behind the bin before; what it starts from is split by the declared shares."""
        if queue is None:
            return self.none
        if t:
            return self.evaluation.parts(queue, t - 1) or self.none
        depth = self.evaluation.initial.get(queue, 0.0)
        return tuple(depth * share for share in self.evaluation.classes.shares)

    def present(self, index: int, t: int) -> Parts:
        """The parts of what may be served, lost or turned away."""
        return _present(self.before(self.stations.queue_name(index), t), self.inflow(index, t))

    def mixture(self, index: int, amount: float, t: int) -> Parts:
        """An amount in the proportions of what is there."""
        return scaled(self.present(index, t), self.stations.present(index, t), amount)

    # What it does

    def served(self, index: int, t: int) -> Parts:
        """The parts of what the author's served really serves."""
        amount = self.stations.really_served(index, t)
        own = self._own_served(index, t)
        if own is None:
            return self.mixture(index, amount, t)
        schedule = self.stations.nodes[index].dispatch_schedule
        if schedule is None or not schedule.accumulate:
            return scaled(own, self.stations.wanted(index, t), amount)
        parts = self._behind(
            schedule,
            ("station", index),
            lambda at: self.stations.wanted(index, at),
            lambda at: self._own_served(index, at) or self.none,
            t,
        )
        return scaled(parts[0], self.stations.gated_served(index, t), amount)

    def _behind(
        self,
        schedule: DispatchSchedule,
        key: object,
        amount: Callable[[int], float],
        own: Callable[[int], Parts],
        t: int,
    ) -> tuple[Parts, Parts]:
        """The parts of what comes through a gate that holds work back, and of what waits there then."""

        def compute() -> tuple[Parts, Parts]:
            held = self._behind(schedule, key, amount, own, t - 1)[1] if t else self.none
            present = _present(held, own(t))
            through, waiting = self.stations.released(schedule, key, amount, t)
            return scaled(present, through + waiting, through), scaled(present, through + waiting, waiting)

        return self.evaluation.ask("class gate", key, t, compute)

    def _own_served(self, index: int, t: int) -> Parts | None:
        """The parts of the author's served before gate and constraint; None where the station gives it its mixture."""
        served = self.stations.nodes[index].semantics.served
        if served is None or self.evaluation.classes.takes_mixture(served, index):
            return None
        return self.evaluation.bound_raw_parts(served, t, index)

    def flow(self, index: int, t: int) -> ClassFlow:
        """The parts of what the station does in a bin."""
        return self.evaluation.ask("class flow", index, t, lambda: self._flow(index, t))

    def _flow(self, index: int, t: int) -> ClassFlow:
        whole = self.stations.flow(index, t)
        station = self.stations.nodes[index]
        is_own = not computes_served(station) and is_buffered(station) and self._own_served(index, t) is not None
        if is_own:
            return self._authored(index, whole, t)
        parts = (self.mixture(index, amount, t) for amount in (whole.served, whole.loss, whole.overflow, whole.queue))
        return ClassFlow(*parts)

    def _authored(self, index: int, whole: Flow, t: int) -> ClassFlow:
        before, inflow, served = self.before(self.stations.queue_name(index), t), self.inflow(index, t), None
        served = self.served(index, t)
        to_lose = self.stations.loss(index, t)
        loss = self._own_parts(self.stations.nodes[index].semantics.errors, t, index)
        if loss is None:
            loss = scaled(_present(before, inflow), whole.present, to_lose)
        else:
            excess = to_lose - kernels.safe(self.stations.errors(index, t))
            loss = added([map_safe(loss), self.mixture(index, excess, t)], len(self.none))
        left = _left(before, inflow, served, loss)
        staying = whole.queue + whole.overflow
        lost = scaled(loss, to_lose, whole.loss)
        return ClassFlow(served, lost, scaled(left, staying, whole.overflow), scaled(left, staying, whole.queue))

    def _own_parts(self, reference: str | None, t: int, index: int | None = None) -> Parts | None:
        """The parts of what a binding names, where it has some of its own."""
        if reference is None or self.evaluation.classes.takes_mixture(reference, index):
            return None
        return self.evaluation.bound_parts(reference, t, index)

    # Queues of nodes[]

    def declared(self, node: QueueNode, t: int) -> Parts:
        """The parts of a declared queue; loss and outflow without parts take the mixture of what is there."""
        before = self.before(node.id, t)
        inflow = self.evaluation.bound_parts(node.inflow, t) or self.none
        total_before = self.evaluation.read(node.id, t - 1) if t else self.evaluation.initial.get(node.id, 0.0)
        whole = max(0.0, total_before + kernels.safe(self.evaluation.bound(node.inflow, t)))
        present = _present(before, inflow)
        depth, overflow = self.stations.declared(node.id, t)
        out = self._own_parts(node.outflow, t)
        if out is None:
            return scaled(present, whole, depth)
        schedule = node.dispatch_schedule
        if schedule is not None and schedule.accumulate:
            out = self._behind(
                schedule,
                ("node", node.id),
                lambda at: self.evaluation.bound(node.outflow, at),
                lambda at: self._own_parts(node.outflow, at) or self.none,
                t,
            )[0]
        else:
            out = scaled(out, self.evaluation.bound(node.outflow, t), self.stations.outflow(node, t))
        loss = self._own_parts(node.loss, t)
        if loss is None:
            loss = scaled(present, whole, kernels.safe(self.evaluation.bound(node.loss, t)))
        return scaled(_left(before, inflow, out, loss), depth + overflow, depth)


def map_safe(parts: Parts) -> Parts:
    """Each part, 0 where it is not finite."""
    return tuple(map(kernels.safe, parts))


def _present(before: Parts, inflow: Parts) -> Parts:
    return tuple(max(0.0, depth + kernels.safe(part)) for depth, part in zip(before, inflow, strict=True))


def _left(before: Parts, inflow: Parts, served: Parts, loss: Parts) -> Parts:
    """What stays of each class: what was there and came, less what left."""
    left = []
    for depth, come, gone, lost in zip(before, inflow, served, loss, strict=True):
        net = (kernels.safe(come) - kernels.safe(gone)) - kernels.safe(lost)
        left.append(0.0 if math.isnan(depth) else max(0.0, depth + net))
    return tuple(left)
