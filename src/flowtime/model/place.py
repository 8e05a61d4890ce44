"""JSON paths such as ``$.nodes[2].expr``, and where in the file they are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TypeAlias

from flowtime.errors import Fault
from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode

__all__ = ["ROOT", "Places", "Step", "Trail", "locate", "parse_path", "path_text"]

Step: TypeAlias = str | int
# A path as a chain (parent, step), so that walking down costs one small tuple and no text.
Trail: TypeAlias = "tuple[Trail, Step] | None"

ROOT: Trail = None

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PATH_STEP = re.compile(r"""\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]{1,15})\]|\[("(?:[^"\\]|\\.)*")\]""")


def path_text(trail: Trail) -> str:
    """Return the JSON path of a trail; a key that is no plain word is quoted in brackets."""
    parts: list[str] = []
    while trail is not None:
        trail, step = trail
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN_KEY.fullmatch(step):
            parts.append(f".{step}")
        else:
            parts.append(f"[{json.dumps(step, ensure_ascii=False)}]")
    return "$" + "".join(reversed(parts))


def parse_path(text: str) -> tuple[Step, ...]:
    """Return the steps of a JSON path written by ``path_text``; what follows an unreadable step is left out."""
    steps: list[Step] = []
    position = 1
    while (match := _PATH_STEP.match(text, position)) is not None:
        word, number, quoted = match.groups()
        if number is not None:
            steps.append(int(number))
        else:
            steps.append(word if word is not None else json.loads(quoted))
        position = match.end()
    return tuple(steps)


def locate(tree: TreeNode, path: str) -> TreeNode:
    """Return the node at a JSON path, or its nearest parent that exists."""
    node = tree
    for step in parse_path(path):
        child = _child(node, step)
        if child is None:
            return node
        node = child
    return node


def _child(node: TreeNode, step: Step) -> TreeNode | None:
    match node:
        case MappingNode(pairs=pairs) if isinstance(step, str):
            return next((value for key, value in pairs if key.text == step), None)
        case SequenceNode(items=items) if isinstance(step, int) and step < len(items):
            return items[step]
        case ScalarNode() | NumbersNode():
            return None
        case _:
            return None


@dataclass(frozen=True)
class Places:
    """A document's tree and name, for faults found after it was decoded."""

    tree: TreeNode
    file: str | None

    def position(self, path: str, offset: int = 0) -> tuple[int, int]:
        """Return the line and column (from 1) of a JSON path, or of its nearest parent that exists;
        ``offset`` counts characters into a scalar."""
        node = locate(self.tree, path)
        if not offset or not isinstance(node, ScalarNode):
            return node.line, node.column
        before = node.text[:offset]
        # Only block text holds line breaks as the file does, and there every line starts in one column.
        return node.line + before.count("\n"), node.column + offset - (before.rfind("\n") + 1)

    def fault(self, code: str, message: str, path: str, *, hint: str | None = None, offset: int = 0) -> Fault:
        """Return a fault at a JSON path."""
        line, column = self.position(path, offset)
        return Fault(code, message, self.file, line, column, path, hint)
