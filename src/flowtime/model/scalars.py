"""What reads one scalar of a tree, and the list that faults are added to."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from flowtime.errors import Fault
from flowtime.model.place import Trail, path_text
from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode
from flowtime.model.yaml_numbers import integer_of, number_of

__all__ = [
    "BAD",
    "BoolReader",
    "ChoiceReader",
    "Findings",
    "FloatReader",
    "FreeReader",
    "IntReader",
    "Reader",
    "TextReader",
    "is_null",
    "kind_of",
]


class _Bad:
    """The type of ``BAD``."""

    def __repr__(self) -> str:
        return "BAD"


# What a reader returns after it has added a fault; None is a value.
BAD: Final[Any] = _Bad()

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {
    spelling: value for value in (True, False) for spelling in (str(value), str(value).lower(), str(value).upper())
}
# Integers beyond this are no longer exact as JSON numbers.
_EXACT = 2**53


def is_null(node: TreeNode) -> bool:
    """Whether the node is a plain empty, ``~`` or ``null``."""
    return isinstance(node, ScalarNode) and not node.quoted and node.text in _NULLS


def kind_of(node: TreeNode) -> str:
    """Say for a person what a node is."""
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode() | NumbersNode():
            return "a list"
        case ScalarNode() if is_null(node):
            return "nothing"
        case ScalarNode(text=text, quoted=quoted):
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            is_number = not quoted and number_of(text) is not None
            return f"the number {shown}" if is_number else f"the text {shown!r}"


class Findings:
    """The faults found so far in one document; codes start with ``prefix``, ``root`` is its type."""

    def __init__(self, file: str | None, prefix: str, root: type) -> None:
        self.faults: list[Fault] = []
        self.root = root
        self._file = file
        self._prefix = prefix

    def add(self, code: str, message: str, node: TreeNode, trail: Trail, hint: str | None = None) -> Any:
        """Add a fault at a node and return BAD."""
        path = path_text(trail)
        self.faults.append(Fault(f"{self._prefix}.{code}", message, self._file, node.line, node.column, path, hint))
        return BAD

    def wrong_type(self, expects: str, node: TreeNode, trail: Trail, hint: str | None = None) -> Any:
        """Add the fault that something else was expected, and return BAD."""
        if is_null(node):
            return self.add("missing_field", f"a value is missing: expected {expects}", node, trail, hint)
        return self.add("wrong_type", f"expected {expects}, found {kind_of(node)}", node, trail, hint)


class Reader:
    """Reads one type; ``accepts`` are the nodes it can do something with, ``expects`` its name for a person."""

    accepts: tuple[type[TreeNode], ...] = (ScalarNode,)
    expects: str = ""

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the value, or BAD after adding a fault."""
        raise NotImplementedError


class TextReader(Reader):
    """Reads text; a plain number or word is text too where text is wanted."""

    expects = "text"

    def __init__(self, constraints: msgspec.Meta | None) -> None:
        pattern = constraints.pattern if constraints else None
        self._pattern = re.compile(pattern) if pattern else None
        self._least = (constraints.min_length or 0) if constraints else 0

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the text as written."""
        if not isinstance(node, ScalarNode) or is_null(node):
            return findings.wrong_type(self.expects, node, trail)
        text = node.text
        if len(text) < self._least:
            return findings.add("bad_value", "the text must not be empty", node, trail)
        # $ in a published pattern would let a final line break through.
        if self._pattern is not None and (self._pattern.search(text) is None or "\n" in text):
            message = f"{text!r} is not allowed here; it must match {self._pattern.pattern}"
            return findings.add("bad_value", message, node, trail)
        return text


class _NumberReader(Reader):
    """The bounds of numbers."""

    def __init__(self, constraints: msgspec.Meta | None) -> None:
        meta = constraints or msgspec.Meta()
        self._bounds = tuple(
            (sign, test, bound)
            for sign, test, bound in (
                (">=", float.__ge__, meta.ge),
                (">", float.__gt__, meta.gt),
                ("<=", float.__le__, meta.le),
                ("<", float.__lt__, meta.lt),
            )
            if bound is not None
        )

    def _check(self, value: float, node: ScalarNode, trail: Trail, findings: Findings) -> bool:
        if all(test(float(value), float(bound)) for _, test, bound in self._bounds):
            return True
        rule = " and ".join(f"{sign} {bound:,}" for sign, _, bound in self._bounds)
        findings.add("out_of_range", f"{node.text} is out of range; it must be {rule}", node, trail)
        return False


class IntReader(_NumberReader):
    """Reads an integer."""

    expects = "an integer"

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the integer within its bounds."""
        value = integer_of(node.text) if isinstance(node, ScalarNode) and not node.quoted else None
        if value is None or not isinstance(node, ScalarNode):
            return findings.wrong_type(self.expects, node, trail, _unquote(node))
        if abs(value) > _EXACT * 2**10:
            return findings.add("out_of_range", "the integer is too large", node, trail)
        return value if self._check(value, node, trail, findings) else BAD


