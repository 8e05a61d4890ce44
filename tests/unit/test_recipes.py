"""The recipes of the modeling guide: each file gives the numbers that arithmetic by hand gives."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from flowtime.engine import compile_model
from flowtime.engine.result import Result
from flowtime.model import load_model
from flowtime.model.spec import FloatArray

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECIPES = DOCS / "examples" / "recipes"
PAGE = (DOCS / "guides" / "recipes.md").read_text(encoding="utf-8")

# By recipe and series, worked out by hand from the text of the recipe.
EXPECTED: dict[str, dict[str, list[float]]] = {
    "const": {"orders": [12, 30, 18, 6], "per_packer": [8, 8, 8, 8]},
    "pmf": {"pages_each": [6, 6, 6], "pages": [60, 240, 120]},
    "expr": {
        "tokens": [40_000, 72_000, 96_000, 50_000],
        "usual": [80, 100, 130, 115],
        "rise": [80, 40, 40, -60],
    },
    "queue": {
        "desk_served": [6, 6, 6, 6, 6, 6],
        "desk_loss": [1, 2, 0, 0, 1, 0],
        "desk_queue": [3, 15, 9, 3, 6, 0],
    },
    "authored": {"counted": [6, 9, 8, 5], "desk_queue": [4, 15, 7, 2]},
    "service": {
        "lines_served": [10, 24, 24, 5],
        "lines_overflow": [0, 16, 1, 0],
        "done_served": [10, 24, 24, 5],
    },
    "initial": {"dock_queue": [30, 20, 10, 0], "before": [40, 30, 20, 10]},
    "router_weights": {"hits": [75, 150], "misses": [25, 50], "database_queue": [0, 10]},
    "router_classes": {
        "desk": [10, 20],
        "web": [60, 120],
        "phone": [30, 60],
        "web@silver": [20, 40],
        "web@bronze": [40, 80],
    },
    "router_chained": {"letters": [60, 80], "parcels": [30, 40], "small": [24, 32], "large": [6, 8]},
    "classes": {
        "team_queue": [8, 16, 8],
        "team_queue@gold": [6, 4, 2],
        "team_queue@silver": [2, 12, 6],
        "team_served@gold": [6, 2, 2],
        "team_served@silver": [2, 6, 6],
    },
    "traffic": {
        "visits": [8, 8, 8],
        "visits@gold": [2, 2, 2],
        "gate_queue": [2, 4, 6],
        "gate_queue@gold": [0.5, 1, 1.5],
    },
    "poisson": {"jobs": [9] * 12, "workers_queue": [0] * 12},
    "constraint": {
        "shop_served": [48, 32],
        "search_served": [24, 26],
        "report_served": [8, 22],
        "shop_shortfall": [12, 0],
        "shop_queue": [12, 0],
        "database_demand": [100, 80],
        "database_granted": [80, 80],
        "database_status": [1, 0],
    },
    "constraint_priority": {"shop_served": [60, 20], "search_served": [20, 30], "report_served": [0, 30]},
    "constraint_max_min": {"shop_served": [40, 40], "search_served": [30, 20], "report_served": [10, 20]},
    # 80 reads for 75 + 25: 60 and 20; the shop's 15 are asked for again, the report's 5 are not.
    "constraint_loss": {
        "shop_queue": [15, 0],
        "report_shortfall": [5, 0],
        "report_loss": [5, 0],
        "report_queue": [0, 0],
    },
    "wip_limit": {
        "practice_served": [8, 8, 8, 8],
        "practice_queue": [2, 20, 20, 12],
        "practice_overflow": [0, 4, 12, 0],
    },
    "wip_overflow": {
        "practice_overflow": [0, 4, 12, 0],
        "clinic_inflow": [2, 6, 14, 2],
        "clinic_served": [2, 6, 7, 7],
        "clinic_queue": [0, 0, 7, 2],
    },
    "dispatch": {"stop_served": [0, 20, 0, 0, 25, 0], "stop_queue": [10, 0, 10, 20, 5, 15]},
    "dispatch_accumulate": {
        "packed": [10] * 6,
        "ramp_gated_outflow": [0, 0, 30, 0, 0, 30],
        "ramp_queue": [10, 20, 0, 10, 20, 0],
    },
    "retry_echo": {
        "tries": [100, 10, 6, 1.1],
        "failed": [20, 2, 1.2, 0.22],
        "retries": [0, 10, 6, 1.1],
        "given_up": [5, 0.5, 0.3, 0.055],
    },
    # The second try: 0 10 5, of which 0 2 1 fail; the third: 0 0 1 1 .25.
    "retry_attempts": {
        "tries": [100, 10, 6, 1, 0.25],
        "failed": [20, 2, 1.2, 0.2, 0.05],
        "retries": [0, 10, 6, 1, 0.25],
        "given_up": [5, 0.5, 0.45, 0.2, 0.05],
        "dlq_queue": [5, 5.5, 5.95, 6.15, 6.2],
    },
    # 10, 5.6 and 0.86 would come back.
    "retry_budget": {
        "retries": [0, 6, 5.6, 0.86],
        "left_over": [6, 0, 0.4, 5.14],
        "given_up": [5, 4.3, 0.28, 0.043],
    },
    # The table of eight to eleven o'clock, over the mean of its day: 15.47 / 24.
    "profile": {"calls": [100 * weight / (15.47 / 24) for weight in (0.95, 1.15, 1.25, 1.3)]},
    "profile_inline": {"calls": [20, 40, 60, 40]},
    "profile_days": {"orders": [100, 50, 20, 100]},
    "edges": {
        "edge_found_flowVolume": [60, 90, 30],
        "edge_mailed_flowVolume": [0, 20, 30],
        "edge_asked_attemptsVolume": [120, 180, 60],
    },
}
CASES = [
    pytest.param(recipe, name, values, id=f"{recipe}-{name}")
    for recipe, series in EXPECTED.items()
    for name, values in series.items()
]


def evaluate(recipe: str, seed: int | None = None) -> Result:
    """Evaluate a recipe."""
    return compile_model(load_model(RECIPES / f"{recipe}.yaml"), seed=seed).evaluate()


def found(recipe: str, name: str) -> FloatArray:
    """Return a series of a recipe, or a volume of one of its edges."""
    result = evaluate(recipe)
    return result[name] if name in result else result.metric(name)


@pytest.mark.parametrize(("recipe", "name", "values"), CASES)
def test_recipe_gives_the_numbers(recipe: str, name: str, values: list[float]) -> None:
    np.testing.assert_allclose(found(recipe, name), values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_recipe_has_numbers_and_shows_those(recipe: str) -> None:
    shown = re.findall(rf"<!-- begin: series recipes/{recipe}\.yaml ([^=]*?) -->", PAGE)
    assert [name for names in shown for name in names.split()] == list(EXPECTED[recipe])


@pytest.mark.parametrize("recipe", list(EXPECTED))
def test_recipe_raises_no_warning(recipe: str) -> None:
    assert [warning.message for warning in evaluate(recipe).warnings if warning.severity != "info"] == []


def test_drawn_arrivals_are_the_same_for_one_seed_and_others_for_another() -> None:
    drawn = evaluate("poisson", seed=7)["jobs"]
    np.testing.assert_array_equal(drawn, evaluate("poisson", seed=7)["jobs"])
    assert drawn.tolist() == np.floor(drawn).tolist()
    assert drawn.tolist() != evaluate("poisson", seed=8)["jobs"].tolist()


def test_quality_of_the_edges_is_as_the_page_says() -> None:
    edges = evaluate("edges").edges
    assert {edge: edges.quality(edge) for edge in edges} == dict.fromkeys(edges, "exact")
    assert edges["mailed"]["flowVolume"].tolist() == [0.0, 20.0, 30.0]


def test_wait_of_the_queue_recipe_is_as_the_page_says() -> None:
    assert evaluate("queue").metrics["Desk"]["latencyMinutes"][1] == pytest.approx(150.0)
    assert "150 minutes" in PAGE


def test_all_tries_of_the_page_come_to_an_end() -> None:
    result = evaluate("retry_attempts")
    succeeded = result["api_served"].sum() - result["failed"].sum()
    assert succeeded == pytest.approx(93.8)
    assert succeeded + result["dlq_queue"][-1] == pytest.approx(100.0)
