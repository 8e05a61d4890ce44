"""The model document: what ``load_model`` and ``parse_model`` return, and how it is written again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flowtime.errors import Fault, MissingExtraError, ModelError
from flowtime.model.check import check_model
from flowtime.model.dates import utc_text
from flowtime.model.decode import decode_with_faults
from flowtime.model.expression import Expression
from flowtime.model.mending import mend
from flowtime.model.naming import Synthesized
from flowtime.model.place import Places
from flowtime.model.plain import canonical_json, dump_spec
from flowtime.model.series_file import SeriesFileFault, read_series_file
from flowtime.model.spec import ConstNode, ModelSpec, SeriesFile
from flowtime.model.tree import TreeNode
from flowtime.model.yaml_reader import Limits, read_yaml

__all__ = ["Model", "canonical_bytes", "dump_model", "load_model", "model_from_tree", "parse_model", "read_model_file"]


@dataclass(frozen=True, eq=False)
class Model:
    """A valid model: its structs, its parsed expressions by node id, the names of all its series, and
    where in the file (``file`` is as the caller named it) everything stands."""

    spec: ModelSpec
    expressions: Mapping[str, Expression]
    file: str | None
    names: Synthesized = field(repr=False)
    places: Places = field(repr=False)

    def position(self, path: str) -> tuple[int, int] | None:
        """Return the line and column, from 1, of a JSON path such as ``$.nodes[2].expr``, or of the nearest
        parent that the file has."""
        return self.places.position(path)

    def fault(self, code: str, message: str, path: str, *, hint: str | None = None, offset: int = 0) -> Fault:
        """Return a fault at a JSON path; ``offset`` counts characters into the scalar there."""
        return self.places.fault(code, message, path, hint=hint, offset=offset)


def load_model(source: str | os.PathLike[str], *, limits: Limits = Limits()) -> Model:  # noqa: B008 - frozen
    """Return the model in a YAML or JSON file; files that it names are read from its folder.

    Raises ModelError with all faults of the file: ``model.not_found``, ``model.unreadable``, ``model.*`` and
    ``expression.*``.
    """
    text = read_model_file(source, limits)
    return parse_model(text, file=os.fspath(source), folder=Path(source).parent, limits=limits)


def read_model_file(source: str | os.PathLike[str], limits: Limits) -> bytes:
    """Return what a file holds, or as much of it as shows that it is longer than the limit.

    Raises ModelError ``model.not_found`` or ``model.unreadable``.
    """
    name = os.fspath(source)
    try:
        with Path(source).open("rb") as stream:
            return stream.read(limits.bytes + 1)
    except FileNotFoundError:
        raise ModelError([Fault("model.not_found", "there is no such file", name)]) from None
    except OSError as error:
        raise ModelError([Fault("model.unreadable", f"the file can not be read: {error.strerror}", name)]) from error


def parse_model(
    text: str | bytes,
    *,
    file: str | None = None,
    folder: Path | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Model:
    """Return the model in a text.  ``folder`` is where ``values: {file: ...}`` is looked up; without one such
    values are refused.  Raises ModelError with all faults."""
    tree, faults = read_yaml(text, file=file, limits=limits)
    return _build(tree, faults, file, folder)


def model_from_tree(tree: TreeNode, *, file: str | None, folder: Path | None) -> Model:
    """Return the model in a tree, such as that of a rendered template.  Raises ModelError with all faults."""
    return _build(tree, (), file, folder)


def _build(tree: TreeNode, faults: Iterable[Fault], file: str | None, folder: Path | None) -> Model:
    spec, decoding = decode_with_faults(tree, ModelSpec, file)
    early = _without_merged(faults, decoding)
    replaced: tuple[str, ...] = ()
    if spec is None:
        mended, replaced = mend(tree)
        spec, _ = decode_with_faults(mended, ModelSpec, file)
    if spec is None:
        raise ModelError(early)
    places = Places(tree, file)
    spec, reading = _read_files(spec, places, folder)
    checked = check_model(spec, places)
    if early or reading or checked.faults:
        raise ModelError([*early, *reading, *_independent(checked.faults, early, replaced)])
    return Model(_in_utc(spec), checked.expressions, file, checked.names, places)


def _without_merged(reading: Iterable[Fault], decoding: Iterable[Fault]) -> list[Fault]:
    """Join the faults of the reader and the decoder; what a refused merge key would have brought is not
    missing as well."""
    found = list(reading)
    merged = {fault.path for fault in found if fault.code == "model.yaml_merge_key"}
    return [*found, *(fault for fault in decoding if f'{fault.path}["<<"]' not in merged)]


def _independent(later: Iterable[Fault], early: Iterable[Fault], replaced: Iterable[str]) -> list[Fault]:
    """Leave out what only follows from a field or a node that could not be read."""
    broken = [*(fault.path for fault in early if fault.path not in (None, "$")), *replaced]
    return [fault for fault in later if not any(_related(fault.path or "", path) for path in broken)]


def _in_utc(spec: ModelSpec) -> ModelSpec:
    # One spelling of one moment, so that hashes and labels of bins do not depend on the author's clock.
    if spec.grid.start is None:
        return spec
    return msgspec.structs.replace(spec, grid=msgspec.structs.replace(spec.grid, start=utc_text(spec.grid.start)))


def _related(one: str, other: str) -> bool:
    """Whether one path leads to or through the other."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and long[len(short) : len(short) + 1] in ("", ".", "[")


def _read_files(spec: ModelSpec, places: Places, folder: Path | None) -> tuple[ModelSpec, list[Fault]]:
    """Return the spec with the values that are kept in files, and the faults of those that can not be read."""
    faults: list[Fault] = []
    nodes = list(spec.nodes)
    changed = False
    for index, node in enumerate(nodes):
        if not isinstance(node, ConstNode) or not isinstance(node.values, SeriesFile):
            continue
        path = f"$.nodes[{index}].values"
        if folder is None:
            message = "values from a file need a model that was loaded from a folder"
            faults.append(places.fault("model.series_file", message, path, hint="load the model from a file"))
            continue
        try:
            values = read_series_file(folder, node.values)
        except SeriesFileFault as fault:
            faults.append(_file_fault(fault, node.values, places, path))
        except MissingExtraError as error:
            faults.append(places.fault(error.code, error.message, path, hint=error.hint))
        else:
            nodes[index] = msgspec.structs.replace(node, values=values)
            changed = True
    return (msgspec.structs.replace(spec, nodes=tuple(nodes)) if changed else spec), faults


def _file_fault(fault: SeriesFileFault, reference: SeriesFile, places: Places, path: str) -> Fault:
    if fault.line is None:
        return places.fault(fault.code, fault.message, path, hint=fault.hint)
    # A wrong cell is where it stands in the other file; the path says which values it is for.
    return Fault(fault.code, fault.message, reference.file, fault.line, None, path, fault.hint)


def dump_model(model: Model) -> str:
    """Return the model as YAML text that ``parse_model`` reads back to equal structs; the same model gives
    the same text.  Values that came from files are written in full."""
    return dump_spec(model.spec)


def canonical_bytes(model: Model) -> bytes:
    """Return the bytes that stand for what the model means: they do not depend on layout, comments, the order
    of fields, or when the model was made (``provenance.generatedAt``)."""
    return canonical_json(model.spec)
