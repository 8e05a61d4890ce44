"""What the parts of lowering share: columns under construction, and what a reference text means as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from flowtime.engine.builder import FlowBuilder
from flowtime.model import Model
from flowtime.model.naming import ALL_CLASSES, Synthesized, resolve_reference
from flowtime.model.spec import ModelSpec
from flowtime_kernels import opcodes as op

__all__ = ["Amount", "LoweringContext", "Parts", "declared_shares"]

# The columns of what each class adds, in the order of the classes.
Parts: TypeAlias = tuple[int, ...]


class Amount(NamedTuple):
    """A series as columns: its total and, where classes are known, their parts."""

    total: int
    parts: Parts | None = None


@dataclass
class LoweringContext:
    """Columns so far: ``columns`` by series name, ``classes`` the parts of those that have some.

    ``initial`` is the depth before bin 0 of those series that have one; ``shares`` how stocks of unknown
    make-up, such as an initial depth, are split over the classes.
    """

    model: Model
    builder: FlowBuilder = field(default_factory=FlowBuilder)
    columns: dict[str, int] = field(default_factory=dict)
    classes: dict[str, Parts] = field(default_factory=dict)
    initial: dict[str, float] = field(default_factory=dict)
    class_ids: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def spec(self) -> ModelSpec:
        """The structs of the model."""
        return self.model.spec

    @property
    def names(self) -> Synthesized:
        """All names that the model declares or implies."""
        return self.model.names

    def zeros(self) -> Parts:
        """A part of nothing for each class."""
        return (self.builder.scalar(0.0),) * len(self.class_ids)

    def of_name(self, name: str) -> Amount:
        """Return a series by its name."""
        return Amount(self.columns[name], self.classes.get(name))

    def of_reference(self, text: str | None, own_queue: str | None = None) -> Amount | None:
        """Return what a reference means; one of its classes is a series that is all of that class."""
        found = None if text is None else resolve_reference(text, self.names, own_queue)
        if found is None or found.id is None:
            return None
        if found.class_id is None or not self.class_ids or found.class_id in ALL_CLASSES:
            return self.of_name(found.id)
        parts = self.classes.get(found.id, self.zeros())
        place = self.class_ids.index(found.class_id)
        zeros = self.zeros()
        return Amount(parts[place], (*zeros[:place], parts[place], *zeros[place + 1 :]))

    def named(self) -> dict[str, int]:
        """Every name that a series goes by: totals in the order of the model, then parts by class."""
        names = {name: self.columns[name] for name in self.names.names}
        for name, parts in self.classes.items():
            names.update({f"{name}@{class_id}": part for class_id, part in zip(self.class_ids, parts, strict=True)})
        return names

    # Arithmetic on columns

    def add_up(self, columns: Sequence[int], owner: str, out: int | None = None) -> int:
        """Add columns from left to right; none at all is 0."""
        if not columns:
            zero = self.builder.scalar(0.0)
            return zero if out is None else self.builder.copy(zero, out)
        total = columns[0]
        for place, column in enumerate(columns[1:], start=2):
            target = out if place == len(columns) else None
            total = self.builder.emit(op.ADD, total, column, owner=owner, out=target)
        return self.builder.copy(total, out) if out is not None and len(columns) == 1 else total

    def present(self, column: int, owner: str) -> int:
        """What of a flow there is: at least 0, and 0 where it is not finite."""
        known = self.builder.emit(op.SAFE, column, owner=owner)
        return self.builder.emit(op.MAX, self.builder.scalar(0.0), known, owner=owner)

    def scaled(self, parts: Parts, whole: int, result: int, owner: str, outs: Parts | None = None) -> Parts:
        """Split ``result`` as ``parts`` split ``whole``; where that is 0 nothing is known of the split."""
        factor = self.builder.emit(op.DIV, result, whole, owner=owner)
        targets: Sequence[int | None] = outs or [None] * len(parts)
        return tuple(
            self.builder.emit(op.MUL, part, factor, owner=owner, out=out)
            for part, out in zip(parts, targets, strict=True)
        )

    def fill(self, parts: Parts, outs: Parts) -> None:
        """Copy parts into columns that are waiting for them."""
        for part, out in zip(parts, outs, strict=True):
            self.builder.copy(part, out)

    def initial_parts(self, value: float) -> tuple[float, ...]:
        """Split a depth before bin 0 over the classes."""
        return tuple(value * share for share in self.shares)


def declared_shares(spec: ModelSpec, class_ids: Sequence[str]) -> tuple[float, ...]:
    """Return the share of each class in all traffic that the model declares; equal where it declares none."""
    arrivals = spec.traffic.arrivals if spec.traffic else ()
    sums = [
        math.fsum(arrival.pattern.rate_or(1.0) for arrival in arrivals if arrival.class_id == class_id)
        for class_id in class_ids
    ]
    total = math.fsum(sums)
    return tuple(rate / total if total > 0.0 else 1.0 / len(sums) for rate in sums)
