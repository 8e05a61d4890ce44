"""Routers of the oracle: classes first, then weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import oracle_kernels as kernels
from flowtime.model.spec import Route, RouterNode
from oracle_algebra import Parts, added

if TYPE_CHECKING:
    from oracle import Evaluation

__all__ = ["Routers"]


class Routers:
    """The routers of one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        routers = [node for node in evaluation.model.spec.nodes if isinstance(node, RouterNode)]
        # By target: what reaches it, routers in the order of the file and routes in theirs.
        self.routes: dict[str, list[tuple[RouterNode, Route]]] = {}
        for router in routers:
            for route in router.routes:
                self.routes.setdefault(route.target, []).append((router, route))

    def value(self, target: str, t: int) -> float:
        """What all routers send to a target."""
        return sum((self._share(router, route, t) for router, route in self.routes[target]), 0.0)

    def parts(self, target: str, t: int) -> Parts:
        """The parts of what all routers send to a target."""
        count = len(self.evaluation.class_ids)
        return added((self._share_parts(router, route, t) for router, route in self.routes[target]), count)

    def is_classed(self, target: str) -> bool:
        """Whether something that a target gets belongs to classes."""
        return any(self.evaluation.classes.is_bound_classed(router.inputs.queue) for router, _ in self.routes[target])

    def _share(self, router: RouterNode, route: Route, t: int) -> float:
        total = sum((self._of_class(router, class_id, t) for class_id in route.classes), 0.0)
        return total if route.weight is None else total + self._rest(router, t) * self._weight(router, route)

    def _of_class(self, router: RouterNode, class_id: str, t: int) -> float:
        parts = self.evaluation.bound_parts(router.inputs.queue, t)
        return 0.0 if parts is None else parts[self.evaluation.class_ids.index(class_id)]

    def _rest(self, router: RouterNode, t: int) -> float:
        """What the routes by class leave to those by weight."""
        total = self.evaluation.bound(router.inputs.queue, t)
        routed = [class_id for route in router.routes for class_id in route.classes]
        if not routed:
            return total
        return kernels.maximum(0.0, total - sum(self._of_class(router, class_id, t) for class_id in routed))

    def _weight(self, router: RouterNode, route: Route) -> float:
        weights = [other.weight for other in router.routes if other.weight is not None]
        return 0.0 if route.weight is None else route.weight / sum(weights)

    def _share_parts(self, router: RouterNode, route: Route, t: int) -> Parts:
        ids = self.evaluation.class_ids
        source = self.evaluation.bound_parts(router.inputs.queue, t)
        if source is None:
            return (0.0,) * len(ids)
        routed = {class_id for other in router.routes for class_id in other.classes}
        weight = self._weight(router, route)
        return tuple(
            (part if class_id in route.classes else 0.0)
            + (0.0 if class_id in routed or route.weight is None else part * weight)
            for class_id, part in zip(ids, source, strict=True)
        )
