"""Random inputs: what a pmf node or generated traffic gives in each bin, expected or drawn.

Every node draws from a stream of its own, named by its id, so that adding a node changes no other
node's numbers; bin t takes the t-th draw, so that a longer horizon keeps its prefix.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from flowtime.engine.kernel_cache import load_kernels
from flowtime.model.profiles import profile_weights
from flowtime.model.spec import FloatArray, Grid, PmfNode

__all__ = ["expected_pmf", "poisson_counts", "sampled_pmf", "stream_state"]


def expected_pmf(node: PmfNode, grid: Grid) -> float | FloatArray:
    """Return the mean of the distribution; times the profile's weights (bins,) where the node has one.

    The probabilities count by their share of their sum, which is 1 but for rounding.
    """
    total = math.fsum(node.pmf.probabilities)
    mean = math.fsum(v * p for v, p in zip(node.pmf.values, node.pmf.probabilities, strict=True)) / total
    return mean if node.profile is None else mean * profile_weights(node.profile, grid)


def sampled_pmf(node: PmfNode, grid: Grid, seed: int) -> FloatArray:
    """Draw a value of the distribution for each bin (bins,), times the profile's weights where there are any.

    The draw is the first value, in the order of the file, whose cumulative probability reaches a uniform
    number of 32 bits: probabilities count in steps of 2**-32.
    """
    # A value of probability 0 at the front would be reached by the uniform number 0.
    pairs = [(v, p) for v, p in zip(node.pmf.values, node.pmf.probabilities, strict=True) if p > 0.0]
    values = np.array([value for value, _ in pairs])
    cumulative = np.cumsum([probability for _, probability in pairs])
    cumulative /= cumulative[-1]
    drawn = _uniforms(seed, node.id, grid.bins)
    load_kernels().draw_pmf(drawn, cumulative, values, drawn)
    if node.profile is not None:
        drawn *= profile_weights(node.profile, grid)
    return drawn


def poisson_counts(mean: float | FloatArray, bins: int, seed: int, stream: str) -> FloatArray:
    """Draw a Poisson count for each bin (bins,) from the stream of that name.

    ``mean`` is one number or one a bin; a count is 0 where it is 0 or negative, NaN where it is not finite.
    """
    counts = np.full(bins, mean, dtype=np.float64)
    load_kernels().draw_poisson(_uniforms(seed, stream, bins), counts, counts)
    return counts


def stream_state(seed: int, stream: str) -> int:
    """Return where the generator starts (64 bits): the run's seed and the name of the stream, mixed."""
    digest = hashlib.sha256(stream.encode("utf-8")).digest()
    return seed ^ int.from_bytes(digest[:8], "little")


def _uniforms(seed: int, stream: str, bins: int) -> FloatArray:
    uniforms = np.empty(bins)
    # As a NumPy number, since Numba would compile once for small Python integers and once for large ones.
    load_kernels().fill_uniforms(np.uint64(stream_state(seed, stream)), uniforms)
    return uniforms
