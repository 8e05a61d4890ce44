"""A model whose inputs were measured: captured values take the place of what its author wrote.

A series becomes a const node of its name.  Where classes flow, their split has to stay a matter of the model,
since a const node has none of its own:

- What traffic splits by fixed weights stays split so, where the captured classes have these very shares.
- Captured classes with shares of their own become a const node each, and their series an expression of these.
- An expression that classes reach and of which no classes were captured keeps its formula for the split, and takes
  its total from the capture.

Where a bin was not measured, the model's own value stands: a const or pmf node is filled from what it was, an
expression keeps its formula for those bins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from flowtime.model import Model, parse_model
from flowtime.model.expression import references
from flowtime.model.plain import dump_spec
from flowtime.model.spec import (
    ArrivalPattern,
    ConstNode,
    ExprNode,
    FloatArray,
    ModelSpec,
    Node,
    PmfNode,
    SeriesFile,
    Traffic,
    TrafficArrival,
)

__all__ = ["Column", "Measured", "with_measured"]

# What adding up in another order, and printing, can do to a sum; more than that is another total.
_ROUNDING = 1e-9
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]")


class Column(NamedTuple):
    """Captured values (bins,), in which bins they are none (bins,), and the file that they are from."""

    values: FloatArray
    gaps: NDArray[np.bool_]
    source: str


@dataclass(frozen=True, eq=False)
class Measured:
    """What was captured of one series, and of its classes."""

    total: Column
    parts: Mapping[str, Column] = field(default_factory=dict)


def with_measured(model: Model, measured: Mapping[str, Measured]) -> Model:
    """Return the model with these inputs in place; all else is as it was.  Infinite values become gaps.

    Names must be inputs of the model (``capture_roles.inputs_of``).
    """
    if not measured:
        return model
    spec = _Bound(model, measured).spec()
    return parse_model(dump_spec(spec), file=model.file)


class _Bound:
    """Builds the spec, and keeps the names that are taken and the arrivals that are to change."""

    def __init__(self, model: Model, measured: Mapping[str, Measured]) -> None:
        self._model = model
        self._measured = measured
        self._taken = set(model.names.names)
        self._arrivals = list(model.spec.traffic.arrivals if model.spec.traffic else ())
        self._classed = _reached_by_classes(model)

    def spec(self) -> ModelSpec:
        """Return the spec with the measured inputs."""
        spec = self._model.spec
        nodes = [made for node in spec.nodes for made in self._replaced(node)]
        for name in self._measured:
            if name not in self._model.names.declared:
                nodes += self._fed_by_traffic(None, name)
        traffic = Traffic(arrivals=tuple(self._arrivals)) if self._arrivals else None
        authored = spec.provenance and msgspec.structs.replace(spec.provenance, mode="telemetry")
        return msgspec.structs.replace(spec, nodes=tuple(nodes), traffic=traffic, provenance=authored)

    def _replaced(self, node: Node) -> Iterator[Node]:
        found = self._measured.get(node.id)
        if found is None or not isinstance(node, ConstNode | PmfNode | ExprNode):
            yield node
        elif any(arrival.node_id == node.id for arrival in self._arrivals):
            yield from self._fed_by_traffic(node, node.id)
        elif isinstance(node, ExprNode) and node.id in self._classed:
            yield from self._of_classes(node, found)
        elif isinstance(node, ExprNode) and found.total.gaps.any():
            yield from self._with_formula(node, found.total)
        else:
            values = self._filled(node, found.total)
            yield _const(node.id, values, found.total.source, node.metadata)

    def _fed_by_traffic(self, node: Node | None, name: str) -> Iterator[Node]:
        """Yield the nodes of a series that traffic fills, or whose classes it declares."""
        found, metadata = self._measured[name], {} if node is None else node.metadata
        entries = [arrival for arrival in self._arrivals if arrival.node_id == name]
        shares = self._shares(entries)
        total = found.total._replace(values=self._filled(node, found.total, entries))
        parts = {
            class_id: column._replace(values=np.where(column.gaps, total.values * shares[class_id], column.values))
            for class_id, column in found.parts.items()
            if class_id in shares
        }
        has_shares = all(_same(total.values * shares[name], part.values) for name, part in parts.items())
        if has_shares or len(parts) < len(shares):
            yield _const(name, total.values, total.source, metadata)
            return
        self._arrivals = [arrival for arrival in self._arrivals if arrival.node_id != name]
        rates = {class_id: math.fsum(_rates(entries, class_id)) for class_id in shares}
        nodes, added = self._added(name, Measured(total, parts), rates)
        yield from nodes
        yield ExprNode(id=name, expr=added, metadata=dict(metadata))

    def _of_classes(self, node: ExprNode, found: Measured) -> Iterator[Node]:
        """Yield the nodes of an expression that classes reach: of its captured classes, else of its formula."""
        class_ids = [declared.id for declared in self._model.spec.classes or ()]
        if any(class_id not in found.parts for class_id in class_ids):
            yield from self._with_formula(node, found.total)
            return
        # A rate of 0, so that these do not count in the split of a depth before bin 0.
        nodes, added = self._added(node.id, found, dict.fromkeys(class_ids, 0.0))
        yield from nodes
        gaps = np.any([column.gaps for column in (found.total, *found.parts.values())], axis=0)
        if not gaps.any():
            yield msgspec.structs.replace(node, expr=added)
            return
        flag = self._flag(node.id, gaps)
        yield flag
        yield msgspec.structs.replace(node, expr=f"IF({flag.id}, {added}, {node.expr})")

    def _added(self, name: str, found: Measured, rates: Mapping[str, float]) -> tuple[list[Node], str]:
        """Return a const node for each class, and the expression that adds them up to what was measured in all."""
        names = {class_id: self._free(f"{name}_{class_id}") for class_id in rates}
        nodes: list[Node] = []
        for class_id, part in names.items():
            nodes.append(_const(part, found.parts[class_id].values, found.parts[class_id].source, {}))
            pattern = ArrivalPattern(kind="constant", rate_per_bin=rates[class_id])
            self._arrivals.append(TrafficArrival(node_id=part, class_id=class_id, pattern=pattern))
        added, total = " + ".join(names.values()), found.total.values
        split = _sum([found.parts[class_id].values for class_id in rates])
        if _same(split, total):
            return nodes, added
        with np.errstate(invalid="ignore"):
            rest = total - split
            is_rounding = _same(split + rest, total) and not (np.abs(rest) > _ROUNDING * np.abs(total)).any()
        if is_rounding:
            # A term that has a total and, split as nothing is, no part in any class.
            extra = self._free(f"{name}_rounding")
            nodes.append(_const(extra, rest, found.total.source, {}))
            return nodes, f"{added} + IF(1, {extra}, 0 * {next(iter(names.values()))})"
        whole = self._free(f"{name}_measured")
        nodes.append(_const(whole, total, found.total.source, {}))
        return nodes, f"IF(1, {whole}, {added})"

    def _shares(self, entries: list[TrafficArrival]) -> dict[str, float]:
        """Return the share of each class in what traffic brings, as the engine splits it; empty without classes."""
        class_ids = [declared.id for declared in self._model.spec.classes or ()]
        total = math.fsum(_rates(entries))
        if total <= 0.0:
            return {name: len(_rates(entries, name)) / len(entries) for name in class_ids}
        return {name: math.fsum(_rates(entries, name)) / total for name in class_ids}

    def _with_formula(self, node: ExprNode, column: Column) -> Iterator[Node]:
        """Yield an expression that takes its total from the capture, bin by bin where it was measured."""
        total = self._free(f"{node.id}_measured")
        yield _const(total, column.values, column.source, {})
        if not column.gaps.any():
            # A condition that always holds: the total is that of the first branch, split as the second one is.
            yield msgspec.structs.replace(node, expr=f"IF(1, {total}, {node.expr})")
            return
        flag = self._flag(node.id, column.gaps)
        yield flag
        yield msgspec.structs.replace(node, expr=f"IF({flag.id}, {total}, {node.expr})")

    def _flag(self, name: str, gaps: NDArray[np.bool_]) -> ConstNode:
        """Return the node that is 1 in the bins that were measured."""
        return ConstNode(id=self._free(f"{name}_is_measured"), values=(~gaps).astype(np.float64))

    def _filled(self, node: Node | None, column: Column, entries: Sequence[TrafficArrival] = ()) -> FloatArray:
        """Return what was measured, and between what the model itself has there."""
        if not column.gaps.any():
            return column.values
        filled: FloatArray = np.where(column.gaps, self._own(node, entries), column.values)
        return filled

    def _own(self, node: Node | None, entries: Sequence[TrafficArrival]) -> float | FloatArray:
        if isinstance(node, PmfNode):
            # Here, since the engine brings numba along.
            from flowtime.engine.sampling import expected_pmf

            return expected_pmf(node, self._model.spec.grid)
        if isinstance(node, ConstNode) and not isinstance(node.values, SeriesFile):
            return node.values
        return math.fsum(_rates(entries)) if node is None else np.nan

    def _free(self, wanted: str) -> str:
        name = candidate = _NOT_A_NAME.sub("_", wanted)
        number = 0
        while candidate in self._taken:
            number += 1
            candidate = f"{name}_{number}"
        self._taken.add(candidate)
        return candidate


def _const(name: str, values: FloatArray, source: str, metadata: Mapping[str, str]) -> ConstNode:
    known = np.where(np.isinf(values), np.nan, values)
    return ConstNode(id=name, values=known, source=source, metadata=dict(metadata))


def _rates(entries: Sequence[TrafficArrival], class_id: str | None = None) -> list[float]:
    return [entry.pattern.rate_or(1.0) for entry in entries if class_id is None or entry.class_id == class_id]


def _sum(parts: list[FloatArray]) -> FloatArray:
    # From left to right, as the expression adds them: another order would round otherwise.
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _same(left: FloatArray, right: FloatArray) -> bool:
    return bool(np.array_equal(left, right, equal_nan=True))


def _reached_by_classes(model: Model) -> frozenset[str]:
    """Return the expressions that read what traffic declares, directly or not."""
    if model.spec.classes is None or model.spec.traffic is None:
        return frozenset()
    reached = {arrival.node_id for arrival in model.spec.traffic.arrivals}
    found: set[str] = set()
    while True:
        more = {
            name
            for name, tree in model.expressions.items()
            if name not in found and any(read.id.partition("@")[0] in reached for read in references(tree))
        }
        if not more:
            return frozenset(found)
        found |= more
        reached |= more
