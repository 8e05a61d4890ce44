"""Laws that the oracle itself must keep, else it proves nothing of the engine."""

from __future__ import annotations

from hypothesis import given, note
from hypothesis import strategies as st

from flowtime.model import parse_model
from oracle import evaluate_model, first_difference
from oracle_laws import as_bytes, violations
from strategies import Draft, drafts, flow_drafts, models, physical_drafts


def run(draft: Draft) -> dict[str, list[float]]:
    """The oracle's series of a draft, whose file a failure shows."""
    note(draft.text())
    return evaluate_model(parse_model(draft.text()))


@given(models())
def test_every_model_is_valid_and_has_all_bins(text: str) -> None:
    note(text)
    model = parse_model(text)
    assert {len(values) for values in evaluate_model(model).values()} == {model.spec.grid.bins}


@given(drafts(), st.data())
def test_a_longer_horizon_keeps_its_prefix(draft: Draft, data: st.DataObject) -> None:
    bins = data.draw(st.integers(1, draft.bins))
    assert as_bytes(run(draft), bins) == as_bytes(run(draft.until(bins)))


@given(drafts())
def test_the_order_of_the_file_does_not_matter(draft: Draft) -> None:
    assert as_bytes(run(draft)) == as_bytes(run(draft.reversed()))


@given(physical_drafts())
def test_flow_is_conserved(draft: Draft) -> None:
    assert violations(parse_model(draft.text()), run(draft)) == []


@given(flow_drafts(), st.sampled_from((2.0, 1024.0)))
def test_flow_scales(draft: Draft, factor: float) -> None:
    expected = {name: [value * factor for value in values] for name, values in run(draft).items()}
    assert first_difference(expected, run(draft.scaled(factor))) is None
