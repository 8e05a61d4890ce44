"""Shared constraints of the oracle: who asks for how much, and who is granted what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flowtime.model.spec import ConstraintSpec

if TYPE_CHECKING:
    from oracle import Evaluation
    from oracle_stations import Stations

__all__ = ["Allocations", "max_min", "priority", "proportional"]

STATUS_TOLERANCE = 1e-9


def proportional(demands: Sequence[float], capacity: float) -> list[float]:
    """Everybody gets the same share of what they ask for."""
    total = sum(demands)
    if capacity <= 0.0 or total <= 0.0:
        return [0.0 for _ in demands]
    return [demand if total <= capacity else capacity * demand / total for demand in demands]


def priority(demands: Sequence[float], capacity: float, order: Sequence[int]) -> list[float]:
    """One after the other, as long as there is something left."""
    left = max(0.0, capacity)
    grants = [0.0 for _ in demands]
    for place in order:
        grants[place] = min(demands[place], left)
        left -= grants[place]
    return grants


def max_min(demands: Sequence[float], capacity: float) -> list[float]:
    """The least demands in full, and equal shares for the others: from the least on, each its fair share at most."""
    left = max(0.0, capacity)
    if sum(demands) <= left:
        return list(demands)
    grants = [0.0 for _ in demands]
    waiting = sorted(range(len(demands)), key=lambda place: demands[place])
    for number, place in enumerate(waiting):
        grants[place] = min(demands[place], left / (len(waiting) - number))
        left -= grants[place]
    return grants


class Allocations:
    """What the constraints of one evaluation grant."""

    def __init__(self, evaluation: Evaluation, stations: Stations) -> None:
        self.evaluation = evaluation
        self.stations = stations
        topology = evaluation.model.spec.topology
        self.constraints: list[ConstraintSpec] = list(topology.constraints if topology else ())
        nodes = stations.nodes
        self.users = [
            [index for index, node in enumerate(nodes) if constraint.id in node.constraints]
            for constraint in self.constraints
        ]

    def _asked(self, number: int, index: int, t: int) -> float:
        """What a station asks of a constraint: its demand as far as earlier constraints granted it."""
        earlier = [place for place in range(number) if index in self.users[place]]
        if earlier:
            return self._grants(earlier[-1], t)[index]
        return self.stations.demand(index, t)

    def _grants(self, number: int, t: int) -> Mapping[int, float]:
        """What a constraint grants to each station that it holds."""
        constraint = self.constraints[number]

        def compute() -> Mapping[int, float]:
            users = self.users[number]
            demands = [self._asked(number, index, t) for index in users]
            capacity = self.evaluation.bound(constraint.semantics.served, t)
            capacity = 0.0 if math.isnan(capacity) else capacity
            if constraint.allocation == "proportional":
                grants = proportional(demands, capacity)
            elif constraint.allocation == "maxMin":
                grants = max_min(demands, capacity)
            else:
                grants = priority(demands, capacity, self._order(constraint, users))
            return dict(zip(users, grants, strict=True))

        return self.evaluation.ask("constraint", constraint.id, t, compute)

    def _order(self, constraint: ConstraintSpec, users: Sequence[int]) -> list[int]:
        ids = [self.stations.nodes[index].id for index in users]
        first = [ids.index(node_id) for node_id in constraint.priorities if node_id in ids]
        return first + [place for place in range(len(users)) if place not in first]

    def granted(self, index: int, t: int) -> float:
        """What is left of a station's demand after its last constraint."""
        last = max(number for number, users in enumerate(self.users) if index in users)
        return self._grants(last, t)[index]

    def shortfall(self, index: int, t: int) -> float:
        """What a station wanted to serve and was not granted."""
        return self.stations.demand(index, t) - self.granted(index, t)

    def read(self, number: int, role: str, t: int) -> float:
        """A series of a constraint: demand, granted, shortfall or status."""
        demand = sum((self._asked(number, index, t) for index in self.users[number]), 0.0)
        granted = sum(self._grants(number, t).values())
        if role == "status":
            return 1.0 if demand - granted > STATUS_TOLERANCE * max(1.0, abs(demand)) else 0.0
        return {"demand": demand, "granted": granted, "shortfall": demand - granted}[role]
