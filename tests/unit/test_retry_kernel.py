"""The policy of retry kernels."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

import pytest

from flowtime.engine.retry_kernel import retry_taps


@pytest.mark.parametrize(
    ("given", "taps"),
    [
        pytest.param(None, (0.0, 0.6, 0.3, 0.1), id="none"),
        pytest.param((), (0.0, 0.6, 0.3, 0.1), id="empty"),
        pytest.param((0.0, 0.5), (0.0, 0.5), id="as-given"),
        pytest.param((0.0, -1.0, nan, inf, 0.5), (0.0, 0.0, 0.0, 0.0, 0.5), id="negative-or-not-finite"),
        pytest.param((0.0, 3.0, 1.0), (0.0, 0.75, 0.25), id="scaled-to-1"),
        pytest.param((0.01,) * 40, (0.01,) * 32, id="at-most-32"),
    ],
)
def test_taps(given: Sequence[float] | None, taps: tuple[float, ...]) -> None:
    assert retry_taps(given) == pytest.approx(taps, abs=1e-15)
