"""Small models as texts, and how to compile them, for the tests of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowtime.engine import CompiledModel, compile_model
from flowtime.model import parse_model
from flowtime_kernels import opcodes as op

__all__ = ["compiled", "model_text", "operation_names", "station"]

NAMES = {code: name.lower() for name, code in vars(op).items() if name.isupper() and not name.endswith("_FIRST")}


def model_text(
    bins: int,
    nodes: Mapping[str, Any],
    *stations: str,
    edges: Sequence[str] = (),
    constraints: Sequence[str] = (),
    grid: str = "binSize: 1, binUnit: minutes",
    root: Sequence[str] = (),
) -> str:
    """A model file: texts are expressions, or whole nodes where they begin with a brace; inputs numbers or lists.

    Stations, edges and constraints are flow mappings of YAML; ``root`` are further lines of the file.
    """
    lines = ["schemaVersion: 1", f"grid: {{bins: {bins}, {grid}}}", "nodes:"]
    lines += (f"  - {_node(name, value)}" for name, value in nodes.items())
    if stations:
        lines += ["topology:", "  nodes:", *(f"    - {text}" for text in stations)]
    if edges:
        lines += ["  edges:", *(f"    - {text}" for text in edges)]
    if constraints:
        lines += ["  constraints:", *(f"    - {text}" for text in constraints)]
    return "\n".join([*lines, *root]) + "\n"


def _node(name: str, value: Any) -> str:
    if isinstance(value, str):
        rest = value.removeprefix("{").removesuffix("}") if value.startswith("{") else f"kind: expr, expr: '{value}'"
    else:
        rest = f"kind: const, values: {str(value).replace('nan', '.nan')}"
    return f"{{id: {name}, {rest}}}"


def station(semantics: str, *, kind: str = "serviceWithBuffer", name: str = "Q", rest: str = "") -> str:
    """One topology node."""
    return f"{{id: {name}, kind: {kind}, semantics: {{{semantics}}}{rest}}}"


def compiled(bins: int, nodes: Mapping[str, Any], *stations: str, **options: Any) -> CompiledModel:
    """The model of ``model_text``, compiled; ``outputs`` and ``seed`` are for the compiler."""
    chosen = {name: options.pop(name) for name in ("outputs", "seed") if name in options}
    return compile_model(parse_model(model_text(bins, nodes, *stations, **options)), **chosen)


def operation_names(model: CompiledModel) -> list[str]:
    """The operations of a plan in the order in which they run, those of metrics left out."""
    return [NAMES[o.code] for stage in model.plan.stages if not stage.is_metric for o in stage.operations]
