"""YAML text -> a tree of positioned nodes: bounded, never recursive, and without implicit types.

The parser is PyYAML's (libyaml where it is built in), used for its events alone: no constructor runs, so
nothing in a document can make an object, and ``yes``, ``1_000`` or ``12:30`` stay text.  What a scalar
means is decided by the field that wants it, in ``model.decode``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from flowtime.errors import Fault, ModelError
from flowtime.model.place import ROOT, Trail, path_text
from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode
from flowtime.model.yaml_numbers import Lifted, Reduced, lift_numbers

__all__ = ["Limits", "parse_yaml", "read_yaml"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset({None, "!", *(_TAG + name for name in ("str", "int", "float", "bool", "null"))})
_SEQUENCE_TAGS = frozenset({None, "!", f"{_TAG}seq"})
_MAPPING_TAGS = frozenset({None, "!", f"{_TAG}map"})
_TEXT_TAGS = frozenset({"!", f"{_TAG}str"})

# What YAML allows in a text; anything else is a control character or half a surrogate pair.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OTHER_BREAK = re.compile("[\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a document may be: bytes of UTF-8, levels of nesting, nodes, and nodes that aliases stand for."""

    bytes: int = 64 * 1024 * 1024
    depth: int = 64
    nodes: int = 5_000_000
    alias_nodes: int = 1_000_000


class _Place(NamedTuple):
    """A line and a column, counted from 1."""

    line: int
    column: int


