"""The files of a capture as parameters of a template: by name, by the node that a parameter fills, by the grid.

What a template asks for is found on its tree: a const node whose ``values`` are one placeholder is that
parameter's series, and a ``source`` that is one placeholder is the parameter that names its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from flowtime.errors import CaptureNotFoundError, Fault, TemplateError
from flowtime.model.place import locate
from flowtime.model.tree import MappingNode, ScalarNode, SequenceNode, TreeNode
from flowtime.telemetry.manifest import DEFAULT_CLASS, CaptureFile
from flowtime.telemetry.reader import Capture
from flowtime.templates import Parameter, Template, Value
from flowtime.templates.parameters import convert
from flowtime.templates.placeholders import split_placeholders

__all__ = [
    "SOURCE_PREFIX",
    "MappedParameter",
    "ParameterBindings",
    "bind_parameters",
    "captured_parameters",
    "find_file",
    "map_parameters",
]

SOURCE_PREFIX = "file://telemetry/"
"""How a template's parameter, and then a node's ``source``, names a file of the capture."""

Origin: TypeAlias = Literal["file", "grid", "capture", "given", "default"]


class MappedParameter(NamedTuple):
    """A parameter of the template, its value, and where that is from: ``origin`` is

    ``file`` (the series in ``file``), ``grid`` (that of the capture), ``capture`` (the parameters of the run that
    was captured), ``given`` or ``default``.  ``note`` says why a file that would fit was not taken.
    """

    name: str
    value: Value
    origin: Origin
    file: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class ParameterBindings:
    """What was asked for by name: values of ``parameters``, the ``files`` they are from, and files of ``nodes``."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)


def captured_parameters(template: Template, capture: Capture) -> dict[str, object]:
    """Return the parameters that the run of a capture was made with, where it was one of this template."""
    found = capture.manifest.provenance
    return dict(found.parameters) if found.template_id == template.id else {}


def bind_parameters(template: Template, capture: Capture, bindings: Mapping[str, str]) -> ParameterBindings:
    """Put files where parameters were named; other names are left as those of nodes.

    Raises CaptureNotFoundError for a file that is not there, TemplateError (``template.parameter_*``) for values
    that do not fit the parameter.
    """
    parameters = {parameter.name: parameter for parameter in template.parameters}
    values: dict[str, object] = {}
    faults: list[Fault] = []
    files: dict[str, str] = {}
    for name, path in bindings.items():
        if name not in parameters:
            continue
        file = find_file(capture, path)
        files[name] = file.path
        outcome = _fitting(parameters[name], file, capture)
        if isinstance(outcome, Fault):
            faults.append(outcome)
        else:
            values[name] = outcome
    if faults:
        raise TemplateError(faults)
    return ParameterBindings(values, files, {name: path for name, path in bindings.items() if name not in parameters})


def map_parameters(
    template: Template, capture: Capture, given: Mapping[str, object], bindings: Mapping[str, str]
) -> tuple[MappedParameter, ...]:
    """Return the value of every parameter, in the order of the template; what is given wins over what is found.

    Raises TemplateError with every value that does not fit its type, length or bounds.
    """
    asked = bind_parameters(template, capture, bindings)
    found = _found_files(template, capture)
    earlier = captured_parameters(template, capture)
    grid = _grid_parameters(template, capture)
    faults: list[Fault] = []
    mapped: list[MappedParameter] = []
    for parameter in template.parameters:
        choice = _choose(parameter, capture, asked, found, (given, grid, earlier))
        value = convert(parameter, choice[0])
        if isinstance(value, Fault):
            faults.append(value)
        else:
            mapped.append(MappedParameter(parameter.name, value, *choice[1:]))
    if faults:
        raise TemplateError(faults)
    return tuple(mapped)


def find_file(capture: Capture, path: str) -> CaptureFile:
    """Return the entry of a file of the capture, its total where it holds classes too; a missing ``.csv`` is added.

    Raises CaptureNotFoundError ``telemetry.not_found``.
    """
    for wanted in (path, f"{path}.csv"):
        entries = [file for file in capture.manifest.files if file.path == wanted]
        if entries:
            return next((file for file in entries if file.class_id == DEFAULT_CLASS), entries[0])
    known = ", ".join(sorted({file.path for file in capture.manifest.files})[:12])
    raise CaptureNotFoundError(f"the capture holds no file {path!r}", hint=f"it holds {known}")


class _Found(NamedTuple):
    """A file whose series is what a parameter fills; ``is_source`` where the parameter names the file."""

    file: CaptureFile
    is_source: bool


