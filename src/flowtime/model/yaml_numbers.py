"""Numbers in YAML text: one scalar, and long flow sequences read in one call.

A model file is mostly numbers.  An object per number costs seconds; so long sequences of plain numbers
are lifted out of the text before the YAML parser sees it, and a short placeholder is left in each place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import orjson

from flowtime.model.spec import FloatArray

__all__ = ["Cut", "Lifted", "Reduced", "integer_of", "lift_numbers", "number_of", "read_numbers", "read_only"]

# Digits of an integer that is worth converting: beyond, float() says it all (and int() refuses 4300).
_MOST_DIGITS = 40

_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_SPECIAL = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NAN = re.compile(r"\.(?:nan|NaN|NAN)")

# Shorter sequences are as fast by the YAML parser, and keep a position for each item.  Possessive, so that a
# long run without its end is not tried again from every length.  The first form is [1, 2, 3], the second a key's
# lines of "- 1", whose indent is the group.
_NUMBERS = re.compile(
    r"\[[-+0-9.eEnaNA, \t\n]{32,}+\]"
    r"|(?<=:) *\n( *)- +[-+0-9.eEnaNA]++ *+(?:\n\1- +[-+0-9.eEnaNA]++ *+){15,}+(?=\n|\Z)(?!\n\1-)"
)


def number_of(text: str) -> float | None:
    """Return the number that a plain scalar spells by the YAML 1.2 core rules, or None.

    ``.nan`` and ``.inf`` are numbers here (whether they are wanted is for the caller); an octal, hexadecimal,
    sexagesimal or underscored spelling is none.  Too large a number comes back as an infinity.
    """
    if _NUMBER.fullmatch(text):
        # + 0.0: the integer -0 is 0, as in JSON; only -0.0 keeps its sign.
        return float(text) + 0.0 if _INTEGER.fullmatch(text) else float(text)
    return _SPECIAL.get(text)


def integer_of(text: str) -> int | None:
    """Return the integer that a plain scalar spells (``12``, and also ``12.0`` or ``1e3``), or None."""
    if _INTEGER.fullmatch(text) and len(text) <= _MOST_DIGITS:
        return int(text)
    value = number_of(text)
    if value is None or not math.isfinite(value) or not value.is_integer():
        return None
    return int(value)


def read_numbers(sequence: str) -> FloatArray | None:
    """Return the numbers of a bracketed flow sequence as a read-only array (n,), or None.

    It must hold no letters but those of ``1e5`` and ``.nan``.  None means that it is no plain list of finite
    numbers and gaps; the caller then reads it item by item, to say which one is wrong.
    """
    text = _NAN.sub("null", sequence) if "n" in sequence or "N" in sequence else sequence
    try:
        # null becomes NaN on the way into the array.
        values = np.array(orjson.loads(text), dtype=np.float64)
    except orjson.JSONDecodeError:
        return _read_each(sequence)
    return read_only(values) if values.size else None


def _read_each(sequence: str) -> FloatArray | None:
    # For what YAML allows and JSON does not: .5, +1, 1., 007, a trailing comma.
    items = sequence[1:-1].split(",")
    if not items[-1].strip():
        items.pop()
    values = [number_of(item.strip()) for item in items]
    if not values or any(value is None or math.isinf(value) for value in values):
        return None
    return read_only(np.array(values, dtype=np.float64))


def read_only(values: FloatArray) -> FloatArray:
    """Return the array itself, locked, so that it can be shared."""
    values.flags.writeable = False
    return values


class Cut(NamedTuple):
    """Where a sequence was cut out: on ``line``, columns from ``column`` on were ``shift`` further right."""

    line: int
    column: int
    shift: int


class Lifted(NamedTuple):
    """The numbers of a sequence; ``place`` is its line and column where the placeholder stands elsewhere."""

    values: FloatArray
    place: tuple[int, int] | None


class Reduced(NamedTuple):
    """A text without its long sequences of numbers; ``numbers`` maps a placeholder to what it stands for."""

    text: str
    numbers: Mapping[str, Lifted]
    cuts: tuple[Cut, ...] = ()


def lift_numbers(text: str, skip: Collection[int] = ()) -> Reduced:
    """Replace long numeric sequences by one-item flow sequences, keeping the line breaks.

    ``skip`` holds offsets of sequences to leave.  The text is only looked at, so a match may stand in a
    comment or a string: the caller has to check that every placeholder came back as a sequence.  ``text``
    has ``\\n`` as its only line break.  Lines and columns of cuts count from 0, those of places from 1.
    """
    prefix = _unused_prefix(text)
    if prefix is None:
        return Reduced(text, {})
    pieces: list[str] = []
    numbers: dict[str, Lifted] = {}
    cuts: list[Cut] = []
    done = line = shift = 0
    for match in _NUMBERS.finditer(text):
        start, end = match.span()
        values = None if start in skip else read_numbers(_as_flow(match))
        if values is None:
            continue
        name = f"{prefix}{start}"
        breaks = text.count("\n", done, start)
        line += breaks
        indent: str | None = match.group(1)
        numbers[name] = Lifted(values, None if indent is None else (line + 2, len(indent) + 1))
        inner = text.count("\n", start, end)
        pieces += (text[done:start], " [" if indent is not None else "[", name, "\n" * inner, "]")
        column = end - (text.rfind("\n", 0, end) + 1)
        before = shift if breaks == 0 else 0
        after = column - before - (end - start) + len(name) + 2 if inner == 0 else 1
        line += inner
        shift = column - after
        cuts.append(Cut(line, after, shift))
        done = end
    pieces.append(text[done:])
    return Reduced("".join(pieces), numbers, tuple(cuts))


def _as_flow(match: re.Match[str]) -> str:
    indent: str | None = match.group(1)
    if indent is None:
        return match.group()
    _, _, items = match.group().partition("- ")
    return f"[{items.replace(f'{chr(10)}{indent}- ', ',')}]"


def _unused_prefix(text: str) -> str | None:
    candidates = (f"numbers{'x' * count}at" for count in range(8))
    return next((prefix for prefix in candidates if prefix not in text), None)
