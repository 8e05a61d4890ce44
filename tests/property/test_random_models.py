"""The engine is the slow oracle on random models of every kind mixed.

200 models by default; ``pytest tests/property/test_random_models.py --models 2000`` takes that many.  A failure names
its seeds: ``mixed_draft(Random(seed)).text()`` is the model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest

from flowtime.engine import compile_model
from flowtime.model import parse_model
from oracle import evaluate_model, first_difference
from strategies_features import LEAST_SHARES, features
from strategies_mixed import mixed_draft

AT_ONCE = 20
# Against the greatest value of a model: amounts of a model may differ by many orders.
TOLERANCE = 1e-9


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Some models to a test, so that a run shows how far it is."""
    if "seeds" in metafunc.fixturenames:
        count = metafunc.config.getoption("--models")
        chunks = [range(first, min(first + AT_ONCE, count)) for first in range(0, count, AT_ONCE)]
        metafunc.parametrize("seeds", chunks, ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")


def largest(series: Mapping[str, Sequence[float]]) -> float:
    """The greatest finite size of any value, 1 at least."""
    return max(1.0, *(abs(value) for values in series.values() for value in values if math.isfinite(value)))


def difference(seed: int) -> str | None:
    """What the engine says otherwise than the oracle; None where they agree on every series and class."""
    model = parse_model(mixed_draft(Random(seed)).text())
    expected, actual = evaluate_model(model), compile_model(model).evaluate()
    unknown = [name for name in actual if name not in expected and not name.startswith("edge_")]
    if unknown:
        return f"the oracle knows no {', '.join(unknown)}"
    return first_difference(expected, actual, rtol=TOLERANCE, atol=TOLERANCE * largest(expected))


def test_engine_is_the_oracle(seeds: range) -> None:
    apart = {seed: difference(seed) for seed in seeds}
    assert {seed: said for seed, said in apart.items() if said} == {}


def test_models_have_every_feature() -> None:
    found = Counter(feature for seed in range(400) for feature in features(mixed_draft(Random(seed))))
    rare = {feature: found[feature] for feature, share in LEAST_SHARES.items() if found[feature] < share * 400}
    assert rare == {}


def test_features_are_all_counted() -> None:
    found = {feature for seed in range(400) for feature in features(mixed_draft(Random(seed)))}
    assert found == set(LEAST_SHARES)


def test_a_seed_is_a_model() -> None:
    assert mixed_draft(Random(7)) == mixed_draft(Random(7))
    assert mixed_draft(Random(7)) != mixed_draft(Random(8))
