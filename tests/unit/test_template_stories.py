"""What the shipped templates tell: with their defaults, and when the parameter that matters is changed."""

from __future__ import annotations

import numpy as np
import pytest

from flowtime.engine import Result, compile_model
from flowtime.templates import Parameter, list_templates, template

SHIPPED = [info.id for info in list_templates()]


def bounded(name: str) -> list[dict[str, object]]:
    """Return the parameters that set one number of a template to its least or largest value, the rest by default."""
    return [{item.name: bound} for item in template(name).parameters for bound in bounds_of(item)]


def bounds_of(parameter: Parameter) -> list[float]:
    """Return the bounds of a parameter."""
    return [bound for bound in (parameter.low, parameter.high) if bound is not None]


def evaluated(name: str, **parameters: object) -> Result:
    """Render a template and evaluate it."""
    return compile_model(template(name).render(parameters).model).evaluate()


def graver_than_hints(result: Result) -> list[str]:
    """Return the codes of what is wrong with a result, hints aside."""
    return [warning.code for warning in result.warnings if warning.severity != "info"]


def last_bin(holds: np.ndarray) -> int:
    """Return the last bin in which something holds."""
    return int(np.flatnonzero(holds)[-1])


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


@pytest.mark.parametrize("name", SHIPPED)
def test_defaults_raise_no_warning(name: str) -> None:
    assert graver_than_hints(evaluated(name)) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_any_parameter_at_its_bounds_gives_numbers_without_a_warning(name: str) -> None:
    results = [evaluated(name, **parameters) for parameters in bounded(name)]
    assert all(np.isfinite(list(result.values())).all() for result in results)
    assert [code for result in results for code in graver_than_hints(result)] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_edge_that_carries_work_is_measured(name: str) -> None:
    flow = compile_model(template(name).render().model).flow
    moving = [edge for edge in flow.edges.edges.values() if edge.type in ("throughput", "terminal")]
    assert {edge.quality for edge in moving} <= {"exact", "approx"}


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


def test_llm_queue_starts_in_the_fourth_minute_and_drains() -> None:
    result = evaluated("llm-inference")
    began = result["queue_began_at_bin"]
    assert (began[5], began[6], began[49], began[100]) == (-1.0, 6.0, 28.0, -1.0)
    assert int(np.argmax(result["pool_queue"])) == 49
    assert worst_wait(result, "Pool") == pytest.approx(5.013, abs=1e-3)


def test_llm_queue_runs_away_with_one_gpu_less() -> None:
    result = evaluated("llm-inference", gpus=6)
    assert (result["queue_began_at_bin"][6:] == 6.0).all()
    assert worst_wait(result, "Pool") > 2 * worst_wait(evaluated("llm-inference"), "Pool")


@pytest.mark.parametrize(
    ("gpus", "minutes"), [pytest.param(13, 1.064, id="not quite"), pytest.param(14, 0.881, id="enough")]
)
def test_llm_takes_twice_the_pool_for_the_sla(gpus: int, minutes: float) -> None:
    assert worst_wait(evaluated("llm-inference", gpus=gpus), "Pool") == pytest.approx(minutes, abs=1e-3)


def test_llm_requests_are_conserved_as_their_tokens_are() -> None:
    result = evaluated("llm-inference")
    assert result["requests_served"].sum() + result["requests_queue"][-1] == pytest.approx(8819.0, rel=1e-12)
    assert result["pool_served"].sum() + result["pool_queue"][-1] == pytest.approx(18059974 + 10 * 245896, rel=1e-12)


def test_only_new_year_makes_riders_wait() -> None:
    waiting = np.flatnonzero(evaluated("taxi-dispatch")["taxi_stand_queue"])
    assert (waiting[0], waiting[-1]) == (145, 155)


@pytest.mark.parametrize(
    ("parameters", "riders"),
    [
        pytest.param({}, 37528.5, id="usual shift"),
        pytest.param({"extraTaxis": 3500}, 177.1, id="extra taxis for seven hours"),
        pytest.param({"taxis": 13000}, 9245.0, id="as many more all week"),
    ],
)
def test_how_many_riders_give_up(parameters: dict[str, object], riders: float) -> None:
    assert evaluated("taxi-dispatch", **parameters)["taxi_stand_loss"].sum() == pytest.approx(riders, abs=0.1)


@pytest.mark.parametrize(
    ("bins", "orders", "late"),
    [
        pytest.param(1, 444.6, 0.0, id="no waves"),
        pytest.param(8, 757.8, 88.4, id="every two hours"),
        pytest.param(16, 1541.1, 1763.1, id="every four hours"),
    ],
)
def test_waves_keep_orders_open(bins: int, orders: float, late: float) -> None:
    result = evaluated("warehouse-waves", waveBins=bins)
    assert result["open_orders"].mean() == pytest.approx(orders, abs=0.1)
    assert result["open_orders"][92] == pytest.approx(late, abs=0.1)


def test_waves_leave_together() -> None:
    result = evaluated("warehouse-waves")
    released = np.flatnonzero(result["order_pool_gated_outflow"])
    loaded = np.flatnonzero(result["dock_served"])
    assert released.tolist() == list(range(0, 96, 8))
    assert loaded.tolist() == [12, 28, 44, 60, 76, 92]


@pytest.mark.parametrize(
    ("racks", "parts"), [pytest.param(60, 28.0, id="default"), pytest.param(88, 0.0, id="large enough")]
)
def test_parts_in_the_yard(racks: float, parts: float) -> None:
    result = evaluated("manufacturing-line", rackParts=racks)
    assert result["yard_queue"].max() == parts
    assert last_bin(result["parts_in_progress"] > 2.0) == 77


