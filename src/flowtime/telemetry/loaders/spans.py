"""Spans of OpenTelemetry as lines of JSON: what the collector's file exporter writes, and one flat object a line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from flowtime.telemetry.loaders.base import ImportOptions, SourceError
from flowtime.telemetry.loaders.pieces import read_pieces

__all__ = ["Span", "SpanKind", "read_spans"]

SpanKind: TypeAlias = Literal["unknown", "entry", "inner"]

_SERVICES: Final = ("service", "serviceName", "service.name", "service_name")
_STARTS: Final = ("startTimeUnixNano", "start", "startTime", "start_time")
_ENDS: Final = ("endTimeUnixNano", "end", "endTime", "end_time")
_DURATIONS: Final = ("durationMs", "duration_ms")
_IDS: Final = ("spanId", "span_id", "spanID", "id")
_PARENTS: Final = ("parentSpanId", "parent_span_id", "parentSpanID", "parentId", "parent_id")
_TRACES: Final = ("traceId", "trace_id", "traceID")
_ENTRIES: Final = frozenset({"server", "consumer", "span_kind_server", "span_kind_consumer", "2", "5"})
_UNKNOWN: Final = frozenset({"", "0", "unspecified", "span_kind_unspecified"})
_ERRORS: Final = frozenset({"error", "status_code_error", "2"})
_NO_PARENT: Final = frozenset({"", "0000000000000000"})


class Span(NamedTuple):
    """One span: times as they are written (``end`` may be empty, then ``duration_ms`` tells), ids as 64 bits.

    ``span`` and ``parent`` are 0 where there is none; ``line`` counts from 1.
    """

    service: str
    start: str
    end: str
    duration_ms: float
    is_error: bool
    kind: SpanKind
    span: int
    parent: int
    line: int


def read_spans(source: Path, options: ImportOptions) -> Iterator[Span]:
    """Yield the spans of a file of JSON lines, in its order.

    A line is an export (``resourceSpans``) or one span with its ``service``.  Raises SourceError
    ``telemetry.source_row`` with the line for one that is no JSON, or no span.
    """
    line = 0
    for piece in read_pieces(source, options):
        for text in piece.splitlines():
            line += 1
            if text.strip():
                yield from _read_line(text, source.name, line)


def _read_line(text: bytes, file: str, line: int) -> Iterator[Span]:
    place = _Place(file, line)
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise place.wrong(f"not JSON: {error}", "write one object a line; a list of spans is no JSON lines") from error
    if not isinstance(document, dict):
        raise place.wrong("the line is no JSON object", "write one object a line")
    if "resourceSpans" not in document:
        yield _span(document, _first(document, _SERVICES), place)
        return
    for resource in place.objects(document, "resourceSpans"):
        service = _service(resource, place)
        for scope in place.objects(resource, "scopeSpans"):
            for fields in place.objects(scope, "spans"):
                yield _span(fields, service, place)


class _Place(NamedTuple):
    """Where a span is, for messages."""

    file: str
    line: int

    def wrong(self, message: str, hint: str | None = None) -> SourceError:
        return SourceError("telemetry.source_row", message, file=self.file, line=self.line, hint=hint)

    def objects(self, fields: Mapping[str, object], name: str) -> list[dict[str, object]]:
        """Return a list of objects; none where there is no such field."""
        found = fields.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.wrong(f"{name} is no list of objects")
        return found


def _span(fields: Mapping[str, object], service: str, place: _Place) -> Span:
    start, end, duration = _first(fields, _STARTS), _first(fields, _ENDS), _first(fields, _DURATIONS)
    for name, value in (("service", service), ("start", start), ("end and no durationMs", end or duration)):
        if not value:
            raise place.wrong(f"the span has no {name}")
    trace, parent = _first(fields, _TRACES), _first(fields, _PARENTS)
    return Span(
        service=service,
        start=start,
        end=end,
        duration_ms=0.0 if end else _milliseconds(duration, place),
        is_error=_status(fields) in _ERRORS,
        kind=_kind(fields),
        span=_number(trace, _first(fields, _IDS)),
        parent=0 if parent in _NO_PARENT else _number(trace, parent),
        line=place.line,
    )


def _service(resource: Mapping[str, object], place: _Place) -> str:
    """Return the service name of a resource, empty where it says none."""
    inner = resource.get("resource")
    for attribute in place.objects(inner, "attributes") if isinstance(inner, dict) else ():
        value = attribute.get("value")
        if attribute.get("key") == "service.name" and isinstance(value, dict):
            return _text(value.get("stringValue"))
    return ""


def _first(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    # A loop, and the commonest type first: this is most of what reading spans costs.
    for name in names:
        value = fields.get(name)
        if value is not None:
            return value.strip() if isinstance(value, str) else _text(value)
    return ""


def _text(value: object) -> str:
    # A bool is an int to Python, and neither a time nor a name.
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _milliseconds(text: str, place: _Place) -> float:
    try:
        duration = float(text)
    except ValueError:
        duration = math.nan
    if not math.isfinite(duration):
        raise place.wrong(f"{text!r} is no duration in milliseconds")
    return duration


def _status(fields: Mapping[str, object]) -> str:
    status = fields.get("status")
    return _text(status.get("code") if isinstance(status, dict) else status).lower()


def _kind(fields: Mapping[str, object]) -> SpanKind:
    text = _text(fields.get("kind")).lower()
    if text in _UNKNOWN:
        return "unknown"
    return "entry" if text in _ENTRIES else "inner"


def _number(trace: str, span: str) -> int:
    """Return 64 bits for a span of a trace, never 0 but where it has no id."""
    if not span:
        return 0
    digest = blake2b(f"{trace} {span}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
