"""What a list of runs is asked for: filters that are checked, and which page."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from flowtime.errors import ParameterError
from flowtime.runs.summary import RunKind, RunStatus, RunSummary
from flowtime.runs.times import parse_utc

__all__ = ["KINDS", "MAX_PAGE_SIZE", "MODES", "STATUSES", "RunMode", "RunPage", "RunQuery", "parse_query"]

RunMode: TypeAlias = Literal["simulation", "telemetry"]

KINDS: tuple[str, ...] = get_args(RunKind)
MODES: tuple[str, ...] = get_args(RunMode)
STATUSES: tuple[str, ...] = get_args(RunStatus)
MAX_PAGE_SIZE = 200
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


class RunQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Filters, which all must hold, and a page of ``page_size`` runs, counted from 1.

    ``templates``: any of these ids; ``scenario``: the path of its file, or the stem of its name; ``tags``: all of
    these, ``key`` or ``key=value``; ``since`` is included, ``before`` is not; ``input_hash``: its first digits, at
    least four.  Raises ParameterError for a value that no run can have.
    """

    templates: tuple[str, ...] = ()
    kind: RunKind | None = None
    mode: RunMode | None = None
    status: RunStatus | None = None
    pipeline: str | None = None
    scenario: str | None = None
    tags: tuple[str, ...] = ()
    has_warnings: bool | None = None
    since: datetime | None = None
    before: datetime | None = None
    input_hash: str | None = None
    page: int = 1
    page_size: int = 50

    def __post_init__(self) -> None:
        """Check every value: a filter that can not match would look like a list without runs."""
        _choice("kind", self.kind, KINDS)
        _choice("mode", self.mode, MODES)
        _choice("status", self.status, STATUSES)
        for name, moment in (("since", self.since), ("before", self.before)):
            if moment is not None and moment.tzinfo is None:
                raise _wrong(name, moment, "a time with its zone")
        for tag in self.tags:
            if not tag.partition("=")[0]:
                raise _wrong("tag", tag, "a key, or key=value")
        if self.since is not None and self.before is not None and self.since >= self.before:
            raise _wrong("before", self.before.isoformat(), f"a time after {self.since.isoformat()}")
        if self.input_hash is not None and _HASH.fullmatch(self.input_hash) is None:
            raise _wrong("inputHash", self.input_hash, "4 to 64 hexadecimal digits, sha256: before them or not")
        if self.page < 1:
            raise _wrong("page", self.page, "at least 1")
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise _wrong("pageSize", self.page_size, f"from 1 to {MAX_PAGE_SIZE}")

    @property
    def hash_start(self) -> str | None:
        """The start of the input hash as run.json spells it."""
        match = None if self.input_hash is None else _HASH.fullmatch(self.input_hash)
        return f"sha256:{match[1]}" if match else None


class RunPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One page of a list, newest runs first; ``total_count`` is of all pages.

    ``note`` says why the list was made without the index that is kept, where it was.
    """

    items: tuple[RunSummary, ...]
    total_count: int
    page: int
    page_size: int
    note: str | None = None


def parse_query(values: Mapping[str, str | Sequence[str]]) -> RunQuery:
    """Return the query that texts from outside ask for, named as in JSON.

    Names: ``template`` and ``tag`` (may be several), ``kind``, ``mode``, ``status``, ``pipeline``, ``scenario``,
    ``warnings`` (``true``, ``false``), ``since``, ``before`` (ISO 8601, UTC without a zone), ``inputHash``, ``page``
    and ``pageSize``.  Raises ParameterError for
    a name that is none of these (``parameter.unknown_filter``) and for a value that none can have
    (``parameter.filter_value``).
    """
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name not in _READERS:
            close = difflib.get_close_matches(name, _READERS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"filters are {', '.join(_READERS)}"
            raise ParameterError(f"there is no filter {name!r}", code="parameter.unknown_filter", hint=hint)
        field, read = _READERS[name]
        fields[field] = read(name, value)
    return RunQuery(**fields)


def _texts(_name: str, value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _text(name: str, value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, "given once")
    return value


def _flag(name: str, value: str | Sequence[str]) -> bool:
    return _choice(name, _text(name, value), ("true", "false")) == "true"


def _moment(name: str, value: str | Sequence[str]) -> datetime:
    moment = parse_utc(_text(name, value))
    if moment is None:
        raise _wrong(name, value, "a time such as 2025-01-31 or 2025-01-31T08:00:00Z")
    return moment


def _number(name: str, value: str | Sequence[str]) -> int:
    text = _text(name, value)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _wrong(name, value, "a whole number")
    return int(text)


_READERS: Mapping[str, tuple[str, Callable[[str, str | Sequence[str]], object]]] = MappingProxyType(
    {
        "template": ("templates", _texts),
        "kind": ("kind", _text),
        "mode": ("mode", _text),
        "status": ("status", _text),
        "pipeline": ("pipeline", _text),
        "scenario": ("scenario", _text),
        "tag": ("tags", _texts),
        "warnings": ("has_warnings", _flag),
        "since": ("since", _moment),
        "before": ("before", _moment),
        "inputHash": ("input_hash", _text),
        "page": ("page", _number),
        "pageSize": ("page_size", _number),
    }
)


def _choice(name: str, value: str | None, choices: tuple[str, ...]) -> str | None:
    if value is not None and value not in choices:
        raise _wrong(name, value, f"one of {', '.join(choices)}")
    return value


def _wrong(name: str, value: object, wanted: str) -> ParameterError:
    shown = value if isinstance(value, str) else str(value)
    return ParameterError(f"the filter {name} must be {wanted}, not {shown!r}", code="parameter.filter_value")
