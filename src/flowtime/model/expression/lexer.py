"""Tokens of the expression language, each with its offset.

One regular expression without nested repetition reads the text once, so the time is linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from flowtime.model.expression.fault import ExpressionFault

__all__ = ["KEYWORDS", "MOST_CHARACTERS", "Token", "tokenize"]

MOST_CHARACTERS: Final = 20_000
KEYWORDS: Final = frozenset({"AND", "OR", "NOT"})

# [0-9] and not \d, which would take the digits of every script.
_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<foreign>\*\*|&&|\|\||<>|=>|=<)"
    r"|(?P<operator>[<>=!]=|[-+*/<>])"
    r"|(?P<mark>[()\[\],])"
    r"|(?P<other>.)",
    re.DOTALL,
)

# What people bring from other languages, and how it is written here.
_ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "^": "write POW(a, b) for a power",
        "**": "write POW(a, b) for a power",
        "%": "write MOD(a, b) for a remainder",
        "&&": "write AND",
        "&": "write AND",
        "||": "write OR",
        "|": "write OR",
        "!": "write NOT, or != for not equal",
        "<>": "write !=",
        "=": "write == to compare",
        "=>": "write >=",
        "=<": "write <=",
        "?": "write IF(condition, a, b)",
        "$": "a template parameter is filled in only when the template is rendered",
        ";": "separate arguments with a comma",
        ".": "a number needs a digit after its point",
        "'": "there are no strings; a series is written by its bare id",
        '"': "there are no strings; a series is written by its bare id",
        "{": "group with ( and ), list taps with [ and ]",
        "}": "group with ( and ), list taps with [ and ]",
    }
)


class Token(NamedTuple):
    """One token; ``kind`` is number, name, operator, end, or the mark itself (one of ``( ) [ ] ,``).

    Operators carry their canonical text: AND, OR and NOT are upper case.
    """

    kind: str
    text: str
    at: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a text, closed by one of kind ``end`` just behind the last of them.

    Raises ``ExpressionFault``: ``expression.too_long`` above ``MOST_CHARACTERS``, ``expression.syntax``
    at a character or a number that the language does not have.
    """
    if len(text) > MOST_CHARACTERS:
        message = f"the expression has {len(text)} characters, more than {MOST_CHARACTERS}"
        raise ExpressionFault("expression.too_long", message, MOST_CHARACTERS, "split it over several nodes")
    tokens: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "other", match.group()
        if kind == "space":
            continue
        tokens.append(_token(text, kind, word, match.start()))
        end = match.end()
    tokens.append(Token("end", "", end))
    return tokens


def _token(text: str, kind: str, word: str, at: int) -> Token:
    if kind == "name":
        keyword = word.upper()
        return Token("operator", keyword, at) if keyword in KEYWORDS else Token("name", word, at)
    if kind == "number":
        _refuse_tail(text, word, at)
        return Token("number", word, at)
    if kind == "mark":
        return Token(word, word, at)
    if kind == "operator":
        return Token("operator", word, at)
    shown = word if word.isprintable() else f"U+{ord(word[0]):04X}"
    raise ExpressionFault("expression.syntax", f"unexpected {shown!r}", at, _ELSEWHERE.get(word))


def _refuse_tail(text: str, word: str, at: int) -> None:
    # Without this, 12abc and 1.2.3 would be two tokens and their fault would speak of a missing operator.
    follower = text[at + len(word) : at + len(word) + 1]
    if follower == "." or follower == "_" or (follower.isascii() and follower.isalpha()):
        hint = "numbers are 12, 1.5, .5, 1e3; ids start with a letter; a product needs a *"
        raise ExpressionFault("expression.syntax", f"{word + follower!r} starts no number", at, hint)
