"""Models of every kind to measure with, made from a fixed seed: routers, classes, constraints, limits, gates, retries.

A model is a number of blocks of ``BLOCK_NODES`` topology nodes each.  What a block has done is part of what the
next but ``LANES`` gets, so that lines are long, some of them with classes and some without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import pi, sin

from benchmarks.models import DAY_BINS, noise

__all__ = ["BLOCK_NODES", "LANES", "mixed_model"]

BLOCK_NODES = 12
# Blocks are dealt to so many lines; the first has classes, where the model has any.
LANES = 4

_ALLOCATIONS = ("proportional", "priority", "maxMin")
_PROFILES = ("weekday-office", "three-shift", "hub-rush-hour")


def mixed_model(blocks: int, bins: int, *, classes: int = 3, all_classed: bool = False, seed: int = 1) -> str:
    """Return the YAML of a model of ``blocks`` times BLOCK_NODES nodes over ``bins`` bins of 5 minutes.

    Every block has inputs (const, pmf, a pmf with a profile), expressions, a router and one topology node of each
    kind: a gate, a service whose overflow is caught, a line by hand and computed ones, a limited buffer, two that
    share a constraint, one with retries, a dead letter queue, a sink and a dependency.  Work has ``classes`` classes
    in the first of LANES lines, or in all of them.
    """
    random = noise(seed)
    made = [_Block(b, bins, random, classes if all_classed or b % LANES == 0 else 0) for b in range(blocks)]
    lines = ["schemaVersion: 1", "grid:", f"  bins: {bins}", "  binSize: 5", "  binUnit: minutes"]
    if classes:
        lines += ["classes:", *(f"  - id: c{k}" for k in range(classes))]
        lines += ["traffic:", "  arrivals:", *(line for block in made for line in block.traffic())]
    lines += ["nodes:", *(line for block in made for line in block.nodes())]
    lines += ["topology:", "  nodes:", *(line for block in made for line in block.stations())]
    lines += ["  edges:", *(line for block in made for line in block.edges())]
    lines += ["  constraints:", *(line for block in made for line in block.constraints())]
    return "\n".join(lines) + "\n"


class _Block:
    """The lines of one block; ``name`` makes the ids of its series and nodes its own."""

    def __init__(self, number: int, bins: int, random: Iterator[float], classes: int) -> None:
        self._number = number
        self._name = f"b{number}"
        self._bins = bins
        self._random = random
        self._classes = classes
        # How often the gate of the block opens, in bins.
        self._every = 2 + number % 5

    def traffic(self) -> list[str]:
        """The classes that what comes into the block is split over, by rates that differ."""
        return [
            f"    - {{nodeId: {self._name}_{source}, classId: c{k}, pattern: {{kind: constant, ratePerBin: {k + 1}}}}}"
            for source in ("demand", "extra")
            for k in range(self._classes)
        ]

    def nodes(self) -> list[str]:
        """Inputs, expressions and the router."""
        name, number = self._name, self._number
        wave = [round(60 + 20 * sin(2 * pi * t / DAY_BINS) + 20 * next(self._random), 3) for t in range(self._bins)]
        pool = [round(90 + 20 * next(self._random), 3) for _ in range(self._bins)]
        before = f" + 0.2 * b{number - LANES}_done" if number >= LANES else ""
        weights = [round(0.3 + next(self._random), 3) for _ in range(2)]
        profile = f"{{kind: builtin, name: {_PROFILES[number % len(_PROFILES)]}}}"
        return [
            _node(f"{name}_demand", f"kind: const, values: {wave}"),
            _node(
                f"{name}_extra", f"kind: pmf, pmf: {{values: [1, 4], probabilities: [0.75, 0.25]}}, profile: {profile}"
            ),
            _node(f"{name}_share", "kind: pmf, pmf: {values: [0.5, 1.5], probabilities: [0.5, 0.5]}"),
            _node(f"{name}_pool", f"kind: const, values: {pool}"),
            _node(f"{name}_slots", "kind: const, values: 80"),
            _expr(f"{name}_batch", f"{name}_pool * {self._every}"),
            _expr(f"{name}_in", f"{name}_demand * {name}_share{before}"),
            _expr(f"{name}_work", f"{name}_front_served + {name}_spill_served"),
            _expr(f"{name}_avail", f"{name}_work + SHIFT({name}_q, 1)"),
            _expr(f"{name}_cap", f"CLAMP(EMA({name}_pool, 0.2), 40, {name}_slots + 30)"),
            _expr(f"{name}_out", f"MIN({name}_avail, {name}_cap)"),
            _node(f"{name}_split", self._router(weights)),
            _expr(f"{name}_back", f"{name}_left_served + {name}_right_served + {name}_echo"),
            _expr(f"{name}_failed", f"{name}_retry_served * IF({name}_pool > 105, 0.12, 0.04)"),
            _expr(f"{name}_done", f"MAX(0, {name}_retry_served - {name}_failed)"),
        ]

    def stations(self) -> list[str]:
        """The topology nodes, BLOCK_NODES of them."""
        name = self._name
        held = "true" if self._number % 2 else "false"
        gate = f"dispatchSchedule: {{periodBins: {self._every}, accumulate: {held}}}"
        shared = f"constraints: [{name}_shared]"
        retry = {
            "arrivals": f"{name}_back",
            "externalDemand": f"{name}_left_served",
            "capacity": f"{name}_cap",
            "failures": f"{name}_failed",
            "retryEcho": f"{name}_echo",
            "retryKernel": "[0, 0.6, 0.3]",
            "maxAttempts": "3",
            "exhaustedFailures": f"{name}_dead",
        }
        buffer = "serviceWithBuffer"
        return [
            self._station("gate", buffer, {"arrivals": f"{name}_in", "capacity": f"{name}_batch"}, gate),
            self._station(
                "front",
                "service",
                {"arrivals": f"{name}_gate_served", "capacity": f"{name}_cap"},
                f"wipOverflow: {name}_spill",
            ),
            self._station("spill", buffer, {"arrivals": f"{name}_extra", "capacity": f"{name}_slots"}),
            self._station(
                "hand",
                buffer,
                {
                    "arrivals": f"{name}_work",
                    "served": f"{name}_out",
                    "capacity": f"{name}_cap",
                    "queueDepth": f"{name}_q",
                },
            ),
            self._station(
                "limited",
                buffer,
                {"arrivals": f"{name}_out", "capacity": f"{name}_slots", "parallelism": "1.1"},
                "wipLimit: 150",
            ),
            self._station("fork", "router", {"arrivals": f"{name}_limited_served", "served": f"{name}_limited_served"}),
            self._station("left", buffer, {"arrivals": f"{name}_to_left", "capacity": f"{name}_slots"}, shared),
            self._station("right", buffer, {"arrivals": f"{name}_to_right", "capacity": f"{name}_pool"}, shared),
            self._station("retry", buffer, retry),
            self._station("dlq", "dlq", {"arrivals": f"{name}_dead", "capacity": f"{name}_share"}),
            self._station("sink", "sink", {"arrivals": f"{name}_done"}),
            self._station("store", "dependency", {"arrivals": f"{name}_out", "served": f"{name}_out"}),
        ]

    def edges(self) -> list[str]:
        """The line of the block, the fork in it, and the effort at what it depends on."""
        pairs = [
            ("gate", "front"), ("front", "hand"), ("spill", "hand"), ("hand", "limited"), ("limited", "fork"),
            ("fork", "left"), ("fork", "right"), ("left", "retry"), ("right", "retry"), ("retry", "sink"),
        ]  # fmt: skip
        lines = [f"    - {{from: {self._name}_{source}, to: {self._name}_{target}}}" for source, target in pairs]
        lines.append(f"    - {{from: {self._name}_hand, to: {self._name}_store, type: effort, multiplier: 2, lag: 1}}")
        return lines

    def constraints(self) -> list[str]:
        """The capacity that the two behind the fork share."""
        name, allocation = self._name, _ALLOCATIONS[self._number % len(_ALLOCATIONS)]
        bound = f"semantics: {{arrivals: {name}_out, served: {name}_pool}}"
        return [f"    - {{id: {name}_shared, {bound}, allocation: {allocation}}}"]

    def _router(self, weights: Sequence[float]) -> str:
        name = self._name
        first = "classes: [c0]" if self._classes > 1 else f"weight: {weights[0]}"
        routes = [
            f"{{target: {name}_to_left, {first}}}",
            f"{{target: {name}_to_right, weight: {weights[1]}}}",
            f"{{target: {name}_to_left, weight: {weights[0]}}}",
        ]
        return f"kind: router, inputs: {{queue: {name}_limited_served}}, routes: [{', '.join(routes)}]"

    def _station(self, part: str, kind: str, bound: Mapping[str, str], rest: str = "") -> str:
        semantics = ", ".join(f"{role}: {text}" for role, text in bound.items())
        more = f", {rest}" if rest else ""
        return f"    - {{id: {self._name}_{part}, kind: {kind}, semantics: {{{semantics}}}{more}}}"


def _node(name: str, rest: str) -> str:
    return f"  - {{id: {name}, {rest}}}"


def _expr(name: str, text: str) -> str:
    return _node(name, f"kind: expr, expr: '{text}'")
