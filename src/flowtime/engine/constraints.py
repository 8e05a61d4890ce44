"""Capacities that several nodes share: who gets how much of them in each bin (reference: engine.md 2.9).

A node asks for what it would serve if nothing but its own capacity held it back.  Constraints grant in the
order of the file, each seeing what the one before it granted; what is not granted is not served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowtime.engine.context import LoweringContext
from flowtime.engine.stations import Station
from flowtime.model.naming import ConstraintSeries
from flowtime.model.spec import ConstraintSpec
from flowtime_kernels import opcodes as op

__all__ = ["grant_demands"]

# From where on a demand counts as cut, relative and absolute.
_CUT = 1e-9


def grant_demands(context: LoweringContext, nodes: Sequence[Station], demands: Mapping[int, int]) -> dict[int, int]:
    """Return the column of what each node is granted; ``demands`` maps the index of a node to its demand."""
    granted = dict(demands)
    members_of: dict[str, list[Station]] = {}
    for station in nodes:
        for name in dict.fromkeys(station.node.constraints):
            members_of.setdefault(name, []).append(station)
    topology = context.spec.topology
    for index, constraint in enumerate(topology.constraints if topology else ()):
        members = members_of.get(constraint.id)
        if members:
            asked = [granted[station.index] for station in members]
            shares = _Sharing(context, constraint).grants(members, asked)
            _tell(context, constraint, context.names.constraints[index], asked, shares)
            granted.update(zip((station.index for station in members), shares, strict=True))
    return granted


class _Sharing:
    """One constraint."""

    def __init__(self, context: LoweringContext, constraint: ConstraintSpec) -> None:
        self._context = context
        self._builder = context.builder
        self._constraint = constraint
        self._owner = constraint.id
        bound = context.of_reference(constraint.semantics.served)
        capacity = context.builder.scalar(0.0) if bound is None else bound.total
        self._capacity = self._builder.emit(op.ALLOWANCE, capacity, owner=self._owner)

    def grants(self, members: Sequence[Station], asked: Sequence[int]) -> list[int]:
        """Return the columns of what each member gets of the capacity."""
        if self._constraint.allocation == "priority":
            return self._by_priority(members, asked)
        if self._constraint.allocation == "maxMin":
            return self._fair(asked)
        total = self._context.add_up(asked, self._owner)
        return [self._builder.emit(op.GRANT, demand, total, self._capacity, owner=self._owner) for demand in asked]

    def _by_priority(self, members: Sequence[Station], asked: Sequence[int]) -> list[int]:
        rank = {name: place for place, name in enumerate(self._constraint.priorities)}
        order = sorted(range(len(members)), key=lambda i: (rank.get(members[i].id, len(rank)), i))
        grants = list(asked)
        left = self._capacity
        for i in order:
            grants[i] = self._builder.emit(op.MIN, asked[i], left, owner=self._owner)
            left = self._builder.emit(op.SUB, left, grants[i], owner=self._owner)
        return grants

    def _fair(self, asked: Sequence[int]) -> list[int]:
        level = self._builder.emit(op.LEVEL, self._capacity, *asked, owner=self._owner, length=len(asked))
        return [self._builder.emit(op.MIN, demand, level, owner=self._owner) for demand in asked]


def _tell(
    context: LoweringContext,
    constraint: ConstraintSpec,
    names: ConstraintSeries,
    asked: Sequence[int],
    shares: Sequence[int],
) -> None:
    """Fill the series of a constraint: what was asked for, granted and not, and whether anything was cut."""
    builder, owner, columns = context.builder, constraint.id, context.columns
    demand = context.add_up(asked, owner, columns[names.demand or ""])
    granted = context.add_up(shares, owner, columns[names.granted or ""])
    missing = builder.emit(op.SUB, demand, granted, owner=owner)
    builder.emit(op.MAX, builder.scalar(0.0), missing, owner=owner, out=columns[names.shortfall or ""])
    stretched = builder.emit(op.MUL, granted, builder.scalar(1.0 + _CUT), owner=owner)
    bound = builder.emit(op.ADD, stretched, builder.scalar(_CUT), owner=owner)
    builder.emit(op.LT, bound, demand, owner=owner, out=columns[names.status or ""])