def test_trouble_of_welding_ends_in_the_yard_after_the_repair() -> None:
    result = evaluated("manufacturing-line")
    assert int(np.argmax(result["welding_queue"])) == 44
    assert np.flatnonzero(result["paint_overflow"])[0] == 52


@pytest.mark.parametrize(
    ("parameters", "last"),
    [
        pytest.param({}, 56, id="storm after the incident"),
        pytest.param({"retryBudget": 120}, 40, id="budget ends it"),
        pytest.param({"rejectionCost": 0.3}, 179, id="turning away is twice as costly, and it never ends"),
        pytest.param({"maxAttempts": 1}, 39, id="nobody retries"),
    ],
)
def test_retry_storm(parameters: dict[str, object], last: int) -> None:
    overloaded = evaluated("incident-retry", **parameters)["overloaded"]
    assert np.flatnonzero(overloaded)[0] == 30
    assert last_bin(overloaded > 0.0) == last


def test_retry_budget_saves_requests() -> None:
    without, within = evaluated("incident-retry"), evaluated("incident-retry", retryBudget=120)
    assert within["api_served"].sum() > without["api_served"].sum()
    assert without["attempts"].max() > 3.9 * without["attempts"][0]


def test_every_request_is_answered_given_up_or_on_its_way() -> None:
    result = evaluated("incident-retry", errorRate=0)
    ended = result["api_served"].sum() + result["given_up"].sum()
    assert ended == pytest.approx(result["requests"].sum(), rel=1e-12)


def test_who_waits_where_in_support() -> None:
    result = evaluated("multi-class-support")
    assert int(np.argmax(result["front_desk_queue@Urgent"])) == 13
    assert result["specialists_queue"].max() == 0.0
    assert int(np.argmax(result["first_team_queue"])) == 175  # Monday, just before the office opens
    assert int(np.flatnonzero(result["first_team_queue"][175:] == 0.0)[0]) + 175 == 206  # Tuesday afternoon


def test_small_weekend_shift_more_than_halves_the_queue_of_monday() -> None:
    few, some = evaluated("multi-class-support"), evaluated("multi-class-support", weekendShare=0.2)
    assert some["first_team_queue"][175] < 0.5 * few["first_team_queue"][175]


def test_classes_go_to_their_teams() -> None:
    result = evaluated("multi-class-support")
    assert result.class_coverage == "full"
    assert result["urgent_tickets"] == pytest.approx(result["front_desk_served@Urgent"])
    assert result["first_team_tickets@Urgent"].max() == 0.0


def test_orders_swing_more_than_sales() -> None:
    result = evaluated("supply-chain")
    assert (result["region_swing"][-1], result["factory_swing"][-1]) == pytest.approx((1.45, 3.19))
    assert np.flatnonzero(result["lost_sales"]).tolist() == [37, 38]
    assert result["lost_sales"].sum() == pytest.approx(1000.0)


def test_goods_are_conserved_over_the_lead_times() -> None:
    result = evaluated("supply-chain")
    stock = sum(result[f"{place}_queue"] for place in ("warehouse", "east", "west"))
    made, sold = result["factory_served"], result["east_served"] + result["west_served"]
    on_the_way = made[-7:].sum() + result["warehouse_served"][-2:].sum()
    assert stock[-1] + on_the_way == pytest.approx(9000 + 3500 + made.sum() - sold.sum(), rel=1e-12)


def test_longer_transport_swings_more() -> None:
    near, far = evaluated("supply-chain"), evaluated("supply-chain", seaBins=14, warehouseStock=16000)
    assert far["factory_swing"][-1] > 1.4 * near["factory_swing"][-1]


@pytest.mark.parametrize(
    ("allocation", "checkout", "search", "report"),
    [
        pytest.param("proportional", 6.160, 23.167, 104, id="proportional"),
        pytest.param("maxMin", 0.0, 9.222, 112, id="fair"),
        pytest.param("priority", 0.0, 0.0, 123, id="priority"),
    ],
)
def test_who_waits_for_the_database(allocation: str, checkout: float, search: float, report: int) -> None:
    result = evaluated("shared-database", allocation=allocation)
    waits = (worst_wait(result, "Checkout"), worst_wait(result, "Search"))
    assert waits == pytest.approx((checkout, search), abs=1e-2)
    assert last_bin(result["reporting_queue"] > 0.0) == report
    assert result["database_granted"].max() <= 12000.0 * (1 + 1e-12)


def test_contracts_are_late() -> None:
    result = evaluated("document-processing")
    ends = [result[f"{desk}_queue"][-1] for desk in ("booking", "legal", "claims_desk")]
    assert ends == pytest.approx([0.0, 54.862, 0.0], abs=1e-3)
    assert result["legal_queue@Contract"] == pytest.approx(result["legal_queue"])


def test_twice_as_many_unreadable_scans_are_eight_times_the_typing() -> None:
    few, many = (evaluated("document-processing", unreadableShare=u, rescanLimit=1000) for u in (0.15, 0.3))
    assert many["given_up"].sum() == pytest.approx(8 * few["given_up"].sum(), rel=1e-9)


def test_every_document_is_finished_typed_or_somewhere() -> None:
    result = evaluated("document-processing")
    desks = ("booking", "legal", "triage_desk", "claims_desk", "typed_by_hand")
    waiting = sum(result[f"{desk}_queue"][-1] for desk in desks)
    done = result["finished"].sum() + result["typed_by_hand_served"].sum()
    # What failed in the last two bins has not been scanned again.
    failed = result["unreadable"]
    assert done + waiting < result["documents"].sum() < done + waiting + failed[-2:].sum()
