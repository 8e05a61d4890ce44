"""Laws of the catalogue: rendering is deterministic, reads back, and what flows in is accounted for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtime.engine import compile_model
from flowtime.errors import TemplateError
from flowtime.model import canonical_bytes, parse_model
from flowtime.templates import Parameter, parse_template, template
from flowtime.templates.placeholders import number_text, split_placeholders
from templatefakes import template_text

# id -> what comes in, what has left, what waits: series whose sums must balance.
FLOWS = {
    "web-frontend": ("requests", ("answered_served", "web_errors", "web_tier_overflow"), ("backend_queue",)),
    "order-system": (
        "orders",
        ("shipped_served", "declined_served"),
        ("order_service_queue", "payment_service_queue", "fulfillment_queue"),
    ),
    "http-service": ("requests", ("clients_served", "refused_served"), ("http_service_queue",)),
    "microservices": (
        "requests",
        ("gateway_overflow", "cache_served", "delivered_served", "rejected_served", "declined_served"),
        ("auth_queue", "orders_queue", "payment_queue", "inventory_queue", "shipping_queue"),
    ),
}
MOST_BINS = 400


def values_of(parameter: Parameter) -> st.SearchStrategy[float]:
    """Values within the bounds of a numeric parameter; horizons are kept short."""
    low, high = parameter.low, parameter.high
    if parameter.type == "number":
        return st.floats(low, high)
    return st.integers(int(low or 0), min(int(high or 0), MOST_BINS if parameter.unit == "bins" else int(high or 0)))


def given_values(name: str) -> st.SearchStrategy[dict[str, float]]:
    """Any of a template's parameters, within their bounds."""
    return st.fixed_dictionaries({}, optional={item.name: values_of(item) for item in template(name).parameters})


def imbalance(name: str, series: Mapping[str, np.ndarray], backlog: float) -> float:
    """Return what came in less what left and what waits, in every bin; the largest, relative to the flow."""
    source, left, waiting = FLOWS[name]
    came = np.cumsum(series[source]) + backlog
    went = np.cumsum(sum(series[item] for item in left))
    waits = sum(series[item] for item in waiting)
    return float(np.max(np.abs(came - went - waits) / (1.0 + came)))


@pytest.mark.parametrize("name", FLOWS)
@settings(max_examples=15)
@given(data=st.data())
def test_rendering_is_deterministic_and_reads_back(name: str, data: st.DataObject) -> None:
    values = data.draw(given_values(name))
    rendered = template(name).render(values)
    assert template(name).render(dict(reversed(values.items()))).yaml() == rendered.yaml()
    again = parse_model(rendered.yaml())
    assert canonical_bytes(again) == canonical_bytes(rendered.model)


@pytest.mark.parametrize("name", FLOWS)
@settings(max_examples=15)
@given(data=st.data())
def test_flow_is_conserved_whatever_the_parameters(name: str, data: st.DataObject) -> None:
    values = data.draw(given_values(name))
    result = compile_model(template(name).render(values).model).evaluate()
    assert imbalance(name, result, values.get("initialBacklog", 0.0)) < 1e-9


@pytest.mark.parametrize("name", FLOWS)
@settings(max_examples=15)
@given(data=st.data())
def test_no_parameters_make_the_engine_warn(name: str, data: st.DataObject) -> None:
    result = compile_model(template(name).render(data.draw(given_values(name))).model).evaluate()
    assert [warning for warning in result.warnings if warning.severity != "info"] == []


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60))
def test_number_text_is_exact(value: float) -> None:
    assert float(number_text(value)) == float(value)


@given(st.text(alphabet="${}ab \n", max_size=30))
def test_pieces_cover_the_text(text: str) -> None:
    pieces = split_placeholders(text)
    assert [piece.at for piece in pieces] == sorted({piece.at for piece in pieces})
    assert "".join(piece.text for piece in pieces) == text.replace("$${", "${")


@given(st.text(max_size=40))
def test_any_text_survives_as_a_string(text: str) -> None:
    body = "grid: {bins: 1, binSize: 5, binUnit: minutes}\nnodes:\n"
    node = '  - {id: a, kind: const, values: 1, metadata: {note: "${x}"}}\n'
    rendered = parse_template(template_text("  - {name: x, type: string}\n", body + node)).render({"x": text})
    assert rendered.model.spec.nodes[0].metadata == {"note": text}


@given(
    st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=4), max_size=4)
)
def test_unfit_parameters_are_refused_as_such(values: dict[str, object]) -> None:
    small = parse_template(template_text("  - {name: x, type: array, arrayOf: int}\n"))
    with pytest.raises(TemplateError):
        small.render(values)
