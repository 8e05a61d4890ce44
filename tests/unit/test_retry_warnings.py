"""Warnings about retries: each with a station that raises it and one that does not."""

from __future__ import annotations

import pytest

from enginemodels import station
from warningcases import evaluated, found

FLOW = "arrivals: a, served: few, capacity: c"
RETRIES = f"{FLOW}, failures: six"
SIX = {"six": [6.0] * 6, "five": [6.0, 5.0, 5.0, 6.0, 6.0, 6.0]}
CASES = [
    pytest.param(
        "attempts_series_missing", f"{FLOW}, attempts: none", f"{FLOW}, attempts: a", "warning", id="attempts"
    ),
    pytest.param("failures_series_missing", f"{FLOW}, failures: none", RETRIES, "warning", id="failures"),
    pytest.param(
        "retry_echo_series_missing", f"{RETRIES}, retryEcho: none", f"{RETRIES}, retryEcho: few", "warning", id="echo"
    ),
    pytest.param(
        "exhausted_failures_series_missing",
        f"{RETRIES}, exhaustedFailures: none",
        f"{RETRIES}, exhaustedFailures: few",
        "warning",
        id="exhausted",
    ),
    pytest.param(
        "attempts_conservation_mismatch",
        f"{FLOW}, attempts: a, failures: five",
        f"{RETRIES}, attempts: a",
        "info",
        id="attempts-that-end-nowhere",
    ),
    pytest.param(
        "attempts_conservation_mismatch",
        f"{FLOW}, attempts: a, errors: five",
        f"{FLOW}, attempts: a, errors: six",
        "info",
        id="errors-stand-in-for-failures",
    ),
    pytest.param(
        "attempts_conservation_mismatch",
        f"{FLOW}, attempts: a, failures: five",
        f"{FLOW}, attempts: computed, failures: five",
        "info",
        id="computed-attempts-are-arrivals-and-echo",
    ),
    pytest.param(
        "retry_kernel_policy",
        f"{RETRIES}, retryKernel: [0, 0.8, 0.8]",
        f"{RETRIES}, retryKernel: [0, 0.5, 0.5]",
        "warning",
        id="more-than-1-comes-back",
    ),
    pytest.param("retry_kernel_policy", f"{RETRIES}, retryKernel: [0, -0.5]", RETRIES, "warning", id="negative-tap"),
    pytest.param(
        "retry_kernel_policy",
        f"{RETRIES}, retryKernel: {[0.0] + [0.01] * 40}",
        f"{RETRIES}, retryKernel: {[0.0] + [0.01] * 31}",
        "warning",
        id="too-many-taps",
    ),
]


@pytest.mark.parametrize(("code", "raises", "quiet", "severity"), CASES)
def test_code(code: str, raises: str, quiet: str, severity: str) -> None:
    warnings = found(evaluated(station(raises, kind="service"), **SIX), code)
    assert [(w.node_id, w.severity) for w in warnings] == [("Q", severity)]
    assert found(evaluated(station(quiet, kind="service"), **SIX), code) == []


def test_bins_where_attempts_do_not_end() -> None:
    result = evaluated(station(f"{FLOW}, attempts: a, failures: five", kind="service"), **SIX)
    (warning,) = found(result, "attempts_conservation_mismatch")
    assert (warning.bins, warning.bin_count, warning.value) == (((1, 2),), 2, 1.0)


def test_at_a_queue_attempts_may_wait() -> None:
    result = evaluated(station(f"{FLOW}, attempts: a, failures: five"), **SIX)
    assert found(result, "attempts_conservation_mismatch") == []


def test_what_the_engine_gives_up_may_have_failed_earlier() -> None:
    burst = {"burst": [8.0, 0.0, 0.0, 0.0, 0.0, 0.0]}
    semantics = f"{FLOW}, failures: burst, retryEcho: echo, exhaustedFailures: given_up, retryBudget: 1, maxAttempts: 3"
    result = evaluated(station(semantics, kind="service"), **burst)
    assert result["given_up"][1] > 0.0
    assert found(result, "exhausted_exceeds_failures") == []
