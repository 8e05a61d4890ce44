"""The classes of the work at a node: what is served, lost and left over is mixed as what is there.

A buffer keeps no order: of everything that leaves it or stays, each class has the share that it has of the
work present.  So the parts of a node add up to its totals, and none ever becomes negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowtime.engine.context import Amount, LoweringContext, Parts
from flowtime.engine.stations import Station
from flowtime.model.naming import is_sink
from flowtime_kernels import opcodes as op

__all__ = ["StationWork", "mix_queue", "mix_station"]


@dataclass
class StationWork:
    """The columns of one node, or of a declared queue: what came in and what became of it.

    ``asked`` is what an author says is served, where that is not computed; it has parts where it has classes of
    its own, and none where it leaves as the work present is mixed.
    """

    station: Station | None
    inflow: Amount
    served: Amount
    loss: Amount | None = None
    overflow: Amount | None = None
    depth: int | None = None
    asked: Amount | None = None
    present: tuple[Parts, int] | None = None
    # What was to be lost, where classes are known: errors, and a shortfall that is lost; and the parts of both.
    errors: Amount | None = None
    shortfall: int | None = None
    lost: tuple[Parts, int] | None = None


def mix_station(context: LoweringContext, work: StationWork, heirs: Mapping[str, int]) -> None:
    """Fill the parts of all that a topology node implies, and of the series that take theirs from it."""
    station = work.station
    if station is None:
        return
    mixed = _Mixed(context, work, station.id)
    if work.inflow.parts is None:
        mixed.held_back(station)
        return
    if station.made.served is not None:
        mixed.computed(station)
    else:
        served = station.bound("served") or ""
        if work.present is None:
            mixed.released()
        mixed.authored(station, names_it=heirs.get(served) == station.index)
    errors = station.bound("errors")
    if errors is not None and heirs.get(errors) == station.index:
        mixed.fill(errors, context.columns[errors])


def mix_queue(context: LoweringContext, work: StationWork, name: str) -> None:
    """Fill the parts of a declared queue."""
    if work.inflow.parts is not None:
        _Mixed(context, work, name).released()


class _Mixed:
    """The parts of one node."""

    def __init__(self, context: LoweringContext, work: StationWork, owner: str) -> None:
        self._context = context
        self._builder = context.builder
        self._work = work
        self._owner = owner
        self._inflow: Parts = work.inflow.parts or context.zeros()
        self._hidden: Parts | None = None

    # What is there

    def computed(self, station: Station) -> None:
        """Fill the parts of a node that serves what it can."""
        work, made = self._work, station.made
        if is_sink(station.node):
            self._pass()
        else:
            rest = (a.total for a in (work.loss, work.overflow) if a is not None)
            depth = () if work.depth is None else (work.depth,)
            total = self._context.add_up([work.served.total, *rest, *depth], self._owner)
            if work.depth is None:
                work.present = (self._each_present(), total)
            else:
                keep = self._builder.emit(op.DIV, work.depth, total, owner=self._owner)
                work.present = (self._mix(self._inflow, keep, self._initial()), total)
        self.fill(made.served, work.served.total)
        for name, amount in ((made.loss, work.loss), (made.overflow, work.overflow)):
            if amount is not None:
                self.fill(name, amount.total)

    def released(self) -> None:
        """Find what each class has of the work present at a node whose served is given."""
        work = self._work
        if work.depth is None:
            self._pass()
        elif work.asked is None or work.asked.parts is None:
            total = self._present_total(work.depth)
            keep = self._builder.emit(op.DIV, work.depth, total, owner=self._owner)
            work.present = (self._mix(self._inflow, keep, self._initial()), total)
            self._overflow(work.present)
        else:
            self._balanced(work, work.depth, work.asked.parts)

    def authored(self, station: Station, *, names_it: bool) -> None:
        """Fill the parts of a node whose served is given.

        ``names_it``: served has its classes from the work at this node first of all, so that its parts here are
        those that its name stands for.
        """
        work, made = self._work, station.made
        asked = work.asked or work.served
        held = made.gated_outflow or (station.bound("served") if work.served.total != asked.total else None)
        if asked.parts is None:
            if held != station.bound("served") or names_it:
                self.fill(held, work.served.total)
            if names_it and station.bound("served") != held:
                self.fill(station.bound("served"), asked.total)
        else:
            self.held_back(station)
        if made.loss is not None and work.lost is not None:
            outs = self._context.classes.get(made.loss)
            if outs is not None:
                self._context.scaled(*work.lost, self._context.columns[made.loss], self._owner, outs)
        else:
            self.fill(made.loss, self._context.columns[made.loss] if made.loss else 0)

    def held_back(self, station: Station) -> None:
        """Fill the parts of what a gate or constraint lets through of a served series with classes of its own."""
        work = self._work
        asked = work.asked or work.served
        held = station.made.gated_outflow or (station.bound("served") if work.served.total != asked.total else None)
        outs = None if held is None else self._context.classes.get(held)
        if asked.parts is not None and outs is not None:
            self._context.scaled(asked.parts, asked.total, work.served.total, self._owner, outs)

    def fill(self, name: str | None, total: int) -> None:
        """Split a total as the work present, into the parts of the series ``name`` if it has some."""
        outs = None if name is None else self._context.classes.get(name)
        if outs is not None and self._work.present is not None:
            parts, whole = self._work.present
            self._context.scaled(parts, whole, total, self._owner, outs)

    def _balanced(self, work: StationWork, depth: int, asked: Parts) -> None:
        """Each class leaves as its author says: what stays is what came less what left of it."""
        total = self._present_total(depth)
        before = tuple(
            self._shift(column, start) for column, start in zip(self._depths(), self._initial(), strict=True)
        )
        inflows = self._each(op.SAFE, self._inflow)
        sums = tuple(self._add(op.ADD, a, b) for a, b in zip(before, inflows, strict=True))
        present = tuple(self._add(op.MAX, self._builder.scalar(0.0), column) for column in sums)
        work.present = (present, total)
        served = asked
        if work.asked is not None and work.asked.total != work.served.total:
            served = self._context.scaled(asked, work.asked.total, work.served.total, self._owner)
        net = tuple(self._add(op.SUB, a, b) for a, b in zip(inflows, self._each(op.SAFE, served), strict=True))
        if work.loss is not None:
            lost = self._lost_parts(work.loss, present, total)
            work.lost = lost, work.loss.total
            net = tuple(self._add(op.SUB, a, b) for a, b in zip(net, lost, strict=True))
        whole = depth if work.overflow is None else self._add(op.ADD, depth, work.overflow.total)
        keep = self._builder.emit(op.DIV, depth, whole, owner=self._owner)
        left = self._mix(net, keep, self._initial())
        self._overflow((left, whole))

    def _lost_parts(self, loss: Amount, present: Parts, total: int) -> Parts:
        """What each class loses: errors as their author says, what was not granted as the work present."""
        errors = self._work.errors
        if errors is None or errors.parts is None:
            own = loss.parts or self._context.scaled(present, total, loss.total, self._owner)
            return self._each(op.SAFE, own)
        parts = self._each(op.SAFE, errors.parts)
        if self._work.shortfall is None:
            return parts
        excess = self._context.scaled(present, total, self._work.shortfall, self._owner)
        return tuple(self._add(op.ADD, a, b) for a, b in zip(parts, excess, strict=True))

    def _overflow(self, present: tuple[Parts, int]) -> None:
        work = self._work
        name = None if work.station is None else work.station.made.overflow
        if name is not None and work.overflow is not None and name in self._context.classes:
            parts, whole = present
            self._context.scaled(parts, whole, work.overflow.total, self._owner, self._context.classes[name])

    # Columns

    def _pass(self) -> None:
        self._work.present = (self._each_present(), self._context.present(self._work.inflow.total, self._owner))

    def _each_present(self) -> Parts:
        return tuple(self._context.present(column, self._owner) for column in self._inflow)

    def _present_total(self, depth: int) -> int:
        """The work there is in a bin, from the depth before it and what flows in."""
        known = self._builder.emit(op.SAFE, self._work.inflow.total, owner=self._owner)
        before = self._shift(depth, self._depth_before())
        return self._add(op.MAX, self._builder.scalar(0.0), self._add(op.ADD, before, known))

    def _depth_before(self) -> float:
        station = self._work.station
        return self._context.initial.get(self._owner, 0.0) if station is None else station.initial_depth

    def _initial(self) -> tuple[float, ...]:
        return self._context.initial_parts(self._depth_before())

    def _depths(self) -> Parts:
        """The columns that hold what each class has in the queue: those of the series, or some of its own."""
        name = self._queue_name()
        if name is not None and name in self._context.classes:
            return self._context.classes[name]
        if self._hidden is None:
            self._hidden = tuple(self._builder.column(f"{self._owner} queue") for _ in self._inflow)
        return self._hidden

    def _queue_name(self) -> str | None:
        station = self._work.station
        if station is None:
            return self._owner
        return station.made.queue or (station.series.get("queueDepth") if station.made.served is None else None)

    def _mix(self, parts: Parts, keep: int, initial: tuple[float, ...]) -> Parts:
        present = []
        for part, depth, start in zip(parts, self._depths(), initial, strict=True):
            there = self._builder.column(self._owner)
            self._builder.emit_many(op.MIX, (there, depth), (part, keep), (start,))
            present.append(there)
        return tuple(present)

    def _each(self, code: int, parts: Parts) -> Parts:
        return tuple(self._builder.emit(code, part, owner=self._owner) for part in parts)

    def _add(self, code: int, left: int, right: int) -> int:
        return self._builder.emit(code, left, right, owner=self._owner)

    def _shift(self, column: int, start: float) -> int:
        return self._builder.emit(op.SHIFT, column, owner=self._owner, length=1, params=(start,), lag=1)
