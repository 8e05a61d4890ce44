"""Rendering: a template and its parameters become a model.

The header is dropped, the placeholders are filled in on the tree, ``window.start`` becomes
``grid.start`` where the grid has none of its own, and ``provenance`` says what the model was made from,
without a time stamp, so that the same inputs give the same bytes.

What the published format carries and no model needs:

- ``nodes[].source`` names telemetry that could stand in for a node.  An empty one is dropped; another one
  is kept in the model, where it is a note.
- ``nodes[].dependencies`` repeats what the expressions say, and is dropped.
- ``provenance`` of a template is replaced by ours.
- ``rng`` is kept, its seed replaced where the caller gives one; it never changes a number.
- ``generator`` and ``mode`` of the header go into the provenance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowtime.errors import Fault, TemplateError
from flowtime.model import Model, dump_model, model_from_tree
from flowtime.model.tree import MappingNode, ScalarNode, SequenceNode, TreeNode
from flowtime.templates.parameters import Value, bind
from flowtime.templates.placeholders import number_text, substitute

if TYPE_CHECKING:
    from flowtime.templates.load import Template

__all__ = ["MAX_SEED", "Rendered", "render"]

MAX_SEED = 2_147_483_647
_DEFAULT_GENERATOR = "flowtime"

# The pairs of a mapping by their key, in the order of the file.
_Pairs = dict[str, tuple[ScalarNode, TreeNode]]


@dataclass(frozen=True)
class Rendered:
    """A model made from a template, and what it was made from.

    ``parameters`` holds every parameter by name, sorted, defaults included.
    """

    model: Model
    template_id: str
    template_version: str
    title: str
    narrative: str | None
    parameters: Mapping[str, Value]
    template_hash: str

    def yaml(self) -> str:
        """Return the model as a YAML text that stands alone; loading it gives the same model."""
        return dump_model(self.model)

    def origin(self) -> dict[str, object]:
        """Return what the model was made from, as JSON knows it."""
        return {
            "templateId": self.template_id,
            "templateVersion": self.template_version,
            "templateHash": self.template_hash,
            "title": self.title,
            "parameters": dict(self.parameters),
        }


def render(template: Template, parameters: Mapping[str, object] | None = None, *, seed: int | None = None) -> Rendered:
    """Fill a template in and return its model.

    ``seed`` (0 to 2,147,483,647) replaces that of the template's ``rng``.  Raises TemplateError for
    parameters that do not fit (see ``bind``) or can not stand where they are put, and ModelError, with
    positions in the template file, where what comes out is no valid model.
    """
    values = bind(template, parameters or {})
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise TemplateError([Fault("template.seed_range", f"the seed is {seed}; it must be 0 to {MAX_SEED}")])
    document = _document(template, values, seed)
    model = model_from_tree(document, file=template.file, folder=template.folder)
    metadata = template.header.metadata
    return Rendered(
        model=model,
        template_id=metadata.id,
        template_version=metadata.version,
        title=metadata.title,
        narrative=metadata.narrative,
        parameters=values,
        template_hash=template.text_hash,
    )


def _document(template: Template, values: Mapping[str, Value], seed: int | None) -> MappingNode:
    """Return the model's document: the body filled in, between the schema version and the provenance."""
    filled, faults = substitute(template.body, values, template.file)
    start, more = _filled_start(template.window_start, values, template.file)
    if faults or more:
        raise TemplateError([*faults, *more])
    make = _Maker(filled.line, filled.column)
    body = _pairs(filled)
    pairs: _Pairs = {"schemaVersion": (make.key("schemaVersion"), make.number(template.header.schema_version))}
    pairs |= {name: pair for name, pair in body.items() if name != "provenance"}
    if "nodes" in pairs:
        pairs["nodes"] = (pairs["nodes"][0], _without_inert(pairs["nodes"][1]))
    if start is not None and "grid" in pairs:
        pairs["grid"] = (pairs["grid"][0], _with_default(pairs["grid"][1], "start", start))
    if seed is not None:
        # The only kind of generator that the published templates name.
        key, rng = pairs.get("rng", (make.key("rng"), make.mapping({"kind": make.text("pcg32")})))
        pairs["rng"] = (key, _with_field(rng, "seed", make.number(seed)))
    pairs["provenance"] = (make.key("provenance"), _provenance(template, values, make))
    return MappingNode(tuple(pairs.values()), filled.line, filled.column)


