"""From spans to nodes and edges: arrivals, served, errors and processing time of services, and who calls whom.

A span counts at its service where work comes in there: a server's or a consumer's, one without a parent, and,
where no kind is told, one whose parent belongs to another service.  It arrives in the bin of its start, and is
served, or an error, in the bin of its end.  A parent may come long after its children, so what needs one waits,
and what has been read lately is kept: by chunks, so that memory does not grow with the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowtime.telemetry.loaders.base import ImportOptions, SourceError
from flowtime.telemetry.loaders.cells import BoolArray, FloatArray, IntArray, cells_of
from flowtime.telemetry.loaders.mapping import Target, edge_id
from flowtime.telemetry.loaders.rows import Columns, TimeReader
from flowtime.telemetry.loaders.series_bins import Located, SeriesBins
from flowtime.telemetry.loaders.spans import Span, read_spans

__all__ = ["load"]

_CHUNK: Final = 65_536
# How far apart in the file a span and its parent may be: chunks that are remembered, and that one waits.
_CHUNKS_KEPT: Final = 16
_MS: Final = 1e6

IdArray = NDArray[np.uint64]


def load(source: Path, options: ImportOptions, bins: SeriesBins) -> None:
    """Read the spans of a file of JSON lines; a ``Loader``.  Spans say themselves what they measure: no maps."""
    if options.measures:
        raise SourceError(
            "telemetry.map_invalid", "spans say themselves what they measure", file=source.name, hint="leave out --map"
        )
    if options.class_column is not None or options.where:
        raise SourceError(
            "telemetry.map_invalid",
            "spans have no columns",
            file=source.name,
            hint="leave out --class-column and --where",
        )
    # Spans have one field for the time, so the reader needs no name of a column.
    times = TimeReader(Columns("start", False, ()), options, bins, file=source.name)
    services = _Services(bins)
    families = _Families()
    spans = read_spans(source, options)
    while taken := list(islice(spans, _CHUNK)):
        bins.rows += len(taken)
        for entries in families.take(_chunk(taken, times, services)):
            services.count(entries)
    for entries in families.rest():
        services.count(entries)
    bins.note("parents_unresolved", families.unresolved)


class _Chunk(NamedTuple):
    """Spans as arrays (spans,): times in nanoseconds since 1970 in UTC, services by number, that of the parent -1
    while it is not known."""

    service: IntArray
    start: IntArray
    end: IntArray
    is_error: BoolArray
    may_enter: BoolArray
    enters: BoolArray
    span: IdArray
    parent: IdArray
    line: IntArray
    parent_service: IntArray

    def only(self, chosen: BoolArray) -> _Chunk:
        """Return the chosen (spans,) spans."""
        return _Chunk._make(column[chosen] for column in self)


def _chunk(spans: list[Span], times: TimeReader, services: _Services) -> _Chunk:
    line = np.array([span.line for span in spans], dtype=np.int64)
    start = times.read(cells_of([span.start for span in spans]), lambda row: int(line[row]))
    end = start + np.array([round(span.duration_ms * _MS) for span in spans], dtype=np.int64)
    told = np.flatnonzero([bool(span.end) for span in spans])
    if told.size:
        cells = cells_of([spans[row].end for row in told.tolist()])
        end[told] = times.read(cells, lambda row: int(line[told[row]]))
    return _Chunk(
        service=np.array([services.number(span.service) for span in spans], dtype=np.int64),
        start=start,
        end=end,
        is_error=np.array([span.is_error for span in spans], dtype=np.bool_),
        may_enter=np.array([span.kind != "inner" for span in spans], dtype=np.bool_),
        enters=np.array([span.kind == "entry" for span in spans], dtype=np.bool_),
        span=np.array([span.span for span in spans], dtype=np.uint64),
        parent=np.array([span.parent for span in spans], dtype=np.uint64),
        line=line,
        parent_service=np.full(len(spans), -1, np.int64),
    )


class _Families:
    """Finds the services of parents among the spans that came lately, before a child or after it."""

    def __init__(self) -> None:
        self._parents: deque[tuple[IdArray, IntArray]] = deque(maxlen=_CHUNKS_KEPT)
        self._asking: deque[_Chunk] = deque()
        self.unresolved = 0

    def take(self, chunk: _Chunk) -> Iterator[_Chunk]:
        """Take the next spans in, and yield those, also of before, of which all is known now."""
        order = np.argsort(chunk.span, kind="stable")
        newest = chunk.span[order], chunk.service[order]
        self._parents.append(newest)
        yield chunk.only(chunk.parent == 0)
        # Those that wait have asked all the others already.
        older = [_ask(asking, newest) for asking in self._asking]
        self._asking = deque(left for _, left in older)
        yield from (found for found, _ in older)
        asking = chunk.only((chunk.parent != 0) & chunk.may_enter)
        for parents in self._parents:
            found, asking = _ask(asking, parents)
            yield found
        self._asking.append(asking)
        if len(self._asking) > _CHUNKS_KEPT:
            yield self._give_up()

    def rest(self) -> Iterator[_Chunk]:
        """Yield the spans whose parents never came."""
        while self._asking:
            yield self._give_up()

    def _give_up(self) -> _Chunk:
        orphans = self._asking.popleft()
        self.unresolved += len(orphans.span)
        return orphans


def _ask(asking: _Chunk, parents: tuple[IdArray, IntArray]) -> tuple[_Chunk, _Chunk]:
    """Return the spans whose parent is there, with its service, and the others."""
    ids, services = parents
    places = np.minimum(np.searchsorted(ids, asking.parent), ids.size - 1)
    known = ids[places] == asking.parent
    found = asking.only(known)._replace(parent_service=services[places[known]])
    return found, asking.only(~known)


class _Services:
    """The services by number, and what is counted of them."""

    def __init__(self, bins: SeriesBins) -> None:
        self._bins = bins
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def number(self, name: str) -> int:
        """Return the number of a service, a new one for a new name."""
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]

    def count(self, spans: _Chunk) -> None:
        """Count those spans by which work comes into a service, and the calls that they answer."""
        entries = spans.only(spans.enters | (spans.parent_service != spans.service))
        if not entries.span.size:
            return
        line = entries.line
        late = np.maximum(entries.end, entries.start)
        starts = self._bins.locate(entries.start, lambda row: int(line[row]))
        ends = self._bins.locate(late, lambda row: int(line[row]))
        backwards = entries.end < entries.start
        self._bins.note("span_ends_before_start", int(np.count_nonzero(backwards)), ends.only(backwards).bins)
        for number in np.unique(entries.service).tolist():
            self._count_node(number, entries, starts, ends, (late - entries.start) / _MS)
        called = (entries.parent_service >= 0) & (entries.parent_service != entries.service)
        pairs = np.unique(np.stack((entries.parent_service, entries.service))[:, called], axis=1)
        for source, target in pairs.T.tolist():
            here = (entries.parent_service == source) & (entries.service == target)
            edge = edge_id(self._names[source], self._names[target])
            self._bins.add(Target("edge", edge, "flowVolume"), "count", starts.only(here))
            self._bins.add(Target("edge", edge, "failuresVolume"), "count", ends.only(here & entries.is_error))

    def _count_node(
        self, number: int, entries: _Chunk, starts: Located, ends: Located, duration_ms: FloatArray
    ) -> None:
        node, here = self._names[number], entries.service == number
        served = ends.only(here & ~entries.is_error)
        self._bins.add(Target("node", node, "arrivals"), "count", starts.only(here))
        self._bins.add(Target("node", node, "served"), "count", served)
        self._bins.add(Target("node", node, "errors"), "count", ends.only(here & entries.is_error))
        self._bins.add(Target("node", node, "servedCount"), "count", served)
        self._bins.add(Target("node", node, "processingTimeMsSum"), "sum", served, duration_ms)
