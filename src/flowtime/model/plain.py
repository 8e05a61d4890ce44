"""A model as plain values, as YAML text, and as the bytes that its hash is taken over."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import orjson

from flowtime.model.spec import FloatArray, ModelSpec

__all__ = ["canonical_json", "dump_spec", "plain"]

# Text that no YAML reader takes for anything but text; all else is quoted.
_PLAIN_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[.-][A-Za-z0-9_]+)*", re.ASCII)
_RESERVED = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
# What JSON leaves as it is and YAML does not print.
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_MOST_KEY = 120
_FIRST_FIELDS = ("id", "kind")


def plain(value: Any) -> Any:
    """Return structs as dicts of published field names, tuples as lists; arrays stay arrays.

    What is None, or as empty as its default, is left out; any other default is said, so that a saved
    model keeps its meaning when a default changes.
    """
    if isinstance(value, msgspec.Struct):
        return _plain_struct(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _plain_struct(struct: msgspec.Struct) -> dict[str, Any]:
    config = struct.__struct_config__
    fields: dict[str, Any] = {}
    if config.tag_field is not None:
        fields[config.tag_field] = config.tag
    for name, encode_name, is_optional in _fields(type(struct)):
        value = getattr(struct, name)
        # An empty list where None is the default says something: no retries, and not the usual ones.
        if value is None or (not is_optional and _is_empty(value)):
            continue
        fields[encode_name] = value if isinstance(value, (str, float, int)) else plain(value)
    first = {name: fields.pop(name) for name in _FIRST_FIELDS if name in fields}
    return first | fields


@functools.cache
def _fields(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, bool], ...]:
    return tuple((info.name, info.encode_name, info.default is None) for info in msgspec.structs.fields(struct))


def _is_empty(value: Any) -> bool:
    return isinstance(value, (tuple, dict)) and not value


def canonical_json(spec: ModelSpec) -> bytes:
    """Return JSON with sorted keys and arrays in full (a gap is null), without ``provenance.generatedAt``."""
    document = plain(spec)
    document.get("provenance", {}).pop("generatedAt", None)
    if not document.get("provenance", True):
        del document["provenance"]
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def dump_spec(spec: ModelSpec) -> str:
    """Return the model as YAML text: block mappings, arrays on one line, shortest numbers that read back."""
    return "".join(_block(plain(spec), ""))


def _block(mapping: dict[str, Any], indent: str) -> Iterator[str]:
    """Yield the lines of a mapping, the first without its indent."""
    lead = ""
    for key, value in mapping.items():
        yield f"{lead}{_key(key, indent)}"
        yield from _value(value, indent)
        lead = indent


def _key(text: str, indent: str) -> str:
    key = _text(text)
    # A key of a kilobyte needs the long form.
    return f"? {key}\n{indent}:" if len(key) > _MOST_KEY else f"{key}:"


def _value(value: Any, indent: str) -> Iterator[str]:
    """Yield what follows a key: the rest of its line, and lines below it."""
    deeper = f"{indent}  "
    if isinstance(value, dict) and value:
        yield f"\n{deeper}"
        yield from _block(value, deeper)
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        yield "\n"
        yield from _items(value, deeper)
    else:
        yield f" {_flow(value)}\n"


def _items(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        yield f"{indent}- "
        if isinstance(item, dict) and item:
            yield from _block(item, f"{indent}  ")
        else:
            yield f"{_flow(item)}\n"


def _flow(value: Any) -> str:
    """Return a value on one line."""
    if isinstance(value, np.ndarray):
        return _numbers(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'? {_text(key)} : {_flow(item)}' for key, item in value.items())}}}"
    return orjson.dumps(value).decode()


def _numbers(values: FloatArray) -> str:
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return text.replace(b"null", b".nan").replace(b",", b", ").decode()


def _text(text: str) -> str:
    if _PLAIN_TEXT.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return _UNPRINTABLE.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
