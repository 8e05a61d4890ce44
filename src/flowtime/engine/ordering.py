"""The order in which operations run, and which of them wait for each other through earlier bins.

Operations form a graph: one reads what another fills, in the same bin or some bins late.  Strongly
connected components (Tarjan 1972) of that graph are the feedback; they run bin by bin, everything else
op by op.  The order never depends on more than the file.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flowtime.engine.ir import Operation

__all__ = ["Component", "SameBinCycle", "order_operations", "producers"]


class Component(NamedTuple):
    """Operations (by index) that run together: bin by bin where ``is_feedback``, in this order."""

    operations: tuple[int, ...]
    is_feedback: bool


class SameBinCycle(NamedTuple):
    """Operations (by index) that wait for each other within one bin, each for the next."""

    operations: tuple[int, ...]


def producers(operations: Sequence[Operation], kept: Iterable[int]) -> dict[int, int]:
    """Map each computed column to the operation that fills it."""
    return {column: index for index in kept for column in operations[index].outs}


def order_operations(operations: Sequence[Operation], kept: Sequence[int]) -> list[Component | SameBinCycle]:
    """Return the components of the ``kept`` operations in an order in which they can run.

    Tarjan's components come out after all that they wait for, taken up in the order of the file.  One that
    can not run, since it closes a loop within one bin, comes as a ``SameBinCycle``.
    """
    made_by = producers(operations, kept)
    sources = {i: [made_by[c] for c in operations[i].ins if c in made_by] for i in kept}
    return [_component(operations, group, made_by) for group in _strong_components(kept, sources)]


def _component(
    operations: Sequence[Operation], group: Sequence[int], made_by: Mapping[int, int]
) -> Component | SameBinCycle:
    if len(group) == 1:
        only = operations[group[0]]
        if not any(column in only.outs for column in only.ins):
            return Component((group[0],), False)
    inside = set(group)
    waits = {
        i: {
            made_by[c]
            for place, c in enumerate(operations[i].ins)
            if made_by.get(c) in inside and not (place == 0 and operations[i].lag > 0)
        }
        for i in group
    }
    order = _stable_order(waits, {i: i for i in group})
    if len(order) == len(group):
        return Component(tuple(order), True)
    return SameBinCycle(_find_cycle({i: waits[i] for i in sorted(inside - set(order))}))


def _stable_order(waits: Mapping[int, set[int]], rank: Mapping[int, int]) -> list[int]:
    """Kahn's order, the least rank first among those that can go; nodes on a cycle are left out."""
    missing = {node: len(before) for node, before in waits.items()}
    after: dict[int, list[int]] = {node: [] for node in waits}
    for node, before in waits.items():
        for other in before:
            after[other].append(node)
    ready = [(rank[node], node) for node, count in missing.items() if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, node = heapq.heappop(ready)
        order.append(node)
        for other in after[node]:
            missing[other] -= 1
            if missing[other] == 0:
                heapq.heappush(ready, (rank[other], other))
    return order


def _find_cycle(waits: Mapping[int, set[int]]) -> tuple[int, ...]:
    """A shortest way round from the first node that lies on a cycle."""
    for start in waits:
        came_from: dict[int, int] = {}
        frontier = [start]
        for node in frontier:
            for other in sorted(waits[node] & waits.keys()):
                if other == start:
                    return _walk_back(came_from, start, node)
                if other not in came_from:
                    came_from[other] = node
                    frontier.append(other)
    return tuple(waits)


def _walk_back(came_from: Mapping[int, int], start: int, last: int) -> tuple[int, ...]:
    path = [last]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))


def _strong_components(nodes: Sequence[int], sources: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Tarjan's components with a stack of our own, since a chain of queues is deeper than Python's."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    groups: list[list[int]] = []
    for root in nodes:
        if root in number:
            continue
        work = [(root, iter(sources[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    groups.append(_pop_group(stack, on_stack, node))
            elif following not in number:
                number[following] = low[following] = len(number)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(sources[following])))
            elif following in on_stack:
                low[node] = min(low[node], number[following])
    return groups


def _pop_group(stack: list[int], on_stack: set[int], root: int) -> list[int]:
    group = []
    while True:
        node = stack.pop()
        on_stack.discard(node)
        group.append(node)
        if node == root:
            return sorted(group)
