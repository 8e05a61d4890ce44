"""What a random station has beside its bindings: a gate, a limit, somewhere for its overflow to go, and edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle_names import BUFFER_KINDS
from strategies_maker import Maker

__all__ = ["draw_controls", "draw_edges", "link_overflow"]


def draw_controls(maker: Maker, station: dict[str, Any], schedule: Callable[[Maker], dict[str, Any]]) -> None:
    """Give a station a gate and a limit, or none."""
    if maker.chance(0.25):
        station["dispatchSchedule"] = schedule(maker)
    if station["kind"] not in BUFFER_KINDS or not maker.chance(0.4):
        return
    if maker.chance(0.7):
        station["wipLimit"] = maker.amount(50.0)
    if "wipLimit" not in station or maker.chance(0.2):
        station["wipLimitSeries"] = maker.const(f"limit{maker.number()}", maker.values(50.0))


def _overflows(station: dict[str, Any]) -> bool:
    is_limited = "wipLimit" in station or "wipLimitSeries" in station
    return is_limited or (station["kind"] == "service" and "served" not in station["semantics"])


def link_overflow(maker: Maker) -> None:
    """Send overflow to later stations, so that it never goes round in a circle."""
    for place, station in enumerate(maker.stations):
        if not _overflows(station):
            continue
        own = maker.groups.get(station["id"])
        later = [
            other["id"]
            for other in maker.stations[place + 1 :]
            # A declared queue has an inflow of its own; members of a group do not feed each other.
            if maker.groups.get(other["id"]) != -1 and (own is None or maker.groups.get(other["id"]) != own)
        ]
        if later and maker.chance(0.6):
            station["wipOverflow"] = maker.random.choice(later)
        elif maker.chance(0.2):
            station["wipOverflow"] = "loss"


def draw_edges(maker: Maker) -> list[dict[str, Any]]:
    """Edges between stations, each from one that was drawn before the other."""
    edges: list[dict[str, Any]] = []
    for place, station in enumerate(maker.stations):
        for other in maker.stations[place + 1 :]:
            if maker.chance(0.3):
                edge: dict[str, Any] = {"id": f"edge{len(edges)}", "from": station["id"], "to": other["id"]}
                if maker.chance(0.4):
                    edge["weight"] = round(maker.random.uniform(0.2, 3.0), 2)
                if maker.chance(0.15):
                    edge["lag"] = maker.random.randint(1, 4)
                if maker.chance(0.15):
                    edge["multiplier"] = round(maker.random.uniform(0.2, 2.0), 2)
                if "errors" in station["semantics"] and maker.chance(0.3):
                    edge |= {"type": "terminal", "measure": "errors"}
                elif maker.chance(0.2):
                    edge |= {"type": "effort", "measure": "load", "multiplier": 0.5}
                edges.append(edge)
    return edges
