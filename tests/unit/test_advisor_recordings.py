"""Advice on whole recordings: silent on healthy ones, awake on sick ones.

``FLOWTIME_TEST_RECORDINGS=1000`` takes more of them.
"""

from __future__ import annotations

import os
from math import floor

import pytest

from recordings import ILLNESSES, healthy, judge, sick

HEALTHY = int(os.environ.get("FLOWTIME_TEST_RECORDINGS", "300"))
SICK = max(20, HEALTHY // 10)


def test_at_most_one_in_a_hundred_healthy_recordings_gets_advice() -> None:
    alarmed = [seed for seed in range(HEALTHY) if any(judge(healthy(seed)))]
    assert len(alarmed) <= floor(0.01 * HEALTHY)


@pytest.mark.parametrize("illness", ILLNESSES)
def test_nearly_all_sick_recordings_are_caught_while_they_run(illness: str) -> None:
    lives = [judge(sick(illness, seed))[0] for seed in range(SICK)]
    caught = [live for live in lives if any(advice["trigger"] == illness for advice in live)]
    assert len(caught) >= 0.95 * SICK


def test_a_recording_is_the_same_for_the_same_seed() -> None:
    assert healthy(3) == healthy(3)
    assert healthy(3) != healthy(4)