class FloatReader(_NumberReader):
    """Reads a finite number."""

    expects = "a number"

    def fits(self, node: TreeNode) -> bool:
        """Whether the node spells a number."""
        return isinstance(node, ScalarNode) and not node.quoted and number_of(node.text) is not None

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the number within its bounds."""
        value = number_of(node.text) if isinstance(node, ScalarNode) and not node.quoted else None
        if value is None or not isinstance(node, ScalarNode):
            return findings.wrong_type(self.expects, node, trail, _unquote(node))
        if not math.isfinite(value):
            return findings.add("out_of_range", f"{node.text} is not a finite number", node, trail)
        return value if self._check(value, node, trail, findings) else BAD


class BoolReader(Reader):
    """Reads true or false; yes and on are text."""

    expects = "true or false"

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the truth value."""
        value = _BOOLS.get(node.text) if isinstance(node, ScalarNode) and not node.quoted else None
        return findings.wrong_type(self.expects, node, trail) if value is None else value


class ChoiceReader(Reader):
    """Reads one of a few words or integers."""

    def __init__(self, choices: Iterable[str | int], *, code: str = "bad_value") -> None:
        self._choices = tuple(choices)
        self._code = code
        self._values: dict[str, str | int] = {str(choice): choice for choice in self._choices}
        self._is_text = all(isinstance(choice, str) for choice in self._choices)
        self._folds = False
        listed = ", ".join(map(str, self._choices))
        self.expects = f"one of {listed}" if len(self._choices) > 1 else listed

    def any_case(self) -> ChoiceReader:
        """Return a reader of the same words that takes them in any case and returns its own spelling."""
        reader = ChoiceReader(self._choices, code=self._code)
        reader._values = {str(choice).lower(): choice for choice in self._choices}
        reader._folds = True
        return reader

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the choice."""
        if not isinstance(node, ScalarNode) or is_null(node) or (node.quoted and not self._is_text):
            return findings.wrong_type(self.expects, node, trail)
        text = node.text.lower() if self._folds else node.text
        if not self._is_text:
            number = integer_of(text)
            text = text if number is None else str(number)
        if text in self._values:
            return self._values[text]
        folded = {word.lower(): word for word in map(str, self._choices)}
        close = difflib.get_close_matches(text.lower(), folded, n=1)
        hint = f"did you mean {folded[close[0]]!r}?" if close else None
        return findings.add(self._code, f"expected {self.expects}, found {kind_of(node)}", node, trail, hint)


class FreeReader(Reader):
    """Reads anything into plain values: dict, list, str, int, float, bool, None."""

    accepts = (ScalarNode, SequenceNode, NumbersNode, MappingNode)
    expects = "a value"

    def read(self, node: TreeNode, trail: Trail, findings: Findings) -> Any:
        """Return the value; a document is nested no deeper than the reader of YAML allows."""
        match node:
            case MappingNode(pairs=pairs):
                return {key.text: self.read(value, trail, findings) for key, value in pairs}
            case SequenceNode(items=items):
                return [self.read(item, trail, findings) for item in items]
            case NumbersNode(values=values):
                return [_plain_number(value) for value in values.tolist()]
            case ScalarNode(text=text, quoted=True):
                return text
            case ScalarNode(text=text):
                return _plain_value(node, text)


def _plain_value(node: ScalarNode, text: str) -> object:
    if is_null(node):
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    number = number_of(text)
    return text if number is None else _plain_number(number)


def _plain_number(value: float) -> int | float | None:
    """One spelling for one number: 1 and 1.0 are the same, and JSON has no NaN."""
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


def _unquote(node: TreeNode) -> str | None:
    is_number = isinstance(node, ScalarNode) and node.quoted and number_of(node.text) is not None
    return "take the quotes away" if is_number else None
