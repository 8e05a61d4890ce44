"""A YAML document as positioned nodes: the one neutral form between text and structs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowtime.model.spec import FloatArray

__all__ = ["MappingNode", "NumbersNode", "ScalarNode", "SequenceNode", "TreeNode"]


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A scalar as written; ``quoted`` (or block) text is always a string, never a number or null."""

    text: str
    quoted: bool
    line: int
    column: int
    kind: Literal["scalar"] = "scalar"


@dataclass(frozen=True, slots=True)
class NumbersNode:
    """A flow sequence of plain numbers, read in one call; a read-only float64 array (n,)."""

    values: FloatArray
    line: int
    column: int
    kind: Literal["numbers"] = "numbers"


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A sequence of nodes."""

    items: tuple[TreeNode, ...]
    line: int
    column: int
    kind: Literal["sequence"] = "sequence"


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping in the order of the file; keys are scalars and unique."""

    pairs: tuple[tuple[ScalarNode, TreeNode], ...]
    line: int
    column: int
    kind: Literal["mapping"] = "mapping"


TreeNode: TypeAlias = ScalarNode | NumbersNode | SequenceNode | MappingNode
