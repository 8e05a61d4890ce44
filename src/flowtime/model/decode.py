"""Tree -> frozen struct, by the struct's own annotations, with every fault and its place.

msgspec's own decoder stops at the first fault and knows no lines; this one reads the same types
(structs, tagged unions, ``Annotated`` bounds, literals, tuples, dicts, arrays) from a ``TreeNode`` and
goes on.  How a type is read is worked out once and kept.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
import numpy as np

from flowtime.errors import Fault, ModelError
from flowtime.model.field_hints import Suggestion, suggest
from flowtime.model.place import ROOT, Trail
from flowtime.model.scalars import (
    BAD,
    BoolReader,
    ChoiceReader,
    Findings,
    FloatReader,
    FreeReader,
    IntReader,
    Reader,
    TextReader,
    is_null,
)
from flowtime.model.spec import FloatArray, Grid, TopologyNode
from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode
from flowtime.model.yaml_numbers import number_of, read_only

__all__ = ["decode", "decode_with_faults"]

T = TypeVar("T")

# Published as case-insensitive; every other choice is as written.
_ANY_CASE = frozenset({(Grid, "bin_unit"), (TopologyNode, "kind")})

# Faults of one array: its first ones say it all, and a wrong column can hold a million.
_MOST_FAULTS = 10


def decode(tree: TreeNode, type_: type[T], file: str | None = None, *, prefix: str = "model") -> T:
    """Return the tree as a ``type_``, a msgspec Struct or what one may hold; ModelError with all faults where it
    is none.

    ``prefix`` is the first part of the fault codes: ``unknown_field``, ``missing_field``, ``wrong_type``,
    ``out_of_range``, ``bad_value``, ``unknown_kind``.
    """
    value, faults = decode_with_faults(tree, type_, file, prefix=prefix)
    if faults or value is None:
        raise ModelError(faults)
    return value


def decode_with_faults(
    tree: TreeNode, type_: type[T], file: str | None = None, *, prefix: str = "model"
) -> tuple[T | None, tuple[Fault, ...]]:
    """Return the struct and the faults; the struct is there as well if all faults are in fields that it can
    do without, so that a caller may look for more, and None otherwise."""
    findings = Findings(file, prefix, type_)
    key: Any = type_
    value = _reader(key).read(tree, ROOT, findings)
    return (None if value is BAD else typing.cast(T, value)), tuple(findings.faults)


@functools.cache
def _reader(type_: Any) -> Reader:
    """Return what reads a type; cached, since a type never changes."""
    constraints = None
    if get_origin(type_) is Annotated:
        type_, *metas = get_args(type_)
        constraints = next((meta for meta in metas if isinstance(meta, msgspec.Meta)), None)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return _StructReader(type_)
    simple = _SCALARS.get(type_)
    if simple is not None:
        return simple(constraints)
    generic = _GENERICS.get(get_origin(type_))
    if generic is None:
        raise TypeError(f"no reader for fields of type {type_!r}")
    return generic(get_args(type_), constraints)


_SCALARS: Mapping[Any, Callable[[msgspec.Meta | None], Reader]] = types.MappingProxyType(
    {
        str: TextReader,
        int: IntReader,
        float: FloatReader,
        bool: lambda _: BoolReader(),
        object: lambda _: FreeReader(),
        Any: lambda _: FreeReader(),
    }
)


def _union_reader(members: tuple[Any, ...]) -> Reader:
    # None is what an absent field is; the struct's reader sees to it.
    real = tuple(member for member in members if member is not type(None))
    if len(real) == 1:
        return _reader(real[0])
    if all(_tag_field(member) for member in real):
        return _TaggedReader(real)
    return _AnyOfReader(tuple(_reader(member) for member in real))


def _tag_field(type_: Any) -> str | None:
    is_struct = isinstance(type_, type) and issubclass(type_, msgspec.Struct)
    return type_.__struct_config__.tag_field if is_struct else None


_GENERICS: Mapping[Any, Callable[[tuple[Any, ...], msgspec.Meta | None], Reader]] = types.MappingProxyType(
    {
        Union: lambda arguments, _: _union_reader(arguments),
        types.UnionType: lambda arguments, _: _union_reader(arguments),
        np.ndarray: lambda _, __: _ArrayReader(),
        Literal: lambda arguments, _: ChoiceReader(arguments),
        tuple: lambda arguments, constraints: _TupleReader(_reader(arguments[0]), constraints),
        dict: lambda arguments, _: _DictReader(_reader(arguments[1])),
    }
)


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a struct: its name in Python and what reads it."""

    name: str
    required: bool
    reader: Reader


