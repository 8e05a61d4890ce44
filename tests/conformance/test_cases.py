"""The published cases and templates: series that an engine with this model format must give."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from flowtime.engine import compile_model
from flowtime.model import Model, load_model
from flowtime.templates import load_template
from oracle import evaluate_model, first_difference

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "conformance"
CASES = sorted(path.parent.name for path in FOLDER.glob("cases/*/model.yaml"))
TEMPLATES = sorted(path.stem for path in FOLDER.glob("templates/*.yaml"))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/conformance is not here")

# The published engine reads what a router splits before it is computed, and so sends nothing: every target, and every
# queue that a target fills, is 0.  Ours are the parts of what is split (docs/reference/differences.md).
ROUTED_LATE = {
    "restock_inflow": ("returns_processed", 0.5),
    "recover_inflow": ("returns_processed", 0.3),
    "scrap_inflow": ("returns_processed", 0.2),
}
FILLED_LATE = {
    "restock_queue_queue": "restock_inflow",
    "recover_queue_queue": "recover_inflow",
    "disposal_queue_queue": "scrap_inflow",
}
DIFFERENT = {"supply-chain-multi-tier-classes": {*ROUTED_LATE, *FILLED_LATE}}


def published(path: Path) -> dict[str, list[float]]:
    """The series that a case or a template gives."""
    series: dict[str, list[float]] = json.loads(path.read_text("utf-8"))["series"]
    return series


def case(name: str) -> tuple[Model, dict[str, list[float]]]:
    """The model of a case and its series."""
    return load_model(FOLDER / "cases" / name / "model.yaml"), published(FOLDER / "cases" / name / "expected.json")


def rendered(name: str) -> tuple[Model, dict[str, list[float]]]:
    """The model of a template with its defaults, and those series that we mean to be the same."""
    series = published(FOLDER / "templates" / f"{name}.expected.json")
    same = {key: values for key, values in series.items() if key not in DIFFERENT.get(name, ())}
    return load_template(FOLDER / "templates" / f"{name}.yaml").render().model, same


def evaluated(model: Model) -> dict[str, list[float]]:
    """What the engine gives."""
    return {name: values.tolist() for name, values in compile_model(model).evaluate().items()}


def test_all_cases_and_templates_are_here() -> None:
    assert (len(CASES), len(TEMPLATES)) == (31, 5)


@pytest.mark.parametrize("name", CASES)
def test_engine_gives_the_case(name: str) -> None:
    model, expected = case(name)
    assert first_difference(expected, evaluated(model)) is None


@pytest.mark.parametrize("name", CASES)
def test_oracle_gives_the_case(name: str) -> None:
    model, expected = case(name)
    assert first_difference(expected, evaluate_model(model)) is None


@pytest.mark.parametrize("name", TEMPLATES)
def test_engine_gives_the_template(name: str) -> None:
    model, expected = rendered(name)
    assert first_difference(expected, evaluated(model), rtol=1e-9, atol=1e-9) is None


@pytest.mark.parametrize("name", TEMPLATES)
def test_oracle_gives_the_template(name: str) -> None:
    model, expected = rendered(name)
    assert first_difference(expected, evaluate_model(model), rtol=1e-9, atol=1e-9) is None


@pytest.mark.parametrize("name", TEMPLATES)
def test_oracle_and_engine_agree_on_all_of_the_template(name: str) -> None:
    model, _ = rendered(name)
    assert first_difference(evaluate_model(model), evaluated(model), rtol=1e-9, atol=1e-9) is None


# Where we differ on purpose


def running_sum(values: Iterable[float]) -> list[float]:
    """The depth of a queue that nothing leaves."""
    depths = [0.0]
    for value in values:
        depths.append(depths[-1] + value)
    return depths[1:]


@pytest.fixture(scope="module")
def routed() -> Mapping[str, list[float]]:
    """The series of the template whose router the published engine reads too early."""
    return evaluated(rendered("supply-chain-multi-tier-classes")[0])


@pytest.mark.parametrize("target", ROUTED_LATE)
def test_router_splits_what_is_computed(routed: Mapping[str, list[float]], target: str) -> None:
    source, share = ROUTED_LATE[target]
    assert routed[target] == pytest.approx([value * share for value in routed[source]])


@pytest.mark.parametrize("queue", FILLED_LATE)
def test_routed_work_fills_its_queue(routed: Mapping[str, list[float]], queue: str) -> None:
    assert routed[queue] == pytest.approx(running_sum(routed[FILLED_LATE[queue]]))


def test_published_router_sends_nothing() -> None:
    series = published(FOLDER / "templates" / "supply-chain-multi-tier-classes.expected.json")
    assert {value for name in (*ROUTED_LATE, *FILLED_LATE) for value in series[name]} == {0.0}
