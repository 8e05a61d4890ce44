"""What is random in a model, and the seeds that it may be drawn from."""

from __future__ import annotations

from typing import Any

import pytest

from flowtime.errors import ParameterError
from flowtime.model import parse_model
from flowtime.model.randomness import arrival_stream, checked_seed, random_inputs, sampling_seed
from flowtime.model.spec import ModelSpec

HEAD = "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minutes}\n"
NODES = (
    "nodes:\n- {id: a, kind: const, values: 1}\n"
    "- {id: p, kind: pmf, pmf: {values: [1, 2], probabilities: [0.5, 0.5]}}\n"
    "- {id: q, kind: pmf, pmf: {values: [1], probabilities: [1]}}\n"
)
CLASSES = "classes: [{id: Gold}, {id: Basic}]\n"


def spec(rest: str = "") -> ModelSpec:
    """A model of an input and two distributions, and what a test adds."""
    return parse_model(HEAD + NODES + rest).spec


def arrivals(*entries: tuple[str, str | None, str]) -> str:
    """Traffic of entries (node, class, kind)."""
    lines = [
        f"  - {{nodeId: {node}, {f'classId: {name}, ' if name else ''}pattern: {{kind: {kind}, ratePerBin: 2}}}}\n"
        for node, name, kind in entries
    ]
    return f"traffic:\n  arrivals:\n{''.join(lines)}"


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        pytest.param("", ("p", "q"), id="distributions"),
        pytest.param(arrivals(("a", None, "poisson")), ("p", "q", "a"), id="counts"),
        pytest.param(arrivals(("a", None, "constant")), ("p", "q"), id="constant-arrivals"),
        pytest.param(arrivals(("new", None, "poisson"), ("new", None, "poisson")), ("p", "q", "new"), id="one-stream"),
        pytest.param(arrivals(("p", None, "poisson")), ("p", "q", "p@DEFAULT"), id="counts-around-a-distribution"),
        pytest.param(
            CLASSES + arrivals(("a", "Gold", "poisson"), ("new", "Basic", "poisson"), ("a", "Basic", "poisson")),
            ("p", "q", "a@Gold", "new@Basic", "a@Basic"),
            id="a-stream-for-each-class",
        ),
    ],
)
def test_random_inputs(rest: str, expected: tuple[str, ...]) -> None:
    assert random_inputs(spec(rest)) == expected


@pytest.mark.parametrize(
    ("node", "class_id", "expected"),
    [
        pytest.param("a", None, "a", id="node"),
        pytest.param("new", "Gold", "new@Gold", id="class"),
        pytest.param("p", None, "p@DEFAULT", id="distribution"),
        pytest.param("p", "Gold", "p@Gold", id="class-of-a-distribution"),
    ],
)
def test_stream_of_arrivals(node: str, class_id: str | None, expected: str) -> None:
    assert arrival_stream(spec(), node, class_id) == expected


@pytest.mark.parametrize(
    ("rest", "seed", "expected"),
    [
        pytest.param("", None, 0, id="neither"),
        pytest.param("", 7, 7, id="asked-for"),
        pytest.param("rng: {seed: 5}\n", None, 5, id="of-the-model"),
        pytest.param("rng: {kind: pcg32, seed: 5}\n", 0, 0, id="asked-for-over-that-of-the-model"),
        pytest.param("", 2**31 - 1, 2**31 - 1, id="largest"),
    ],
)
def test_sampling_seed(rest: str, seed: int | None, expected: int) -> None:
    assert sampling_seed(spec(rest), seed) == expected


@pytest.mark.parametrize("seed", [-1, 2**31])
@pytest.mark.parametrize("check", [checked_seed, lambda seed: sampling_seed(spec(), seed)], ids=["record", "sample"])
def test_seed_out_of_bounds(check: Any, seed: int) -> None:
    with pytest.raises(ParameterError) as caught:
        check(seed)
    assert caught.value.code == "parameter.seed"


@pytest.mark.parametrize("kind", ["mt19937", "xoshiro256"])
def test_other_generators_can_not_be_drawn_from(kind: str) -> None:
    with pytest.raises(ParameterError, match=kind) as caught:
        sampling_seed(spec(f"rng: {{kind: {kind}}}\n"), 1)
    assert caught.value.code == "parameter.rng_kind"