def _filled_start(
    start: ScalarNode | None, values: Mapping[str, Value], file: str | None
) -> tuple[ScalarNode | None, tuple[Fault, ...]]:
    if start is None:
        return None, ()
    node, faults = substitute(start, values, file)
    if isinstance(node, ScalarNode):
        return node, faults
    # The model would say so too, but at grid.start, which the template does not have.
    message = "an array can not be the start of the window"
    return None, (Fault("template.placeholder_type", message, file, start.line, start.column, "$.window.start"),)


def _pairs(node: TreeNode) -> _Pairs:
    return {pair[0].text: pair for pair in node.pairs} if isinstance(node, MappingNode) else {}


def _with_field(node: TreeNode, name: str, value: TreeNode) -> TreeNode:
    """Return a mapping with a field set; anything else as it is, for the model's checks to refuse."""
    if not isinstance(node, MappingNode):
        return node
    pairs = _pairs(node)
    key = pairs[name][0] if name in pairs else ScalarNode(name, False, value.line, value.column)
    pairs[name] = (key, value)
    return MappingNode(tuple(pairs.values()), node.line, node.column)


def _with_default(node: TreeNode, name: str, value: TreeNode) -> TreeNode:
    return node if name in _pairs(node) else _with_field(node, name, value)


def _without_inert(nodes: TreeNode) -> TreeNode:
    """Return ``nodes`` without empty sources and dependencies (see the module's docstring)."""
    if not isinstance(nodes, SequenceNode):
        return nodes
    items = (
        MappingNode(tuple(_kept(item)), item.line, item.column) if isinstance(item, MappingNode) else item
        for item in nodes.items
    )
    return SequenceNode(tuple(items), nodes.line, nodes.column)


def _kept(node: MappingNode) -> Iterator[tuple[ScalarNode, TreeNode]]:
    for key, value in node.pairs:
        is_empty = isinstance(value, ScalarNode) and not value.text
        if key.text != "dependencies" and not (key.text == "source" and is_empty):
            yield key, value


def _provenance(template: Template, values: Mapping[str, Value], make: _Maker) -> MappingNode:
    header = template.header
    return make.mapping(
        {
            "generator": make.text(header.generator or _DEFAULT_GENERATOR),
            "templateId": make.text(header.metadata.id),
            "templateVersion": make.text(header.metadata.version),
            "mode": make.text(header.mode),
            "parameters": make.mapping({name: make.value(value) for name, value in values.items()}),
        }
    )


@dataclass(frozen=True)
class _Maker:
    """Makes nodes that stand in no file, at the place of the document."""

    line: int
    column: int

    def key(self, name: str) -> ScalarNode:
        """Return a key."""
        return ScalarNode(name, False, self.line, self.column)

    def text(self, text: str) -> ScalarNode:
        """Return a string."""
        return ScalarNode(text, True, self.line, self.column)

    def number(self, value: float) -> ScalarNode:
        """Return a number."""
        return ScalarNode(number_text(value), False, self.line, self.column)

    def mapping(self, fields: Mapping[str, TreeNode]) -> MappingNode:
        """Return a mapping in the order of ``fields``."""
        return MappingNode(tuple((self.key(name), node) for name, node in fields.items()), self.line, self.column)

    def value(self, value: Value) -> TreeNode:
        """Return the value of a parameter, its type kept."""
        if isinstance(value, tuple):
            return SequenceNode(tuple(self.value(item) for item in value), self.line, self.column)
        if isinstance(value, bool):
            return ScalarNode("true" if value else "false", False, self.line, self.column)
        return self.text(value) if isinstance(value, str) else self.number(value)
