"""The published cases: series that an engine with this model format must give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowtime.engine import compile_model
from flowtime.errors import CompileError
from flowtime.model import load_model
from oracle import UnsupportedModel, evaluate_model, first_difference

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/conformance/cases is not here")

# What this version does not build yet: the case, and the word that names it in the refusal.
UNSUPPORTED = {
    "cascading_overflow_a_b_c": "wipLimit",
    "dispatch_gated_queue": "dispatchSchedule",
    "eval_model_with_params_wip_limit_override": "wipLimit",
    "overflow_routing_to_dlq": "wipLimit",
    "queue_wip_limit_with_loss": "wipLimit",
    "queue_with_time_varying_wip_limit": "wipLimit",
    "queue_with_wip_limit": "wipLimit",
    "queue_zero_wip_limit": "wipLimit",
    "retry_echo_from_topology": "retryEcho",
    "router_accumulate_same_target": "router",
    "router_default_weights": "router",
    "router_single_route_full_pass": "router",
    "router_weight_based": "router",
}
FOUND = sorted(path.parent.name for path in CASES.glob("*/model.yaml"))
SUPPORTED = [name for name in FOUND if name not in UNSUPPORTED]


def expected_series(name: str) -> dict[str, list[float]]:
    """The series that a case gives."""
    series: dict[str, list[float]] = json.loads((CASES / name / "expected.json").read_text("utf-8"))["series"]
    return series


def test_every_case_is_known() -> None:
    assert set(UNSUPPORTED) <= set(FOUND)


@pytest.mark.parametrize("name", SUPPORTED)
def test_engine_gives_the_case(name: str) -> None:
    result = compile_model(load_model(CASES / name / "model.yaml")).evaluate()
    assert first_difference(expected_series(name), result) is None


@pytest.mark.parametrize("name", SUPPORTED)
def test_oracle_gives_the_case(name: str) -> None:
    series = evaluate_model(load_model(CASES / name / "model.yaml"))
    assert first_difference(expected_series(name), series) is None


@pytest.mark.parametrize(("name", "feature"), [pytest.param(*row, id=row[0]) for row in UNSUPPORTED.items()])
def test_engine_refuses_by_name_what_it_can_not_do(name: str, feature: str) -> None:
    model = load_model(CASES / name / "model.yaml")
    with pytest.raises(CompileError, match=feature) as caught:
        compile_model(model)
    assert "compile.unsupported" in {fault.code for fault in caught.value.faults}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_oracle_refuses_what_it_can_not_do(name: str) -> None:
    model = load_model(CASES / name / "model.yaml")
    with pytest.raises(UnsupportedModel):
        evaluate_model(model)
