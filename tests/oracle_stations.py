"""Stations of the oracle: what arrives, the gate, the constraint, the serving and the limit of each bin, in that order.

Totals alone; ``oracle_station_classes`` has the parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import oracle_kernels as kernels
from flowtime.model.spec import DispatchSchedule, QueueNode, TopologyNode
from oracle_constraints import Allocations
from oracle_names import bare, computes_served, has_limit, is_buffered, is_sink, sends_overflow

if TYPE_CHECKING:
    from oracle import Evaluation

__all__ = ["Flow", "Stations"]


class Flow(NamedTuple):
    """What a station does in a bin; ``present`` is what was there to be served."""

    present: float
    served: float
    loss: float
    overflow: float
    queue: float


class Stations:
    """The stations of one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.nodes: list[TopologyNode] = evaluation.stations
        self.senders: dict[int, list[int]] = {}
        places = {station.id: index for index, station in enumerate(self.nodes)}
        for index, station in enumerate(self.nodes):
            if sends_overflow(station):
                self.senders.setdefault(places[str(station.wip_overflow)], []).append(index)
        # An author's served that is held to a constraint means what was granted, wherever it is named.
        self.granted: dict[str, int] = {}
        for index, station in enumerate(self.nodes):
            served = station.semantics.served
            if served is not None and station.constraints and station.dispatch_schedule is None:
                self.granted.setdefault(bare(served), index)
        self.allocations = Allocations(evaluation, self)

    def read(self, index: int, role: str, t: int) -> float:
        """A series that the station computes."""
        if role == "inflow":
            return self.inflow(index, t)
        if role == "gated_outflow":
            return self.really_served(index, t)
        if role == "shortfall":
            return self.allocations.shortfall(index, t)
        if role in ("queue", "served", "loss", "overflow"):
            return float(getattr(self.flow(index, t), role))
        return self.evaluation.retries.read(index, role, t)

    # What is there

    def inflow(self, index: int, t: int) -> float:
        """Arrivals and what overflows into the station, added in the order of the file."""
        total = self.evaluation.bound(self.nodes[index].semantics.arrivals, t, index)
        for sender in self.senders.get(index, ()):
            total += self.flow(sender, t).overflow
        return total

    def before(self, index: int, t: int) -> float:
        """The queue behind the bin before; nothing waits where there is no queue."""
        queue = self.queue_name(index)
        if queue is None:
            return 0.0
        return self.evaluation.read(queue, t - 1) if t else self.evaluation.initial.get(queue, 0.0)

    def queue_name(self, index: int) -> str | None:
        """The stock of a buffer: its own, or the declared queue that it names."""
        name = self.evaluation.queue_name(index)
        if not is_buffered(self.nodes[index]):
            return None
        is_stock = self.evaluation.names[index].queue is not None or name in self.evaluation.queues
        return name if is_stock else None

    def present(self, index: int, t: int) -> float:
        """What may be served, lost or turned away in a bin."""
        return max(0.0, self.before(index, t) + kernels.safe(self.inflow(index, t)))

    def errors(self, index: int, t: int) -> float:
        """What the author says is lost in a bin, as it is."""
        return self.evaluation.bound(self.nodes[index].semantics.errors, t, index)

    # The gate

    def gated(self, schedule: DispatchSchedule, key: object, amount: Callable[[int], float], t: int) -> float:
        """What a gate lets through of an amount; ``key`` says whose gate it is, for what waits behind it."""
        phase = schedule.phase_offset % schedule.period_bins
        is_open = t >= phase and (t - phase) % schedule.period_bins == 0
        limit = math.nan
        if schedule.capacity_series is not None:
            limit = self.evaluation.bound(schedule.capacity_series, t)
        if not schedule.accumulate:
            if not is_open:
                return 0.0
            return kernels.minimum(amount(t), max(0.0, limit)) if math.isfinite(limit) else amount(t)
        return self.released(schedule, key, amount, t)[0]

    def released(
        self, schedule: DispatchSchedule, key: object, amount: Callable[[int], float], t: int
    ) -> tuple[float, float]:
        """What an accumulating gate lets through, and what waits behind it then."""

        def compute() -> tuple[float, float]:
            held = self.released(schedule, key, amount, t - 1)[1] if t else 0.0
            phase = schedule.phase_offset % schedule.period_bins
            allowed = 0.0
            if t >= phase and (t - phase) % schedule.period_bins == 0:
                allowed = math.inf
                if schedule.capacity_series is not None:
                    limit = self.evaluation.bound(schedule.capacity_series, t)
                    allowed = limit if math.isfinite(limit) else math.inf
            present = max(0.0, held + kernels.safe(amount(t)))
            through = min(max(0.0, allowed), present)
            return through, present - through

        return self.evaluation.ask("gate", key, t, compute)

    def capacity(self, index: int, t: int) -> float:
        """Capacity times parallelism; parallelism that is not a positive number counts 1."""
        semantics = self.nodes[index].semantics
        parallelism = semantics.parallelism
        if isinstance(parallelism, str):
            parallelism = self.evaluation.bound(parallelism, t, index)
        capacity = self.evaluation.bound(semantics.capacity, t, index)
        if parallelism is None or not math.isfinite(parallelism) or parallelism <= 0:
            return capacity
        return capacity * parallelism

    def gated_capacity(self, index: int, t: int) -> float:
        """The capacity that the gate leaves."""
        schedule = self.nodes[index].dispatch_schedule
        if schedule is None:
            return self.capacity(index, t)
        return self.gated(schedule, ("station", index), lambda at: self.capacity(index, at), t)

    # The author's served

    def wanted(self, index: int, t: int) -> float:
        """The author's served before any gate or constraint."""
        return self.evaluation.bound_raw(self.nodes[index].semantics.served, t, index)

    def gated_served(self, index: int, t: int) -> float:
        """The author's served behind the gate."""
        schedule = self.nodes[index].dispatch_schedule
        if schedule is None:
            return self.wanted(index, t)
        return self.gated(schedule, ("station", index), lambda at: self.wanted(index, at), t)

    def really_served(self, index: int, t: int) -> float:
        """The author's served behind the gate and as far as granted; NaN stays NaN."""
        gated = self.gated_served(index, t)
        if not self.nodes[index].constraints or math.isnan(gated):
            return gated
        return min(gated, self.allocations.granted(index, t))

    # Serving

    def demand(self, index: int, t: int) -> float:
        """What a station would serve if no constraint held it."""
        if not computes_served(self.nodes[index]):
            return max(0.0, kernels.safe(self.gated_served(index, t)))
        capacity = self.gated_capacity(index, t)
        present = self.present(index, t)
        lost = min(max(0.0, kernels.safe(self.errors(index, t))), present)
        return min(capacity if capacity > 0.0 else 0.0, present - lost)

    def loss(self, index: int, t: int) -> float:
        """What is to be lost: errors, and what was not granted where that is lost."""
        errors = kernels.safe(self.errors(index, t))
        station = self.nodes[index]
        if station.constraints and station.constraint_excess == "loss":
            return errors + self.allocations.shortfall(index, t)
        return errors

    def flow(self, index: int, t: int) -> Flow:
        """What the station does in a bin."""
        station = self.nodes[index]
        how = self._computed if computes_served(station) else self._authored
        if is_sink(station) and computes_served(station):
            how = self._taken_in
        return self.evaluation.ask("flow", station.id, t, lambda: how(index, t))

    def _taken_in(self, index: int, t: int) -> Flow:
        inflow, errors = kernels.safe(self.inflow(index, t)), kernels.safe(self.errors(index, t))
        served = max(0.0, inflow - errors)
        return Flow(max(0.0, inflow), served, 0.0, 0.0, 0.0)

    def _computed(self, index: int, t: int) -> Flow:
        capacity = self.gated_capacity(index, t)
        if self.nodes[index].constraints:
            capacity = min(capacity if capacity > 0.0 else 0.0, self.allocations.granted(index, t))
        before, inflow = self.before(index, t), self.inflow(index, t)
        served, lost, left = kernels.served_step(before, inflow, capacity, self.loss(index, t))
        present = self.present(index, t)
        if not is_buffered(self.nodes[index]):
            return Flow(present, served, lost, left, 0.0)
        overflow, queue = self._limited(index, left, t)
        return Flow(present, served, lost, overflow, queue)

    def _authored(self, index: int, t: int) -> Flow:
        served, loss, present = self.really_served(index, t), self.loss(index, t), self.present(index, t)
        if not is_buffered(self.nodes[index]):
            return Flow(present, served, loss, 0.0, 0.0)
        before, inflow = self.before(index, t), self.inflow(index, t)
        left = (before + kernels.safe(inflow)) - kernels.safe(served)
        lost = min(max(0.0, loss), max(0.0, left))
        name = self.queue_name(index)
        if name is not None and self.evaluation.names[index].queue is None:
            queue, overflow = self.declared(name, t)
            return Flow(present, served, lost, overflow if self.evaluation.limiting(name) == index else 0.0, queue)
        overflow, queue = self._limited(index, kernels.queue_step(before, inflow, served, loss), t)
        return Flow(present, served, lost, overflow, queue)

    def _limited(self, index: int, depth: float, t: int) -> tuple[float, float]:
        """What overflows and what stays."""
        station = self.nodes[index]
        if not has_limit(station):
            return 0.0, depth
        limit = station.wip_limit
        if station.wip_limit_series is not None:
            limit = self.evaluation.bound(station.wip_limit_series, t, index)
        if limit is None or not math.isfinite(limit) or depth <= max(0.0, limit):
            return 0.0, depth
        return depth - max(0.0, limit), max(0.0, limit)

    # Queues of nodes[]

    def outflow(self, node: QueueNode, t: int) -> float:
        """The outflow of a declared queue behind its gate."""
        schedule = node.dispatch_schedule

        def amount(at: int) -> float:
            return self.evaluation.bound(node.outflow, at)

        return amount(t) if schedule is None else self.gated(schedule, ("node", node.id), amount, t)

    def declared(self, name: str, t: int) -> tuple[float, float]:
        """The depth of a declared queue, and what overflows where a station limits it."""

        def compute() -> tuple[float, float]:
            node = self.evaluation.queues[name]
            before = self.evaluation.read(name, t - 1) if t else self.evaluation.initial.get(name, 0.0)
            inflow, loss = self.evaluation.bound(node.inflow, t), self.evaluation.bound(node.loss, t)
            depth = kernels.queue_step(before, inflow, self.outflow(node, t), loss)
            index = self.evaluation.limiting(name)
            if index is None:
                return depth, 0.0
            overflow, left = self._limited(index, depth, t)
            return left, overflow

        return self.evaluation.ask("declared queue", name, t, compute)
