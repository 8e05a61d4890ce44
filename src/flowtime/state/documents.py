"""The answers about a run as structs: one bin, or a window of bins.

Numbers are rounded to 6 decimals; a value that is undefined is null, and one that a node does not have is left
out.  Arrays hold one value a point of the window and are written as lists, NaN as null.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from flowtime.bundle.documents import ClassCoverage, Count, GridEntry, Hash, Mode, RngEntry, RunId
from flowtime.model.spec import ClassSpec, FloatArray

__all__ = [
    "Aggregation",
    "Analytical",
    "Answer",
    "BinInfo",
    "Category",
    "ClassTruth",
    "ConstraintSeries",
    "ConstraintState",
    "ConstraintValues",
    "DispatchInfo",
    "EdgeQuality",
    "EdgeState",
    "NodeDerived",
    "NodeMetrics",
    "NodeSeries",
    "NodeState",
    "NodeWindow",
    "SchemaInfo",
    "SeriesMetadata",
    "SlaKind",
    "SlaSeries",
    "SlaStatus",
    "SlaValue",
    "Snapshot",
    "StateMetadata",
    "StateWarning",
    "StorageInfo",
    "TelemetryInfo",
    "Values",
    "Window",
    "WindowInfo",
]

EdgeQuality: TypeAlias = Literal["exact", "approx", "partialClass", "missing"]
Category: TypeAlias = Literal[
    "service", "queue", "dlq", "router", "dependency", "sink", "constant", "expression"
]  # fmt: skip
Aggregation: TypeAlias = Literal["sum", "mean", "max", "last", "ratio"]
SlaKind: TypeAlias = Literal["completion", "backlogAge", "scheduleAdherence"]
SlaStatus: TypeAlias = Literal["ok", "breached", "noEvents", "unavailable"]

# Left out where the node has no such thing, null where it has and it is undefined in this bin.
Value: TypeAlias = float | UnsetType | None
Values: TypeAlias = Annotated[FloatArray, Meta(extra={"gaps": "null"})]
Series: TypeAlias = Values | UnsetType


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True, kw_only=True):
    """Base of what is answered: as ``model.spec.Wire``, but what says nothing is left out."""


class SchemaInfo(Answer, frozen=True, kw_only=True):
    """Which contract the answer follows; ``hash`` is the model hash."""

    id: str
    version: str
    hash: Hash


class StorageInfo(Answer, frozen=True, kw_only=True):
    """Where things lie below the run folder."""

    model_path: str
    metadata_path: str
    provenance_path: str | None


class StateMetadata(Answer, frozen=True, kw_only=True):
    """Which run the answer is about."""

    run_id: RunId
    template_id: str
    template_title: str | None
    template_narrative: str | None
    template_version: str
    mode: Mode
    provenance_hash: Hash
    input_hash: Hash
    telemetry_sources_resolved: bool
    schema: SchemaInfo
    storage: StorageInfo
    grid: GridEntry
    edge_quality: EdgeQuality
    rng: RngEntry | None
    class_coverage: ClassCoverage
    classes: tuple[ClassSpec, ...]


class BinInfo(Answer, frozen=True, kw_only=True):
    """One bin; the times are null where the grid has no start."""

    index: Count
    start_utc: str | None
    end_utc: str | None
    duration_minutes: float


class WindowInfo(Answer, frozen=True, kw_only=True):
    """A stretch of bins, both ends inside.

    ``points`` values stand for ``binsPerPoint`` bins each (the last for what is left), so 1 is bin by bin.
    """

    start_bin: Count
    end_bin: Count
    bin_count: Count
    points: Count
    bins_per_point: Count


class Analytical(Answer, frozen=True, kw_only=True):
    """Which questions make sense at a node."""

    identity: str
    has_queue_semantics: bool
    has_service_semantics: bool
    has_cycle_time_decomposition: bool
    stationarity_warning_applicable: bool


class ClassTruth(Answer, frozen=True, kw_only=True):
    """How far the classes make up the totals of a node in the bins of the answer."""

    coverage: ClassCoverage
    has_specific_classes: bool
    has_fallback_class: bool


class SeriesMetadata(Answer, frozen=True, kw_only=True):
    """Of one series: how several bins become one point, and whether it is in the run or derived from it.

    ``ratio`` is computed anew from the aggregated series that it is made of.
    """

    aggregation: Aggregation
    origin: Literal["explicit", "derived"]


class StateWarning(Answer, frozen=True, kw_only=True):
    """A warning of the run, as far as it falls into the bins of the answer."""

    code: str
    message: str
    severity: Literal["info", "warning", "error"]
    node_id: str | None = None
    edge_id: str | None = None
    class_id: str | None = None
    constraint_id: str | None = None
    start_bin: int | None = None
    end_bin: int | None = None
    bins: tuple[tuple[int, int], ...] = ()
    signal: str | None = None
    value: float | None = None


class TelemetryInfo(Answer, frozen=True, kw_only=True):
    """Where the series of a node were read from, none in a simulation, and what was odd about that."""

    sources: tuple[str, ...]
    warnings: tuple[StateWarning, ...]


class DispatchInfo(Answer, frozen=True, kw_only=True):
    """When the gate of a node opens."""

    kind: str
    period_bins: int
    phase_offset: int
    capacity_series: str | None = None


class NodeMetrics(Answer, frozen=True, kw_only=True):
    """What happens at a node in one bin; flows in items per bin."""

    arrivals: Value = UNSET
    served: Value = UNSET
    errors: Value = UNSET
    attempts: Value = UNSET
    failures: Value = UNSET
    exhausted_failures: Value = UNSET
    retry_echo: Value = UNSET
    retry_budget_remaining: Value = UNSET
    queue: Value = UNSET
    capacity: Value = UNSET
    parallelism: Value = UNSET
    external_demand: Value = UNSET
    processing_time_ms_sum: Value = UNSET
    served_count: Value = UNSET
    loss: Value = UNSET
    overflow: Value = UNSET
    inflow: Value = UNSET
    shortfall: Value = UNSET
    max_attempts: int | UnsetType = UNSET
    queue_latency_status: Literal["paused_gate_closed"] | UnsetType | None = UNSET


class NodeDerived(Answer, frozen=True, kw_only=True):
    """What follows from the metrics of a node."""

    utilization: Value = UNSET
    latency_minutes: Value = UNSET
    service_time_ms: Value = UNSET
    queue_time_ms: Value = UNSET
    cycle_time_ms: Value = UNSET
    flow_latency_ms: Value = UNSET
    flow_efficiency: Value = UNSET
    throughput_ratio: Value = UNSET
    retry_tax: Value = UNSET
    color: Literal["gray", "green", "yellow", "red", "dlq"]


class NodeSeries(Answer, frozen=True, kw_only=True):
    """The metrics of a node and what follows from them, a value a point."""

    arrivals: Series = UNSET
    served: Series = UNSET
    errors: Series = UNSET
    attempts: Series = UNSET
    failures: Series = UNSET
    exhausted_failures: Series = UNSET
    retry_echo: Series = UNSET
    retry_budget_remaining: Series = UNSET
    queue: Series = UNSET
    queue_max: Series = UNSET
    capacity: Series = UNSET
    parallelism: Series = UNSET
    external_demand: Series = UNSET
    processing_time_ms_sum: Series = UNSET
    served_count: Series = UNSET
    loss: Series = UNSET
    overflow: Series = UNSET
    inflow: Series = UNSET
    shortfall: Series = UNSET
    utilization: Series = UNSET
    latency_minutes: Series = UNSET
    service_time_ms: Series = UNSET
    queue_time_ms: Series = UNSET
    cycle_time_ms: Series = UNSET
    flow_latency_ms: Series = UNSET
    flow_efficiency: Series = UNSET
    throughput_ratio: Series = UNSET
    retry_tax: Series = UNSET
    values: Series = UNSET


class ConstraintValues(Answer, frozen=True, kw_only=True):
    """A shared constraint in one bin: what all its nodes ask of it and get."""

    arrivals: Value = UNSET
    served: Value = UNSET
    capacity: Value = UNSET
    errors: Value = UNSET
    latency_minutes: Value = UNSET
    shortfall: Value = UNSET


class ConstraintState(Answer, frozen=True, kw_only=True):
    """A constraint of a node, in one bin."""

    metrics: ConstraintValues
    series_metadata: dict[str, SeriesMetadata]


class ConstraintSeriesValues(Answer, frozen=True, kw_only=True):
    """A shared constraint, a value a point."""

    arrivals: Series = UNSET
    served: Series = UNSET
    capacity: Series = UNSET
    errors: Series = UNSET
    latency_minutes: Series = UNSET
    shortfall: Series = UNSET


class ConstraintSeries(Answer, frozen=True, kw_only=True):
    """A constraint of a node, over a window."""

    series: ConstraintSeriesValues
    series_metadata: dict[str, SeriesMetadata]


class SlaValue(Answer, frozen=True, kw_only=True):
    """How an objective is met in one bin; ``threshold`` in minutes for ``backlogAge``."""

    kind: SlaKind
    status: SlaStatus
    threshold: float | None
    value: float | None


class SlaSeries(Answer, frozen=True, kw_only=True):
    """How an objective is met over a window; ``status`` is the worst of its points."""

    kind: SlaKind
    status: SlaStatus
    threshold: float | None
    values: Values


class NodeState(Answer, frozen=True, kw_only=True):
    """A topology node in one bin."""

    id: str
    kind: str
    category: Category
    analytical: Analytical
    class_truth: ClassTruth
    metrics: NodeMetrics
    derived: NodeDerived
    series_metadata: dict[str, SeriesMetadata]
    by_class: dict[str, dict[str, float | None]] = {}
    constraints: dict[str, ConstraintState] = {}
    constraint_status: dict[str, bool | None] = {}
    telemetry: TelemetryInfo
    aliases: dict[str, str] = {}
    dispatch_schedule: DispatchInfo | None = None
    sla: tuple[SlaValue, ...] = ()


class NodeWindow(Answer, frozen=True, kw_only=True):
    """A topology node over a window; with ``mode=full`` also a declared series, with ``series.values``."""

    id: str
    kind: str
    category: Category
    analytical: Analytical | None = None
    class_truth: ClassTruth | None = None
    series: NodeSeries
    series_metadata: dict[str, SeriesMetadata]
    by_class: dict[str, dict[str, Values]] = {}
    constraints: dict[str, ConstraintSeries] = {}
    constraint_status: dict[str, Values] = {}
    queue_latency_status: tuple[Literal["paused_gate_closed"] | None, ...] | None = None
    telemetry: TelemetryInfo | None = None
    aliases: dict[str, str] = {}
    dispatch_schedule: DispatchInfo | None = None
    sla: tuple[SlaSeries, ...] = ()


class EdgeState(Answer, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    """An edge: where it leads and what moves over it, a value a point (one, for one bin)."""

    id: str
    source: str
    target: str
    edge_type: str = msgspec.field(name="edgeType")
    field: str | None
    multiplier: float
    lag: Count
    quality: EdgeQuality
    series: dict[str, Values]
    series_metadata: dict[str, SeriesMetadata] = msgspec.field(name="seriesMetadata")
    by_class: dict[str, dict[str, Values]] = msgspec.field(name="byClass", default={})


class Snapshot(Answer, frozen=True, kw_only=True):
    """The state of a run in one bin."""

    metadata: StateMetadata
    bin: BinInfo
    nodes: tuple[NodeState, ...]
    edges: tuple[EdgeState, ...]
    edge_warnings: dict[str, tuple[StateWarning, ...]]
    warnings: tuple[StateWarning, ...]


class Window(Answer, frozen=True, kw_only=True):
    """A run over a window of bins; ``timestampsUtc`` has the start of each point, null without a grid start."""

    metadata: StateMetadata
    window: WindowInfo
    timestamps_utc: tuple[str, ...] | None
    nodes: tuple[NodeWindow, ...]
    edges: tuple[EdgeState, ...]
    edge_warnings: dict[str, tuple[StateWarning, ...]]
    warnings: tuple[StateWarning, ...]
