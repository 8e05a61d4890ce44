"""What the shipped templates tell: with their defaults, and when the parameter that matters is changed."""

from __future__ import annotations

import numpy as np
import pytest

from flowtime.engine import Result, compile_model
from flowtime.templates import template


def evaluated(name: str, **parameters: object) -> Result:
    """Render a template and evaluate it."""
    return compile_model(template(name).render(parameters).model).evaluate()


def worst_wait(result: Result, node: str) -> float:
    """Return the longest wait in a node's queue in minutes."""
    return float(np.nanmax(result.metrics[node]["latencyMinutes"]))


@pytest.mark.parametrize(
    ("name", "queue", "before", "peak", "drained"),
    [
        pytest.param("web-frontend", "backend_queue", 200, 265, 326, id="evening burst"),
        pytest.param("order-system", "payment_service_queue", 119, 143, 216, id="sale"),
        pytest.param("http-service", "http_service_queue", 39, 47, 66, id="deployment"),
        pytest.param("microservices", "payment_queue", 59, 65, 73, id="incident"),
        pytest.param("microservices", "inventory_queue", 65, 72, 96, id="behind the incident"),
    ],
)
def test_queue_grows_and_drains(name: str, queue: str, before: int, peak: int, drained: int) -> None:
    depth = evaluated(name)[queue]
    assert int(np.argmax(depth)) == peak
    assert depth[before] < 0.05 * depth[peak]
    assert depth[drained] == 0.0


@pytest.mark.parametrize("name", ["web-frontend", "order-system", "http-service", "microservices"])
def test_defaults_raise_no_warning(name: str) -> None:
    assert evaluated(name).warnings == ()


@pytest.mark.parametrize(
    ("workers", "minutes"),
    [
        pytest.param(4, 80.853, id="default"),
        pytest.param(6, 20.145, id="not quite"),
        pytest.param(7, 13.746, id="within the SLA of 15 minutes"),
    ],
)
def test_how_many_backend_workers(workers: int, minutes: float) -> None:
    result = evaluated("web-frontend", backendWorkers=workers)
    assert worst_wait(result, "Backend") == pytest.approx(minutes, abs=1e-3)


def test_requests_are_turned_away_in_one_bin_only() -> None:
    assert np.flatnonzero(evaluated("web-frontend")["web_tier_overflow"]).tolist() == [234]


def test_one_more_payment_worker_moves_the_bottleneck() -> None:
    few, more = evaluated("order-system"), evaluated("order-system", paymentWorkers=6)
    assert worst_wait(few, "PaymentService") > worst_wait(few, "Fulfillment")
    assert worst_wait(more, "PaymentService") < worst_wait(more, "Fulfillment")


def test_deployment_at_night_hurts_less() -> None:
    noon, night = evaluated("http-service"), evaluated("http-service", deployStartBin=0)
    assert worst_wait(night, "HttpService") < 0.5 * worst_wait(noon, "HttpService")


def test_deployment_may_take_every_server_away() -> None:
    result = evaluated("http-service", servers=2, serversAway=2, deployStartBin=4, deployBins=2)
    assert result["http_service_served"][4:6].tolist() == [0.0, 0.0]
    assert np.isnan(result.metrics["HttpService"]["queueTimeMs"][4:6]).all()


def test_service_time_follows_the_incident() -> None:
    times = evaluated("microservices").metrics["Payment"]["serviceTimeMs"]
    assert (times[59], times[60], times[66]) == (5000.0, 20000.0, 5000.0)