class _StopError(Exception):
    """Reading can not go on; carries the last fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    place: _Place
    is_mapping: bool
    is_flow: bool
    anchor: str | None
    items: list[TreeNode] = field(default_factory=list)
    pairs: dict[str, tuple[ScalarNode, TreeNode]] = field(default_factory=dict)
    key: ScalarNode | None = None
    size: int = 1
    height: int = 1


class _Anchored(NamedTuple):
    """A node that aliases may repeat, with the number of its nodes and levels once aliases are expanded."""

    node: TreeNode
    size: int
    height: int


def parse_yaml(text: bytes | str, *, file: str | None = None, limits: Limits = Limits()) -> TreeNode:
    """Return the document as a tree; ``file`` is named in faults.

    Refused, each with line and column: broken or non-UTF-8 text, control characters, several documents,
    duplicate keys, keys that are no scalars, merge keys, tags outside the core ones, recursive aliases, and
    whatever is over ``limits``.  Raises ModelError with all faults that could be found.
    """
    tree, faults = read_yaml(text, file=file, limits=limits)
    if faults:
        raise ModelError(faults)
    return tree


def read_yaml(
    text: bytes | str,
    *,
    file: str | None = None,
    limits: Limits = Limits(),
) -> tuple[TreeNode, tuple[Fault, ...]]:
    """Return the tree and the faults that do not stop the reading (duplicate keys, tags, merge keys), for
    a caller that goes on to look for more.  Raises ModelError where there is no tree."""
    source = _decode_text(text, file, limits)
    # Two tries with numbers lifted: the second leaves those that turned out to stand in comments or strings.
    skip: set[int] = set()
    for _ in range(2):
        reduced = _reduce(source, skip)
        if not reduced.numbers:
            break
        reader = _Reader(reduced, file, limits)
        try:
            tree = reader.read()
        except _StopError:
            break
        if not reader.unseen:
            return tree, tuple(reader.faults)
        skip |= {int(name.rpartition("at")[2]) for name in reader.unseen}
    reader = _Reader(Reduced(source, {}), file, limits)
    try:
        return reader.read(), tuple(reader.faults)
    except _StopError as stop:
        raise ModelError([*reader.faults, stop.fault]) from None


def _reduce(source: str, skip: set[int]) -> Reduced:
    # Other line breaks than \n would put the corrections of columns on the wrong lines.
    if _OTHER_BREAK.search(source):
        return Reduced(source, {})
    return lift_numbers(source, skip)


def _decode_text(text: bytes | str, file: str | None, limits: Limits) -> str:
    """Return the document as text with \\n for \\r\\n and without byte-order mark; ModelError where it is none."""
    try:
        data = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise ModelError([_encoding_fault(error.object[: error.start], file)]) from None
    if len(data) > limits.bytes:
        message = f"the document has {len(data):,} bytes; at most {limits.bytes:,} are read"
        hint = "keep values in files beside it"
        raise ModelError([Fault("model.yaml_too_large", message, file, 1, 1, hint=hint)])
    try:
        source = text if isinstance(text, str) else text.decode()
    except UnicodeDecodeError as error:
        # UTF-16 is caught here too: its byte-order mark is no UTF-8.
        raise ModelError([_encoding_fault(data[: error.start].decode(), file)]) from None
    source = source.removeprefix("\ufeff")
    return source.replace("\r\n", "\n") if "\r" in source else source


def _encoding_fault(before: str, file: str | None) -> Fault:
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return Fault("model.yaml_encoding", "the text is not UTF-8", file, line, column, hint="save the file as UTF-8")


def _is_merge(key: ScalarNode) -> bool:
    return key.text == "<<" and not key.quoted


class _Reader:
    """Reads the events of one document into a tree, with a stack of its own."""

    def __init__(self, reduced: Reduced, file: str | None, limits: Limits) -> None:
        self.faults: list[Fault] = []
        self.unseen: set[str] = set(reduced.numbers)
        self._numbers: Mapping[str, Lifted] = reduced.numbers
        self._text = reduced.text
        self._file = file
        self._limits = limits
        self._most_nodes = limits.nodes
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._root: TreeNode | None = None
        self._nodes = 0
        self._alias_nodes = 0
        self._shifts: dict[int, list[tuple[int, int]]] = {}
        for cut in reduced.cuts:
            self._shifts.setdefault(cut.line, []).append((cut.column, cut.shift))

    def read(self) -> TreeNode:
        """Return the tree of the one document; ``_StopError`` where there is none."""
        try:
            loader = _LOADER(self._text)
            self._read_events(loader)
        except yaml.reader.ReaderError:
            raise _StopError(self._unprintable()) from None
        except yaml.MarkedYAMLError as error:
            raise _StopError(self._syntax_fault(error)) from None
        return ScalarNode("", False, 1, 1) if self._root is None else self._root

    def _read_events(self, loader: Any) -> None:
        next_event = loader.get_event
        handlers = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start,
            yaml.MappingEndEvent: self._end_mapping,
            yaml.SequenceStartEvent: self._start,
            yaml.SequenceEndEvent: self._end_sequence,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        while True:
            event = next_event()
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)
            elif type(event) is yaml.StreamEndEvent:
                return

    def _place(self, mark: Any) -> tuple[int, int]:
        line: int = mark.line
        column: int = mark.column
        if line in self._shifts:
            column += next((shift for start, shift in reversed(self._shifts[line]) if column >= start), 0)
        return line + 1, column + 1

    def _fault(self, code: str, message: str, place: _Place, hint: str | None = None) -> Fault:
        return Fault(code, message, self._file, *place, self._path(), hint)

    def _path(self) -> str:
        """The JSON path of what is being read."""
        trail: Trail = ROOT
        for frame in self._stack:
            if not frame.is_mapping:
                trail = (trail, len(frame.items))
            elif frame.key is not None:
                trail = (trail, frame.key.text)
        return path_text(trail)

    def _count(self, line: int, column: int) -> None:
        self._nodes += 1
        if self._nodes > self._most_nodes:
            message = f"more than {self._most_nodes:,} values"
            raise _StopError(self._fault("model.yaml_too_many_nodes", message, _Place(line, column)))

    # --- events -----------------------------------------------------------------------------------------------

    def _document(self, event: Any) -> None:
        if self._root is not None:
            message = "a second document starts here; a file holds one"
            raise _StopError(self._fault("model.yaml_documents", message, _Place(*self._place(event.start_mark))))

    def _scalar(self, event: Any) -> None:
        line, column = self._place(event.start_mark)
        self._count(line, column)
        quoted = bool(event.style)
        tag, anchor = event.tag, event.anchor
        if quoted and tag is None and anchor is None:
            line, column = self._text_place(event, line, column)
        if tag is not None:
            quoted = self._check_tag(tag, _SCALAR_TAGS, _Place(line, column), quoted)
        node = ScalarNode(event.value, quoted, line, column)
        self._add(node, 1, 1)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, 1, 1)

    def _text_place(self, event: Any, line: int, column: int) -> tuple[int, int]:
        """Where the text of a quoted or block scalar starts, so that an offset into it can be added."""
        if event.style in ("'", '"'):
            return line, column + 1
        place = line, column
        start = self._text.find("\n", event.start_mark.index) + 1
        while 0 < start < len(self._text):
            end = self._text.find("\n", start)
            content = self._text[start : end if end >= 0 else len(self._text)]
            line += 1
            if content.strip():
                return line, len(content) - len(content.lstrip(" ")) + 1
            start = end + 1
        return place

    def _check_tag(self, tag: str, allowed: frozenset[str | None], place: _Place, quoted: bool) -> bool:
        """Return whether the scalar is text; a fault where the tag is not one of the core ones."""
        if tag not in allowed:
            shown = tag.replace(_TAG, "!!")
            hint = "take the tag away; values are read by the field that they are for"
            self.faults.append(self._fault("model.yaml_tag", f"the tag {shown!r} is not allowed here", place, hint))
        return quoted or tag in _TEXT_TAGS

    def _start(self, event: Any) -> None:
        place = _Place(*self._place(event.start_mark))
        self._count(*place)
        is_mapping = type(event) is yaml.MappingStartEvent
        if self._stack and self._stack[-1].is_mapping and self._stack[-1].key is None:
            raise _StopError(self._fault("model.yaml_key", "a key must be plain text, not a collection", place))
        if len(self._stack) >= self._limits.depth:
            message = f"nested deeper than {self._limits.depth} levels"
            raise _StopError(self._fault("model.yaml_too_deep", message, place))
        if event.tag is not None:
            self._check_tag(event.tag, _MAPPING_TAGS if is_mapping else _SEQUENCE_TAGS, place, False)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(place, is_mapping, bool(event.flow_style), event.anchor))

    def _end_mapping(self, event: Any) -> None:
        frame = self._stack.pop()
        self._close(frame, MappingNode(tuple(frame.pairs.values()), *frame.place))

    def _end_sequence(self, event: Any) -> None:
        frame = self._stack.pop()
        lifted = self._lifted(frame) if self._numbers and len(frame.items) == 1 and frame.is_flow else None
        if lifted is not None:
            self._close(frame, NumbersNode(lifted.values, *(lifted.place or frame.place)))
        else:
            self._close(frame, SequenceNode(tuple(frame.items), *frame.place))

    def _lifted(self, frame: _Frame) -> Lifted | None:
        item = frame.items[0]
        if not isinstance(item, ScalarNode) or item.quoted or item.text not in self.unseen:
            return None
        self.unseen.discard(item.text)
        return self._numbers[item.text]

    def _close(self, frame: _Frame, node: TreeNode) -> None:
        self._add(node, frame.size, frame.height)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(node, frame.size, frame.height)

    def _alias(self, event: Any) -> None:
        place = _Place(*self._place(event.start_mark))
        if event.anchor not in self._anchors:
            raise _StopError(self._fault("model.yaml_alias", f"no anchor is called {event.anchor!r}", place))
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise _StopError(self._fault("model.yaml_alias", f"the alias {event.anchor!r} holds itself", place))
        self._alias_nodes += anchored.size
        if self._alias_nodes > self._limits.alias_nodes:
            message = f"the aliases stand for more than {self._limits.alias_nodes:,} values"
            raise _StopError(self._fault("model.yaml_too_many_nodes", message, place))
        if len(self._stack) + anchored.height - 1 > self._limits.depth:
            message = f"nested deeper than {self._limits.depth} levels through aliases"
            raise _StopError(self._fault("model.yaml_too_deep", message, place))
        self._add(anchored.node, anchored.size, anchored.height, place)

    # --- building ---------------------------------------------------------------------------------------------

    def _add(self, node: TreeNode, size: int, height: int, place: _Place | None = None) -> None:
        """Put a finished node into the collection that is open; ``place`` is that of an alias."""
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        frame.size += size
        if height >= frame.height:
            frame.height = height + 1
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is not None:
            # A duplicate or a merge has a fault already; what stays is a tree of unique, plain keys.
            if not _is_merge(frame.key):
                frame.pairs.setdefault(frame.key.text, (frame.key, node))
            frame.key = None
        elif isinstance(node, ScalarNode):
            frame.key = node
            if node.text in frame.pairs or node.text == "<<":
                self._check_key(frame, node, place or _Place(node.line, node.column))
        else:
            message = "a key must be plain text, not a collection"
            raise _StopError(self._fault("model.yaml_key", message, place or _Place(node.line, node.column)))

    def _check_key(self, frame: _Frame, key: ScalarNode, place: _Place) -> None:
        if _is_merge(key):
            hint = "write the fields out, or give the whole value an alias"
            self.faults.append(self._fault("model.yaml_merge_key", "merge keys (<<) are not supported", place, hint))
        first = frame.pairs.get(key.text)
        if first is not None:
            message = f"the field {key.text!r} is given twice, first in line {first[0].line}"
            hint = "keep one of the two"
            self.faults.append(self._fault("model.duplicate_field", message, place, hint))

    # --- faults of the parser ---------------------------------------------------------------------------------

    def _unprintable(self) -> Fault:
        match = _UNPRINTABLE.search(self._text)
        before = self._text[: match.start()] if match else ""
        what = f"the character U+{ord(match.group()):04X}" if match else "a control character"
        place = _Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        return self._fault("model.yaml_syntax", f"{what} is not allowed in YAML", place, "take it out, or escape it")

    def _syntax_fault(self, error: yaml.MarkedYAMLError) -> Fault:
        mark = error.problem_mark or error.context_mark
        place = _Place(1, 1) if mark is None else _Place(*self._place(mark))
        context = f" {error.context}" if error.context else ""
        message = f"not valid YAML:{context}{',' if context else ''} {error.problem or 'unreadable'}"
        line = self._text.split("\n", place.line)[place.line - 1 : place.line]
        tab = bool(line) and "\t" in line[0][: place.column]
        return self._fault("model.yaml_syntax", message, place, "indent by spaces, not by tabs" if tab else None)
