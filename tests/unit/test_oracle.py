"""The oracle against vectors that were worked out elsewhere (reference/engine.md 14) or by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest

import oracle_kernels as kernels
from flowtime.model import parse_model
from oracle import SameBinCycle, evaluate_model, first_difference, snake, spread_snake
from oracle_metrics import evaluate_metrics

NAN, INF = math.nan, math.inf

HEAD = "schemaVersion: 1\ngrid: {bins: %d, binSize: 1, binUnit: minutes}\nnodes:\n"


def model_text(bins: int, nodes: Mapping[str, str | float | list[float]], *stations: str) -> str:
    """A model file: expressions are texts, inputs numbers or lists; stations are flow mappings of YAML."""
    rows = (
        f"  - {{id: {name}, kind: expr, expr: '{value}'}}\n"
        if isinstance(value, str)
        else f"  - {{id: {name}, kind: const, values: {str(value).replace('nan', '.nan')}}}\n"
        for name, value in nodes.items()
    )
    topology = "topology:\n  nodes:\n" + "".join(f"  - {station}\n" for station in stations) if stations else ""
    return HEAD % bins + "".join(rows) + topology


def station(kind: str, semantics: str, rest: str = "") -> str:
    """One topology node called Q."""
    return f"{{id: Q, kind: {kind}, semantics: {{{semantics}}}{rest}}}"


BUFFER = "serviceWithBuffer"
SEED_5 = ", initialCondition: {queueDepth: 5}"
FLOW = "arrivals: a, served: s"
TIMES = FLOW + ", processingTimeMsSum: p, servedCount: n"
COMPUTED = "arrivals: a, capacity: c"
BACKPRESSURE = {"a": "raw * (1 - SHIFT(pressure, 1))", "raw": 100, "s": 20, "pressure": "CLAMP(depth / 50, 0, 1)"}

SERIES = [
    pytest.param(4, {"a": 10, "s": 3}, (station(BUFFER, FLOW),), "q_queue", [7, 14, 21, 28], id="queue"),
    pytest.param(4, {"a": 10, "s": 3}, (station(BUFFER, FLOW, SEED_5),), "q_queue", [12, 19, 26, 33], id="seed"),
    pytest.param(
        4,
        {"a": 20, "s": 5, "e": 1},
        (station(BUFFER, FLOW + ", errors: e"),),
        "q_queue",
        [14, 28, 42, 56],
        id="loss",
    ),
    pytest.param(
        6,
        BACKPRESSURE,
        (station(BUFFER, FLOW + ", queueDepth: depth"),),
        "depth",
        [80, 60, 40, 40, 40, 40],
        id="backpressure, depth",
    ),
    pytest.param(
        6,
        BACKPRESSURE,
        (station(BUFFER, FLOW + ", queueDepth: depth"),),
        "a",
        [100, 0, 0, 20, 20, 20],
        id="backpressure, effective arrivals",
    ),
    pytest.param(5, {"f": 10, "x": "CONV(f, [0, .6, .3, .1])"}, (), "x", [0, 6, 9, 10, 10], id="echo"),
    pytest.param(3, {"a": [8, 0, 9], "c": 5}, (station(BUFFER, COMPUTED),), "q_served", [5, 3, 5], id="served"),
    pytest.param(3, {"a": [8, 0, 9], "c": 5}, (station(BUFFER, COMPUTED),), "q_queue", [3, 0, 4], id="computed depth"),
    pytest.param(
        3,
        {"a": 8, "c": 5, "e": [2, 99, -1]},
        (station(BUFFER, COMPUTED + ", errors: e"),),
        "q_loss",
        [2, 9, 0],
        id="loss is what is there",
    ),
    pytest.param(
        3, {"a": 8, "c": 2}, (station(BUFFER, COMPUTED + ", parallelism: 3"),), "q_queue", [2, 4, 6], id="parallelism"
    ),
    pytest.param(2, {"a": 8, "c": 2}, (station("service", COMPUTED),), "q_overflow", [6, 6], id="overflow"),
    pytest.param(2, {"a": [8, 1], "e": 3}, (station("sink", "arrivals: a, errors: e"),), "q_served", [5, 0], id="sink"),
    pytest.param(
        3,
        {"a": 1, "s": 0, "x": "SHIFT(q_queue, 2)"},
        (station("queue", FLOW, SEED_5),),
        "x",
        [5, 5, 6],
        id="initial condition of SHIFT",
    ),
    pytest.param(3, {"a": 1, "x": "DELAY(x, 1, 7) + a"}, (), "x", [8, 9, 10], id="self by DELAY"),
    pytest.param(3, {"a": 1, "x": "CONV(x, [0, 1]) + a"}, (), "x", [1, 2, 3], id="self by CONV"),
    pytest.param(4, {"a": [1, NAN, 3, 5], "x": "EMA(a, 0.5)"}, (), "x", [1, 1, 2, 3.5], id="moving average over a gap"),
    pytest.param(4, {"x": "CUMSUM(PULSE(2, 1, 3))"}, (), "x", [0, 3, 3, 6], id="running sum of pulses"),
    pytest.param(2, {"a": [1, 2], "x": "SHIFT(EMA(a, 0.5) + a, 1)"}, (), "x", [0, 2], id="lag of a memory"),
]


@pytest.mark.parametrize(("bins", "nodes", "stations", "name", "expected"), SERIES)
def test_series(
    bins: int, nodes: dict[str, str | float | list[float]], stations: tuple[str, ...], name: str, expected: list[float]
) -> None:
    text = model_text(bins, nodes, *stations)
    assert evaluate_model(parse_model(text))[name] == pytest.approx(expected)


def test_expected_value_of_a_distribution() -> None:
    text = HEAD % 2 + "  - {id: p, kind: pmf, pmf: {values: [10, 20, 30], probabilities: [0.5, 0.3, 0.2]}}\n"
    assert evaluate_model(parse_model(text)) == {"p": [17.0, 17.0]}


METRICS = [
    pytest.param(FLOW, {"s": 5}, "queueTimeMs", [120_000, 240_000, 360_000], id="waiting"),
    pytest.param(FLOW, {"s": 5}, "latencyMinutes", [2, 4, 6], id="latency"),
    pytest.param(FLOW, {"s": 5}, "throughputRatio", [1 / 3, 1 / 3, 1 / 3], id="throughput"),
    pytest.param(FLOW, {"s": [15, 0, 15]}, "queueTimeMs", [0, NAN, 60_000], id="stuck queue"),
    pytest.param(TIMES, {"s": 5}, "serviceTimeMs", [50, 50, 50], id="service"),
    pytest.param(
        TIMES,
        {"s": 5},
        "flowEfficiency",
        [50 / 120_050, 50 / 240_050, 50 / 360_050],
        id="efficiency",
    ),
    pytest.param(TIMES, {"s": 0}, "cycleTimeMs", [NAN, NAN, NAN], id="stuck cycle"),
    pytest.param(FLOW + ", capacity: n", {"s": 4}, "utilization", [0.8, 0.8, 0.8], id="utilization"),
    pytest.param(FLOW + ", capacity: n, parallelism: 2", {"s": 4}, "utilization", [0.4, 0.4, 0.4], id="parallel"),
    pytest.param(FLOW + ", capacity: zero", {"s": 4}, "utilization", [NAN, NAN, NAN], id="no capacity"),
    pytest.param(FLOW + ", failures: n", {"s": 15}, "retryTax", [0.25, 0.25, 0.25], id="retries"),
    pytest.param(FLOW + ", attempts: p", {"s": 50}, "retryTax", [0.8, 0.8, 0.8], id="attempts"),
]


@pytest.mark.parametrize(("semantics", "served", "metric", "expected"), METRICS)
def test_metrics(semantics: str, served: dict[str, float], metric: str, expected: list[float]) -> None:
    nodes = {"a": 15, "p": 250, "n": 5, "zero": 0, **served}
    model = parse_model(model_text(3, nodes, station(BUFFER, semantics)))
    metrics = evaluate_metrics(model, evaluate_model(model))
    assert metrics["Q"][metric] == pytest.approx(expected, nan_ok=True)


def test_cycle_is_named() -> None:
    model = parse_model(model_text(1, {"x": "y + 1", "y": "z * 2", "z": "SHIFT(y, 1) + x"}))
    with pytest.raises(SameBinCycle) as caught:
        evaluate_model(model)
    assert set(caught.value.names) == {"x", "y", "z"}


SCALARS = [
    pytest.param(kernels.safe, (INF,), 0.0, id="safe infinity"),
    pytest.param(kernels.safe, (NAN,), 0.0, id="safe NaN"),
    pytest.param(kernels.divide, (5.0, 0.0), 0.0, id="divide by zero"),
    pytest.param(kernels.divide, (5.0, -0.0), 0.0, id="divide by minus zero"),
    pytest.param(kernels.divide, (5.0, INF), 0.0, id="divide by infinity"),
    pytest.param(kernels.divide, (5.0, NAN), NAN, id="divide by NaN"),
    pytest.param(kernels.divide, (5.0, 1e-320), INF, id="divide by next to nothing"),
    pytest.param(kernels.modulo, (7.0, -3.0), -2.0, id="modulo takes the sign of the divisor"),
    pytest.param(kernels.modulo, (-7.0, 3.0), 2.0, id="modulo of a negative number"),
    pytest.param(kernels.modulo, (7.0, 0.0), 0.0, id="modulo zero"),
    pytest.param(kernels.modulo, (7.0, 5e-324), 0.0, id="modulo least number"),
    pytest.param(kernels.modulo, (INF, 3.0), NAN, id="modulo of infinity"),
    pytest.param(kernels.modulo, (3.0, INF), NAN, id="modulo infinity"),
    pytest.param(kernels.floor, (-1.5,), -2.0, id="floor"),
    pytest.param(kernels.ceiling, (-1.5,), -1.0, id="ceiling"),
    pytest.param(kernels.floor, (-INF,), -INF, id="floor of infinity"),
    pytest.param(kernels.round_half_away, (2.5,), 3.0, id="round half"),
    pytest.param(kernels.round_half_away, (-2.5,), -3.0, id="round negative half"),
    pytest.param(kernels.round_half_away, (0.49999999999999994,), 0.0, id="round just below half"),
    pytest.param(kernels.round_half_away, (4503599627370497.0,), 4503599627370497.0, id="round a large odd number"),
    pytest.param(kernels.round_half_away, (NAN,), NAN, id="round NaN"),
    pytest.param(kernels.step, (1.0, 1.0), 1.0, id="step at"),
    pytest.param(kernels.step, (NAN, 1.0), 0.0, id="step of NaN"),
    pytest.param(kernels.minimum, (NAN, 1.0), NAN, id="minimum with NaN first"),
    pytest.param(kernels.maximum, (1.0, NAN), NAN, id="maximum with NaN last"),
    pytest.param(kernels.clamp, (5.0, 3.0, 1.0), 3.0, id="clamp with crossed bounds"),
    pytest.param(kernels.less, (1.0, NAN), NAN, id="less than NaN"),
    pytest.param(kernels.less_equal, (1.0, 1.0), 1.0, id="at most"),
    pytest.param(kernels.equal, (0.0, -0.0), 1.0, id="zeros are equal"),
    pytest.param(kernels.not_equal, (NAN, NAN), NAN, id="NaN is not unequal"),
    pytest.param(kernels.logical_and, (0.0, NAN), NAN, id="and with NaN"),
    pytest.param(kernels.logical_or, (0.0, -2.0), 1.0, id="or of anything"),
    pytest.param(kernels.logical_not, (0.0,), 1.0, id="not zero"),
    pytest.param(kernels.logical_not, (NAN,), NAN, id="not NaN"),
    pytest.param(kernels.select, (NAN, 1.0, 2.0), NAN, id="if NaN"),
    pytest.param(kernels.select, (-0.0, 1.0, 2.0), 2.0, id="if minus zero"),
    pytest.param(kernels.square_root, (-1.0,), NAN, id="root of a negative number"),
    pytest.param(kernels.natural_log, (0.0,), NAN, id="logarithm of zero"),
    pytest.param(kernels.natural_log, (INF,), INF, id="logarithm of infinity"),
    pytest.param(kernels.exponential, (1000.0,), INF, id="exponential overflows"),
    pytest.param(kernels.power, (-8.0, 1 / 3), NAN, id="power with a root of a negative number"),
    pytest.param(kernels.power, (-10.0, 999.0), -INF, id="power overflows downwards"),
    pytest.param(kernels.power, (0.0, -1.0), INF, id="power of zero"),
    pytest.param(kernels.power, (NAN, 0.0), 1.0, id="power of NaN to zero"),
]


@pytest.mark.parametrize(("kernel", "arguments", "expected"), SCALARS)
def test_scalar(kernel: Callable[..., float], arguments: tuple[float, ...], expected: float) -> None:
    assert kernel(*arguments) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


RECURRENCES = [
    pytest.param(kernels.shift([1, 2, 3], 2, 9), [9, 9, 1], id="shift"),
    pytest.param(kernels.shift([1, 2], 5), [0, 0], id="shift beyond the horizon"),
    pytest.param(kernels.convolve([100, NAN, 0, 10], [0.5, 0.25]), [50, 25, 0, 5], id="convolve over a gap"),
    pytest.param(kernels.convolve([1, 2], []), [0, 0], id="convolve with nothing"),
    pytest.param(kernels.ema([NAN, 4, INF, 8], 0.25), [NAN, 4, 4, 5], id="moving average"),
    pytest.param(kernels.cumulative_sum([1, NAN, 2]), [1, 1, 3], id="running sum"),
    pytest.param(kernels.pulse(6, 2, 1, 3), [0, 3, 0, 3, 0, 3], id="pulse"),
    pytest.param(kernels.queue_recurrence([20] * 3, [5] * 3, [1] * 3, 2), [16, 30, 44], id="queue"),
    pytest.param(kernels.queue_recurrence([0, NAN], [5, 1], [0, 0], 2), [0, 0], id="queue floors at nothing"),
]


@pytest.mark.parametrize(("actual", "expected"), RECURRENCES)
def test_recurrence(actual: list[float], expected: list[float]) -> None:
    assert actual == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def test_served_recurrence() -> None:
    served, lost, depth = kernels.served_recurrence([9, NAN, 4, -9], [5, INF, NAN, 1], [1, 0, 9, 0])
    assert served == [5, 3, 0, 0]
    assert lost == [1, 0, 4, 0]
    assert depth == [3, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "expected", "spread"),
    [
        pytest.param("DLQ", "dlq", "d_l_q", id="acronym"),
        pytest.param("HTTPService", "http_service", "h_t_t_p_service", id="acronym and word"),
        pytest.param("OrderQueue2", "order_queue2", "order_queue2", id="words and a digit"),
        pytest.param("order-queue", "order_queue", "order_queue", id="dash"),
        pytest.param("2nd", "_2nd", "_2nd", id="leading digit"),
    ],
)
def test_snake(text: str, expected: str, spread: str) -> None:
    assert (snake(text), spread_snake(text)) == (expected, spread)


@pytest.mark.parametrize(
    ("actual", "said"),
    [
        pytest.param({"a": [1.0, NAN], "b": [2.0, 3.0]}, None, id="equal"),
        pytest.param({"a": [1.0, NAN], "b": [2.0, 4.0]}, "first at bin 1: b is 4.0 and not 3.0", id="a value"),
        pytest.param({"a": [1.0, 0.0], "b": [2.5, 3.0]}, "first at bin 0: b is 2.5 and not 2.0", id="the first of two"),
        pytest.param({"a": [1.0, NAN]}, "b is missing; there are a", id="a series"),
        pytest.param({"a": [1.0], "b": [2.0, 3.0]}, "a has 1 bins and not 2", id="a bin"),
    ],
)
def test_first_difference(actual: dict[str, list[float]], said: str | None) -> None:
    assert first_difference({"a": [1.0, NAN], "b": [2.0, 3.0]}, actual) == said
