"""Models to measure with, made from a fixed seed: a chain of buffered stages with feedback in each."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sin

__all__ = ["DAY_BINS", "chain_model", "noise"]

DAY_BINS = 288  # of 5 minutes


def chain_model(stages: int, bins: int, seed: int = 1) -> str:
    """Return the YAML of ``stages`` serviceWithBuffer nodes in a line over ``bins`` bins of 5 minutes.

    Stage 0 gets a daily wave with noise.  Each stage has a capacity (const), the work at hand
    (expr, with SHIFT of its own queue), what it serves (expr) and a queue, so the whole line is one
    recurrence in time.  Equal to the text of the generator that the published figures were taken
    with (``tests/unit/test_benchmarks_registry.py``).
    """
    random = noise(seed)
    arrivals = [round(80 + 30 * sin(2 * pi * t / DAY_BINS) + 20 * next(random), 3) for t in range(bins)]
    lines = ["schemaVersion: 1", "grid:", f"  bins: {bins}", "  binSize: 5", "  binUnit: minutes", "nodes:"]
    lines += _const("arrivals", arrivals)
    for stage in range(stages):
        lines += _const(f"cap_{stage}", [round(85 + 20 * next(random), 3) for _ in range(bins)])
        lines += _expr(f"avail_{stage}", f"{_inflow(stage)} + SHIFT(q_{stage}, 1)")
        lines += _expr(f"served_{stage}", f"MIN(avail_{stage}, cap_{stage})")
    lines += ["topology:", "  nodes:"]
    for stage in range(stages):
        lines += _topology_node(stage)
    lines.append("  edges:" if stages > 1 else "  edges: []")
    for stage in range(stages - 1):
        lines += [f"    - from: Stage{stage}", f"      to: Stage{stage + 1}", "      weight: 1.0"]
    return "\n".join(lines) + "\n"


def noise(seed: int) -> Iterator[float]:
    """Yield numbers in [0, 1] from a linear congruential generator: the same in every language."""
    state = seed & 0x7FFFFFFF
    while True:
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        yield state / 0x7FFFFFFF


def _inflow(stage: int) -> str:
    return f"served_{stage - 1}" if stage else "arrivals"


def _const(name: str, values: list[float]) -> list[str]:
    return [f"  - id: {name}", "    kind: const", f"    values: [{', '.join(map(str, values))}]"]


def _expr(name: str, text: str) -> list[str]:
    return [f"  - id: {name}", "    kind: expr", f'    expr: "{text}"']


def _topology_node(stage: int) -> list[str]:
    return [
        f"    - id: Stage{stage}",
        "      kind: serviceWithBuffer",
        "      semantics:",
        f"        arrivals: {_inflow(stage)}",
        f"        served: served_{stage}",
        f"        capacity: cap_{stage}",
        f"        queueDepth: q_{stage}",
    ]
