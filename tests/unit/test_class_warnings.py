"""Warnings about classes: each with a result that raises it and one that does not.

The engine splits every series so that its classes are the whole, so most of these take a result that was
tampered with.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from enginemodels import station
from flowtime.engine import Result, RunWarning
from warningcases import TRAFFIC, Tampered, evaluated, found

STAGE = station("arrivals: a, capacity: c, errors: few", name="Q")
DECLARED = {"stock": "{kind: serviceWithBuffer, inflow: a, outflow: s, loss: few}", "s": "a * 0.5"}


def buffered() -> Result:
    """A queue that serves two classes."""
    return evaluated(STAGE, more=TRAFFIC)


def declared() -> Result:
    """A queue of ``nodes[]`` with two classes, bound by a station."""
    bound = station("arrivals: a, served: s, errors: few, queueDepth: stock", kind="queue")
    return evaluated(bound, more=TRAFFIC, **DECLARED)


def test_what_the_engine_splits_is_whole() -> None:
    codes = {warning.code for result in (buffered(), declared()) for warning in result.warnings}
    assert [code for code in sorted(codes) if "class" in code or "mismatch" in code] == []


MISSING = [
    pytest.param(buffered, "q_served", "class_series_missing_served", "Q", id="served"),
    pytest.param(buffered, "few", "class_series_missing_errors", "Q", id="errors"),
    pytest.param(declared, "s", "class_series_missing_outflow", "stock", id="outflow"),
    pytest.param(declared, "few", "class_series_missing_loss", "stock", id="loss"),
]


@pytest.mark.parametrize(("make", "name", "code", "node"), MISSING)
def test_series_without_classes(make: object, name: str, code: str, node: str) -> None:
    result = make()  # type: ignore[operator]
    warnings = found(Tampered(result, {}, [name]), code)
    assert [(w.node_id, w.severity) for w in warnings] == [(node, "info")]
    assert found(result, code) == []
    assert found(Tampered(result, {name: np.zeros(6)}, [name]), code) == []


PARTIAL = [
    pytest.param(buffered, "q_served@X", "class_series_partial_served", "Q", id="served"),
    pytest.param(buffered, "few@X", "class_series_partial_errors", "Q", id="errors"),
    pytest.param(declared, "s@X", "class_series_partial_outflow", "stock", id="outflow"),
    pytest.param(declared, "few@X", "class_series_partial_loss", "stock", id="loss"),
    pytest.param(buffered, "a@X", "class_totals_mismatch", "Q", id="arrivals"),
    pytest.param(buffered, "q_queue@X", "class_totals_mismatch", "Q", id="queue"),
]


@pytest.mark.parametrize(("make", "name", "code", "node"), PARTIAL)
def test_classes_that_are_not_the_whole(make: object, name: str, code: str, node: str) -> None:
    result = make()  # type: ignore[operator]
    more = result[name].copy()
    more[2:4] += 1.0
    warnings = found(Tampered(result, {name: more}), code)
    assert [(w.node_id, w.severity, w.bins, w.value) for w in warnings] == [
        (node, "warning", ((2, 3),), pytest.approx(1.0))
    ]
    assert found(result, code) == []


def test_work_of_no_class_is_a_hint_only() -> None:
    result = buffered()
    (warning,) = found(Tampered(result, {"a@X": result["a@X"] - 1.0}), "class_totals_mismatch")
    assert (warning.severity, warning.bin_count) == ("info", 6)


def balance(values: Mapping[str, np.ndarray]) -> list[RunWarning]:
    """What is wrong with the balance of each class in a queue that grows."""
    result = evaluated(station("arrivals: a, capacity: few"), more=TRAFFIC)
    return found(
        Tampered(result, {name: result[name] + change for name, change in values.items()}), "queue_depth_mismatch"
    )


def test_work_does_not_change_its_class_in_a_queue() -> None:
    assert balance({}) == []
    swap = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    warnings = balance({"q_queue@X": swap, "q_queue@Y": -swap})
    assert [(w.node_id, w.class_id, w.bins) for w in warnings] == [("Q", "X", ((2, 2),)), ("Q", "Y", ((2, 2),))]


ROUTES = [
    pytest.param("{target: t, classes: [X]}", "router_missing_class_route", [("split", "Y", 4.0)], id="no-route"),
    pytest.param(
        "{target: t, classes: [X]}, {target: u, weight: 1}", "router_missing_class_route", [], id="rest-by-weight"
    ),
    pytest.param(
        "{target: t, classes: [X]}, {target: u, classes: [Y]}", "router_missing_class_route", [], id="all-have-one"
    ),
    pytest.param("{target: t, weight: 1}", "router_missing_class_route", [], id="no-classes-asked-for"),
    pytest.param("{target: t, classes: [X]}, {target: u, classes: [Y]}", "router_class_leakage", [], id="sound"),
]


@pytest.mark.parametrize(("routes", "code", "expected"), ROUTES)
def test_routes_by_class(routes: str, code: str, expected: list[tuple[str, str, float]]) -> None:
    router = f"{{kind: router, inputs: {{queue: a}}, routes: [{routes}]}}"
    result = evaluated(station("arrivals: t, served: t", kind="service"), more=TRAFFIC, split=router)
    assert [(w.node_id, w.class_id, w.value) for w in found(result, code)] == expected


def test_a_class_where_no_route_sends_it() -> None:
    router = "{kind: router, inputs: {queue: a}, routes: [{target: t, classes: [X]}, {target: u, classes: [Y]}]}"
    result = evaluated(station("arrivals: t, served: t", kind="service"), more=TRAFFIC, split=router)
    warnings = found(Tampered(result, {"t@Y": np.full(6, 2.0)}), "router_class_leakage")
    assert [(w.node_id, w.class_id, w.value, w.severity) for w in warnings] == [("split", "Y", 2.0, "warning")]
