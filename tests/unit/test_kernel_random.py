"""Random numbers: compiled and plain, against published numbers, the slow twins, and what distributions must be."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

import oracle_random as twins
from kernelforms import FORMS, kernel_modules

# NumPy's own scalars warn of the overflow that the generator lives on.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NAN, INF = math.nan, math.inf
WORD = 2**32
LARGE_SEEDS = (2**31 - 1, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15)
MEANS = (1e-12, 0.01, 0.5, 1.0, 4.0, 29.999, 30.0, 30.37, 47.5, 100.0, 311.1, 699.5, 700.0)


def uniforms(seed: int, count: int, form: str = "compiled") -> NDArray[np.float64]:
    """The first uniform numbers of a seed."""
    out = np.empty(count)
    kernel_modules(form).random.fill_uniforms(np.uint64(seed), out)
    return out


def poisson(numbers: NDArray[np.float64], means: NDArray[np.float64], form: str = "compiled") -> NDArray[np.float64]:
    """The counts of uniform numbers (n,) and means (n,)."""
    out = np.empty(numbers.size)
    kernel_modules(form).random.draw_poisson(numbers, means, out)
    return out


# --- the generator --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        pytest.param(42, [1971522493, 242089394, 3457789919, 3637502659, 19596830], id="42"),
        pytest.param(0, [1613493245, 3894649422], id="0"),
        pytest.param(12345, [1882538953, 1534987090], id="12345"),
    ],
)
def test_published_numbers(form: str, seed: int, expected: list[int]) -> None:
    assert (uniforms(seed, len(expected), form) * WORD).tolist() == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", [1, 7, *LARGE_SEEDS])
def test_generator_is_its_twin(form: str, seed: int) -> None:
    assert (uniforms(seed, 200, form) * WORD).tolist() == twins.pcg_words(seed, 200)


def test_a_longer_row_begins_like_a_shorter_one() -> None:
    assert uniforms(3, 1000)[:10].tolist() == uniforms(3, 10).tolist()


def test_numbers_fill_the_unit_interval_evenly() -> None:
    numbers = uniforms(1, 200_000)
    counts = np.histogram(numbers, bins=100, range=(0.0, 1.0))[0]
    assert 0.0 <= numbers.min() < 1e-4
    assert 1.0 - 1e-4 < numbers.max() < 1.0
    # Chi-square with 99 degrees of freedom: mean 99, standard deviation 14.
    assert 55.0 < float(((counts - 2000.0) ** 2 / 2000.0).sum()) < 155.0


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_numbers_do_not_remember(lag: int) -> None:
    numbers = uniforms(8, 100_000)
    # The correlation of independent numbers has a standard deviation of 0.0032 here.
    assert abs(np.corrcoef(numbers[lag:], numbers[:-lag])[0, 1]) < 0.013


@pytest.mark.parametrize("other", [1, 2, 3, 1 << 30])
def test_near_seeds_are_strangers(other: int) -> None:
    assert abs(np.corrcoef(uniforms(0, 100_000), uniforms(other, 100_000))[0, 1]) < 0.013


# --- a distribution of values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_published_draws(form: str) -> None:
    out = np.empty(10)
    cumulative, values = np.cumsum([0.2, 0.5, 0.3]), np.array([1.0, 2.0, 3.0])
    kernel_modules(form).random.draw_pmf(uniforms(42, 10), cumulative, values, out)
    assert out.tolist() == [2, 1, 3, 3, 1, 3, 2, 2, 2, 3]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "probabilities",
    [
        pytest.param([1.0], id="one"),
        pytest.param([0.5, 0.5], id="two"),
        pytest.param([0.25, 0.0, 0.25, 0.5], id="one-never"),
        pytest.param([0.1] * 10, id="ten"),
        pytest.param([2.0 ** -(n + 1) for n in range(20)] + [2.0**-20], id="halves"),
    ],
)
def test_draws_are_their_twin(form: str, probabilities: list[float]) -> None:
    values = [float(n) for n in range(len(probabilities), 0, -1)]
    # With the bounds themselves, which belong to the value below them.
    numbers = np.concatenate((uniforms(5, 300), list(itertools.accumulate(probabilities))[:-1]))
    out = np.empty(numbers.size)
    cumulative = np.array(list(itertools.accumulate(probabilities)))
    kernel_modules(form).random.draw_pmf(numbers, cumulative, np.array(values), out)
    assert out.tolist() == [twins.pick(number, probabilities, values) for number in numbers]


def test_a_sum_that_rounding_left_below_the_number_gives_the_last_value() -> None:
    out = np.array([1.0 - 2.0**-32])
    kernel_modules("compiled").random.draw_pmf(out, np.array([0.5, 0.999]), np.array([7.0, 8.0]), out)
    assert out.tolist() == [8.0]


# --- Poisson --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mean", MEANS)
def test_counts_are_their_twin(form: str, mean: float) -> None:
    # Random numbers, and the ends, where nothing but the sum is near enough.
    numbers = np.concatenate((uniforms(11, 60), [0.0, 2.0**-32, 0.5, 1.0 - 2.0**-31, 1.0 - 2.0**-32]))
    expected = [float(twins.poisson_count(number, mean)) for number in numbers]
    assert poisson(numbers, np.full(numbers.size, mean), form).tolist() == expected


@pytest.mark.parametrize("mean", [0.7, 12.5, 30.37, 100.0, 700.0])
def test_counts_change_at_the_very_step_where_they_must(mean: float) -> None:
    reached = [float(step) for step in itertools.islice(twins.poisson_steps(mean), int(mean + 6 * math.sqrt(mean)))]
    inner = np.array([step for step in reached if 1e-8 < step < 1.0 - 1e-8])
    below = np.floor(inner * WORD - 1.0) / WORD
    numbers = np.concatenate((below, below + 2.0 / WORD))
    expected = [float(twins.poisson_count(number, mean)) for number in numbers]
    assert poisson(numbers, np.full(numbers.size, mean)).tolist() == expected


@pytest.mark.parametrize(
    ("mean", "widest", "margin"),
    [
        pytest.param(30.0, 3.0, 0.003, id="30"),
        pytest.param(30.37, 3.0, 0.003, id="30.37"),
        pytest.param(47.5, 3.0, 0.003, id="47.5"),
        pytest.param(311.1, 3.0, 1e-4, id="311.1"),
        pytest.param(700.0, 3.0, 3e-5, id="700"),
        pytest.param(700.0, 2.0, 3e-6, id="700-usual"),
        pytest.param(700.0, 6.0, 1e-3, id="700-rare"),
        pytest.param(5000.0, 3.0, 3e-6, id="5000"),
    ],
)
def test_the_expansion_is_within_its_margin(mean: float, widest: float, margin: float) -> None:
    expand = kernel_modules("python").random._expanded_quantile
    steps = itertools.islice(twins.poisson_steps(mean), int(mean + widest * math.sqrt(mean)))
    least = NormalDist().cdf(-widest)
    inner = [(count, float(step)) for count, step in enumerate(steps) if least < step < 1.0 - least]
    errors = [expand(NormalDist().inv_cdf(step), mean) - (count + 1) for count, step in inner]
    assert len(errors) > 2 * widest * math.sqrt(mean) * 0.9
    assert max(map(abs, errors)) < margin


def test_large_means_are_off_by_at_most_one_and_hardly_ever() -> None:
    numbers = uniforms(19, 400)
    expected = np.array([twins.poisson_count(number, 705.5) for number in numbers])
    assert poisson(numbers, np.full(400, 705.5)).tolist() == expected.tolist()


@pytest.mark.parametrize("mean", [0.5, 29.0, 31.0, 200.0, 700.0, 701.0, 5e4, 1e9])
def test_moments(mean: float) -> None:
    count = 400_000
    counts = poisson(uniforms(4, count), np.full(count, mean))
    # Four standard deviations of the estimates; the fourth central moment is m + 3 m m.
    assert counts.mean() == pytest.approx(mean, abs=4.0 * math.sqrt(mean / count))
    assert counts.var() == pytest.approx(mean, abs=4.0 * math.sqrt((mean + 2.0 * mean * mean) / count))
    assert np.mean((counts - mean) ** 3) == pytest.approx(mean, abs=4.0 * math.sqrt(15.0 * (1 + mean) ** 3 / count))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        pytest.param(0.0, 0.0, id="nothing"),
        pytest.param(-0.0, 0.0, id="minus-nothing"),
        pytest.param(-3.0, 0.0, id="negative"),
        pytest.param(5e-324, 0.0, id="least"),
        pytest.param(NAN, NAN, id="nan"),
        pytest.param(INF, NAN, id="infinite"),
        pytest.param(-INF, NAN, id="minus-infinite"),
        pytest.param(1e300, 1e300, id="beyond-whole-numbers"),
    ],
)
def test_odd_means(form: str, mean: float, expected: float) -> None:
    assert poisson(np.array([0.5]), np.array([mean]), form).tolist() == pytest.approx([expected], nan_ok=True)


def test_a_bin_takes_its_own_number_and_mean_only() -> None:
    numbers, means = uniforms(6, 5), np.array([3.0, NAN, 50.0, 900.0, 3.0])
    whole = poisson(numbers, means)
    alone = [poisson(numbers[t : t + 1], means[t : t + 1])[0] for t in range(5)]
    assert whole.tolist() == pytest.approx(alone, nan_ok=True)


def test_counts_grow_with_the_number_and_with_the_mean() -> None:
    numbers = np.linspace(0.0, 1.0 - 2.0**-32, 3000)
    assert all((np.diff(poisson(numbers, np.full(3000, mean))) >= 0.0).all() for mean in MEANS)
    means = np.linspace(1.0, 760.0, 40_000)
    assert [p for p in (0.001, 0.5, 0.999) if (np.diff(poisson(np.full(40_000, p), means)) < 0.0).any()] == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p", [1.4e-10, 1e-9, 1e-5, 0.01, 0.0749, 0.0751, 0.3, 0.5, 0.9, 0.999, 1.0 - 1e-9])
def test_normal_quantile_has_that_much_below_it(form: str, p: float) -> None:
    w = kernel_modules(form).random.normal_quantile(p)
    assert 0.5 * math.erfc(-w / math.sqrt(2.0)) == pytest.approx(p, rel=1e-13)
    assert w == pytest.approx(NormalDist().inv_cdf(p), rel=1e-14)
