"""Random inputs of a model: expected values, draws by node, and streams that do not disturb each other."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from flowtime.engine.sampling import expected_pmf, poisson_counts, sampled_pmf, stream_state
from flowtime.model.profiles import profile_weights
from flowtime.model.spec import Grid, PmfNode, PmfSpec, ProfileSpec
from oracle_random import pcg_words, pick, poisson_count

HOURS = Grid(bins=24, bin_size=1, bin_unit="hours")
LONG = Grid(bins=100_000, bin_size=1, bin_unit="minutes")
OFFICE = ProfileSpec(name="weekday-office")
VALUES, CHANCES = (1.0, 2.0, 3.0), (0.2, 0.5, 0.3)


def pmf(
    values: tuple[float, ...] = VALUES,
    chances: tuple[float, ...] = CHANCES,
    *,
    name: str = "calls",
    profile: ProfileSpec | None = None,
) -> PmfNode:
    """A node of that distribution."""
    return PmfNode(id=name, pmf=PmfSpec(values=values, probabilities=chances), profile=profile)


def numbers_of(seed: int, stream: str, count: int) -> list[float]:
    """The uniform numbers of a stream, from its definition."""
    mixed = int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "little")
    return [word / 2**32 for word in pcg_words(seed ^ mixed, count)]


def test_the_expected_value_is_one_number() -> None:
    assert expected_pmf(pmf(), HOURS) == pytest.approx(2.1, rel=1e-15)


def test_probabilities_count_by_their_share() -> None:
    assert expected_pmf(pmf((10.0, 20.0), (0.5, 0.50009)), HOURS) == pytest.approx(15.0018 / 1.00009, rel=1e-14)


def test_a_profile_shapes_the_expected_value() -> None:
    shaped = expected_pmf(pmf(profile=OFFICE), HOURS)
    assert np.asarray(shaped).tolist() == pytest.approx((2.1 * profile_weights(OFFICE, HOURS)).tolist(), rel=1e-15)


@pytest.mark.parametrize("seed", [0, 42, 2**31 - 1])
def test_draws_are_those_of_the_stream_of_the_node(seed: int) -> None:
    expected = [pick(number, CHANCES, VALUES) for number in numbers_of(seed, "calls", 24)]
    assert sampled_pmf(pmf(), HOURS, seed).tolist() == expected


def test_a_profile_shapes_what_was_drawn() -> None:
    shaped = sampled_pmf(pmf(profile=OFFICE), HOURS, 7)
    assert shaped.tolist() == (sampled_pmf(pmf(), HOURS, 7) * profile_weights(OFFICE, HOURS)).tolist()


def test_draws_come_as_often_as_they_should() -> None:
    drawn = sampled_pmf(pmf(), LONG, 5)
    shares = [(drawn == value).mean() for value in VALUES]
    # Four standard deviations of a share of 100,000.
    assert shares == pytest.approx(CHANCES, abs=4.0 * math.sqrt(0.25 / 100_000))


def test_values_that_never_happen_are_never_drawn() -> None:
    drawn = sampled_pmf(pmf((9.0, 1.0, 5.0, 7.0), (0.0, 0.5, 0.5, 0.0)), LONG, 5)
    assert set(drawn.tolist()) == {1.0, 5.0}


def test_a_stream_does_not_know_of_the_others() -> None:
    calls, mails = (sampled_pmf(pmf(name=name), LONG, 5) for name in ("calls", "mails"))
    assert abs(np.corrcoef(calls, mails)[0, 1]) < 0.013
    assert calls.tolist() == sampled_pmf(pmf(), LONG, 5).tolist()


def test_another_seed_is_another_draw() -> None:
    assert abs(np.corrcoef(sampled_pmf(pmf(), LONG, 5), sampled_pmf(pmf(), LONG, 6))[0, 1]) < 0.013


def test_a_longer_horizon_keeps_what_was_drawn() -> None:
    assert sampled_pmf(pmf(), LONG, 3)[:24].tolist() == sampled_pmf(pmf(), HOURS, 3).tolist()
    assert poisson_counts(4.5, 1000, 3, "a")[:10].tolist() == poisson_counts(4.5, 10, 3, "a").tolist()


def test_counts_are_those_of_their_stream() -> None:
    means = np.array([0.5, 3.0, 40.0, 300.0, 0.0])
    expected = [
        float(poisson_count(u, mean)) for u, mean in zip(numbers_of(9, "a@Gold", 5), means[:5].tolist(), strict=True)
    ]
    assert poisson_counts(means, 5, 9, "a@Gold").tolist() == expected


def test_one_mean_is_that_of_every_bin() -> None:
    assert poisson_counts(3.5, 50, 1, "a").tolist() == poisson_counts(np.full(50, 3.5), 50, 1, "a").tolist()


def test_means_stay_as_they_were_and_may_be_read_only() -> None:
    means = np.array([2.0, np.nan, -1.0])
    means.flags.writeable = False
    assert poisson_counts(means, 3, 1, "a").tolist()[1:] == pytest.approx([math.nan, 0.0], nan_ok=True)
    assert means.tolist() == pytest.approx([2.0, math.nan, -1.0], nan_ok=True)


def test_a_state_is_the_seed_and_the_name_mixed() -> None:
    # The first 8 bytes of the digest of "a", ca978112ca1bbdca, read from the low end.
    assert stream_state(0, "a") == 0xCABD1BCA128197CA
    assert stream_state(1, "a") == 0xCABD1BCA128197CB
