"""Models whose semantics name files beside them: each file becomes a const node, and the run one of telemetry.

Two forms are read: a model of ours, and the older folder form, whose root has ``window`` (bins, binSize, binUnit,
startTimeUtc) in place of a grid, and whose edges have ``source`` and ``target``.  A reference is ``file:NAME.csv``
or ``file://telemetry/NAME.csv`` (a file in the folder ``telemetry``), below the folder of the model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from flowtime.bundle import Origin
from flowtime.errors import ModelError
from flowtime.model import model_from_tree, snake
from flowtime.model.document import read_model_file
from flowtime.model.tree import MappingNode, ScalarNode, SequenceNode, TreeNode
from flowtime.model.yaml_reader import Limits, read_yaml
from flowtime.orchestration.mode_rules import check_sources
from flowtime.orchestration.simulate import PreparedSource

__all__ = ["load_with_files"]

_FILE = "file:"
_TELEMETRY = "file://telemetry/"
_GRID: Mapping[str, str] = MappingProxyType(
    {"bins": "bins", "binSize": "binSize", "binUnit": "binUnit", "startTimeUtc": "start"}
)
_EDGE: Mapping[str, str] = MappingProxyType({"source": "from", "target": "to"})
# Roots of the older form that mean nothing where they are empty, and nothing that we know where they are not.
_EMPTY_ROOTS = frozenset({"variables", "constraints"})


def load_with_files(
    source: str | os.PathLike[str],
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> PreparedSource | None:
    """Return the model in a file with the series that its semantics name; None where they name no files.

    Raises ModelError with every fault of the model and of the files, each with its file and line.
    """
    name = os.fspath(source)
    tree, faults = read_yaml(read_model_file(source, limits), file=name, limits=limits)
    if not isinstance(tree, MappingNode):
        return None
    reader = _Reader()
    document = reader.read(tree)
    if not reader.files:
        return None
    if faults:
        raise ModelError(faults)
    model = model_from_tree(document, file=name, folder=Path(source).parent)
    origin = Origin(mode="telemetry", telemetry_bindings=dict(sorted(reader.files.items())))
    return PreparedSource(model=model, origin=origin, notes=check_sources((), is_fed=True))


@dataclass
class _Reader:
    """Turns a document into one of ours; ``files`` are then the new nodes and the files that they are from."""

    files: dict[str, str] = field(default_factory=dict)
    _nodes: list[TreeNode] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def read(self, tree: MappingNode) -> MappingNode:
        """Return the document with a node for each file."""
        pairs = {key.text: (key, value) for key, value in tree.pairs if not _is_empty_root(key, value)}
        nodes = pairs["nodes"][1] if "nodes" in pairs else None
        declared = nodes.items if isinstance(nodes, SequenceNode) else ()
        self._taken = {found for item in declared if (found := _text_at(item, "id")) is not None}
        if "topology" in pairs:
            key, topology = pairs["topology"]
            pairs["topology"] = (key, self._topology(topology))
        if "window" in pairs and "grid" not in pairs:
            key, window = pairs.pop("window")
            pairs["grid"] = (_scalar("grid", key), _renamed(window, _GRID))
            pairs.setdefault("schemaVersion", (_scalar("schemaVersion", key), _scalar("1", key)))
        if self._nodes:
            key = pairs["nodes"][0] if "nodes" in pairs else _scalar("nodes", tree)
            pairs["nodes"] = (key, SequenceNode((*declared, *self._nodes), key.line, key.column))
        return MappingNode(tuple(pairs.values()), tree.line, tree.column)

    def _topology(self, topology: TreeNode) -> TreeNode:
        if not isinstance(topology, MappingNode):
            return topology
        pairs: list[tuple[ScalarNode, TreeNode]] = []
        for key, value in topology.pairs:
            items = value.items if isinstance(value, SequenceNode) else ()
            if key.text == "nodes" and items:
                value = SequenceNode(tuple(map(self._station, items)), value.line, value.column)
            elif key.text == "edges" and items:
                value = SequenceNode(tuple(_renamed(edge, _EDGE) for edge in items), value.line, value.column)
            pairs.append((key, value))
        return MappingNode(tuple(pairs), topology.line, topology.column)

    def _station(self, node: TreeNode) -> TreeNode:
        if not isinstance(node, MappingNode):
            return node
        owner = _text_at(node, "id") or ""
        pairs = (
            (key, self._semantics(value, owner) if key.text == "semantics" else value) for key, value in node.pairs
        )
        return MappingNode(tuple(pairs), node.line, node.column)

    def _semantics(self, semantics: TreeNode, owner: str) -> TreeNode:
        if not isinstance(semantics, MappingNode):
            return semantics
        pairs = ((key, self._series(value, f"{owner}_{key.text}")) for key, value in semantics.pairs)
        return MappingNode(tuple(pairs), semantics.line, semantics.column)

    def _series(self, value: TreeNode, wanted: str) -> TreeNode:
        """Return the name of a new node in place of a reference to a file; anything else as it is."""
        if not isinstance(value, ScalarNode) or not value.text.startswith(_FILE):
            return value
        telemetry = value.text.removeprefix(_TELEMETRY)
        path = f"telemetry/{telemetry}" if telemetry != value.text else value.text.removeprefix(_FILE)
        name = base = snake(wanted)
        number = 0
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        self.files[name] = path
        fields = {"id": name, "kind": "const", "source": value.text}
        pairs = [(_scalar(key, value), _scalar(text, value)) for key, text in fields.items()]
        file = MappingNode(((_scalar("file", value), _scalar(path, value)),), value.line, value.column)
        self._nodes.append(MappingNode((*pairs, (_scalar("values", value), file)), value.line, value.column))
        return _scalar(name, value)


def _is_empty_root(key: ScalarNode, value: TreeNode) -> bool:
    return key.text in _EMPTY_ROOTS and isinstance(value, SequenceNode) and not value.items


def _scalar(text: str, place: TreeNode) -> ScalarNode:
    return ScalarNode(text, not text.isdigit(), place.line, place.column)


def _text_at(node: TreeNode, name: str) -> str | None:
    pairs = node.pairs if isinstance(node, MappingNode) else ()
    return next((value.text for key, value in pairs if key.text == name and isinstance(value, ScalarNode)), None)


def _renamed(node: TreeNode, names: Mapping[str, str]) -> TreeNode:
    """Return a mapping with some of its keys under other names."""
    if not isinstance(node, MappingNode):
        return node
    pairs = ((_scalar(names[key.text], key) if key.text in names else key, value) for key, value in node.pairs)
    return MappingNode(tuple(pairs), node.line, node.column)