def _choose(
    parameter: Parameter,
    capture: Capture,
    asked: ParameterBindings,
    found: Mapping[str, _Found],
    known: tuple[Mapping[str, object], ...],
) -> tuple[object, Origin, str | None, str | None]:
    """Return the value of a parameter, where it is from, its file, and a note; the first that there is counts."""
    name = parameter.name
    given, grid, earlier = known
    if name in asked.parameters:
        return asked.parameters[name], "file", asked.files[name], None
    note = None
    if name in given:
        return given[name], "given", None, None
    if name in grid:
        return grid[name], "grid", None, None
    if name in found:
        outcome = _fitting(parameter, found[name].file, capture)
        if not isinstance(outcome, Fault):
            return outcome, "file", found[name].file.path, None
        if parameter.type == "array":
            raise TemplateError([outcome])
        note = f"{found[name].file.path}: {outcome.message}"
    if name in earlier:
        return earlier[name], "capture", None, note
    return parameter.default, "default", None, note


def _fitting(parameter: Parameter, file: CaptureFile, capture: Capture) -> Value | Fault:
    """Return the values of a file as the parameter's type, or why they do not fit."""
    values = capture.values[capture.row(file)]
    if parameter.type == "string":
        return SOURCE_PREFIX + file.path
    if parameter.type == "array":
        return convert(parameter, values)
    if not (values == values[0]).all():
        message = f"parameter {parameter.name!r} is one number, and the series varies"
        hint = "bind the file to the node instead: a telemetry run does so by itself"
        return Fault("template.parameter_type", message, hint=hint)
    return convert(parameter, float(values[0]))


def _found_files(template: Template, capture: Capture) -> dict[str, _Found]:
    """Map parameters to the files of the series that they fill."""
    by_series = {file.series_id: file for file in reversed(capture.manifest.files) if file.class_id == DEFAULT_CLASS}
    by_part = {
        (file.node_id, file.metric): file for file in reversed(capture.manifest.files) if file.class_id == DEFAULT_CLASS
    }
    parts = dict(_parts(template))
    found: dict[str, _Found] = {}
    for name, series, is_source in _filled(template):
        file = by_series.get(series) or by_part.get(parts.get(series, ("", "")))
        if file is not None:
            found.setdefault(name, _Found(file, is_source))
    return found


def _filled(template: Template) -> Iterator[tuple[str, str, bool]]:
    """Yield each parameter that is all of a node's values, or its source: the parameter, the node, which of both."""
    for fields in _mappings(template, "$.nodes"):
        node_id, values, source = (_text(fields.get(key)) for key in ("id", "values", "source"))
        if node_id is None:
            continue
        for text, is_source in ((values, False), (source, True)):
            pieces = split_placeholders(text) if text is not None else ()
            if len(pieces) == 1 and pieces[0].name is not None:
                yield pieces[0].name, node_id, is_source


def _parts(template: Template) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each series that a topology node binds as a whole, with the node and the metric; the first counts."""
    seen: set[str] = set()
    for fields in _mappings(template, "$.topology.nodes"):
        node_id, semantics = _text(fields.get("id")), fields.get("semantics")
        if node_id is None or not isinstance(semantics, MappingNode):
            continue
        for key, value in semantics.pairs:
            series = (_text(value) or "").removeprefix("series:")
            if series and series not in seen:
                seen.add(series)
                yield series, (node_id, key.text)


def _grid_parameters(template: Template, capture: Capture) -> dict[str, object]:
    """Return the parameters that the template's grid is made of, as the capture has them."""
    grid = locate(template.body, "$.grid")
    fields = _fields(grid)
    values = {
        "bins": capture.manifest.grid.bins,
        "binSize": capture.manifest.grid.bin_size,
        "binUnit": capture.manifest.grid.bin_unit,
    }
    found: dict[str, object] = {}
    for key, value in values.items():
        pieces = split_placeholders(_text(fields.get(key)) or "")
        if len(pieces) == 1 and pieces[0].name is not None:
            found[pieces[0].name] = value
    return found


def _mappings(template: Template, path: str) -> Iterator[dict[str, TreeNode]]:
    nodes = locate(template.body, path)
    # locate() answers with a parent, which is no sequence, where there is nothing of that name.
    for item in nodes.items if isinstance(nodes, SequenceNode) else ():
        yield _fields(item)


def _fields(node: TreeNode) -> dict[str, TreeNode]:
    return {key.text: value for key, value in node.pairs} if isinstance(node, MappingNode) else {}


def _text(node: TreeNode | None) -> str | None:
    return node.text if isinstance(node, ScalarNode) else None
