"""The registry under pytest-benchmark, for people: ``make bench``.  It times; it judges nothing but results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.case import Case
from benchmarks.cases import CASES


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case(case: Case, benchmark: Any, tmp_path: Path) -> None:
    """One call before the clock: it compiles, loads and touches what is to be warm, and its result is checked.

    Without it the calibration times the compilation and settles on five rounds.
    """
    timed = case.factory(tmp_path, "full")
    timed.check(timed.call())
    benchmark.group = case.group
    benchmark(timed.call)
