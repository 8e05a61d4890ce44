"""The names of the oracle: what a reference means and which series a model implies, written anew.

From the specification alone, so that the engine's naming has a twin to be compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from flowtime.model.spec import RouterNode, TopologyNode

if TYPE_CHECKING:
    from flowtime.model import Model

__all__ = [
    "BUFFER_KINDS",
    "GIVEN_ROLES",
    "SHARED_ROLES",
    "Owner",
    "StationNames",
    "bare",
    "computes_served",
    "constraint_names",
    "has_limit",
    "is_buffered",
    "is_sink",
    "owners",
    "sends_overflow",
    "snake",
    "spread_snake",
    "station_names",
    "turns_away",
]

BUFFER_KINDS = ("serviceWithBuffer", "queue", "dlq")
GIVEN_ROLES = ("retry_echo", "attempts", "exhausted_failures", "retry_budget_remaining")
SHARED_ROLES = ("demand", "granted", "shortfall", "status")


class StationNames(NamedTuple):
    """The series that a topology node computes by itself; None where it computes none."""

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


class Owner(NamedTuple):
    """Whose a series is: a ``station``, a ``constraint`` (by their place), a ``router`` or ``traffic`` (place 0)."""

    kind: str
    place: int
    role: str


# Texts


def snake(text: str) -> str:
    """Snake case with acronyms kept together, any foreign character an underscore."""
    result = ""
    for place, letter in enumerate(text):
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        is_capital = "A" <= letter <= "Z"
        ends_a_word = before.isascii() and (before.islower() or before.isdigit())
        ends_an_acronym = "A" <= before <= "Z" and after.isascii() and after.islower()
        if is_capital and (ends_a_word or ends_an_acronym):
            result += "_"
        result += letter.lower() if letter.isascii() and letter.isalnum() else "_"
    return f"_{result}" if result[:1].isdigit() else result


def spread_snake(text: str) -> str:
    """The other engine's spelling: an underscore before every capital but the first letter."""
    result = ""
    for letter in text:
        result += f"_{letter}" if "A" <= letter <= "Z" and result else letter
    return snake(result.lower())


def bare(reference: str) -> str:
    """The id in ``id``, ``series:id`` and ``id@class``."""
    return reference.strip().removeprefix("series:").partition("@")[0].strip()


# Kinds of stations


def is_sink(station: TopologyNode) -> bool:
    """Whether flow ends here."""
    return station.kind == "sink" or station.node_role == "sink"


def is_buffered(station: TopologyNode) -> bool:
    """Whether work can wait here."""
    return station.kind in BUFFER_KINDS and not is_sink(station)


def computes_served(station: TopologyNode) -> bool:
    """Whether served follows from the arrivals, nobody having bound it."""
    semantics = station.semantics
    if semantics.served is not None or semantics.arrivals is None:
        return False
    return is_sink(station) or (semantics.capacity is not None and station.kind in (*BUFFER_KINDS, "service"))


def turns_away(station: TopologyNode) -> bool:
    """Whether what the station can not serve at once is turned away, there being no buffer."""
    return computes_served(station) and station.kind == "service" and not is_sink(station)


def has_limit(station: TopologyNode) -> bool:
    """Whether the work that may wait is limited."""
    return station.wip_limit is not None or station.wip_limit_series is not None


def sends_overflow(station: TopologyNode) -> bool:
    """Whether overflow goes to another station."""
    goes_somewhere = station.wip_overflow is not None and station.wip_overflow != "loss"
    return goes_somewhere and (turns_away(station) or has_limit(station))


# Names of implied series


