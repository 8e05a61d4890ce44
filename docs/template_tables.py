"""Tables of the shipped templates: what each asks, its parameters, what they feed, what a capture may replace.

Everything is read off the template files, so a parameter can not be left out.  ``docs/generate.py`` puts the
text into ``docs/templates/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode
from flowtime.templates import Parameter, Template, list_templates, template
from flowtime.templates.placeholders import split_placeholders

__all__ = ["captured", "catalogue_text", "feeds"]

COLUMNS = ("parameter", "type", "unit", "default", "bounds", "feeds", "captured series that may replace it")
# Lists of the body whose entries have ids, and what an entry is called.
PARTS = (("nodes",), ("topology", "nodes"), ("topology", "edges"), ("topology", "constraints"))
# Where a parameter is the whole of an input series.
INPUT_FIELDS = (("values",), ("pmf", "values"), ("source",))
INPUT_KINDS = ("const", "pmf")


class Input(NamedTuple):
    """An input node: its id, the nodes that bind it with the part it plays there, and the file it reads, if any."""

    id: str
    roles: tuple[str, ...]
    file: str | None


def catalogue_text() -> str:
    """Return a section per shipped template, in the order of their ids."""
    names = [info.id for info in list_templates() if info.is_shipped]
    return "\n\n".join("\n".join(section(template(name))) for name in names)


def section(found: Template) -> Iterator[str]:
    """Yield the lines about one template."""
    metadata = found.header.metadata
    yield f"## {metadata.id}"
    yield ""
    yield f"{metadata.title}, version {metadata.version}. {metadata.description or ''}".rstrip()
    yield ""
    yield f"**{metadata.question}**"
    yield ""
    yield f"Tags: {', '.join(metadata.tags)}. {grid_text(found)}"
    inputs = [item for item in input_nodes(found) if item.file]
    if inputs:
        yield ""
        yield f"Series from files: {', '.join(f'`{item.id}` (`{item.file}`)' for item in inputs)}."
    yield ""
    yield table(COLUMNS, [row(found, parameter) for parameter in found.parameters])


def row(found: Template, parameter: Parameter) -> tuple[str, ...]:
    """Return the cells of one parameter."""
    kind = parameter.type if parameter.array_of is None else f"{parameter.type} of {parameter.array_of}"
    default = "required" if parameter.required else f"`{default_text(parameter.default)}`"
    return (
        f"`{parameter.name}`",
        kind,
        parameter.unit or "-",
        default,
        bounds_text(parameter),
        ", ".join(f"`{name}`" for name in feeds(found, parameter.name)) or "-",
        ", ".join(captured(found, parameter.name)) or "-",
    )


def feeds(found: Template, name: str) -> tuple[str, ...]:
    """Return the ids of what a parameter stands in: nodes, then edges and constraints; ``grid`` and ``traffic``
    where it stands in one of these."""
    told = [identity(item) for place in PARTS for item in items(field(found.body, *place)) if name in names_in(item)]
    whole = [key for key in ("grid", "classes", "traffic") if name in names_in(field(found.body, key))]
    return tuple(dict.fromkeys([*told, *whole]))


def captured(found: Template, name: str) -> tuple[str, ...]:
    """Return the input series that a parameter is the whole of, with the parts they play: what was measured of
    these may be given instead."""
    told = []
    for item, node in zip(input_nodes(found), inputs_of(found.body), strict=True):
        if any(name in names_in(field(node, *place)) for place in INPUT_FIELDS):
            roles = f" ({', '.join(item.roles)})" if item.roles else ""
            told.append(f"`{item.id}`{roles}")
    return tuple(told)


def input_nodes(found: Template) -> tuple[Input, ...]:
    """Return the const and pmf nodes of a template that are not hidden, in the order of the file."""
    return tuple(
        Input(identity(node), tuple(roles_of(found.body, identity(node))), scalar(field(node, "values", "file")))
        for node in inputs_of(found.body)
    )


def inputs_of(body: TreeNode) -> list[TreeNode]:
    """Return the input nodes of a body that are shown."""
    return [
        node
        for node in items(field(body, "nodes"))
        if scalar(field(node, "kind")) in INPUT_KINDS and scalar(field(node, "metadata", "graph.hidden")) != "true"
    ]


def roles_of(body: TreeNode, series: str) -> Iterator[str]:
    """Yield which part a series plays where: ``arrivals of Press``."""
    for node in items(field(body, "topology", "nodes")):
        semantics = field(node, "semantics")
        for key, value in semantics.pairs if isinstance(semantics, MappingNode) else ():
            if scalar(value) == series:
                yield f"{key.text} of {identity(node)}"


def grid_text(found: Template) -> str:
    """Say how long and how fine the grid is with the defaults."""
    grid = found.render().model.spec.grid
    unit = grid.bin_unit if grid.bin_size > 1 else grid.bin_unit.removesuffix("s")
    return f"{grid.bins:,} bins of {grid.bin_size} {unit}, from {grid.start}."


def bounds_text(parameter: Parameter) -> str:
    """Return the bounds of a parameter: ``1 to 8``."""
    low, high = (None if bound is None else f"{bound:,.10g}" for bound in (parameter.low, parameter.high))
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return "-" if high is None else f"at most {high}"


def default_text(value: object) -> str:
    """Return a default as it is written in a file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or '""'
    return str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def names_in(node: TreeNode | None) -> set[str]:
    """Return the parameters whose placeholders stand in a part of a template."""
    if isinstance(node, ScalarNode):
        return {piece.name for piece in split_placeholders(node.text) if piece.name}
    if isinstance(node, SequenceNode):
        return set().union(*(names_in(item) for item in node.items))
    if isinstance(node, MappingNode):
        return set().union(*(names_in(value) for _, value in node.pairs))
    return set()


def field(node: TreeNode | None, *names: str) -> TreeNode | None:
    """Return a field of a mapping, of a field of it, and so on; None where there is none."""
    for name in names:
        pairs: Mapping[str, TreeNode] = (
            {key.text: value for key, value in node.pairs} if isinstance(node, MappingNode) else {}
        )
        node = pairs.get(name)
    return node


def items(node: TreeNode | None) -> tuple[TreeNode, ...]:
    """Return the entries of a list; none of anything else."""
    return node.items if isinstance(node, SequenceNode) else ()


def scalar(node: TreeNode | NumbersNode | None) -> str | None:
    """Return the text of a scalar, or None."""
    return node.text if isinstance(node, ScalarNode) else None


def identity(node: TreeNode) -> str:
    """Return the id of an entry, or the ends of an edge without one."""
    return scalar(field(node, "id")) or f"{scalar(field(node, 'from'))}->{scalar(field(node, 'to'))}"
