"""Placeholders: ``${name}`` in the scalars of a template, found and filled in on the tree.

A scalar that is one placeholder becomes the value with its type: a number, a boolean, a string that
stays a string, or a whole array.  A placeholder in a longer scalar becomes text.  In an ``expr`` the
text is made for the expression language: a negative number is put in parentheses, so that ``a - ${x}``
stays right, a boolean is 1 or 0, and a string must be the name of a series.  ``$${`` stands for a
literal ``${``.  Nothing is ever replaced in the raw YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from flowtime.errors import Fault
from flowtime.model.place import ROOT, Trail, path_text
from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode
from flowtime.templates.parameters import Value

__all__ = ["Piece", "number_text", "placeholder_faults", "split_placeholders", "substitute"]

# The escape comes first, or $${x} would be a dollar sign and a placeholder.
_PLACEHOLDER = re.compile(r"\$\$\{|\$\{(?P<name>[^{}]*)\}|\$\{", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MARK = "${"


class Piece(NamedTuple):
    """A part of a scalar: literal text, or a parameter's ``name`` (None where it is literal); ``at`` is
    its offset.  A ``name`` that is no name is a placeholder written wrongly."""

    text: str
    name: str | None
    at: int


def split_placeholders(text: str) -> tuple[Piece, ...]:
    """Split a scalar into literal texts and placeholders, in order; ``$${`` becomes the literal ``${``."""
    pieces: list[Piece] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if match.start() > end:
            pieces.append(Piece(text[end : match.start()], None, end))
        if match.group().startswith("$$"):
            pieces.append(Piece(_MARK, None, match.start()))
        else:
            pieces.append(Piece(match.group(), (match["name"] or "").strip(), match.start()))
        end = match.end()
    if end < len(text):
        pieces.append(Piece(text[end:], None, end))
    return tuple(pieces)


def placeholder_faults(tree: TreeNode, names: Iterable[str], file: str | None) -> Iterator[Fault]:
    """Yield a fault for every placeholder that is written wrongly, names no parameter or stands in a key."""
    known = sorted(names)
    for trail, node, is_key in _scalars(tree, ROOT):
        if _MARK not in node.text:
            continue
        for piece in split_placeholders(node.text):
            if piece.name is not None:
                yield from _piece_faults(piece, node, path_text(trail), known, file, is_key)


def substitute(tree: TreeNode, values: Mapping[str, Value], file: str | None) -> tuple[TreeNode, tuple[Fault, ...]]:
    """Return the tree with every placeholder filled in, each node at the position of what it replaces.

    ``values`` must hold every name (``placeholder_faults`` says which are unknown).  The faults are
    those of values that can not stand where they are put (``template.placeholder_type``).
    """
    filler = _Filler(values, file)
    return filler.fill(tree, ROOT, in_expression=False), tuple(filler.faults)


def number_text(value: float) -> str:
    """Return the shortest text that reads back as the same number; a whole number without a point."""
    if isinstance(value, int):
        return str(value)
    text = repr(float(value))
    return text.removesuffix(".0")


def _piece_faults(
    piece: Piece, node: ScalarNode, path: str, known: list[str], file: str | None, is_key: bool
) -> Iterator[Fault]:
    place = (file, *_place(node, piece.at), path)
    if is_key:
        yield Fault("template.placeholder_in_key", f"{piece.text!r} is in a key; only values are filled in", *place)
    elif piece.name is None or not _NAME.fullmatch(piece.name):
        hint = "write ${name}, or $${ for the characters themselves"
        yield Fault("template.placeholder_syntax", f"{piece.text!r} is no placeholder", *place, hint)
    elif piece.name not in known:
        near = get_close_matches(piece.name, known, n=1)
        hint = f"did you mean ${{{near[0]}}}?" if near else "declare it under parameters, or write $${"
        yield Fault("template.unknown_placeholder", f"no parameter is called {piece.name!r}", *place, hint)


def _scalars(node: TreeNode, trail: Trail) -> Iterator[tuple[Trail, ScalarNode, bool]]:
    match node:
        case ScalarNode():
            yield trail, node, False
        case SequenceNode(items=items):
            for index, item in enumerate(items):
                yield from _scalars(item, (trail, index))
        case MappingNode(pairs=pairs):
            for key, value in pairs:
                yield trail, key, True
                yield from _scalars(value, (trail, key.text))
        case NumbersNode():
            return


class _Filler:
    """Fills one tree in and keeps the faults met on the way."""

    def __init__(self, values: Mapping[str, Value], file: str | None) -> None:
        self.faults: list[Fault] = []
        self._values = values
        self._file = file

    def fill(self, node: TreeNode, trail: Trail, *, in_expression: bool) -> TreeNode:
        """Return ``node`` filled in; the same object where nothing in it changes."""
        match node:
            case ScalarNode() if _MARK in node.text:
                return self._scalar(node, trail, in_expression)
            case SequenceNode(items=items):
                filled = tuple(self.fill(item, (trail, index), in_expression=False) for index, item in enumerate(items))
                return SequenceNode(filled, node.line, node.column)
            case MappingNode(pairs=pairs):
                entries = tuple(
                    (key, self.fill(value, (trail, key.text), in_expression=key.text == "expr")) for key, value in pairs
                )
                return MappingNode(entries, node.line, node.column)
            case _:
                return node

    def _scalar(self, node: ScalarNode, trail: Trail, in_expression: bool) -> TreeNode:
        pieces = split_placeholders(node.text)
        # An expression is a text whatever stands in it: expr: ${rate} is no number.
        if len(pieces) == 1 and pieces[0].name is not None and not in_expression:
            return _typed(self._values[pieces[0].name], node)
        make = _expression_text if in_expression else _plain_text
        texts: list[str] = []
        # A string keeps a scalar a string: ${region}1 must not turn into a number.
        is_string = node.quoted or in_expression
        for piece in pieces:
            text: str | None = piece.text
            if piece.name is not None:
                value = self._values[piece.name]
                is_string = is_string or isinstance(value, str)
                text = make(value)
            if text is None:
                self._refuse(piece, node, trail, in_expression)
            else:
                texts.append(text)
        return ScalarNode("".join(texts), is_string, node.line, node.column)

    def _refuse(self, piece: Piece, node: ScalarNode, trail: Trail, in_expression: bool) -> None:
        where = "in an expression" if in_expression else "inside a text"
        message = f"the array {piece.name!r} can not stand {where}"
        hint = "an array fills a whole field: values: ${name}"
        if isinstance(self._values[piece.name or ""], str):
            message = f"the text {piece.name!r} stands in an expression and is not the name of a series"
            hint = "letters, digits and _, starting with a letter or _"
        place = _place(node, piece.at)
        self.faults.append(Fault("template.placeholder_type", message, self._file, *place, path_text(trail), hint))


def _place(node: ScalarNode, offset: int) -> tuple[int, int]:
    """Return the line and column of a character of a scalar; only block text holds line breaks as the file does."""
    before = node.text[:offset]
    return node.line + before.count("\n"), node.column + offset - (before.rfind("\n") + 1)


def _typed(value: Value, place: ScalarNode) -> TreeNode:
    if isinstance(value, tuple):
        values = np.array(value, dtype=np.float64)
        values.flags.writeable = False  # as the reader of YAML makes them
        return NumbersNode(values, place.line, place.column)
    if isinstance(value, str):
        return ScalarNode(value, True, place.line, place.column)
    return ScalarNode(_scalar_text(value), False, place.line, place.column)


def _scalar_text(value: bool | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value)


def _plain_text(value: Value) -> str | None:
    """Return a value inside a longer text, or None where it can not stand there."""
    if isinstance(value, tuple):
        return None
    return value if isinstance(value, str) else _scalar_text(value)


def _expression_text(value: Value) -> str | None:
    """Return a value inside an expression, or None where it can not stand there."""
    if isinstance(value, tuple):
        return None
    if isinstance(value, str):
        # Anything more would let a parameter change what the expression around it means.
        return value if _NAME.fullmatch(value) else None
    if isinstance(value, bool):
        return "1" if value else "0"
    text = number_text(value)
    return f"({text})" if text.startswith("-") else text
