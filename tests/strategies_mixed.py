"""Random models of every kind mixed, from a seeded source of randomness; valid, and without same-bin cycles.

Parts are drawn one after the other: each reads series of parts before it in the same bin, and any series, its own
too, from earlier bins.  Stations that share a constraint do not read each other.  The order of the file is drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

from oracle_names import BUFFER_KINDS, snake
from strategies_draft import Draft
from strategies_maker import Maker
from strategies_stations import draw_controls, draw_edges, link_overflow
from strategies_text import LATE, fraction

__all__ = ["mixed_draft", "mixed_drafts"]

CLASS_IDS = ("gold", "b-2", "C", "Fourth")
STATION_IDS = ("Stage{}", "HTTPStage{}", "stage-{}", "{}Stage")
DISTRIBUTIONS = (([10.0, 20.0, 30.0], [0.5, 0.3, 0.2]), ([1.5], [1.0]), ([0.0, 8.0, 21.5], [0.25, 0.5, 0.25]))
PARTS = ("expr", "expr", "node", "router", "station", "station", "station", "authored", "shared", "retry", "declared")
PHYSICAL_PARTS = ("expr", "router", "station", "station", "sound", "shared", "retry")


# Inputs


def _draw_inputs(maker: Maker) -> None:
    for _ in range(maker.random.randint(2, 4)):
        maker.inputs.append(maker.const(f"c{maker.number()}", maker.values()))
    for _ in range(maker.random.choice((0, 0, 1, 2))):
        _draw_distribution(maker)
    maker.known = [node["id"] for node in maker.nodes]
    entries = maker.random.randint(1, 4) if maker.classes else maker.random.choice((0, 0, 0, 1))
    for _ in range(entries):
        _draw_traffic(maker)
    maker.known += maker.coming
    maker.coming = []


def _draw_distribution(maker: Maker) -> None:
    values, probabilities = maker.random.choice(DISTRIBUTIONS)
    node: dict[str, Any] = {"id": f"p{maker.number()}", "kind": "pmf"}
    node["pmf"] = {"values": values, "probabilities": probabilities}
    if maker.chance(0.6):
        node["profile"] = _profile(maker)
    maker.nodes.append(node)


def _profile(maker: Maker) -> dict[str, Any]:
    random = maker.random
    days = {"days": [round(random.uniform(0.2, 1.5), 2) for _ in range(7)]} if maker.chance(0.3) else {}
    if maker.chance(0.5):
        return {"kind": "builtin", "name": random.choice(("weekday-office", "three-shift", "hub-rush-hour"))} | days
    # One weight for each bin is a shape over the horizon, which another horizon does not have.
    counts = (168,) if maker.is_physical else (24, 168, maker.bins)
    weights = [round(random.uniform(0.1, 2.0), 2) for _ in range(random.choice(counts))]
    return {"kind": "inline", "weights": weights} | (days if len(weights) != maker.bins else {})


def _draw_traffic(maker: Maker) -> None:
    random = maker.random
    is_new = maker.chance(0.4) or not maker.classes
    name = f"gen{maker.number()}" if is_new else random.choice(maker.known)
    if any(arrival["nodeId"] == name for arrival in maker.traffic):
        return
    for class_id in random.sample(maker.classes, random.randint(1, len(maker.classes))) if maker.classes else (None,):
        pattern: dict[str, Any] = {"kind": random.choice(("constant", "poisson"))}
        if is_new or maker.is_physical or maker.chance(0.8):
            pattern[random.choice(("ratePerBin", "rate"))] = round(random.uniform(0.5, 20.0), 2)
        arrival = {"nodeId": name, "pattern": pattern} | ({"classId": class_id} if class_id else {})
        maker.traffic.append(arrival)
    if maker.classes:
        maker.split.append(name)
    if is_new:
        maker.coming.append(name)


# Parts


def _draw_expr(maker: Maker) -> None:
    maker.coming.append(maker.expr(f"expr{maker.number()}", maker.text()))


def _draw_node(maker: Maker) -> None:
    name = f"node{maker.number()}"
    node: dict[str, Any] = {
        "id": name,
        "kind": "serviceWithBuffer",
        "inflow": maker.reference(),
        "outflow": maker.pick(),
    }
    if maker.chance(0.3):
        node["loss"] = maker.pick()
    if maker.chance(0.3):
        node["dispatchSchedule"] = _schedule(maker)
    maker.nodes.append(node)
    maker.coming.append(name)


def _schedule(maker: Maker) -> dict[str, Any]:
    schedule: dict[str, Any] = {"periodBins": maker.random.randint(1, 6), "phaseOffset": maker.random.randint(-8, 8)}
    if maker.chance(0.4):
        schedule["capacitySeries"] = maker.pick()
    if maker.chance(0.4):
        schedule["accumulate"] = True
    return schedule


def _draw_router(maker: Maker) -> None:
    """One router or two that feed the same targets, new or declared ones."""
    random = maker.random
    targets = [f"to{maker.number()}" for _ in range(random.randint(1, 3))]
    for target in targets:
        if maker.chance(0.3):
            maker.expr(target, random.choice(("0", "3.5"))) if maker.chance(0.5) else maker.const(target, 0.0)
    for _ in range(random.choice((1, 1, 2))):
        left = list(maker.classes) if maker.chance(0.6) else []
        routes: list[dict[str, Any]] = []
        for target in [*targets, *random.choices(targets, k=random.randint(0, 1))]:
            route: dict[str, Any] = {"target": target}
            if left and maker.chance(0.5):
                route["classes"] = [left.pop(random.randrange(len(left))) for _ in range(random.randint(1, len(left)))]
            if "classes" not in route or maker.chance(0.3):
                route["weight"] = round(random.uniform(0.1, 3.0), 2)
            routes.append(route)
        name = f"router{maker.number()}"
        queue = random.choice(maker.split) if maker.split and maker.chance(0.4) else maker.reference()
        maker.nodes.append({"id": name, "kind": "router", "inputs": {"queue": queue}, "routes": routes})
        maker.coming.append(name)
    maker.coming += targets


def _arrivals(maker: Maker) -> str:
    return maker.random.choice(maker.split) if maker.split and maker.chance(0.35) else maker.reference()


def _station(maker: Maker, kind: str, semantics: dict[str, Any]) -> dict[str, Any]:
    number = maker.number()
    node_id = maker.random.choice(STATION_IDS).format(number)
    station: dict[str, Any] = {"id": node_id, "kind": kind, "semantics": semantics}
    if kind in BUFFER_KINDS:
        if maker.chance(0.4):
            station["initialCondition"] = {"queueDepth": maker.amount(60.0)}
        depth = maker.random.choice(("", "", "self", f"depth{number}"))
        if depth and "queueDepth" not in semantics:
            semantics["queueDepth"] = depth
    return station


def _done(maker: Maker, station: dict[str, Any]) -> None:
    """Add a station and the series that it makes."""
    maker.stations.append(station)
    semantics, buffered = station["semantics"], station["kind"] in BUFFER_KINDS
    name = snake(station["id"])
    if buffered:
        depth = semantics.get("queueDepth", "self")
        maker.coming.append(f"{name}_queue" if depth == "self" else depth)
    if "served" not in semantics:
        maker.coming.append(f"{name}_served")
    elif "dispatchSchedule" in station:
        maker.coming.append(f"{name}_gated_outflow")
    loses = "constraints" in station and station.get("constraintExcess") == "loss"
    if buffered and (loses or ("served" not in semantics and "errors" in semantics)):
        maker.coming.append(f"{name}_loss")
    is_limited = "wipLimit" in station or "wipLimitSeries" in station
    if (buffered and is_limited) or (station["kind"] == "service" and "served" not in semantics):
        maker.coming.append(f"{name}_overflow")
    if "constraints" in station:
        maker.coming.append(f"{name}_shortfall")


def _errors(maker: Maker, semantics: dict[str, Any], share: float = 0.4) -> None:
    if maker.chance(share):
        arrivals = semantics["arrivals"].removeprefix("series:").partition("@")[0]
        name = f"err{maker.number()}"
        maker.expr(name, f"{arrivals} * {fraction(maker.random)}") if maker.chance(0.6) else maker.series(name)
        semantics["errors"] = name
        maker.coming.append(name)


def _computed(maker: Maker, kinds: Sequence[str] = ("serviceWithBuffer", "queue", "dlq", "service", "service")) -> Any:
    """A station that computes what it serves."""
    kind = maker.random.choice(kinds)
    semantics: dict[str, Any] = {"arrivals": _arrivals(maker)}
    if kind != "sink":
        semantics["capacity"] = maker.series(f"cap{maker.number()}") if maker.chance(0.8) else maker.pick()
    _errors(maker, semantics)
    if kind != "sink" and maker.chance(0.3):
        semantics["parallelism"] = maker.random.choice((1.0, 2.0, 2.5, f"par{maker.number()}"))
        if isinstance(semantics["parallelism"], str):
            maker.factors.add(
                maker.const(semantics["parallelism"], maker.random.choice((2.0, 0.5, [1.0] * maker.bins)))
            )
    return _station(maker, kind, semantics)


def _draw_station(maker: Maker) -> None:
    station = _computed(maker, ("serviceWithBuffer", "queue", "dlq", "service", "service", "sink"))
    if station["kind"] != "sink":
        draw_controls(maker, station, _schedule)
    _done(maker, station)


def _draw_authored(maker: Maker) -> None:
    kind = maker.random.choice((*BUFFER_KINDS, "service", "dependency", "router"))
    semantics: dict[str, Any] = {"arrivals": _arrivals(maker)}
    semantics["served"] = maker.series(f"out{maker.number()}")
    maker.coming.append(semantics["served"])
    _errors(maker, semantics)
    station = _station(maker, kind, semantics)
    draw_controls(maker, station, _schedule)
    _done(maker, station)


def _draw_sound(maker: Maker) -> None:
    """A station whose author serves no more than there is."""
    number = maker.number()
    arrivals, capacity = maker.pick(), maker.series(f"cap{number}")
    semantics: dict[str, Any] = {"arrivals": arrivals, "queueDepth": f"depth{number}", "served": f"out{number}"}
    maker.expr(f"out{number}", f"MIN({capacity}, {arrivals} + SHIFT(depth{number}, 1))")
    station = _station(maker, maker.random.choice(BUFFER_KINDS), semantics)
    maker.coming.append(f"out{number}")
    draw_controls(maker, station, _schedule)
    _done(maker, station)


def _draw_shared(maker: Maker) -> None:
    """Some stations and the constraints that they share; none reads another."""
    random, members = maker.random, []
    for _ in range(random.randint(1, 3)):
        if maker.is_physical or maker.chance(0.6):
            members.append(_computed(maker))
        else:
            semantics = {"arrivals": _arrivals(maker), "served": maker.series(f"out{maker.number()}")}
            maker.coming.append(semantics["served"])
            _errors(maker, semantics)
            members.append(_station(maker, random.choice((*BUFFER_KINDS, "service", "dependency")), semantics))
    group = maker.number()
    for place in range(random.choice((1, 1, 2))):
        capacity = maker.series(f"shared{maker.number()}")
        constraint: dict[str, Any] = {"id": f"Db{group}-{place}", "semantics": {"arrivals": maker.pick()}}
        constraint["semantics"]["served"] = capacity
        constraint["allocation"] = random.choice(("proportional", "priority", "maxMin"))
        users = members if maker.chance(0.7) else random.sample(members, random.randint(1, len(members)))
        if constraint["allocation"] == "priority" and maker.chance(0.7):
            ids = [station["id"] for station in users]
            constraint["priorities"] = random.sample(ids, random.randint(1, len(ids)))
        _hold(maker, constraint, users)
    for station in members:
        if "constraints" in station and maker.chance(0.4):
            station["constraintExcess"] = random.choice(("loss", "queue"))
        maker.groups[station["id"]] = group
        draw_controls(maker, station, _schedule)
        _done(maker, station)


def _hold(maker: Maker, constraint: dict[str, Any], users: Sequence[dict[str, Any]]) -> None:
    maker.constraints.append(constraint)
    for station in users:
        station["constraints"] = [*station.get("constraints", ()), constraint["id"]]
    name = snake(constraint["id"])
    maker.coming += [f"{name}_demand", f"{name}_granted", f"{name}_shortfall"]


def _draw_retry(maker: Maker) -> None:
    """A station whose failures come back into its arrivals, and now and then a dead letter queue behind it."""
    random, number = maker.random, maker.number()
    demand, share = maker.pick(), fraction(random, 0.05, 0.6)
    maker.expr(f"tried{number}", f"{demand} + echo{number}")
    all_of_it = f"tried{number} * {share}"
    maker.expr(f"failed{number}", all_of_it if maker.chance(0.6) else f"MIN({maker.pick()}, {all_of_it})")
    semantics: dict[str, Any] = {"arrivals": f"tried{number}", "retryEcho": f"echo{number}"}
    semantics["failures" if maker.chance(0.7) else "errors"] = f"failed{number}"
    made = [f"tried{number}", f"failed{number}", f"echo{number}"]
    gives_up = maker.chance(0.6)
    if maker.chance(0.6) or gives_up:
        # Where work gives up, clearly less than all comes back: what is left of all would be the noise of rounding.
        most = 0.22 if gives_up else 0.5
        semantics["retryKernel"] = [0.0, *(round(random.uniform(0.0, most), 2) for _ in range(random.randint(1, 4)))]
    if maker.chance(0.5):
        semantics["maxAttempts"] = random.randint(1, 5)
        semantics["externalDemand"] = demand
    if maker.chance(0.5):
        bound = random.choice((f"tried{number}", f"all{number}"))
        semantics["attempts"] = bound
        made += [bound] if bound != f"tried{number}" else []
    if gives_up:
        semantics["exhaustedFailures"] = f"given_up{number}"
        made.append(f"given_up{number}")
    if maker.chance(0.4):
        semantics["retryBudget"] = maker.amount(9.0) if maker.chance(0.5) else maker.pick()
        semantics["retryBudgetRemaining"] = f"budget{number}"
        made.append(f"budget{number}")
    semantics["capacity"] = maker.series(f"cap{number}")
    _done(maker, _station(maker, random.choice(("service", "serviceWithBuffer")), semantics))
    maker.coming += made
    if "exhaustedFailures" in semantics and maker.chance(0.6):
        letters = {"arrivals": f"given_up{number}", "served": maker.const(f"out{maker.number()}", maker.amount(3.0))}
        _done(maker, _station(maker, "dlq", letters))


def _draw_declared(maker: Maker) -> None:
    """A station whose queue is a declared one, which its limit holds."""
    number = maker.number()
    semantics = {"arrivals": maker.pick(), "served": maker.series(f"out{number}"), "queueDepth": f"stock{number}"}
    node = {"id": f"stock{number}", "kind": "serviceWithBuffer", "inflow": semantics["arrivals"]}
    maker.nodes.append(node | {"outflow": semantics["served"]})
    station = _station(maker, "serviceWithBuffer", semantics)
    if maker.chance(0.6):
        station["wipLimit"] = maker.amount(30.0)
    maker.groups[station["id"]] = -1
    maker.coming.append(semantics["served"])
    _done(maker, station)


DRAWERS: dict[str, Callable[[Maker], None]] = {
    "expr": _draw_expr,
    "node": _draw_node,
    "router": _draw_router,
    "station": _draw_station,
    "authored": _draw_authored,
    "sound": _draw_sound,
    "shared": _draw_shared,
    "retry": _draw_retry,
    "declared": _draw_declared,
}


# Models


def mixed_draft(random: Random, *, is_physical: bool = False) -> Draft:
    """A model; a physical one has no gaps, its expressions are amounts, and its stations serve what is there."""
    count = random.choice((0, 0, 1, 2, 3, 4))
    maker = Maker(random, is_physical, random.randint(8, 40), CLASS_IDS[:count])
    _draw_inputs(maker)
    for _ in range(random.randint(3, 8)):
        DRAWERS[random.choice(PHYSICAL_PARTS if is_physical else PARTS)](maker)
        maker.known += maker.coming
        maker.coming = []
    link_overflow(maker)
    edges = draw_edges(maker) if maker.chance(0.4) else []
    for node in maker.nodes:
        while LATE in node.get("expr", ""):
            node["expr"] = node["expr"].replace(LATE, random.choice(maker.known), 1)
    random.shuffle(maker.nodes)
    random.shuffle(maker.stations)
    return Draft(
        maker.bins,
        random.randint(1, 9),
        random.choice(("minutes", "minutes", "hours", "hours", "days", "weeks")),
        tuple(maker.nodes),
        tuple(maker.stations),
        random.choice((None, "2025-01-01T00:00:00Z", "2024-02-29T13:20:30Z", "2025-06-08T23:59:00+02:00")),
        maker.classes,
        tuple(maker.traffic),
        tuple(maker.constraints),
        tuple(edges),
        frozenset(maker.factors),
    )


def mixed_drafts(*, is_physical: bool = False) -> st.SearchStrategy[Draft]:
    """Models of every kind mixed: rich ones by a seed, and such as Hypothesis can make small."""

    def drawn(random: Random) -> Draft:
        return mixed_draft(random, is_physical=is_physical)

    return st.integers(0, 2**32).map(Random).map(drawn) | st.randoms(use_true_random=False).map(drawn)
