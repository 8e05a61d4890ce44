"""Names of series: snake case, the series that a model implies, and what a reference text means.

A topology node implies series that no ``nodes[]`` entry declares: the queue of a buffer, a computed
``served``, and so on.  ``synthesized`` names them all, in the order of the file, from the structs
alone; the checks, the engine and the bundle share it, so that a name means one thing everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple, TypeAlias

from flowtime.model.spec import ModelSpec, RouterNode, Topology, TopologyNode

__all__ = [
    "ALL_CLASSES",
    "BUFFER_KINDS",
    "DEFAULT_CLASS",
    "NO_OVERFLOW_TARGET",
    "Clash",
    "ConstraintSeries",
    "NodeSeries",
    "SeriesReference",
    "SeriesRole",
    "Synthesized",
    "SynthesizedSeries",
    "alias_snake",
    "base_name",
    "computes_served",
    "has_buffer",
    "is_limited",
    "is_sink",
    "resolve_reference",
    "sends_overflow",
    "snake",
    "split_endpoint",
    "split_reference",
    "synthesized",
]

BUFFER_KINDS = frozenset({"serviceWithBuffer", "queue", "dlq"})
# The class id of totals, in runs and captures: all classes together.
DEFAULT_CLASS: Final = "DEFAULT"
# What stands for all classes together where a class is asked for.
ALL_CLASSES: Final = frozenset({"*", DEFAULT_CLASS})
# Where overflow goes when it goes nowhere.
NO_OVERFLOW_TARGET: Final = "loss"

SeriesRole: TypeAlias = Literal[
    "queue",
    "served",
    "loss",
    "overflow",
    "gated_outflow",
    "inflow",
    "shortfall",
    "retry_echo",
    "attempts",
    "exhausted_failures",
    "retry_budget_remaining",
    "router_target",
    "traffic",
    "demand",
    "granted",
    "status",
]
# What a topology node may name itself and leave to the engine: the field, and the part that it plays.
_GIVEN_ROLES: Final[tuple[tuple[str, SeriesRole], ...]] = (
    ("retry_echo", "retry_echo"),
    ("attempts", "attempts"),
    ("exhausted_failures", "exhausted_failures"),
    ("retry_budget_remaining", "retry_budget_remaining"),
)

_RETRY_ROLES: Final = frozenset(role for _, role in _GIVEN_ROLES)

_SERIES_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]")
_ACRONYM_THEN_WORD = re.compile(r"([A-Z]+)([A-Z][a-z])")
_LOWER_THEN_UPPER = re.compile(r"([a-z0-9])([A-Z])")
_CAPITAL = re.compile(r"(?<=.)([A-Z])")


def snake(text: str) -> str:
    """Return ``text`` in snake case with acronyms kept together: ``DLQ`` -> ``dlq``, ``HTTPService`` ->
    ``http_service``; a character that no series id may hold becomes ``_``, a leading digit gets one before it."""
    safe = _NOT_A_NAME.sub("_", text)
    words = _LOWER_THEN_UPPER.sub(r"\1_\2", _ACRONYM_THEN_WORD.sub(r"\1_\2", safe))
    return _legal_start(words.lower())


def alias_snake(text: str) -> str:
    """Return the other engine's spelling, an underscore before every capital: ``DLQ`` -> ``d_l_q``."""
    return _legal_start(_CAPITAL.sub(r"_\1", _NOT_A_NAME.sub("_", text)).lower())


