"""Hints on how work piles up: each with a station that raises it and one that does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from enginemodels import station
from warningcases import evaluated, found

WORK = "arrivals: flow, capacity: ten"
STEADY = [10.0] * 6
CASES = [
    pytest.param(
        "littles-law-non-stationary", [5.0, 5.0, 5.0, 9.0, 9.0, 9.0], [8.0, 8.0, 8.0, 9.0, 9.0, 9.0], (), id="rates"
    ),
    pytest.param(
        "backlog_growth_streak",
        [10.0, 12.0, 12.0, 12.0, 8.0, 9.0],
        [10.0, 12.0, 12.0, 8.0, 12.0, 12.0],
        ((1, 3),),
        id="three-bins-of-growth",
    ),
    pytest.param(
        "backlog_overload_ratio",
        [12.0, 12.0, 12.0, 8.0, 12.0, 12.0],
        [12.0, 12.0, 8.0, 12.0, 12.0, 10.0],
        ((0, 2),),
        id="three-bins-of-overload",
    ),
    # Capacity 10 in bins of a minute: more than 20 in the queue wait for more than 2 minutes.
    pytest.param(
        "backlog_age_risk",
        [25.0, 20.0, 10.0, 10.0, 10.0, 0.0],
        [25.0, 20.0, 10.0, 0.0, 0.0, 0.0],
        ((1, 4),),
        id="three-bins-of-age",
    ),
]


@pytest.mark.parametrize(("code", "raises", "quiet", "bins"), CASES)
def test_hint(code: str, raises: list[float], quiet: list[float], bins: Sequence[tuple[int, int]]) -> None:
    stage = station(f"{WORK}, slaMin: 2")
    (warning,) = found(evaluated(stage, flow=raises, ten=10.0), code)
    assert (warning.node_id, warning.bins, warning.severity) == ("Q", bins, "info")
    assert found(evaluated(stage, flow=quiet, ten=10.0), code) == []


def test_dead_letters_are_meant_to_pile_up() -> None:
    result = evaluated(station("arrivals: a, served: zero", kind="dlq"))
    assert result["q_queue"].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert list(result.warnings) == []


@pytest.mark.parametrize(
    ("semantics", "kind"),
    [
        pytest.param("arrivals: flow, capacity: ten", "serviceWithBuffer", id="no-wish"),
        pytest.param("arrivals: flow, served: flow, capacity: ten, slaMin: 1", "service", id="no-queue"),
    ],
)
def test_age_needs_a_queue_and_a_wish(semantics: str, kind: str) -> None:
    result = evaluated(station(semantics, kind=kind), flow=[90.0, 0.0, 0.0, 0.0, 0.0, 0.0], ten=10.0)
    assert found(result, "backlog_age_risk") == []
