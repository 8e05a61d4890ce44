"""Which features a random model has, so that a test can see that none is silently gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oracle_names import BUFFER_KINDS
from strategies_draft import Draft

__all__ = ["LEAST_SHARES", "features"]

# The share of models, at least, that has each feature.
LEAST_SHARES = {
    "router": 0.3,
    "route by class": 0.1,
    "route by weight": 0.3,
    "declared router target": 0.1,
    "two routers at a target": 0.08,
    "classes": 0.5,
    "four classes": 0.08,
    "reference to a class": 0.1,
    "traffic at a declared node": 0.3,
    "generated traffic": 0.3,
    "constraint": 0.25,
    "proportional": 0.1,
    "priority": 0.1,
    "maxMin": 0.1,
    "several constraints at a node": 0.06,
    "excess lost": 0.06,
    "authored and constrained": 0.08,
    "limit": 0.35,
    "limit series": 0.12,
    "overflow sent": 0.35,
    "overflow in a chain": 0.06,
    "overflow of a service sent": 0.15,
    "limited declared queue": 0.1,
    "schedule": 0.35,
    "accumulating schedule": 0.15,
    "schedule with a capacity": 0.15,
    "negative phase": 0.15,
    "scheduled node": 0.06,
    "retry": 0.25,
    "retry of generations": 0.12,
    "retry budget": 0.1,
    "exhausted failures": 0.15,
    "computed attempts": 0.05,
    "dead letters": 0.1,
    "pmf": 0.3,
    "profile": 0.25,
    "edges": 0.2,
    "computed station": 0.6,
    "authored station": 0.45,
    "sink": 0.1,
    "initial depth": 0.3,
    "parallelism": 0.2,
    "queue node": 0.3,
    "feedback": 0.3,
    "gap": 0.1,
}


def features(draft: Draft) -> frozenset[str]:
    """The features that a draft has."""
    return frozenset((*_of_nodes(draft), *_of_traffic(draft), *_of_stations(draft), *_of_constraints(draft)))


def _present(**found: object) -> Iterator[str]:
    return (name.replace("_", " ") for name, is_there in found.items() if is_there)


def _of_nodes(draft: Draft) -> Iterator[str]:
    declared = {node["id"] for node in draft.nodes}
    routers = [node for node in draft.nodes if node["kind"] == "router"]
    routes = [route for router in routers for route in router["routes"]]
    targets = [{route["target"] for route in router["routes"]} for router in routers]
    queues = [node for node in draft.nodes if node["kind"] == "serviceWithBuffer"]
    texts = " ".join(node.get("expr", "") for node in draft.nodes)
    everything = draft.text()
    yield from _present(
        router=routers,
        route_by_class=any("classes" in route for route in routes),
        route_by_weight=any("weight" in route for route in routes),
        declared_router_target=any(route["target"] in declared for route in routes),
        two_routers_at_a_target=any(a & b for place, a in enumerate(targets) for b in targets[:place]),
        pmf=any(node["kind"] == "pmf" for node in draft.nodes),
        profile=any("profile" in node for node in draft.nodes),
        queue_node=queues,
        scheduled_node=any("dispatchSchedule" in node for node in queues),
        feedback="DELAY(" in texts or "CONV(" in texts,
        gap=".nan" in everything,
        reference_to_a_class=any(f"@{class_id}" in everything for class_id in draft.classes),
        edges=draft.edges,
    )


def _of_traffic(draft: Draft) -> Iterator[str]:
    declared = {node["id"] for node in draft.nodes}
    places = {arrival["nodeId"] for arrival in draft.traffic}
    yield from _present(
        classes=draft.classes,
        four_classes=len(draft.classes) == 4,
        traffic_at_a_declared_node=places & declared,
        generated_traffic=places - declared,
    )


def _of_stations(draft: Draft) -> Iterator[str]:
    for station in draft.stations:
        yield from _of_station(station)
    sends = {station["id"]: station["wipOverflow"] for station in draft.stations if "wipOverflow" in station}
    if any(target in sends for target in sends.values()):
        yield "overflow in a chain"
    stocks = {node["id"] for node in draft.nodes}
    if any("wipLimit" in s and s["semantics"].get("queueDepth") in stocks for s in draft.stations):
        yield "limited declared queue"


def _of_station(station: dict[str, Any]) -> Iterator[str]:
    semantics, schedule = station["semantics"], station.get("dispatchSchedule", {})
    is_sent = station.get("wipOverflow", "loss") != "loss"
    yield from _present(
        limit="wipLimit" in station or "wipLimitSeries" in station,
        limit_series="wipLimitSeries" in station,
        overflow_sent=is_sent,
        overflow_of_a_service_sent=is_sent and station["kind"] not in BUFFER_KINDS,
        schedule=schedule,
        accumulating_schedule="accumulate" in schedule,
        schedule_with_a_capacity="capacitySeries" in schedule,
        negative_phase=schedule.get("phaseOffset", 0) < 0,
        retry="retryEcho" in semantics,
        retry_of_generations="maxAttempts" in semantics,
        retry_budget="retryBudget" in semantics,
        exhausted_failures="exhaustedFailures" in semantics,
        computed_attempts=semantics.get("attempts", "").startswith("all"),
        dead_letters=station["kind"] == "dlq" and semantics["arrivals"].startswith("given_up"),
        computed_station="served" not in semantics,
        authored_station="served" in semantics,
        sink=station["kind"] == "sink",
        initial_depth="initialCondition" in station,
        parallelism="parallelism" in semantics,
    )


def _of_constraints(draft: Draft) -> Iterator[str]:
    yield from (constraint["allocation"] for constraint in draft.constraints)
    for station in draft.stations:
        held = station.get("constraints", ())
        if held:
            yield "constraint"
        if len(held) > 1:
            yield "several constraints at a node"
        if held and station.get("constraintExcess") == "loss":
            yield "excess lost"
        if held and "served" in station["semantics"]:
            yield "authored and constrained"
