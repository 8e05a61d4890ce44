"""Slow twins of what is random: whole numbers for the generator, 60 decimal digits for the probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from itertools import islice

__all__ = ["pcg_words", "pick", "poisson_count", "poisson_steps"]

MASK = 2**64 - 1
DIGITS = Context(prec=60)


def pcg_words(seed: int, count: int) -> list[int]:
    """The first numbers of 32 bits after the one that is thrown away."""
    return list(islice(_words(seed), 1, count + 1))


def _words(state: int) -> Iterator[int]:
    while True:
        word = ((state ^ (state >> 18)) >> 27) % 2**32
        turns = state >> 59
        low_bits = word % 2**turns
        yield (word >> turns) + low_bits * 2 ** (32 - turns) if turns else word
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK


def pick(uniform: float, probabilities: Sequence[float], values: Sequence[float]) -> float:
    """The first value whose cumulative probability is at least the uniform number, else the last."""
    reached = 0.0
    for probability, value in zip(probabilities, values, strict=True):
        reached += probability
        if reached >= uniform:
            return value
    return values[-1]


def poisson_steps(mean: float) -> Iterator[Decimal]:
    """The probability of at most 0, 1, 2 ... events."""
    rate = Decimal(mean)
    term = total = DIGITS.exp(-rate)
    count = 0
    while True:
        yield total
        count += 1
        term = DIGITS.divide(DIGITS.multiply(term, rate), count)
        total = DIGITS.add(total, term)


def poisson_count(uniform: float, mean: float) -> int:
    """The least count whose cumulative probability reaches the middle of the number's step of 2**-32."""
    middle = DIGITS.add(Decimal(uniform), DIGITS.power(2, -33))
    return next(count for count, reached in enumerate(poisson_steps(mean)) if reached >= middle)
