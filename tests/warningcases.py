"""What the tests of warnings share: models that differ by little, and what is found in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from enginemodels import model_text
from flowtime.engine import Result, RunWarning, compile_model
from flowtime.model import parse_model
from flowtime.model.spec import FloatArray

__all__ = ["NODES", "TRAFFIC", "Tampered", "evaluated", "found"]

# All of 10 entities is served at once, with capacity for 20.
NODES: Mapping[str, Any] = {
    "a": [10.0] * 6,
    "s": [10.0] * 6,
    "c": 20.0,
    "zero": [0.0] * 6,
    "few": [4.0] * 6,
    "many": [30.0] * 6,
    "none": [math.nan] * 6,
    "unlimited": "EXP(a * 1000)",
}

# Of 10 entities at ``a`` and ``s`` 6 are of class X and 4 of class Y.
TRAFFIC = """classes: [{id: X}, {id: Y}]
traffic:
  arrivals:
    - {nodeId: a, classId: X, pattern: {kind: constant, rate: 6}}
    - {nodeId: a, classId: Y, pattern: {kind: constant, rate: 4}}
"""


def evaluated(*stations: str, edges: Sequence[str] = (), more: str = "", **nodes: Any) -> Result:
    """The result of a model over six bins; ``more`` is text after its topology."""
    text = model_text(6, {**NODES, **nodes}, *stations, edges=edges) + more
    return compile_model(parse_model(text)).evaluate()


def found(result: Result, code: str) -> list[RunWarning]:
    """The warnings of one code."""
    return [warning for warning in result.warnings if warning.code == code]


class Tampered(Result):
    """A result some of whose series are not what the engine computed, or have no classes.

    Here for what the engine never gives by itself.
    """

    def __init__(self, result: Result, values: Mapping[str, FloatArray], classless: Sequence[str] = ()) -> None:
        self.__dict__.update(result.__dict__)
        for derived in ("warnings", "edges", "metrics"):
            self.__dict__.pop(derived, None)
        self._values = values
        self._classless = frozenset(classless)

    def __getitem__(self, name: str) -> FloatArray:
        return self._values[name] if name in self._values else super().__getitem__(name)

    def by_class(self, name: str) -> dict[str, FloatArray]:
        """No parts of what is to have none."""
        return {} if name in self._classless else super().by_class(name)
