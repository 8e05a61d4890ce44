"""Template files loaded as data: a checked header and a body that is still a tree.

Placeholders are found, not filled in, so a template that can not be rendered for want of a parameter
still loads, lists and shows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowtime.errors import Fault, ModelError, TemplateError
from flowtime.model.decode import decode_with_faults
from flowtime.model.place import locate
from flowtime.model.tree import MappingNode, ScalarNode, TreeNode
from flowtime.model.yaml_reader import read_yaml
from flowtime.storage import sha256_bytes
from flowtime.templates.parameters import declaration_faults
from flowtime.templates.placeholders import placeholder_faults
from flowtime.templates.render import Rendered, render
from flowtime.templates.spec import HEADER_KEYS, Parameter, TemplateHeader

__all__ = ["Template", "load_template", "parse_template"]


@dataclass(frozen=True)
class Template:
    """A template: what it is (``header``), its model with placeholders (``body``), and where it is from.

    ``window_start`` is the node of ``window.start``, which may hold a placeholder too.  ``text_hash``
    is over the text with ``\\n`` line ends, so it does not depend on how the file was checked out.
    ``file`` is for messages; the files that ``values`` names lie below ``folder``.
    """

    header: TemplateHeader
    body: MappingNode
    window_start: ScalarNode | None
    text_hash: str
    file: str | None = None
    folder: Path | None = None

    @property
    def id(self) -> str:
        """The id of the template."""
        return self.header.metadata.id

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What may be set, in the order of the file."""
        return self.header.parameters

    def render(self, parameters: Mapping[str, object] | None = None, *, seed: int | None = None) -> Rendered:
        """Return the model for some parameters; see ``flowtime.templates.render``."""
        return render(self, parameters, seed=seed)


def load_template(source: str | os.PathLike[str], *, shown: str | None = None) -> Template:
    """Load a template file; messages call it ``shown``, or by its path as given.

    Raises TemplateError with every fault that was found (``template.not_found`` where there is no such
    file, ``template.unreadable`` where it can not be read).
    """
    path = Path(source)
    file = shown or str(path)
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise TemplateError([Fault("template.not_found", "there is no such template file", file)]) from error
    except OSError as error:
        message = f"can not read it: {error.strerror}"
        raise TemplateError([Fault("template.unreadable", message, file)]) from error
    return parse_template(text, file=file, folder=path.parent)


def parse_template(text: bytes | str, *, file: str | None = None, folder: Path | None = None) -> Template:
    """Return the template that a text holds; raises TemplateError with every fault that was found."""
    data = text.encode() if isinstance(text, str) else text
    try:
        tree, faults = read_yaml(data, file=file)
    except ModelError as error:
        raise TemplateError(error.faults) from error
    if not isinstance(tree, MappingNode):
        fault = Fault("template.not_a_mapping", "a template is a mapping", file, tree.line, tree.column)
        raise TemplateError([*faults, fault])
    header, more = decode_with_faults(_part(tree, header=True), TemplateHeader, file=file, prefix="template")
    found = [*faults, *more]
    # Without a header nobody knows which parameters there are, so the body can not be judged.
    body = _part(tree, header=False)
    if header is not None:
        found += [*_parameter_faults(tree, header, file), *_body_faults(tree, body, header, file)]
    if header is None or found:
        raise TemplateError(found)
    return Template(header, body, _window_start(tree), sha256_bytes(data.replace(b"\r\n", b"\n")), file, folder)


def _part(tree: MappingNode, *, header: bool) -> MappingNode:
    pairs = tuple(pair for pair in tree.pairs if (pair[0].text in HEADER_KEYS) == header)
    return MappingNode(pairs, tree.line, tree.column)


def _window_start(tree: TreeNode) -> ScalarNode | None:
    node = locate(tree, "$.window.start")
    # locate() answers with a parent, which is no scalar, where there is no such field.
    return node if isinstance(node, ScalarNode) else None


def _parameter_faults(tree: TreeNode, header: TemplateHeader, file: str | None) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, parameter in enumerate(header.parameters):
        path = f"$.parameters[{index}]"
        problems = list(declaration_faults(parameter))
        if parameter.name in first:
            message = f"parameter {parameter.name!r} is declared twice"
            problems.append(("template.duplicate_parameter", message, "name"))
        first.setdefault(parameter.name, index)
        for code, message, name in problems:
            node = locate(tree, f"{path}.{name}")
            yield Fault(code, message, file, node.line, node.column, f"{path}.{name}")


def _body_faults(tree: MappingNode, body: MappingNode, header: TemplateHeader, file: str | None) -> Iterator[Fault]:
    names = [parameter.name for parameter in header.parameters]
    # The texts of the header are for people and may show a placeholder; the window is part of the model.
    window = tuple(pair for pair in tree.pairs if pair[0].text == "window")
    searched = MappingNode((*window, *body.pairs), body.line, body.column)
    yield from placeholder_faults(searched, names, file)