class _Taken:
    """The names that are in use."""

    def __init__(self, model: Model) -> None:
        self.declared = {node.id for node in model.spec.nodes}
        self.all = set(self.declared)

    def give(self, reference: str | None) -> str | None:
        """The name that an author gave to a series and left undeclared."""
        name = None if reference is None else bare(reference)
        if name is None or name == "self" or name in self.declared:
            return None
        self.all.add(name)
        return name

    def make(self, owner: str, role: str) -> str:
        """The first free one of name, name_1, name_2."""
        name, number = f"{snake(owner)}_{role}", 0
        while name in self.all:
            number += 1
            name = f"{snake(owner)}_{role}_{number}"
        self.all.add(name)
        return name


def station_names(model: Model) -> list[StationNames]:
    """The synthesized names of each topology node, in the order of the file."""
    return _all_names(model)[0]


def constraint_names(model: Model) -> list[dict[str, str]]:
    """The names of what each shared constraint tells, by role; none where no station is held to it."""
    return _all_names(model)[1]


def _all_names(model: Model) -> tuple[list[StationNames], list[dict[str, str]]]:
    stations = model.spec.topology.nodes if model.spec.topology else ()
    constraints = model.spec.topology.constraints if model.spec.topology else ()
    taken = _Taken(model)
    found: list[dict[str, str | None]] = [
        {"queue": taken.give(station.semantics.queue_depth) if is_buffered(station) else None} for station in stations
    ]
    taken.all |= {*_targets(model), *_generated(model)}
    receivers = {station.wip_overflow for station in stations if sends_overflow(station)}
    for station, names in zip(stations, found, strict=True):
        roles = ["inflow"] if station.id in receivers else []
        names |= {role: taken.make(station.id, role) for role in [*roles, *_implied(station)]}
    held = {name for station in stations for name in station.constraints}
    shared = [
        {role: taken.make(constraint.id, role) for role in SHARED_ROLES} if constraint.id in held else {}
        for constraint in constraints
    ]
    # Last: these may refer to what another station implies, and only name a series of their own if nothing else does.
    spread = {
        f"{spread_snake(station.id)}_queue" for station, names in zip(stations, found, strict=True) if names["queue"]
    }
    taken.declared = taken.all | spread
    for station, names in zip(stations, found, strict=True):
        names |= {role: taken.give(getattr(station.semantics, role)) for role in GIVEN_ROLES}
    return [StationNames(**names) for names in found], shared


def _implied(station: TopologyNode) -> Iterator[str]:
    is_computed, is_buffer = computes_served(station), is_buffered(station)
    depth = station.semantics.queue_depth
    if is_buffer and (depth is None or bare(depth) == "self"):
        yield "queue"
    if is_computed:
        yield "served"
    loses_excess = bool(station.constraints) and station.constraint_excess == "loss"
    if is_buffer and (loses_excess or (is_computed and station.semantics.errors is not None)):
        yield "loss"
    if turns_away(station) or (is_buffer and has_limit(station)):
        yield "overflow"
    if station.dispatch_schedule is not None and not is_computed:
        yield "gated_outflow"
    if station.constraints:
        yield "shortfall"


def _targets(model: Model) -> Iterator[str]:
    for node in model.spec.nodes:
        if isinstance(node, RouterNode):
            yield from (route.target for route in node.routes)


def _generated(model: Model) -> Iterator[str]:
    if model.spec.traffic:
        yield from (arrival.node_id for arrival in model.spec.traffic.arrivals)


def owners(model: Model) -> dict[str, Owner]:
    """Whose each implied series is."""
    declared = {node.id for node in model.spec.nodes}
    found: dict[str, Owner] = {}
    for index, names in enumerate(station_names(model)):
        found |= {name: Owner("station", index, role) for role, name in names._asdict().items() if name}
    for index, shared in enumerate(constraint_names(model)):
        found |= {name: Owner("constraint", index, role) for role, name in shared.items()}
    for name in _targets(model):
        if name not in declared:
            found.setdefault(name, Owner("router", 0, "router_target"))
    for name in _generated(model):
        if name not in declared:
            found.setdefault(name, Owner("traffic", 0, "traffic"))
    return found
