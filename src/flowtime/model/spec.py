"""The model file as frozen structs: ``schemaVersion: 1``, camelCase on the wire.

These say what a document may hold; what it must mean together (references, lengths, cycles) is
checked in ``model.check`` and ``engine``.  The JSON Schema in ``schemas/`` is made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta

__all__ = [
    "UNIT_SECONDS",
    "ArrivalPattern",
    "ClassSpec",
    "ConstNode",
    "ConstraintSemantics",
    "ConstraintSpec",
    "DispatchSchedule",
    "Edge",
    "ExprNode",
    "FloatArray",
    "Grid",
    "InitialCondition",
    "ModelSpec",
    "Node",
    "Output",
    "PmfNode",
    "PmfSpec",
    "ProfileSpec",
    "Provenance",
    "QueueNode",
    "Rng",
    "Route",
    "RouterInputs",
    "RouterNode",
    "Semantics",
    "SeriesFile",
    "SeriesValues",
    "Topology",
    "TopologyNode",
    "Traffic",
    "TrafficArrival",
    "UiHints",
    "Wire",
]

# Spelled out, since msgspec reads the annotations of structs and does not know NDArray, which newer
# versions of NumPy declare by a `type` statement.
FloatArray: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.float64]]


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Base of everything that is read or written as JSON or YAML.

    Frozen, so that it can be shared and cached; closed, so that a typo is an error; camelCase, as
    the published format is.  Build one from outside data by the decoder only: ``__init__`` checks
    nothing.  No ``omit_defaults``: a saved file must not change meaning when a default does.
    """


