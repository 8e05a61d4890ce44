"""Stand-ins for nodes that can not be read, so that the rest of a model is still checked.

A node without its expression must not hide that another one names a series that does not exist: what
is wrong with a file is told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from flowtime.model.decode import decode_with_faults
from flowtime.model.spec import Node, TopologyNode
from flowtime.model.tree import MappingNode, ScalarNode, SequenceNode, TreeNode

__all__ = ["mend"]

# What is kept of a node that can not be read: its id, with a kind that implies what others may refer to.
_STAND_INS: Mapping[str, tuple[Any, str, str]] = MappingProxyType(
    {"nodes": (Node, "const", "values"), "topology": (TopologyNode, "serviceWithBuffer", "semantics")}
)


def mend(tree: TreeNode) -> tuple[TreeNode, tuple[str, ...]]:
    """Return the tree with a stand-in for each node that can not be read, and the paths of those nodes."""
    if not isinstance(tree, MappingNode):
        return tree, ()
    replaced: list[str] = []
    pairs = []
    for key, child in tree.pairs:
        if key.text == "nodes":
            child = _mend_items(child, "nodes", "$.nodes", replaced)
        elif key.text == "topology" and isinstance(child, MappingNode):
            inner = tuple(
                (name, _mend_items(value, "topology", "$.topology.nodes", replaced) if name.text == "nodes" else value)
                for name, value in child.pairs
            )
            child = replace(child, pairs=inner)
        pairs.append((key, child))
    return replace(tree, pairs=tuple(pairs)), tuple(replaced)


def _mend_items(node: TreeNode, place: str, path: str, replaced: list[str]) -> TreeNode:
    if not isinstance(node, SequenceNode):
        return node
    type_ = _STAND_INS[place][0]
    items = []
    for index, item in enumerate(node.items):
        readable, _ = decode_with_faults(item, type_)
        if readable is None:
            replaced.append(f"{path}[{index}]")
            item = _stand_in(item, place, index)
        items.append(item)
    return replace(node, items=tuple(items))


def _stand_in(item: TreeNode, place: str, index: int) -> MappingNode:
    _, kind, field = _STAND_INS[place]
    pairs = item.pairs if isinstance(item, MappingNode) else ()
    given = next((value for key, value in pairs if key.text == "id" and isinstance(value, ScalarNode)), None)
    # Nothing refers to a node without an id, so any name that no author would choose will do.
    name = given if given is not None and given.text else _scalar(f"_unnamed_{place}_{index}", item)
    content = _scalar("0", item) if field == "values" else MappingNode((), item.line, item.column)
    made: tuple[tuple[ScalarNode, TreeNode], ...] = (
        (_scalar("id", item), name),
        (_scalar("kind", item), _scalar(kind, item)),
        (_scalar(field, item), content),
    )
    return MappingNode(made, item.line, item.column)


def _scalar(text: str, at: TreeNode) -> ScalarNode:
    return ScalarNode(text, False, at.line, at.column)
