"""The comparison with a discrete-event simulation: what is stored is what a reduced form finds again."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
pytest.importorskip("simpy", reason="needs SimPy, of the dev extra")


def load_comparison() -> ModuleType:
    """Import ``docs/discrete_event.py``, which is a script and no part of the package."""
    spec = importlib.util.spec_from_file_location("docs_discrete_event", DOCS / "discrete_event.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_discrete_event"] = module
    spec.loader.exec_module(module)
    return module


comparison = load_comparison()
STORED: dict[str, Any] = json.loads((DOCS / "data" / "discrete_event.json").read_text(encoding="utf-8"))
LOADS = ("0.5", "0.8", "0.95")
# With a hundred figures some miss a 95 % interval by a little.
SLACK = 1.5
# What has no interval was computed from one drawn replication.
SHARE = 0.1


@pytest.fixture(scope="module")
def reduced() -> dict[str, Any]:
    """The figures of the reduced form, rounded as the stored ones are."""
    figures: dict[str, Any] = comparison.rounded(comparison.compare(comparison.REDUCED))
    return figures


def figures(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every figure by its path: a number, or a mean with the half width of its interval."""
    if isinstance(value, (int, float)) or "mean" in value:
        yield place, value
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from figures(item, f"{place}.{name}")


def apart(value: Any, other: Any) -> float:
    """Return the distance of two figures in units of what they may differ by: both intervals, else a share."""
    if isinstance(value, dict):
        return abs(value["mean"] - other["mean"]) / max(value["half"] + other["half"], 1e-3) / SLACK
    return abs(value - other) / max(SHARE * abs(other), 1e-12)


def too_far(here: Any, there: Any) -> dict[str, float]:
    """Return by path the figures that are further apart than they may be, and how far."""
    stored = dict(figures(there))
    distances = {place: apart(value, stored[place]) for place, value in figures(here)}
    return {place: distance for place, distance in distances.items() if distance > 1.0}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("part", ["theory", "simpy", "fluid", "sampled", "counted"])
def test_reduced_form_agrees_under_a_steady_load(load: str, part: str, reduced: dict[str, Any]) -> None:
    assert too_far(reduced["steady"][load][part], STORED["steady"][load][part]) == {}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("seconds", ["60", "300"])
@pytest.mark.parametrize("services", ["alike", "random"])
def test_reduced_form_agrees_on_kingman(load: str, seconds: str, services: str, reduced: dict[str, Any]) -> None:
    there = STORED["steady"][load]["kingman"]
    assert too_far(reduced["steady"][load]["kingman"][services][seconds], there[services][seconds]) == {}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize(("services", "share"), [("alike", 0.5), ("random", 1.0)])
def test_kingman_is_near_theory_for_bins_of_any_length(load: str, services: str, share: float) -> None:
    case = STORED["steady"][load]
    assert list(case["kingman"][services].values()) == pytest.approx([share * case["theory"]["wait"]] * 4, rel=0.1)


@pytest.mark.parametrize("part", ["times", "simpy", "fluid", "sampled", "throughput"])
def test_reduced_form_agrees_in_overload(part: str, reduced: dict[str, Any]) -> None:
    assert too_far(reduced["overload"][part], STORED["overload"][part]) == {}


@pytest.mark.parametrize("speed", ["1", "10"])
@pytest.mark.parametrize("part", ["most", "gone"])
@pytest.mark.parametrize("source", ["simpy", "fluid"])
def test_reduced_form_agrees_on_the_rush(speed: str, part: str, source: str, reduced: dict[str, Any]) -> None:
    assert too_far(reduced["rush"][speed][part][source], STORED["rush"][speed][part][source]) == {}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("station", [0, 1, 2])
def test_simulation_agrees_with_theory(load: str, station: int) -> None:
    case = STORED["steady"][load]
    assert too_far(case["simpy"]["number"][station], {"mean": case["theory"]["number"], "half": 0.0}) == {}


@pytest.mark.parametrize("load", LOADS)
def test_longer_bins_hold_a_smaller_queue(load: str) -> None:
    numbers = [case["number"][0]["mean"] for case in STORED["steady"][load]["sampled"].values()]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] <= STORED["steady"][load]["theory"]["number"]


def test_fluid_grows_by_what_is_too_much_and_misses_a_constant() -> None:
    fluid = STORED["overload"]["fluid"][0]
    missed = [case["mean"] - level for case, level in zip(STORED["overload"]["simpy"][0], fluid, strict=True)]
    assert fluid == pytest.approx([12.0 * hour for hour in range(1, 9)])
    assert missed == pytest.approx([5.0] * 8, abs=1.5)