NodeId = Annotated[str, Meta(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$", description="Id of a series.")]
ClassId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]+$", description="Id of a flow class.")]
Reference = Annotated[
    str,
    Meta(
        min_length=1,
        description="A series: `id`, `series:id`, `id@class`, `self` (the queue of this node) or `file:path`.",
    ),
]
Bins = Annotated[int, Meta(ge=1, le=10_000_000)]
BinSize = Annotated[int, Meta(ge=1, le=1000)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Factor = Annotated[float, Meta(ge=0.0)]
Seed = Annotated[int, Meta(ge=0, le=2_147_483_647)]
BinUnit = Literal["seconds", "minutes", "hours", "days", "weeks"]
UNIT_SECONDS: Final[Mapping[BinUnit, int]] = MappingProxyType(
    {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
)
"""How many seconds a unit of bins has."""


class Grid(Wire, frozen=True, kw_only=True):
    """The time grid: ``bins`` bins of ``bin_size`` units, the first starting at ``start`` (UTC)."""

    bins: Bins
    bin_size: BinSize
    bin_unit: BinUnit
    start: str | None = None


class SeriesFile(Wire, frozen=True, kw_only=True):
    """Values kept beside the model: a CSV, NPY or Parquet file and, where it has several, a column."""

    file: str
    column: str | None = None


# An array is one object here and not a float per value: an 8 MB model has a million of them.
SeriesValues: TypeAlias = FloatArray | float | SeriesFile


class DispatchSchedule(Wire, frozen=True, kw_only=True):
    """When a gate opens: every ``period_bins`` bins from ``phase_offset``.

    With ``accumulate`` what the closed gate (and ``capacity_series``) held back is let through at the next
    opening; without it only the amount of the open bin itself is.
    """

    period_bins: Annotated[int, Meta(ge=1)]
    kind: Literal["time-based"] = "time-based"
    phase_offset: int = 0
    capacity_series: Reference | None = None
    accumulate: bool = False


class ConstNode(Wire, frozen=True, kw_only=True, tag="const", tag_field="kind"):
    """An input: one value per bin, or one for all bins."""

    id: NodeId
    values: SeriesValues
    source: str | None = None
    metadata: dict[str, str] = {}


class ExprNode(Wire, frozen=True, kw_only=True, tag="expr", tag_field="kind"):
    """A series computed from others by an expression."""

    id: NodeId
    expr: Annotated[str, Meta(min_length=1)]
    metadata: dict[str, str] = {}


class PmfSpec(Wire, frozen=True, kw_only=True):
    """A discrete distribution; probabilities sum to 1 within 1e-4."""

    values: Annotated[tuple[float, ...], Meta(min_length=1)]
    probabilities: Annotated[tuple[Probability, ...], Meta(min_length=1)]


class ProfileSpec(Wire, frozen=True, kw_only=True):
    """A shape over the horizon that a pmf is multiplied by.

    ``weights`` of kind inline are one a bin, 24 (the hours of a day) or 168 (the hours of a week from Monday);
    ``days`` are seven factors, Monday first.
    """

    kind: Literal["builtin", "inline"] = "builtin"
    name: str | None = None
    weights: FloatArray | None = None
    days: tuple[Factor, ...] | None = None


class PmfNode(Wire, frozen=True, kw_only=True, tag="pmf", tag_field="kind"):
    """An input given as a distribution; it evaluates to the expected value."""

    id: NodeId
    pmf: PmfSpec
    profile: ProfileSpec | None = None
    source: str | None = None
    metadata: dict[str, str] = {}


class RouterInputs(Wire, frozen=True, kw_only=True):
    """What a router splits."""

    queue: Reference


class Route(Wire, frozen=True, kw_only=True):
    """One way out of a router: some classes, or a share of what is left."""

    target: str
    classes: tuple[ClassId, ...] = ()
    weight: Annotated[float, Meta(gt=0.0)] | None = None


class RouterNode(Wire, frozen=True, kw_only=True, tag="router", tag_field="kind"):
    """Splits one series over several targets."""

    id: NodeId
    inputs: RouterInputs
    routes: Annotated[tuple[Route, ...], Meta(min_length=1)]
    metadata: dict[str, str] = {}


class QueueNode(Wire, frozen=True, kw_only=True, tag="serviceWithBuffer", tag_field="kind"):
    """A queue depth computed from the series that flow in, out and away."""

    id: NodeId
    inflow: Reference
    outflow: Reference
    loss: Reference | None = None
    dispatch_schedule: DispatchSchedule | None = None
    metadata: dict[str, str] = {}


Node: TypeAlias = ConstNode | ExprNode | PmfNode | RouterNode | QueueNode


class Semantics(Wire, frozen=True, kw_only=True):
    """Which series plays which part at a topology node."""

    arrivals: Reference | None = None
    served: Reference | None = None
    errors: Reference | None = None
    attempts: Reference | None = None
    failures: Reference | None = None
    exhausted_failures: Reference | None = None
    retry_echo: Reference | None = None
    retry_kernel: tuple[float, ...] | None = None
    retry_budget: float | Reference | None = None
    retry_budget_remaining: Reference | None = None
    external_demand: Reference | None = None
    queue_depth: Reference | None = None
    capacity: Reference | None = None
    processing_time_ms_sum: Reference | None = None
    served_count: Reference | None = None
    parallelism: float | Reference | None = None
    sla_min: float | None = None
    max_attempts: Annotated[int, Meta(ge=1)] | None = None
    backoff_strategy: str | None = None
    exhausted_policy: str | None = None
    aliases: dict[str, str] = {}
    metadata: dict[str, str] = {}


class InitialCondition(Wire, frozen=True, kw_only=True):
    """The state before bin 0."""

    queue_depth: Annotated[float, Meta(ge=0.0)] = 0.0


class UiHints(Wire, frozen=True, kw_only=True):
    """Where to draw a node."""

    x: float | None = None
    y: float | None = None


class TopologyNode(Wire, frozen=True, kw_only=True):
    """A service, queue, router, dependency or sink, and the series that describe it."""

    id: Annotated[str, Meta(min_length=1)]
    kind: Literal["service", "serviceWithBuffer", "queue", "dlq", "router", "dependency", "sink"] = "service"
    semantics: Semantics
    node_role: Literal["sink"] | None = None
    group: str | None = None
    ui: UiHints | None = None
    constraints: tuple[str, ...] = ()
    constraint_excess: Literal["queue", "loss"] | None = None
    initial_condition: InitialCondition | None = None
    dispatch_schedule: DispatchSchedule | None = None
    wip_limit: Annotated[float, Meta(ge=0.0)] | None = None
    wip_limit_series: Reference | None = None
    wip_overflow: str | None = None


class Edge(Wire, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    """Flow from one topology node to another; ends are ``node`` or ``node:port``."""

    source: str
    target: str
    id: str | None = None
    weight: float = 1.0
    type: Literal["throughput", "effort", "terminal", "dependency", "topology"] = "throughput"
    measure: Literal["served", "attempts", "errors", "failures", "exhaustedFailures", "load"] | None = None
    multiplier: float = 1.0
    lag: Annotated[int, Meta(ge=0)] = 0


class ConstraintSemantics(Wire, frozen=True, kw_only=True):
    """The series of a shared constraint; ``served`` is its capacity."""

    arrivals: Reference
    served: Reference
    errors: Reference | None = None
    latency_minutes: Reference | None = None


class ConstraintSpec(Wire, frozen=True, kw_only=True):
    """A capacity that several nodes share: in proportion to demand, by priority (the topology nodes in
    ``priorities`` first, then the others in the order of the file), or max-min fair."""

    id: Annotated[str, Meta(min_length=1)]
    semantics: ConstraintSemantics
    allocation: Literal["proportional", "priority", "maxMin"] = "proportional"
    priorities: tuple[str, ...] = ()


class Topology(Wire, frozen=True, kw_only=True):
    """How services, queues and their edges hang together."""

    nodes: tuple[TopologyNode, ...] = ()
    edges: tuple[Edge, ...] = ()
    constraints: tuple[ConstraintSpec, ...] = ()


class ClassSpec(Wire, frozen=True, kw_only=True):
    """A class of flow."""

    id: ClassId
    display_name: str | None = None
    description: str | None = None


class ArrivalPattern(Wire, frozen=True, kw_only=True):
    """How a class arrives."""

    kind: Literal["constant", "poisson"]
    rate_per_bin: float | None = None
    rate: float | None = None

    def rate_or(self, default: float) -> float:
        """The rate per bin, under either of its names."""
        given = self.rate if self.rate_per_bin is None else self.rate_per_bin
        return default if given is None else given


class TrafficArrival(Wire, frozen=True, kw_only=True):
    """Which class arrives at which node."""

    node_id: NodeId
    pattern: ArrivalPattern
    class_id: ClassId | None = None


class Traffic(Wire, frozen=True, kw_only=True):
    """Arrivals by class."""

    arrivals: Annotated[tuple[TrafficArrival, ...], Meta(min_length=1)]


class Output(Wire, frozen=True, kw_only=True):
    """Series to write: an id, ``*`` or ``prefix/*``."""

    series: Annotated[str, Meta(min_length=1)]
    as_: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+\.(csv|txt)$")] | None = msgspec.field(default=None, name="as")
    exclude: tuple[str, ...] = ()


class Rng(Wire, frozen=True, kw_only=True):
    """The random source that a run records."""

    kind: Literal["pcg32", "mt19937", "xoshiro256"] = "pcg32"
    seed: Seed = 0


class Provenance(Wire, frozen=True, kw_only=True):
    """Where a model came from; it never changes a number."""

    generator: str | None = None
    generated_at: str | None = None
    template_id: str | None = None
    template_version: str | None = None
    mode: Literal["simulation", "telemetry"] | None = None
    model_id: str | None = None
    parameters: dict[str, object] = {}


class ModelSpec(Wire, frozen=True, kw_only=True):
    """The root of a model file."""

    schema_version: Literal[1]
    grid: Grid
    nodes: Annotated[tuple[Node, ...], Meta(min_length=1)]
    topology: Topology | None = None
    classes: Annotated[tuple[ClassSpec, ...], Meta(min_length=1)] | None = None
    traffic: Traffic | None = None
    outputs: tuple[Output, ...] = ()
    rng: Rng | None = None
    provenance: Provenance | None = None