def _legal_start(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name


class SeriesReference(NamedTuple):
    """A reference text taken apart; exactly one of ``id`` and ``file`` is set.

    ``id`` is the series id as written (``self`` for the queue of the node itself), ``class_id`` what
    followed ``@``, ``file`` the path of a ``file:`` reference.
    """

    id: str | None
    class_id: str | None = None
    file: str | None = None


def split_reference(text: str) -> SeriesReference:
    """Take ``id``, ``series:id``, ``id@class``, ``self`` or ``file:path`` apart; it does not look anything up."""
    if text.isidentifier():
        # By far the most, and asked several times of each.
        return SeriesReference(text)
    text = text.strip()
    if text.startswith("file:"):
        return SeriesReference(None, None, text[len("file:") :])
    base, at, class_id = text.removeprefix("series:").partition("@")
    return SeriesReference(base.strip(), class_id.strip() if at else None)


def base_name(name: str | None) -> str | None:
    """Return the series of which ``name@class`` is a part; any other name is its own."""
    return None if name is None else name.partition("@")[0]


def split_endpoint(text: str, node_ids: Iterable[str]) -> tuple[str, str | None] | None:
    """Take an edge's ``node`` or ``node:port`` apart; None where no such topology node exists.

    An id that holds a colon itself wins over a port.
    """
    known = node_ids if isinstance(node_ids, (set, frozenset, dict)) else set(node_ids)
    if text in known:
        return text, None
    node, colon, port = text.rpartition(":")
    return (node, port) if colon and node in known else None


class NodeSeries(NamedTuple):
    """The series that one topology node implies; None where the author bound one or none is needed."""

    queue: str | None = None
    served: str | None = None
    loss: str | None = None
    overflow: str | None = None
    gated_outflow: str | None = None
    inflow: str | None = None
    shortfall: str | None = None
    retry_echo: str | None = None
    attempts: str | None = None
    exhausted_failures: str | None = None
    retry_budget_remaining: str | None = None


class ConstraintSeries(NamedTuple):
    """The series that a shared constraint implies; None where no node is held to it."""

    demand: str | None = None
    granted: str | None = None
    shortfall: str | None = None
    status: str | None = None


class SynthesizedSeries(NamedTuple):
    """One implied series: its part, and the index of what it belongs to: a topology node, the ``nodes[]``
    router of a ``router_target``, the arrival of ``traffic``, or (``is_constraint``) a shared constraint."""

    name: str
    role: SeriesRole
    node_index: int
    is_constraint: bool = False


class Clash(NamedTuple):
    """Two topology nodes that claim one undeclared name for a series of their own."""

    name: str
    role: SeriesRole
    node_index: int
    other_index: int


@dataclass(frozen=True)
class Synthesized:
    """All names that a model declares or implies.

    ``declared`` maps a ``nodes[]`` id to its index; ``nodes`` has one entry per topology node;
    ``series`` maps an implied name to what it is, in the order of the file; ``aliases`` maps other
    spellings to implied names and never hides a real one.
    """

    declared: Mapping[str, int]
    nodes: tuple[NodeSeries, ...]
    series: Mapping[str, SynthesizedSeries]
    aliases: Mapping[str, str]
    clashes: tuple[Clash, ...] = ()
    constraints: tuple[ConstraintSeries, ...] = ()

    def resolve(self, name: str) -> str | None:
        """Return the series that a bare id means, or None."""
        if name in self.declared or name in self.series:
            return name
        return self.aliases.get(name)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every series name: declared ones first, then implied ones, each in the order of the file."""
        return (*self.declared, *self.series)


def resolve_reference(text: str, names: Synthesized, own_queue: str | None = None) -> SeriesReference | None:
    """Return the reference with its series looked up, or None where the series does not exist.

    ``own_queue`` is the queue of the node that holds the reference, which ``self`` means.  A ``file:``
    reference comes back as it is: whether it can be used is for its reader to say.
    """
    parts = split_reference(text)
    if parts.id is None:
        return parts
    found = names.resolve(parts.id)
    if found is None and parts.id == "self":
        found = own_queue
    return None if found is None else SeriesReference(found, parts.class_id)


def is_sink(node: TopologyNode) -> bool:
    """Whether flow ends at the node."""
    return node.kind == "sink" or node.node_role == "sink"


def has_buffer(node: TopologyNode) -> bool:
    """Whether work can wait at the node; at a sink, whatever its kind is called, nothing does."""
    return node.kind in BUFFER_KINDS and not is_sink(node)


def computes_served(node: TopologyNode) -> bool:
    """Whether ``served`` follows from arrivals and capacity (a sink takes all), since none is bound."""
    semantics = node.semantics
    if semantics.served is not None or semantics.arrivals is None:
        return False
    serves = has_buffer(node) or node.kind == "service"
    return is_sink(node) or (serves and semantics.capacity is not None)


def synthesized(spec: ModelSpec) -> Synthesized:
    """Name every series that the model implies.

    Names that the author gave (an undeclared ``queueDepth``, router target or generated arrival) are taken
    first; a made-up one takes the first free of name, name_1, name_2.  Pure: the same spec gives the
    same names.
    """
    declared: dict[str, int] = {}
    for index, node in enumerate(spec.nodes):
        declared.setdefault(node.id, index)
    namer = _Namer(declared)
    topology = spec.topology or Topology()
    for index, station in enumerate(topology.nodes):
        namer.take_given(index, station)
    namer.take_sources(spec)
    namer.take_topology(topology)
    # Last, since these may also refer to what another node implies.
    for index, station in enumerate(topology.nodes):
        namer.take_retries(index, station)
    return namer.result(topology)


def sends_overflow(node: TopologyNode) -> bool:
    """Whether what does not fit into the node goes to another one."""
    return node.wip_overflow not in (None, NO_OVERFLOW_TARGET) and (_turns_away(node) or is_limited(node))


def _implied_roles(node: TopologyNode) -> Iterator[SeriesRole]:
    """Yield the parts that the node plays and that nobody named."""
    computed = computes_served(node)
    if has_buffer(node):
        yield from _buffer_roles(node, computed)
    elif computed:
        yield "served"
    if _turns_away(node) or (has_buffer(node) and is_limited(node)):
        yield "overflow"
    if node.dispatch_schedule is not None and not computed:
        yield "gated_outflow"
    if node.constraints:
        yield "shortfall"


def _buffer_roles(node: TopologyNode, computed: bool) -> Iterator[SeriesRole]:
    depth = node.semantics.queue_depth
    if depth is None or split_reference(depth).id == "self":
        yield "queue"
    if computed:
        yield "served"
    loses = bool(node.constraints) and node.constraint_excess == "loss"
    if loses or (computed and node.semantics.errors is not None):
        yield "loss"


def _turns_away(node: TopologyNode) -> bool:
    # A sink takes all that arrives, whatever its kind is called.
    return computes_served(node) and node.kind == "service" and not is_sink(node)


def is_limited(node: TopologyNode) -> bool:
    """Whether the work that can wait at the node is limited."""
    return node.wip_limit is not None or node.wip_limit_series is not None


class _Namer:
    """The names taken so far, filled in file order."""

    def __init__(self, declared: dict[str, int]) -> None:
        self._declared = declared
        self._series: dict[str, SynthesizedSeries] = {}
        self._by_node: dict[tuple[int, str], str] = {}
        self._by_constraint: dict[int, ConstraintSeries] = {}
        self._aliases: dict[str, str] = {}
        self._clashes: list[Clash] = []

    def take_given(self, index: int, node: TopologyNode) -> None:
        """Take the undeclared name that the author gave to a queue."""
        if has_buffer(node) and node.semantics.queue_depth is not None:
            self._give(index, "queue", node.semantics.queue_depth)

    def take_retries(self, index: int, node: TopologyNode) -> None:
        """Take the names that the author gave to series of retries and that nothing else of the model has."""
        for field, role in _GIVEN_ROLES:
            text = getattr(node.semantics, field)
            name = None if text is None else split_reference(text).id
            if name is None or name in self._aliases:
                continue
            made = self._series.get(name)
            if made is None or made.role in _RETRY_ROLES:
                self._give(index, role, text)

    def _give(self, index: int, role: SeriesRole, text: str) -> None:
        name = split_reference(text).id
        if name is None or name == "self" or name in self._declared or not _SERIES_ID.fullmatch(name):
            return
        other = self._series.get(name)
        if other is not None:
            self._clashes.append(Clash(name, role, index, other.node_index))
            return
        self._series[name] = SynthesizedSeries(name, role, index)
        self._by_node[index, role] = name

    def take_sources(self, spec: ModelSpec) -> None:
        """Take the undeclared names of what routers and traffic fill."""
        for index, node in enumerate(spec.nodes):
            if isinstance(node, RouterNode):
                self.take_targets(index, node)
        for index, arrival in enumerate(spec.traffic.arrivals if spec.traffic else ()):
            self.take_traffic(index, arrival.node_id)

    def take_topology(self, topology: Topology) -> None:
        """Make up the names of what nodes and shared constraints compute beyond what is bound."""
        overflown = {node.wip_overflow for node in topology.nodes if sends_overflow(node)}
        for index, station in enumerate(topology.nodes):
            self.take_implied(index, station, station.id in overflown)
        used = {name for station in topology.nodes for name in station.constraints}
        for index, constraint in enumerate(topology.constraints):
            if constraint.id in used:
                self.take_constraint(index, constraint.id)

    def take_targets(self, index: int, router: RouterNode) -> None:
        """Take the undeclared targets of a router; routes to one target add up."""
        for route in router.routes:
            name = route.target
            if name not in self._declared and name not in self._series and _SERIES_ID.fullmatch(name):
                self._series[name] = SynthesizedSeries(name, "router_target", index)

    def take_traffic(self, index: int, name: str) -> None:
        """Take the undeclared name of a series that traffic generates; classes at one name share it."""
        if name not in self._declared and name not in self._series and _SERIES_ID.fullmatch(name):
            self._series[name] = SynthesizedSeries(name, "traffic", index)

    def take_implied(self, index: int, node: TopologyNode, receives_overflow: bool) -> None:
        """Make up the names of what the node computes beyond what is bound."""
        if receives_overflow:
            self._by_node[index, "inflow"] = self._make(index, node.id, "inflow")
        for role in _implied_roles(node):
            name = self._make(index, node.id, role)
            self._by_node[index, role] = name
            if role == "queue":
                self._aliases.setdefault(f"{alias_snake(node.id)}_queue", name)

    def take_constraint(self, index: int, constraint_id: str) -> None:
        """Make up the names of what a shared constraint tells."""
        roles: tuple[SeriesRole, ...] = ("demand", "granted", "shortfall", "status")
        made = (self._make(index, constraint_id, role, is_constraint=True) for role in roles)
        self._by_constraint[index] = ConstraintSeries(*made)

    def _make(self, index: int, node_id: str, role: SeriesRole, *, is_constraint: bool = False) -> str:
        base = f"{snake(node_id)}_{role}"
        name, number = base, 0
        while name in self._declared or name in self._series:
            number += 1
            name = f"{base}_{number}"
        self._series[name] = SynthesizedSeries(name, role, index, is_constraint)
        return name

    def result(self, topology: Topology) -> Synthesized:
        """Return the names of all that was taken."""
        taken = self._by_node
        nodes = tuple(
            NodeSeries(*(taken.get((index, role)) for role in NodeSeries._fields))
            for index in range(len(topology.nodes))
        )
        aliases = {
            alias: name
            for alias, name in self._aliases.items()
            if alias not in self._declared and alias not in self._series
        }
        shared = tuple(self._by_constraint.get(index, ConstraintSeries()) for index in range(len(topology.constraints)))
        return Synthesized(self._declared, nodes, self._series, aliases, tuple(self._clashes), shared)
