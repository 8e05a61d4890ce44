"""The summary of a run: totals, peaks and when, shares, and what is left open where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from flowtime.bundle.summary import NodeSummary, Peak, summarize
from flowtime.bundle.view import RunView
from flowtime.model import Grid

NAN = float("nan")
INF = float("inf")


def view(
    nodes: dict[str, dict[str, list[float]]], *, start: str | None = None, warned: tuple[str, ...] = ()
) -> RunView:
    """Return a view of four bins of 15 minutes."""
    arrays = {node: {name: np.array(values) for name, values in series.items()} for node, series in nodes.items()}
    grid = Grid(bins=4, bin_size=15, bin_unit="minutes", start=start)
    return RunView(grid, arrays, tuple(warning(node) for node in warned))


def warning(node: str, severity: str = "warning") -> Any:
    """Return as much of a warning as a summary reads."""
    return SimpleNamespace(node_id=node, severity=severity)


def only(series: dict[str, list[float]], **more: Any) -> NodeSummary:
    """Return the summary of a single node."""
    return summarize(view({"Pack": series}, **more))[0]


def test_nodes_keep_the_order_of_the_model() -> None:
    assert [node.node_id for node in summarize(view({"Zeta": {}, "Alpha": {}}))] == ["Zeta", "Alpha"]


def test_nothing_known_is_nothing_said() -> None:
    node = only({})
    assert (node.arrivals, node.served, node.throughput_ratio, node.peak_queue) == (None, None, None, None)
    assert (node.mean_utilization, node.max_utilization, node.worst_wait_ms) == (None, None, None)
    assert (node.warning_count, node.profile_metric, node.profile) == (0, None, ())


@pytest.mark.parametrize(
    ("arrivals", "served", "ratio"),
    [
        pytest.param([4.0, 4.0], [2.0, 4.0], 0.75, id="part"),
        pytest.param([4.0, 0.0], [2.0, 6.0], 1.0, id="an emptied queue is no more than all"),
        pytest.param([0.0, 0.0], [1.0, 1.0], None, id="nothing arrived"),
        pytest.param([4.0, NAN], [2.0, 2.0], 1.0, id="an undefined bin is left out"),
    ],
)
def test_throughput_ratio(arrivals: list[float], served: list[float], ratio: float | None) -> None:
    assert only({"arrivals": arrivals, "served": served}).throughput_ratio == ratio


@pytest.mark.parametrize(
    ("depth", "peak"),
    [
        pytest.param([1.0, 7.0, 7.0, 2.0], Peak(value=7.0, bin=1, time=None), id="first of equal ones"),
        pytest.param([NAN, 1.0, INF, 3.0], Peak(value=3.0, bin=3, time=None), id="undefined and infinite are left out"),
        pytest.param([NAN, NAN, NAN, NAN], None, id="all undefined"),
        pytest.param([0.0, 0.0, 0.0, 0.0], Peak(value=0.0, bin=0, time=None), id="always empty"),
    ],
)
def test_peak_queue(depth: list[float], peak: Peak | None) -> None:
    assert only({"queueDepth": depth}).peak_queue == peak


@pytest.mark.parametrize(
    ("start", "time"),
    [
        pytest.param("2026-03-01T23:30:00Z", "2026-03-02T00:15:00Z", id="over midnight"),
        pytest.param(None, None, id="no start"),
        pytest.param("9999-12-31T23:59:00Z", None, id="past the calendar"),
    ],
)
def test_time_of_a_peak(start: str | None, time: str | None) -> None:
    peak = only({"queueTimeMs": [1.0, 2.0, 3.0, 9.0]}, start=start).worst_wait_ms
    assert peak == Peak(value=9.0, bin=3, time=time)


def test_utilization_is_of_the_bins_that_have_one() -> None:
    node = only({"utilization": [0.5, NAN, 1.0, NAN]})
    assert (node.mean_utilization, node.max_utilization) == (0.75, 1.0)


def test_warnings_are_counted_by_node() -> None:
    nodes = summarize(view({"Pack": {}, "Ship": {}}, warned=("Ship", "Pack", "Ship", "Gone")))
    assert [node.warning_count for node in nodes] == [1, 2]


def test_hints_are_no_warnings() -> None:
    found = tuple(warning("Pack", severity) for severity in ("info", "warning", "error", "info"))
    (node,) = summarize(replace(view({"Pack": {}}), warnings=found))
    assert node.warning_count == 2


@pytest.mark.parametrize(
    ("series", "metric", "profile"),
    [
        pytest.param({"queueDepth": [1.0, NAN], "utilization": [0.0, 0.0]}, "queueDepth", (1.0, None), id="queue"),
        pytest.param({"arrivals": [1.0, 2.0], "utilization": [0.5, 0.7]}, "utilization", (0.5, 0.7), id="utilization"),
        pytest.param({"queueDepth": [0.0, 0.0], "arrivals": [1.0, 2.0]}, "arrivals", (1.0, 2.0), id="never a queue"),
        pytest.param({"queueDepth": [0.0, 0.0]}, "queueDepth", (0.0, 0.0), id="nothing ever"),
        pytest.param({"arrivals": [1.0, 2.0]}, "arrivals", (1.0, 2.0), id="arrivals"),
    ],
)
def test_profile(series: dict[str, list[float]], metric: str, profile: tuple[float | None, ...]) -> None:
    node = only(series)
    assert (node.profile_metric, node.profile) == (metric, profile)


def test_a_long_profile_keeps_the_peaks() -> None:
    depth = [0.0] * 1000
    depth[777] = 5.0
    profile = only({"queueDepth": depth}).profile
    assert len(profile) == 24
    assert sum(value for value in profile if value is not None) == 5.0
