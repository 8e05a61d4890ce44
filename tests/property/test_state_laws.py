"""Looking at a run says what the engine said, on random models of every kind; and points of several bins are of these.

``mixed_draft(Random(seed)).text()`` is the model of a seed.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from flowtime.engine import Result
from flowtime.state import OpenRun, read_window
from statefakes import derived_values, differences, evaluated
from strategies_mixed import mixed_draft

# Those whose model has topology nodes.
SEEDS = [seed for seed in range(80) if "topology" in mixed_draft(Random(seed)).text()]
WIDTH = 3


def opened_seed(seed: int) -> tuple[OpenRun, Result]:
    """The run of a random model, and what it was made from."""
    return evaluated(mixed_draft(Random(seed)).text())


@pytest.mark.parametrize("seed", SEEDS)
def test_derived_values_are_those_of_the_engine(seed: int) -> None:
    run, result = opened_seed(seed)
    assert differences(run, result, 0, run.bins) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stretch_has_the_values_of_the_whole(seed: int) -> None:
    run, result = opened_seed(seed)
    assert differences(run, result, run.bins // 2, run.bins) == []
    assert differences(run, result, run.bins - 1, run.bins) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_edges_are_relied_on_as_the_engine_says(seed: int) -> None:
    run, result = opened_seed(seed)
    assert {edge.id: quality for edge, quality in zip(run.edges, run.qualities, strict=True)} == {
        edge: result.edges.quality(edge) for edge in result.edges
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_flows_of_a_point_are_those_of_its_bins(seed: int) -> None:
    run, _ = opened_seed(seed)
    fine, coarse = (read_window(run, resolution=points) for points in (run.bins, -(-run.bins // WIDTH)))
    starts = np.arange(0, run.bins, coarse.window.bins_per_point)
    for one, other in zip(fine.nodes, coarse.nodes, strict=True):
        np.testing.assert_allclose(
            np.add.reduceat(np.nan_to_num(one.series.arrivals), starts),
            np.nan_to_num(other.series.arrivals),
            rtol=1e-9,
            atol=2e-6 * WIDTH,
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_retries_of_a_point_are_those_of_its_bins(seed: int) -> None:
    run, _ = opened_seed(seed)
    fine = derived_values(run, 0, run.bins).get("retryEcho", np.zeros((*run.places.shape, run.bins)))
    points = -(-run.bins // WIDTH)
    answer = read_window(run, resolution=points)
    width = answer.window.bins_per_point
    sums = np.add.reduceat(fine, np.arange(0, run.bins, width), axis=2)
    for node, taps in enumerate(run.places.taps):
        if taps:
            scale = max(1.0, float(np.abs(sums[node, 0]).max()))
            np.testing.assert_allclose(answer.nodes[node].series.retry_echo, sums[node, 0], atol=2e-6 * scale)
