"""A random model in the making: what is declared so far, and small choices."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import Any

from strategies_text import flow, wild

__all__ = ["Maker"]


@dataclass
class Maker:
    """A model in the making: what is declared so far, and which series a part may read in the same bin."""

    random: Random
    is_physical: bool
    bins: int
    classes: tuple[str, ...]
    nodes: list[dict[str, Any]] = field(default_factory=list)
    stations: list[dict[str, Any]] = field(default_factory=list)
    traffic: list[dict[str, Any]] = field(default_factory=list)
    constraints: list[dict[str, Any]] = field(default_factory=list)
    factors: set[str] = field(default_factory=set)
    inputs: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    # What is known once the part that is being drawn is done.
    coming: list[str] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def chance(self, share: float) -> bool:
        """True in that share of all cases."""
        return self.random.random() < share

    def number(self) -> int:
        """A number that no part had before."""
        self.count += 1
        return self.count

    def amount(self, most: float = 40.0) -> float:
        """An amount of work."""
        return 0.0 if self.chance(0.05) else round(self.random.uniform(0.1, most), 3)

    def values(self, most: float = 40.0) -> float | list[float]:
        """The values of an input."""
        if self.chance(0.4):
            return self.amount(most)
        values = [self.amount(most) for _ in range(self.bins)]
        if not self.is_physical and self.chance(0.1):
            values[self.random.randrange(self.bins)] = math.nan
        return values

    def const(self, name: str, values: Any) -> str:
        """Declare an input."""
        self.nodes.append({"id": name, "kind": "const", "values": values})
        return name

    def expr(self, name: str, text: str) -> str:
        """Declare an expression."""
        self.nodes.append({"id": name, "kind": "expr", "expr": text})
        return name

    def pick(self) -> str:
        """A series to read, late ones rather than early ones."""
        return self.random.choice(self.known[-8:] if self.chance(0.6) else self.known)

    def reference(self) -> str:
        """A binding, now and then of one class."""
        if self.split and self.chance(0.1):
            return f"{self.random.choice(self.split)}@{self.random.choice(self.classes)}"
        return f"series:{self.pick()}" if self.chance(0.1) else self.pick()

    def series(self, name: str) -> str:
        """A series that only one station reads: an input, or an expression over what is known."""
        if self.chance(0.35):
            return self.const(name, self.values())
        return self.expr(name, flow(self.random, self.known, 2))

    def text(self) -> str:
        """An expression."""
        if self.is_physical or self.chance(0.7):
            return flow(self.random, self.known)
        return wild(self.random, self.known, self.inputs)
