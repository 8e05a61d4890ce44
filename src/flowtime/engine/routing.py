"""Routers and generated traffic: where a series comes from several places at once.

A router sends the classes that its routes name first and shares the rest by weight (reference: engine.md
2.6).  What several routes, also of several routers, send to one target adds up in the order of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from flowtime.engine.context import Amount, LoweringContext, Parts
from flowtime.model.spec import ModelSpec, Route, RouterNode
from flowtime_kernels import opcodes as op

__all__ = ["lower_routers", "router_targets"]


def router_targets(spec: ModelSpec) -> dict[str, list[tuple[int, int]]]:
    """Map each target to the routes that lead there, as (index in nodes, index in routes)."""
    found: dict[str, list[tuple[int, int]]] = {}
    for index, node in enumerate(spec.nodes):
        if isinstance(node, RouterNode):
            for place, route in enumerate(node.routes):
                found.setdefault(route.target, []).append((index, place))
    return found


def lower_routers(context: LoweringContext) -> None:
    """Fill the columns of every router and of all that they lead to."""
    sent: dict[str, list[Amount]] = {}
    for node in context.spec.nodes:
        if isinstance(node, RouterNode):
            source = context.of_reference(node.inputs.queue)
            if source is not None:
                _pass_on(context, node, source)
                for target, amount in _Router(context, node, source).routed():
                    sent.setdefault(context.names.resolve(target) or target, []).append(amount)
    for target, amounts in sent.items():
        context.add_up([amount.total for amount in amounts], target, context.columns[target])
        if target in context.classes:
            parts = [context.zeros() if amount.parts is None else amount.parts for amount in amounts]
            outs = context.classes[target]
            for place, out in enumerate(outs):
                context.add_up([part[place] for part in parts], target, out)


def _pass_on(context: LoweringContext, node: RouterNode, source: Amount) -> None:
    """The series called like the router is what it splits."""
    context.builder.copy(source.total, context.columns[node.id])
    if node.id in context.classes:
        context.fill(context.zeros() if source.parts is None else source.parts, context.classes[node.id])


class _Router:
    """The routes of one router."""

    def __init__(self, context: LoweringContext, node: RouterNode, source: Amount) -> None:
        self._context = context
        self._node = node
        self._source = source
        self._place: Mapping[str, int] = {class_id: i for i, class_id in enumerate(context.class_ids)}
        self._taken = frozenset(name for route in node.routes for name in route.classes)
        weights = [route.weight for route in node.routes if route.weight is not None]
        self._weight = math.fsum(weights)

    def routed(self) -> Iterator[tuple[str, Amount]]:
        """Yield what goes to each target, route by route."""
        rest = self._rest() if self._weight > 0.0 else None
        for route in self._node.routes:
            if route.classes:
                yield route.target, self._of_classes(route.classes)
            if route.weight is not None and rest is not None:
                yield route.target, self._share(rest, route)

    def _of_classes(self, classes: Sequence[str]) -> Amount:
        parts, zero = self._source.parts, self._context.builder.scalar(0.0)
        if parts is None:
            return Amount(zero)
        chosen: Parts = tuple(
            part if name in classes else zero for name, part in zip(self._context.class_ids, parts, strict=True)
        )
        total = self._context.add_up(
            [part for name, part in zip(self._context.class_ids, parts, strict=True) if name in classes], self._node.id
        )
        return Amount(total, chosen)

    def _rest(self) -> Amount:
        """What no route names the class of; never less than nothing, however the parts are rounded."""
        builder, source = self._context.builder, self._source
        if not self._taken:
            return source
        zero = builder.scalar(0.0)
        taken = self._of_classes(tuple(self._taken)).total
        left = builder.emit(op.SUB, source.total, taken, owner=self._node.id)
        total = builder.emit(op.MAX, zero, left, owner=self._node.id)
        if source.parts is None:
            return Amount(total)
        pairs = zip(self._context.class_ids, source.parts, strict=True)
        return Amount(total, tuple(zero if name in self._taken else part for name, part in pairs))

    def _share(self, rest: Amount, route: Route) -> Amount:
        builder = self._context.builder
        share = builder.scalar((route.weight or 0.0) / self._weight)
        total = builder.emit(op.MUL, rest.total, share, owner=self._node.id)
        if rest.parts is None:
            return Amount(total)
        return Amount(total, tuple(builder.emit(op.MUL, part, share, owner=self._node.id) for part in rest.parts))
