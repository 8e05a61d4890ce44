"""A model as plain data, to be written as YAML at any horizon and scale."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Draft"]

# What stands in a file as an amount of work, beside the values of inputs.
AMOUNTS = frozenset({"queueDepth", "wipLimit", "retryBudget", "ratePerBin", "rate"})


@dataclass(frozen=True)
class Draft:
    """A model as plain data; write it with ``text``.  ``factors`` are inputs that are no amounts of work."""

    bins: int
    bin_size: int
    bin_unit: str
    nodes: tuple[dict[str, Any], ...]
    stations: tuple[dict[str, Any], ...]
    start: str | None = None
    classes: tuple[str, ...] = ()
    traffic: tuple[dict[str, Any], ...] = ()
    constraints: tuple[dict[str, Any], ...] = ()
    edges: tuple[dict[str, Any], ...] = ()
    factors: frozenset[str] = frozenset()

    def text(self) -> str:
        """The model file."""
        grid = {"bins": self.bins, "binSize": self.bin_size, "binUnit": self.bin_unit}
        lines = ["schemaVersion: 1", f"grid: {_flow(grid | ({'start': self.start} if self.start else {}))}"]
        lines += _rows("classes:", [{"id": class_id} for class_id in self.classes])
        lines += ["traffic:", *_indented(_rows("arrivals:", self.traffic))] if self.traffic else []
        lines += _rows("nodes:", self.nodes)
        if self.stations:
            lines += ["topology:", *_indented(_rows("nodes:", self.stations))]
            lines += _indented([*_rows("constraints:", self.constraints), *_rows("edges:", self.edges)])
        return "\n".join(lines) + "\n"

    def until(self, bins: int) -> Draft:
        """The same model over its first bins."""
        return replace(self, bins=bins, nodes=tuple(_cut(node, bins) for node in self.nodes))

    def reversed(self) -> Draft:
        """The same model with its file in the opposite order."""
        return replace(self, nodes=self.nodes[::-1], stations=self.stations[::-1])

    def with_values(self, name: str, values: float) -> Draft:
        """The same model with one input set to one number."""
        nodes = tuple(node | {"values": values} if node["id"] == name else node for node in self.nodes)
        return replace(self, nodes=nodes)

    def scaled(self, factor: float) -> Draft:
        """The same model with all amounts, and the stocks it starts from, times a factor."""
        nodes = tuple(node if node["id"] in self.factors else _scaled_node(node, factor) for node in self.nodes)
        stations = tuple(_scaled_amounts(station, factor) for station in self.stations)
        traffic = tuple(_scaled_amounts(arrival, factor) for arrival in self.traffic)
        return replace(self, nodes=nodes, stations=stations, traffic=traffic)


def _rows(head: str, rows: Any) -> list[str]:
    return [head, *(f"  - {_flow(row)}" for row in rows)] if rows else []


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _flow(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case float():
            return ".nan" if math.isnan(value) else repr(value)
        case _:
            return json.dumps(value)


def _cut(node: dict[str, Any], bins: int) -> dict[str, Any]:
    return {**node, "values": node["values"][:bins]} if isinstance(node.get("values"), list) else node


def _scaled_node(node: dict[str, Any], factor: float) -> dict[str, Any]:
    match node:
        case {"values": list(values)}:
            return {**node, "values": [value * factor for value in values]}
        case {"values": value}:
            return {**node, "values": value * factor}
        case {"pmf": {"values": values, "probabilities": probabilities}}:
            return {**node, "pmf": {"values": [value * factor for value in values], "probabilities": probabilities}}
        case _:
            return node


def _scaled_amounts(row: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Times a factor whatever is an amount in a station or an entry of traffic; names stay as they are."""
    result: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            result[key] = _scaled_amounts(value, factor)
        elif key in AMOUNTS and isinstance(value, float):
            result[key] = value * factor
        else:
            result[key] = value
    return result
