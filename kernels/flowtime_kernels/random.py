"""Random numbers: PCG-XSH-RR 64/32, and what a distribution makes of one uniform number per bin.

O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
Generation" (2014), section 6.3; check values in engine.md 4.  A draw uses one number, whatever it
costs to compute, so bin t depends on the t-th number only and a longer horizon keeps its prefix.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flowtime_kernels.jit import njit

__all__ = ["draw_pmf", "draw_poisson", "fill_uniforms", "normal_quantile", "poisson_quantile"]

Row = NDArray[np.float64]

MULTIPLIER = np.uint64(6364136223846793005)
INCREMENT = np.uint64(1442695040888963407)
# Numba makes a float of an unsigned number and a plain one, hence every constant spelled out.
S18, S27, S31, S32, S59 = (np.uint64(n) for n in (18, 27, 31, 32, 59))
WORD = np.uint64(0xFFFFFFFF)
STEP = 2.0**-32
HALF_STEP = 2.0**-33

# exp(-mean) is a normal number up to here, so that a sum of Poisson probabilities can start from it.
LARGEST_SUMMED = 700.0
# From here on and within so many standard deviations the expansion below is off by less than 0.003 (measured at every
# count that these means can give; test_the_expansion_is_within_its_margin), a quarter of the margin kept.
LEAST_EXPANDED = 30.0
WIDEST_EXPANDED = 3.0
MARGIN = 0.01


@njit
def fill_uniforms(seed: np.uint64, out: Row) -> None:
    """Fill ``out`` (n,) with multiples of 2**-32 in [0, 1); ``seed`` is the 64-bit state at the start.

    The first output is thrown away: it is a function of the high bits of the seed alone, 0 for small seeds.
    """
    state = seed * MULTIPLIER + INCREMENT
    for i in range(out.size):
        word = (((state >> S18) ^ state) >> S27) & WORD
        spin = state >> S59
        out[i] = float(((word >> spin) | (word << ((S32 - spin) & S31))) & WORD) * STEP
        state = state * MULTIPLIER + INCREMENT


@njit
def draw_pmf(uniforms: Row, cumulative: Row, values: Row, out: Row) -> None:
    """``out[i]``: the first of ``values`` (k,) whose ``cumulative`` (k,) is at least ``uniforms[i]``.

    The last value where rounding leaves none.  ``out`` may be ``uniforms``.
    """
    last = values.size - 1
    for i in range(out.size):
        low = 0
        high = last
        while low < high:
            middle = (low + high) // 2
            if cumulative[middle] < uniforms[i]:
                low = middle + 1
            else:
                high = middle
        out[i] = values[low]


@njit
def draw_poisson(uniforms: Row, means: Row, out: Row) -> None:
    """``out[i]``: the Poisson count with mean ``means[i]`` at the middle of the step that ``uniforms[i]`` begins.

    Up to a mean of 700 it is exact for that number.  Above, in fewer than one bin of 100,000, it is off by
    one.  A number of 32 bits has no event rarer than 1.2e-10 (6.3 standard deviations) to tell of, and its
    middle keeps both tails alike; 0 would be a count of 0 whatever the mean.  NaN where a mean is not finite,
    0 where it is 0 or less.  ``out`` may be ``uniforms`` or ``means``.
    """
    for i in range(out.size):
        out[i] = poisson_quantile(uniforms[i] + HALF_STEP, means[i])


@njit
def poisson_quantile(p: float, mean: float) -> float:
    """The least count whose cumulative probability is at least ``p``, for p from 1e-10 to 1 - 1e-10."""
    if not abs(mean) < math.inf:
        return math.nan
    if mean <= 0.0:
        return 0.0
    if mean < LEAST_EXPANDED:
        return _summed_quantile(p, mean)
    w = normal_quantile(p)
    position = _expanded_quantile(w, mean)
    count = np.floor(position)
    rest = position - count
    if mean > LARGEST_SUMMED or (abs(w) <= WIDEST_EXPANDED and MARGIN < rest < 1.0 - MARGIN):
        return float(count)
    return _summed_quantile(p, mean)


@njit
def _summed_quantile(p: float, mean: float) -> float:
    count = 0.0
    term = math.exp(-mean)
    total = term
    # Nothing is left to add once terms vanish beside the sum, which rounding may keep below p.
    while total < p and (count < mean or term > 1e-17):
        count += 1.0
        term *= mean / count
        total += term
    return count


@njit
def _expanded_quantile(w: float, mean: float) -> float:
    """Where in the counts the normal quantile ``w`` lies: its floor is the Poisson quantile.

    The Cornish-Fisher expansion to the third order, for the distribution made continuous by the incomplete
    gamma function: Giles, "Algorithm 955: approximation of the inverse Poisson cumulative distribution
    function", ACM TOMS 42 (2016), section 2.
    """
    root = math.sqrt(mean)
    square = w * w
    level = mean + root * w + (2.0 + square) / 6.0
    return level - w * (2.0 + square) / (72.0 * root) + (square * (square / 270.0 + 7.0 / 810.0) - 8.0 / 405.0) / mean


@njit
def normal_quantile(p: float) -> float:
    """The standard normal deviate with ``p`` below it, to 16 digits, for p from 1.4e-11 to 1 - 1.4e-11.

    Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37
    (1988), PPND16, without its branch for tails that 32 bits do not reach.
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        above = 2509.0809287301226727
        above = above * r + 33430.575583588128105
        above = above * r + 67265.770927008700853
        above = above * r + 45921.953931549871457
        above = above * r + 13731.693765509461125
        above = above * r + 1971.5909503065514427
        above = above * r + 133.14166789178437745
        above = above * r + 3.387132872796366608
        below = 5226.495278852854561
        below = below * r + 28729.085735721942674
        below = below * r + 39307.89580009271061
        below = below * r + 21213.794301586595867
        below = below * r + 5394.1960214247511077
        below = below * r + 687.1870074920579083
        below = below * r + 42.313330701600911252
        return q * above / (below * r + 1.0)
    r = math.sqrt(-math.log(min(p, 1.0 - p))) - 1.6
    above = 7.7454501427834140764e-4
    above = above * r + 0.0227238449892691845833
    above = above * r + 0.24178072517745061177
    above = above * r + 1.27045825245236838258
    above = above * r + 3.64784832476320460504
    above = above * r + 5.7694972214606914055
    above = above * r + 4.6303378461565452959
    above = above * r + 1.42343711074968357734
    below = 1.05075007164441684324e-9
    below = below * r + 5.475938084995344946e-4
    below = below * r + 0.0151986665636164571966
    below = below * r + 0.14810397642748007459
    below = below * r + 0.68976733498510000455
    below = below * r + 1.6763848301838038494
    below = below * r + 2.05319162663775882187
    return math.copysign(above / (below * r + 1.0), q)