class _StructReader(Reader):
    """Reads a mapping with known fields."""

    accepts = (MappingNode,)

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self.struct = struct
        self.expects = "a mapping"
        self._tag_field = struct.__struct_config__.tag_field
        self._fields: dict[str, _Field] = {}
        for info in msgspec.structs.fields(struct):
            reader = _reader(info.type)
            if (struct, info.name) in _ANY_CASE and isinstance(reader, ChoiceReader):
                reader = reader.any_case()
            self._fields[info.encode_name] = _Field(info.name, info.required, reader)
        self._required = tuple(name for name, field in self._fields.items() if field.required)

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the struct, or BAD where a required field is missing or wrong."""
        if not isinstance(node, MappingNode):
            return findings.wrong_type(self.expects, node, trail)
        values: dict[str, Any] = {}
        broken = False
        unknown: list[ScalarNode] = []
        for key, child in node.pairs:
            field = self._fields.get(key.text)
            if field is None:
                if key.text != self._tag_field:
                    unknown.append(key)
            elif not field.required and is_null(child):
                continue
            else:
                value = field.reader.read(child, (trail, key.text), findings)
                if value is not BAD:
                    values[field.name] = value
                elif field.required:
                    broken = True
        if unknown or len(values) < len(self._fields):
            broken = self._report(node, unknown, trail, findings) or broken
        return BAD if broken else self.struct(**values)

    def _report(self, node: MappingNode, unknown: list[ScalarNode], trail: Trail, findings: Findings) -> bool:
        """Report unknown and missing fields; return whether a required one is missing."""
        given = {key.text for key, _ in node.pairs}
        excused: set[str] = set()
        for key in unknown:
            suggestion: Suggestion = suggest(key.text, self.struct, tuple(self._fields), given, findings.root)
            if suggestion.field is not None:
                excused.add(suggestion.field)
            message = f"unknown field {key.text!r}"
            findings.add("unknown_field", message, key, (trail, key.text), suggestion.hint)
        missing = [name for name in self._required if name not in given]
        for name in missing:
            # A misspelt field is one fault, not two.
            if name not in excused:
                findings.add("missing_field", f"the field {name!r} is missing", node, trail)
        return bool(missing)


class _TaggedReader(Reader):
    """Reads one of several structs, told apart by a field such as ``kind``."""

    accepts = (MappingNode,)
    expects = "a mapping"

    def __init__(self, structs: tuple[type[msgspec.Struct], ...]) -> None:
        self._tag_field = str(structs[0].__struct_config__.tag_field)
        self._readers = {str(struct.__struct_config__.tag): _StructReader(struct) for struct in structs}
        self._choices = ChoiceReader(tuple(self._readers), code="unknown_kind")

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the struct of the kind that the node names."""
        if not isinstance(node, MappingNode):
            return findings.wrong_type(self.expects, node, trail)
        tag = next((value for key, value in node.pairs if key.text == self._tag_field), None)
        if tag is None:
            choices = ", ".join(self._readers)
            message = f"the field {self._tag_field!r} is missing"
            findings.add("missing_field", message, node, trail, f"one of {choices}")
            return BAD
        kind = self._choices.read(tag, (trail, self._tag_field), findings)
        return BAD if kind is BAD else self._readers[kind].read(node, trail, findings)


