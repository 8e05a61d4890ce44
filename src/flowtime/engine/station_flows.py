"""What happens at a topology node in a bin: work flows in, gates and constraints hold it back, it is served,
and what does not fit overflows (docs/background/flow-physics.md; reference: engine.md 2.3 to 2.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowtime.engine.constraints import grant_demands
from flowtime.engine.context import Amount, LoweringContext
from flowtime.engine.expressions import whole_row
from flowtime.engine.metrics import effective_capacity
from flowtime.engine.mixing import StationWork, mix_queue, mix_station
from flowtime.engine.stations import Station
from flowtime.model.naming import ALL_CLASSES, has_buffer, is_limited, is_sink, resolve_reference, sends_overflow
from flowtime.model.spec import DispatchSchedule, QueueNode
from flowtime_kernels import opcodes as op

__all__ = ["StationFlows"]


class _Gate(NamedTuple):
    """What a gate lets through, and what it holds back where that adds up."""

    through: int
    held: int | None = None


@dataclass
class _Desk:
    """What is known of one node on the way: columns of what flows in, what is lost, and what it would serve."""

    station: Station
    inflow: Amount
    loss: Amount | None
    # Computed: what it can serve, gates counted.  Authored: what the author says is served, gates counted.
    offer: int
    asked: Amount | None = None
    demand: int | None = None
    granted: int | None = None


class StationFlows:
    """Lowers all topology nodes together, since constraints and overflow tie them to each other.

    ``asked`` maps the series of served that a constraint holds back to the amounts that their authors asked for;
    ``heirs`` maps series that take their classes from the work at a node to the index of that node.
    """

    def __init__(
        self,
        context: LoweringContext,
        nodes: Sequence[Station],
        asked: Mapping[str, Amount],
        heirs: Mapping[str, int],
    ) -> None:
        self._context = context
        self._builder = context.builder
        self._nodes = nodes
        self._asked = asked
        self._heirs = heirs
        self._desks: list[_Desk] = []
        self._named_columns = context.named()
        self._senders: dict[str, list[str]] = {}
        self._owners: dict[str, Station] = {}
        for station in nodes:
            self._note(station)

    def _note(self, station: Station) -> None:
        """Note where overflow goes, and whose work waits in a queue that is declared."""
        target, overflow = station.node.wip_overflow, station.made.overflow
        if target is not None and overflow is not None and sends_overflow(station.node):
            self._senders.setdefault(target, []).append(overflow)
        depth = station.series.get("queueDepth")
        if depth is not None and station.made.queue is None and station.made.served is None:
            self._owners.setdefault(depth, station)

    def lower(self) -> None:
        """Fill the columns of everything that the topology implies, and of the declared queues."""
        for station in self._nodes:
            self._desks.append(self._desk(station))
        demands = {desk.station.index: self._demand(desk) for desk in self._desks if desk.station.node.constraints}
        granted = grant_demands(self._context, self._nodes, demands)
        for desk in self._desks:
            desk.demand, desk.granted = demands.get(desk.station.index), granted.get(desk.station.index)
        works = {desk.station.index: self._work(desk) for desk in self._desks}
        for node in self._context.spec.nodes:
            if isinstance(node, QueueNode):
                self._declared_queue(node, works)
        for work in works.values():
            mix_station(self._context, work, self._heirs)

    # What comes in and what holds it back

    def _reference(self, station: Station, role: str) -> Amount | None:
        return self._context.of_reference(station.references.get(role), station.made.queue)

    def _desk(self, station: Station) -> _Desk:
        zero = self._builder.scalar(0.0)
        arrivals = self._reference(station, "arrivals") or Amount(zero)
        asked = None
        if station.made.served is None:
            asked = self._own(self._asked_for(station), station.references.get("served"))
        offer = self._capacity(station) if asked is None else asked.total
        schedule = station.node.dispatch_schedule
        if schedule is not None and not is_sink(station.node):
            gate = self._gated(offer, schedule, station.id, station.made.queue)
            asked = None if asked is None else self._behind(gate, asked, station.id)
            offer = gate.through
        errors = self._own(self._reference(station, "errors"), station.references.get("errors"))
        return _Desk(station, self._inflow(station, arrivals), errors, offer, asked)

    def _own(self, amount: Amount | None, reference: str | None) -> Amount | None:
        """An amount without the parts that another node's work gives it: here it is mixed as the work is here."""
        found = None if reference is None else resolve_reference(reference, self._context.names)
        is_whole = found is not None and (found.class_id is None or found.class_id in ALL_CLASSES)
        is_mixed = found is not None and is_whole and found.id in self._heirs
        return Amount(amount.total) if amount is not None and is_mixed else amount

    def _asked_for(self, station: Station) -> Amount | None:
        name = station.bound("served")
        if station.node.constraints and name is not None and name in self._asked:
            return self._asked[name]
        asked = self._reference(station, "served")
        # A queue of the published format whose served nobody bound lets its capacity out.
        return asked or self._reference(station, "capacity") or Amount(self._builder.scalar(0.0))

    def _capacity(self, station: Station) -> int:
        capacity = effective_capacity(self._builder, station, self._named_columns)
        return self._builder.scalar(0.0) if capacity is None else capacity

    def _inflow(self, station: Station, arrivals: Amount) -> Amount:
        context, name = self._context, station.made.inflow
        if name is None:
            return arrivals
        senders = [context.of_name(overflow) for overflow in self._senders.get(station.id, ())]
        total = context.add_up([arrivals.total, *(s.total for s in senders)], name, context.columns[name])
        outs = context.classes.get(name)
        if outs is None:
            return Amount(total)
        parts = [context.zeros() if a.parts is None else a.parts for a in (arrivals, *senders)]
        summed = tuple(context.add_up([p[i] for p in parts], name, out) for i, out in enumerate(outs))
        return Amount(total, summed)

    def _behind(self, gate: _Gate, asked: Amount, owner: str) -> Amount:
        """What is behind a gate that holds work back: of what comes through each class has its share of that."""
        if gate.held is None or asked.parts is None:
            return asked
        builder, owner = self._builder, f"{owner} gate"
        total = builder.emit(op.ADD, gate.through, gate.held, owner=owner)
        keep = builder.emit(op.DIV, gate.held, total, owner=owner)
        present = []
        for part in asked.parts:
            there, held = builder.column(owner), builder.column(owner)
            builder.emit_many(op.MIX, (there, held), (part, keep), (0.0,))
            present.append(there)
        return Amount(gate.through, self._context.scaled(tuple(present), total, gate.through, owner))

    def _gated(self, amount: int, schedule: DispatchSchedule, owner: str, own_queue: str | None) -> _Gate:
        """What a gate lets through of an amount, or of a capacity."""
        builder = self._builder
        zero, owner = builder.scalar(0.0), f"{owner} gate"
        phase = schedule.phase_offset % schedule.period_bins
        is_open = builder.emit(op.PULSE, zero, owner=owner, length=schedule.period_bins, phase=phase, params=(1.0,))
        bound = self._context.of_reference(schedule.capacity_series, own_queue)
        if schedule.accumulate:
            most = builder.scalar(math.inf)
            most = most if bound is None else builder.emit(op.CAPPED, most, bound.total, owner=owner)
            allowed = builder.emit(op.IF, is_open, most, zero, owner=owner)
            through, lost, held = (builder.column(owner) for _ in range(3))
            builder.emit_many(op.SERVE, (through, lost, held), (amount, allowed, zero), (0.0,))
            return _Gate(through, held)
        most = amount if bound is None else builder.emit(op.CAPPED, amount, bound.total, owner=owner)
        return _Gate(builder.emit(op.IF, is_open, most, zero, owner=owner))

    def _demand(self, desk: _Desk) -> int:
        builder, station = self._builder, desk.station
        owner = f"{station.id} demand"
        if desk.asked is not None:
            return self._context.present(desk.offer, owner)
        loss = builder.scalar(0.0) if desk.loss is None else desk.loss.total
        demand = builder.column(owner)
        if has_buffer(station.node):
            depth = self._depth(station)
            ins = (depth, desk.inflow.total, desk.offer, loss)
            builder.emit_many(op.DEMAND, (demand,), ins, params=(station.initial_depth,), lag=1)
        else:
            ignored = builder.column(owner), builder.column(owner)
            builder.emit_many(op.SERVICE, (demand, *ignored), (desk.inflow.total, desk.offer, loss))
        return demand

    def _depth(self, station: Station) -> int:
        """The column of the queue of a node that computes what it serves; some have none that is named."""
        name = station.made.queue or f"{station.id} queue"
        if name not in self._context.columns:
            self._context.columns[name] = self._builder.column(name)
        return self._context.columns[name]

    # Serving

    def _work(self, desk: _Desk) -> StationWork:
        station, owner = desk.station, desk.station.id
        loss, lost_shortfall = desk.loss, None
        if desk.demand is not None and desk.granted is not None:
            shortfall = self._shortfall(station, desk.demand, desk.granted)
            if station.node.constraint_excess == "loss":
                loss, lost_shortfall = self._with_shortfall(loss, shortfall, owner), shortfall
        work = self._serve(desk, loss) if desk.asked is None else self._release(desk, loss)
        work.errors, work.shortfall = desk.loss, lost_shortfall
        return work

    def _shortfall(self, station: Station, demand: int, granted: int) -> int:
        builder, zero = self._builder, self._builder.scalar(0.0)
        missing = builder.emit(op.SUB, demand, granted, owner=station.id)
        out = self._context.columns[station.made.shortfall or ""]
        return builder.emit(op.MAX, zero, missing, owner=station.id, out=out)

    def _with_shortfall(self, loss: Amount | None, shortfall: int, owner: str) -> Amount:
        if loss is None:
            return Amount(shortfall)
        known = self._context.present(loss.total, owner)
        return Amount(self._builder.emit(op.ADD, known, shortfall, owner=owner))

    def _limit(self, station: Station) -> int | None:
        if not is_limited(station.node):
            return None
        bound = self._context.of_reference(station.node.wip_limit_series, station.made.queue)
        if bound is not None:
            return bound.total
        return self._builder.scalar(float(station.node.wip_limit or 0.0))

    def _named(self, name: str | None, owner: str) -> int:
        return self._builder.column(owner) if name is None else self._context.columns[name]

    def _serve(self, desk: _Desk, loss: Amount | None) -> StationWork:
        """A node whose served follows from what there is and what it can do."""
        station, made, builder = desk.station, desk.station.made, self._builder
        owner, zero = station.id, builder.scalar(0.0)
        served = self._context.columns[made.served or ""]
        asked_loss = zero if loss is None else loss.total
        if is_sink(station.node):
            self._sink(served, desk.inflow.total, asked_loss, owner)
            return StationWork(station, desk.inflow, served=Amount(served))
        capacity = desk.offer if desk.granted is None else desk.granted
        lost, ins = self._named(made.loss, f"{owner} loss"), (desk.inflow.total, capacity, asked_loss)
        if not has_buffer(station.node):
            overflow = self._named(made.overflow, f"{owner} overflow")
            builder.emit_many(op.SERVICE, (served, lost, overflow), ins)
            return StationWork(station, desk.inflow, Amount(served), Amount(lost), Amount(overflow))
        depth, initial = self._depth(station), (station.initial_depth,)
        limit = self._limit(station)
        if limit is None:
            builder.emit_many(op.SERVE, (served, lost, depth), ins, params=initial)
            return StationWork(station, desk.inflow, Amount(served), Amount(lost), depth=depth)
        overflow = self._named(made.overflow, f"{owner} overflow")
        builder.emit_many(op.BOUND_SERVE, (served, lost, overflow, depth), (*ins, limit), params=initial)
        return StationWork(station, desk.inflow, Amount(served), Amount(lost), Amount(overflow), depth=depth)

    def _sink(self, served: int, inflow: int, loss: int, owner: str) -> None:
        builder = self._builder
        came, went = (builder.emit(op.SAFE, column, owner=owner) for column in (inflow, loss))
        rest = builder.emit(op.SUB, came, went, owner=owner)
        builder.emit(op.MAX, builder.scalar(0.0), rest, owner=owner, out=served)

    def _release(self, desk: _Desk, loss: Amount | None) -> StationWork:
        """A node whose served the author gives; gates and constraints hold it back."""
        station, made, builder = desk.station, desk.station.made, self._builder
        real, asked = desk.offer, desk.asked or Amount(desk.offer)
        if desk.granted is not None:
            real = builder.emit(op.MIN, real, desk.granted, owner=station.id)
        own = made.gated_outflow or (station.bound("served") if desk.granted is not None else None)
        if own is not None:
            real = builder.copy(real, self._context.columns[own])
        if made.loss is not None and loss is not None:
            self._lost(desk, loss.total, real, self._context.columns[made.loss])
        work = StationWork(station, desk.inflow, Amount(real), loss, asked=asked)
        if made.queue is None:
            return work
        work.depth = self._context.columns[made.queue]
        return self._queue(work, station, station.initial_depth)

    def _lost(self, desk: _Desk, loss: int, served: int, out: int) -> None:
        """What is really lost of a queue: no more than what is left of it after serving."""
        builder, station = self._builder, desk.station
        owner = f"{station.id} loss"
        depth = self._context.columns[station.series["queueDepth"]]
        initial = (self._context.initial.get(station.series["queueDepth"], 0.0),)
        before = builder.emit(op.SHIFT, whole_row(builder, depth, owner), owner=owner, length=1, params=initial, lag=1)
        came, went = (builder.emit(op.SAFE, column, owner=owner) for column in (desk.inflow.total, served))
        present = builder.emit(op.ADD, before, came, owner=owner)
        left = self._context.present(builder.emit(op.SUB, present, went, owner=owner), owner)
        builder.emit(op.MIN, self._context.present(loss, owner), left, owner=owner, out=out)

    def _queue(self, work: StationWork, station: Station | None, initial: float) -> StationWork:
        builder, depth = self._builder, work.depth
        zero = builder.scalar(0.0)
        ins = (work.inflow.total, work.served.total, zero if work.loss is None else work.loss.total)
        limit = None if station is None else self._limit(station)
        if depth is None or station is None or limit is None:
            builder.emit_many(op.QUEUE, () if depth is None else (depth,), ins, params=(initial,))
            return work
        over = self._named(station.made.overflow, f"{station.id} overflow")
        builder.emit_many(op.BOUND_QUEUE, (over, depth), (*ins, limit), params=(initial,))
        work.overflow = Amount(over)
        return work

    def _declared_queue(self, node: QueueNode, works: Mapping[int, StationWork]) -> None:
        """A queue of ``nodes[]``; the topology node whose depth it is may limit it and send it overflow."""
        context, name = self._context, node.id
        owner = self._owners.get(name)
        outflow = context.of_reference(node.outflow) or Amount(self._builder.scalar(0.0))
        outflow = self._own(outflow, node.outflow) or outflow
        real = outflow.total
        if node.dispatch_schedule is not None:
            gate = self._gated(real, node.dispatch_schedule, name, None)
            outflow, real = self._behind(gate, outflow, name), gate.through
        inflow = self._queue_inflow(node, owner, works)
        loss = self._own(context.of_reference(node.loss), node.loss)
        work = StationWork(owner, inflow, Amount(real), loss, asked=outflow)
        work.depth = context.columns[name]
        self._queue(work, owner, context.initial.get(name, 0.0))
        mix_queue(context, work, name)
        if owner is not None:
            works[owner.index].overflow, works[owner.index].present = work.overflow, work.present

    def _queue_inflow(self, node: QueueNode, owner: Station | None, works: Mapping[int, StationWork]) -> Amount:
        given = self._context.of_reference(node.inflow) or Amount(self._builder.scalar(0.0))
        if owner is None or owner.made.inflow is None:
            return given
        is_same = owner.series.get("arrivals") == self._context.names.resolve(node.inflow)
        return works[owner.index].inflow if is_same else given
