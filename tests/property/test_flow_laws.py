"""Laws of flow on random models of every kind mixed: classes, routers, constraints, limits, gates and retries too."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from flowtime.engine import compile_model
from flowtime.engine.result import Result
from flowtime.model import parse_model
from oracle import evaluate_model, first_difference
from oracle_laws import as_bytes, edge_violations, violations
from strategies_draft import Draft
from strategies_mixed import mixed_drafts

PHYSICAL = mixed_drafts(is_physical=True)


def run(draft: Draft, **options: Any) -> Result:
    """The engine's result for a draft, whose file a failure shows."""
    note(draft.text())
    return compile_model(parse_model(draft.text())).evaluate(**options)


def is_factor(draft: Draft, name: str) -> bool:
    """Whether a series is no amount of work."""
    return name in draft.factors or name.endswith("_status")


@settings(max_examples=200)
@given(PHYSICAL)
def test_flow_is_conserved(draft: Draft) -> None:
    assert violations(parse_model(draft.text()), run(draft)) == []


@settings(max_examples=30)
@given(PHYSICAL)
def test_flow_of_the_oracle_is_conserved(draft: Draft) -> None:
    model = parse_model(draft.text())
    assert violations(model, evaluate_model(model)) == []


@given(PHYSICAL)
def test_edges_agree_with_their_ends(draft: Draft) -> None:
    assert edge_violations(parse_model(draft.text()), run(draft)) == []


@given(PHYSICAL, st.sampled_from((0.5, 1024.0)))
def test_flow_scales(draft: Draft, factor: float) -> None:
    before, after = run(draft), run(draft.scaled(factor))
    expected = {name: values * (1.0 if is_factor(draft, name) else factor) for name, values in before.items()}
    assert first_difference(expected, after, rtol=1e-9, atol=1e-9) is None


@given(PHYSICAL, st.data())
def test_a_longer_horizon_keeps_its_prefix(draft: Draft, data: st.DataObject) -> None:
    bins = data.draw(st.integers(1, draft.bins))
    assert as_bytes(run(draft), bins) == as_bytes(run(draft.until(bins)))


@given(mixed_drafts(), st.sampled_from((1, 7, 16)))
def test_two_runs_give_the_same_bytes_in_blocks_of_any_size(draft: Draft, block_bins: int) -> None:
    assert as_bytes(run(draft, block_bins=block_bins)) == as_bytes(run(draft))


@given(mixed_drafts(), st.floats(0.0, 100.0))
def test_an_override_is_a_changed_input(draft: Draft, value: float) -> None:
    inputs = [node["id"] for node in draft.nodes if node["kind"] == "const" and node["id"] not in draft.factors]
    assume("c1" in inputs)
    assert as_bytes(run(draft, overrides={"c1": value})) == as_bytes(run(draft.with_values("c1", value)))


@settings(max_examples=40)
@given(PHYSICAL)
def test_an_amount_in_one_class_alone_is_the_amount(draft: Draft) -> None:
    """One class instead of several changes no total; where routes go by class it may."""
    assume(draft.classes and not any("classes" in route for node in draft.nodes for route in node.get("routes", ())))
    assume("@" not in draft.text())
    first = draft.classes[0]
    result = run(draft)
    traffic = tuple({**arrival, "classId": first} for arrival in draft.traffic)
    alone = run(Draft(**{**vars(draft), "classes": (first,), "traffic": traffic}))
    totals = {name: values for name, values in result.items() if "@" not in name}
    assert first_difference(totals, alone, rtol=1e-9, atol=1e-9) is None