class _AnyOfReader(Reader):
    """Reads the first member whose kind of node it is; of scalars, a number before a text."""

    def __init__(self, members: tuple[Reader, ...]) -> None:
        self._members = tuple(sorted(members, key=lambda member: isinstance(member, TextReader)))
        self.accepts = tuple(kind for member in members for kind in member.accepts)
        self.expects = " or ".join(dict.fromkeys(member.expects for member in members))

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return what the fitting member reads."""
        fitting = [member for member in self._members if isinstance(node, member.accepts)]
        if not fitting:
            return findings.wrong_type(self.expects, node, trail)
        for member in fitting[:-1]:
            if not isinstance(member, FloatReader) or member.fits(node):
                return member.read(node, trail, findings)
        last = fitting[-1]
        if len(fitting) == 1 and isinstance(last, FloatReader) and not last.fits(node):
            return findings.wrong_type(self.expects, node, trail)
        return last.read(node, trail, findings)


class _ArrayReader(Reader):
    """Reads numbers into a read-only float64 array (n,); ``.nan`` is a gap, an infinity is refused."""

    accepts = (NumbersNode, SequenceNode)
    expects = "a list of numbers"

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> FloatArray | Any:
        """Return the array; BAD with a fault for each wrong item, up to ten."""
        if isinstance(node, NumbersNode):
            return node.values
        if not isinstance(node, SequenceNode):
            return findings.wrong_type(self.expects, node, trail)
        values: list[float] = []
        wrong: list[int] = []
        for index, item in enumerate(node.items):
            value = number_of(item.text) if isinstance(item, ScalarNode) and not item.quoted else None
            if value is None or value in (np.inf, -np.inf):
                wrong.append(index)
            else:
                values.append(value)
        for index in wrong[:_MOST_FAULTS]:
            self._report(node.items[index], (trail, index), findings)
        if len(wrong) > _MOST_FAULTS:
            message = f"{len(wrong) - _MOST_FAULTS} more values are no numbers"
            findings.add("wrong_type", message, node, trail)
        return BAD if wrong else read_only(np.array(values, dtype=np.float64))

    def _report(self, item: TreeNode, trail: Trail, findings: Findings) -> None:
        if isinstance(item, ScalarNode) and not item.quoted and number_of(item.text) is not None:
            findings.add("out_of_range", f"{item.text} is not a finite number", item, trail, "write .nan for a gap")
        else:
            hint = "write .nan for a gap" if is_null(item) else None
            findings.wrong_type("a number", item, trail, hint)


class _TupleReader(Reader):
    """Reads a sequence of things of one type."""

    accepts = (SequenceNode, NumbersNode)

    def __init__(self, item: Reader, constraints: msgspec.Meta | None) -> None:
        self._item = item
        self._least = (constraints.min_length or 0) if constraints else 0
        self.expects = "a list"

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return a tuple; BAD where an item is."""
        if isinstance(node, NumbersNode):
            node = _as_sequence(node)
        if not isinstance(node, SequenceNode):
            hint = f"write [{node.text}]" if isinstance(node, ScalarNode) and node.text else None
            return findings.wrong_type(self.expects, node, trail, hint)
        if len(node.items) < self._least:
            message = f"at least {self._least} item{'s are' if self._least > 1 else ' is'} needed"
            findings.add("out_of_range", message, node, trail)
            return BAD
        read = self._item.read
        values = [read(item, (trail, index), findings) for index, item in enumerate(node.items)]
        return BAD if any(value is BAD for value in values) else tuple(values)


class _DictReader(Reader):
    """Reads a mapping with free keys."""

    accepts = (MappingNode,)
    expects = "a mapping"

    def __init__(self, value: Reader) -> None:
        self._value = value

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return a dict in the order of the file; BAD where a value is."""
        if not isinstance(node, MappingNode):
            return findings.wrong_type(self.expects, node, trail)
        values = {key.text: self._value.read(child, (trail, key.text), findings) for key, child in node.pairs}
        return BAD if any(value is BAD for value in values.values()) else values


def _as_sequence(node: NumbersNode) -> SequenceNode:
    """Give each number a node of its own, for lists that are short or no arrays; all at one place."""
    texts = (repr(int(value)) if value.is_integer() else repr(value) for value in node.values.tolist())
    items = (ScalarNode(".nan" if text == "nan" else text, False, node.line, node.column) for text in texts)
    return SequenceNode(tuple(items), node.line, node.column)
