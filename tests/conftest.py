"""What all tests share: how Hypothesis searches, and an environment that is ours alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

__all__ = ["clean_environment", "pytest_addoption", "warm_kernels"]

# No deadline: a busy machine is not a defect.  Derandomized in CI, so that a red build can be repeated.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("search"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "search")

# Where kernels are cached is the one thing a test may take from outside: compiling them anew takes a while.
KEPT = frozenset({"FLOWTIME_KERNEL_CACHE_DIR"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many random models the engine is compared with the oracle on, and how often a tracked run is killed."""
    text = "random models to compare with the slow oracle (tests/property/test_random_models.py)"
    parser.addoption("--models", type=int, default=200, metavar="N", help=text)
    text = "processes to kill while they log (tests/e2e/test_tracker_kill.py)"
    parser.addoption("--kills", type=int, default=25, metavar="N", help=text)


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> Iterator[None]:
    """Hide the caller's ``FLOWTIME_*`` variables: a test that needs one sets it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FLOWTIME_") and name not in KEPT]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True, scope="session")
def warm_kernels(clean_environment: None) -> None:
    """Compile every family of kernels once: a command that finds one cold says so, whatever it is tested for."""
    from flowtime.engine.kernel_cache import FAMILIES, info

    known = info()
    if known.is_warm and set(FAMILIES) <= set(known.families):
        return
    from flowtime.engine.kernel_cache import warm
    from flowtime.state.windows import warm_window_kernels
    from flowtime.telemetry.gap_kernels import warm_gap_kernels

    for compile_them in (warm, warm_gap_kernels, warm_window_kernels):
        compile_them()
