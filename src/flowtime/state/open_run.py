"""A run that was opened to be looked at: its model read once, its series mapped, where everything is found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flowtime.bundle import Bundle, open_bundle
from flowtime.bundle.documents import SeriesEntry
from flowtime.bundle.layout import METADATA, MODEL, PROVENANCE, RUN
from flowtime.bundle.stored_model import stored_model
from flowtime.engine.metrics import bin_milliseconds
from flowtime.engine.stations import Station, stations
from flowtime.errors import FlowtimeError, RunCorruptError, StateError
from flowtime.model import Model
from flowtime.model.dates import utc_moment
from flowtime.model.naming import resolve_reference
from flowtime.model.spec import ConstraintSpec
from flowtime.state.block import BlockReader
from flowtime.state.documents import EdgeQuality, SchemaInfo, StateMetadata, StorageInfo
from flowtime.state.edges import EdgePlace, edge_qualities, find_edges
from flowtime.state.facts import NodeFacts, node_facts
from flowtime.state.figures import NodeFields
from flowtime.state.findings import Findings
from flowtime.state.latency import FlowOrder, find_flow_order
from flowtime.state.places import ABSENT, Places, RowTable, find_places

__all__ = ["ConstraintPlace", "OpenRun", "open_run_state"]

_LARGEST_ANSWER = 16 * 1024 * 1024
# How often a folder is read that is another one each time that it was.
_ATTEMPTS = 5
_SCHEMA_ID = "time-travel/v1"
_SCHEMA_VERSION = "1"
_WORST_FIRST: tuple[EdgeQuality, ...] = ("missing", "approx", "partialClass", "exact")


def open_run_state(path: str | os.PathLike[str]) -> OpenRun:
    """Open a run folder for many questions.

    A folder that is replaced while it is read is read anew, so that all of it is of one run.

    Raises RunNotFoundError where there is none, RunCorruptError where a file is missing or no longer fits, and
    StateError ``state.no_topology`` for a run whose model has no topology nodes.
    """
    folder = Path(path)
    for _ in range(_ATTEMPTS):
        mark = _mark_of(folder)
        try:
            run = OpenRun(open_bundle(folder), mark)
        except FlowtimeError:
            if _mark_of(folder) == mark:
                raise
            continue  # half of it was of a run that is gone
        if run.is_current:
            return run
    raise RunCorruptError(f"{folder.name!r} was replaced {_ATTEMPTS} times while it was read", hint="try again later")


class FolderMark(NamedTuple):
    """Which run.json lies in a folder: its disk and inode, its time in ns and its size in bytes."""

    device: int
    inode: int
    modified_ns: int
    size: int


class ConstraintPlace:
    """A shared constraint: ``rows`` maps what is known of it, by its name on the wire, to a row of the run."""

    def __init__(self, spec: ConstraintSpec, rows: Mapping[str, int], status: int) -> None:
        self.spec = spec
        self.rows = rows
        self.status = status


class OpenRun:
    """A run folder with all that answers need but the numbers; those are mapped, never copied as a whole.

    Nothing in it changes once it is made, so threads may share it.  All files are read, or mapped, when it is made:
    where the folder is replaced or deleted later, answers go on to be of the run that was opened, and ``is_current``
    says so.  (A file that is written to in place, which flowtime never does, is another matter.)
    """

    def __init__(self, bundle: Bundle, mark: FolderMark | None = None) -> None:
        """Read the files of ``bundle`` and map its series; ``mark`` is that of its folder before any of it was read."""
        self.bundle = bundle
        self._mark = mark
        # Now, though only some answers need them: later the folder may be another run's.
        self._metadata_file, self._provenance_file = bundle.metadata, bundle.provenance
        self.model: Model = stored_model(bundle)
        spec = self.model.spec
        if spec.topology is None or not spec.topology.nodes:
            raise StateError(
                f"run {bundle.run.run_id} has no topology",
                code="state.no_topology",
                hint="its series are in series/; nodes and their state come from `topology` of the model",
            )
        self.rows: Mapping[str, int] = _distinct_rows(bundle.index.series)
        class_ids = tuple(item.id for item in spec.classes or ())
        self.places: Places = find_places(spec, stations(spec, self.model.names), class_ids, self.rows)
        self.edges: tuple[EdgePlace, ...] = find_edges(spec, self.places.stations, class_ids, self.rows)
        parts = self.places.shape[1]
        flows = [(edge.link, edge.row("flowVolume", parts)) for edge in self.edges]
        self.order: FlowOrder = find_flow_order(self.places, flows)
        self.constraints: Mapping[str, ConstraintPlace] = {place.spec.id: place for place in self._find_constraints()}
        self.reader = BlockReader(bundle.matrix, self._used())
        # Never touched, so it costs nothing: having seen one as large freed, glibc keeps the memory of an answer for
        # the next one, instead of asking the system for the same pages each time (a quarter of a day of 50 nodes).
        np.empty(_LARGEST_ANSWER // 8)

    @property
    def is_current(self) -> bool:
        """Whether the run is still what lies in its folder; where not, open the folder again for what is new."""
        return self._mark == _mark_of(self.bundle.path)

    @property
    def bins(self) -> int:
        """How many bins the run has."""
        return self.model.spec.grid.bins

    @cached_property
    def milliseconds(self) -> float:
        """The length of a bin in ms."""
        return bin_milliseconds(self.model.spec.grid)

    @cached_property
    def start(self) -> datetime | None:
        """When bin 0 starts, without an offset, in UTC."""
        text = self.model.spec.grid.start
        return None if text is None else utc_moment(text)

    @cached_property
    def facts(self) -> tuple[NodeFacts, ...]:
        """What is true of each node in every bin."""
        return node_facts(self.places)

    @cached_property
    def fields(self) -> NodeFields:
        """Which values the nodes have."""
        return NodeFields(self.places, self.order)

    @cached_property
    def findings(self) -> Findings:
        """The warnings of the run, by bin."""
        return Findings(self.bundle.run.warnings)

    @cached_property
    def qualities(self) -> tuple[EdgeQuality, ...]:
        """How far the volumes of each edge can be relied on."""
        return edge_qualities(self.edges, self.reader.matrix, self.rows)

    @cached_property
    def metadata(self) -> StateMetadata:
        """What every answer says of the run."""
        run, metadata = self.bundle.run, self._metadata_file
        return StateMetadata(
            run_id=run.run_id,
            template_id=run.template_id,
            template_title=run.template_title,
            template_narrative=metadata.template_narrative,
            template_version=run.template_version,
            mode=run.mode,
            provenance_hash=run.model_hash,
            input_hash=run.input_hash,
            telemetry_sources_resolved=metadata.has_telemetry_sources,
            schema=SchemaInfo(id=_SCHEMA_ID, version=_SCHEMA_VERSION, hash=run.model_hash),
            storage=StorageInfo(
                model_path=MODEL,
                metadata_path=METADATA,
                provenance_path=None if self._provenance_file is None else PROVENANCE,
            ),
            grid=run.grid,
            edge_quality=min(self.qualities, key=_WORST_FIRST.index, default="missing"),
            rng=metadata.randomness.rng,
            class_coverage=run.class_coverage,
            classes=run.classes,
        )

    @cached_property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """Where the series of each node were read from, by node id; nothing in a simulation."""
        metadata, provenance = self._metadata_file, self._provenance_file
        if not metadata.has_telemetry_sources:
            return {}
        known = dict(metadata.node_sources) | dict(provenance.telemetry_bindings if provenance else {})
        return {
            station.id: tuple(dict.fromkeys(known[name] for name in _base_names(station) if name in known))
            for station in self.places.stations
        }

    def time_of(self, bin_index: int) -> str | None:
        """When a bin starts, as text in UTC; None where the grid has no start or the calendar ends before."""
        if self.start is None:
            return None
        try:
            moment = self.start + timedelta(milliseconds=self.milliseconds * bin_index)
        except OverflowError:
            return None
        return moment.isoformat() + "Z"

    def times_of(self, bins: RowTable) -> tuple[str, ...] | None:
        """When each of some bins starts; None where one of them has no time."""
        start, step = self.start, int(self.milliseconds)
        if start is None or not bins.size or self.time_of(int(bins[-1])) is None:
            return None
        if start.microsecond or step % 1000:
            return tuple([str(self.time_of(index)) for index in bins.tolist()])
        moments = np.datetime64(start, "s") + bins * (step // 1000)
        return tuple([f"{text}Z" for text in np.datetime_as_string(moments).tolist()])

    def bin_at(self, text: str) -> int:
        """Return the bin in which a moment lies (ISO 8601; without an offset it is UTC).

        Raises StateError: ``state.bad_time`` for what is no moment, ``state.no_start`` where the grid has no start,
        ``state.bin_out_of_range`` for a moment outside the run.
        """
        moment = utc_moment(text)
        if moment is None:
            raise StateError(
                f"{text!r} is no date and time", code="state.bad_time", hint="such as 2025-01-31T08:30:00Z"
            )
        if self.start is None:
            message = f"run {self.bundle.run.run_id} has no times: its grid has no start"
            raise StateError(message, code="state.no_start", hint="name the bin by its number")
        index = int((moment - self.start) / timedelta(milliseconds=self.milliseconds) // 1)
        if not 0 <= index < self.bins:
            last = self.time_of(self.bins)
            raise StateError(
                f"{moment.replace(tzinfo=UTC).isoformat()} is not in the run",
                code="state.bin_out_of_range",
                hint=f"it goes from {self.time_of(0)} to {last}",
            )
        return index

    def check_bins(self, start: int, end: int) -> None:
        """Raise StateError unless ``start`` to ``end``, both inside, are bins of the run in order."""
        for index in (start, end):
            if not 0 <= index < self.bins:
                message = f"there is no bin {index}"
                hint = f"bins are 0 to {self.bins - 1}"
                raise StateError(message, code="state.bin_out_of_range", hint=hint)
        if start > end:
            raise StateError(f"the window starts at bin {start}, after its end {end}", code="state.window_reversed")

    def _find_constraints(self) -> Iterator[ConstraintPlace]:
        topology, names = self.model.spec.topology, self.model.names
        for spec, made in zip(topology.constraints if topology else (), names.constraints, strict=True):
            semantics = spec.semantics
            bound = {
                "capacity": semantics.served,
                "errors": semantics.errors,
                "latencyMinutes": semantics.latency_minutes,
            }
            asked = {"arrivals": made.demand, "served": made.granted, "shortfall": made.shortfall}
            resolved = {key: self._bound_row(text) for key, text in bound.items() if text is not None}
            implied = {key: self.rows.get(name, ABSENT) for key, name in asked.items() if name is not None}
            found = {key: row for key, row in {**implied, **resolved}.items() if row != ABSENT}
            yield ConstraintPlace(spec, found, self.rows.get(made.status or "", ABSENT))

    def _bound_row(self, text: str) -> int:
        reference = resolve_reference(text, self.model.names)
        if reference is None or reference.id is None:
            return ABSENT
        part = f"{reference.id}@{reference.class_id}"
        return self.rows.get(part, self.rows.get(reference.id, ABSENT))

    def _used(self) -> RowTable:
        """The rows that nodes, edges and constraints use, in order."""
        tables: Sequence[RowTable] = (
            *self.places.rows.values(),
            *(rows for edge in self.edges for rows in edge.rows.values()),
            *(np.array([*place.rows.values(), place.status], dtype=np.int64) for place in self.constraints.values()),
        )
        every = np.unique(np.concatenate([np.ravel(table) for table in tables]))
        return every[every >= 0]


def _mark_of(folder: Path) -> FolderMark | None:
    """What tells the run in a folder from any other that was or will be there; None where there is none.

    A run is moved into its place beside the one that it replaces, so the two never share an inode; one that comes
    later may, and has another time.
    """
    try:
        status = os.stat(folder / RUN)
    except OSError:
        return None
    return FolderMark(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def _distinct_rows(entries: Iterable[SeriesEntry]) -> dict[str, int]:
    """The row of each series, by name: of series that are equal by their hashes, that of the first.

    What one node serves is often what moves over an edge and arrives at the next one: read, and written, once.
    """
    first: dict[str, int] = {}
    return {entry.name: first.setdefault(entry.hash, entry.row) for entry in entries}


def _base_names(station: Station) -> Iterator[str]:
    return (name.partition("@")[0] for name in station.series.values())
