"""The order in which operations run, and which of them wait for each other through earlier bins.

Operations form a graph: one reads what another fills, in the same bin or some bins late.  Strongly
connected components (Tarjan 1972) of that graph are the feedback; they run bin by bin, everything else
op by op.  The order never depends on more than the file.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from flowtime.engine.ir import Operation

__all__ = ["NOBODY", "Component", "SameBinCycle", "needed_operations", "order_operations", "producers"]

# The operation that fills an input: none.  As an index it is the last, which below is kept for it.
NOBODY = -1


class Component(NamedTuple):
    """Operations (by index) that run together: bin by bin where ``is_feedback``, else one after the other."""

    operations: tuple[int, ...]
    is_feedback: bool


class SameBinCycle(NamedTuple):
    """Operations (by index) that wait for each other within one bin, each for the next."""

    operations: tuple[int, ...]


def producers(operations: Sequence[Operation], columns: int) -> list[int]:
    """Return for each column the operation that fills it, or NOBODY."""
    made_by = [NOBODY] * columns
    for index, operation in enumerate(operations):
        for column in operation.outs:
            made_by[column] = index
    return made_by


def needed_operations(operations: Sequence[Operation], made_by: Sequence[int], wanted: Iterable[int]) -> list[int]:
    """Return the operations that fill the ``wanted`` columns and all that those read, in the order of the file."""
    found = bytearray(len(operations) + 1)
    found[NOBODY] = True
    waiting = [made_by[column] for column in wanted]
    while waiting:
        index = waiting.pop()
        if not found[index]:
            found[index] = True
            waiting += [maker for column in operations[index].ins if not found[maker := made_by[column]]]
    return [index for index in range(len(operations)) if found[index]]


def order_operations(
    operations: Sequence[Operation], kept: Sequence[int], made_by: Sequence[int]
) -> list[Component | SameBinCycle]:
    """Return the ``kept`` operations in an order in which they can run, those in a row without feedback together.

    What is not kept is taken to be there already.  Components come out after all that they wait for, taken
    up in the order of the file.  One that can not run, since it closes a loop within one bin, comes as a
    ``SameBinCycle``.
    """
    found: list[Component | SameBinCycle] = []
    plain: list[int] = []
    for group in _Search(operations, kept, made_by).groups():
        if len(group) == 1 and not _reads_itself(operations[group[0]]):
            plain += group
            continue
        if plain:
            found.append(Component(tuple(plain), False))
            plain = []
        found.append(_feedback(operations, group, made_by))
    return [*found, Component(tuple(plain), False)] if plain else found


def _reads_itself(operation: Operation) -> bool:
    return any(column in operation.ins for column in operation.outs)


def _feedback(operations: Sequence[Operation], group: list[int], made_by: Sequence[int]) -> Component | SameBinCycle:
    inside = set(group)
    waits = {i: inside.intersection([made_by[c] for c in _read_at_once(operations[i])]) for i in group}
    if all(max(before, default=NOBODY) < i for i, before in waits.items()):
        return Component(tuple(group), True)
    order = _stable_order(waits)
    if len(order) == len(group):
        return Component(tuple(order), True)
    return SameBinCycle(_find_cycle({i: waits[i] for i in sorted(inside - set(order))}))


def _read_at_once(operation: Operation) -> tuple[int, ...]:
    """The operands of which an operation reads the same bin."""
    return operation.ins[1:] if operation.lag > 0 else operation.ins


def _stable_order(waits: Mapping[int, set[int]]) -> list[int]:
    """Kahn's order, the first in the file first among those that can go; nodes on a cycle are left out."""
    missing = {node: len(before) for node, before in waits.items()}
    after: dict[int, list[int]] = {node: [] for node in waits}
    for node, before in waits.items():
        for other in before:
            after[other].append(node)
    ready = [node for node, count in missing.items() if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for other in after[node]:
            missing[other] -= 1
            if missing[other] == 0:
                heapq.heappush(ready, other)
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


class _Search:
    """Tarjan's search for components, with a stack of its own, since a chain of queues is deeper than Python's."""

    def __init__(self, operations: Sequence[Operation], kept: Sequence[int], made_by: Sequence[int]) -> None:
        self._operations = operations
        self._kept = kept
        self._made_by = made_by
        # What has left the search: inputs, what is not kept, and the members of finished components.
        self._done = bytearray(b"\1") * (len(operations) + 1)
        for index in kept:
            self._done[index] = False
        self._number = [0] * len(operations)
        self._low = [0] * len(operations)
        self._count = 0
        self._stack: list[int] = []

    def groups(self) -> Iterator[list[int]]:
        """Yield the components, each sorted, after all that they wait for."""
        operations, done, made_by = self._operations, self._done, self._made_by
        for root in self._kept:
            if done[root]:
                continue
            for column in operations[root].ins:
                if not done[made_by[column]]:
                    yield from self._from(root)
                    break
            else:
                # By far the most: all that it reads is there, so it is a component, and the search is over.
                done[root] = True
                yield [root]

    def _from(self, root: int) -> Iterator[list[int]]:
        made_by, done, number, low = self._made_by, self._done, self._number, self._low
        path = [(root, self._enter(root))]
        while path:
            node, rest = path[-1]
            for column in rest:
                other = made_by[column]
                if done[other]:
                    continue
                if number[other] == 0:
                    path.append((other, self._enter(other)))
                    break
                if number[other] < low[node]:
                    low[node] = number[other]
            else:
                path.pop()
                if path and low[node] < low[path[-1][0]]:
                    low[path[-1][0]] = low[node]
                if low[node] == number[node]:
                    yield self._finish(node)

    def _enter(self, node: int) -> Iterator[int]:
        self._count += 1
        self._number[node] = self._low[node] = self._count
        self._stack.append(node)
        return iter(self._operations[node].ins)

    def _finish(self, node: int) -> list[int]:
        group = []
        member = NOBODY
        while member != node:
            member = self._stack.pop()
            self._done[member] = True
            group.append(member)
        return sorted(group)
