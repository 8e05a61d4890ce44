"""Laws of the engine on random models: it is the oracle, conserves flow, keeps prefixes and repeats itself."""

from __future__ import annotations

from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from flowtime.engine import compile_model
from flowtime.engine.result import Result
from flowtime.model import parse_model
from oracle import evaluate_model, first_difference
from oracle_laws import as_bytes, violations
from oracle_metrics import evaluate_metrics
from strategies import Draft, drafts, flow_drafts, physical_drafts


def run(draft: Draft, **options: Any) -> Result:
    """The engine's result for a draft, whose file a failure shows."""
    note(draft.text())
    return compile_model(parse_model(draft.text())).evaluate(**options)


@given(drafts())
def test_engine_is_the_oracle(draft: Draft) -> None:
    assert first_difference(evaluate_model(parse_model(draft.text())), run(draft)) is None


@given(flow_drafts())
def test_engine_is_the_oracle_on_flows(draft: Draft) -> None:
    assert first_difference(evaluate_model(parse_model(draft.text())), run(draft)) is None


@given(drafts())
def test_metrics_are_those_of_the_oracle(draft: Draft) -> None:
    model = parse_model(draft.text())
    expected = evaluate_metrics(model, evaluate_model(model))
    metrics = run(draft).metrics
    apart = {node: first_difference(values, metrics[node], atol=1e-9) for node, values in expected.items() if values}
    assert set(apart.values()) <= {None}, apart


@given(drafts(), st.data())
def test_a_longer_horizon_keeps_its_prefix(draft: Draft, data: st.DataObject) -> None:
    bins = data.draw(st.integers(1, draft.bins))
    assert as_bytes(run(draft), bins) == as_bytes(run(draft.until(bins)))


@given(drafts())
def test_the_order_of_the_file_does_not_matter(draft: Draft) -> None:
    assert as_bytes(run(draft)) == as_bytes(run(draft.reversed()))


@given(drafts())
def test_two_evaluations_give_the_same_bytes(draft: Draft) -> None:
    compiled = compile_model(parse_model(draft.text()))
    first = as_bytes(compiled.evaluate())
    assert as_bytes(compiled.evaluate()) == first


@given(drafts())
def test_an_evaluation_leaves_earlier_results_alone(draft: Draft) -> None:
    compiled = compile_model(parse_model(draft.text()))
    result = compiled.evaluate()
    before = as_bytes(result)
    compiled.evaluate({"c0": 3.0})
    assert as_bytes(result) == before


@given(drafts(), st.sampled_from((1, 7, 16)))
def test_the_size_of_blocks_does_not_matter(draft: Draft, block_bins: int) -> None:
    assert as_bytes(run(draft, block_bins=block_bins)) == as_bytes(run(draft))


@given(drafts(), st.floats(0.0, 100.0))
def test_an_override_is_a_changed_input(draft: Draft, value: float) -> None:
    assert as_bytes(run(draft, overrides={"c0": value})) == as_bytes(run(draft.with_values("c0", value)))


@given(physical_drafts())
def test_flow_is_conserved(draft: Draft) -> None:
    assert violations(parse_model(draft.text()), run(draft)) == []


@given(flow_drafts(), st.sampled_from((2.0, 1024.0)))
def test_flow_scales(draft: Draft, factor: float) -> None:
    expected = {name: values * factor for name, values in run(draft).items()}
    assert first_difference(expected, run(draft.scaled(factor))) is None
