"""Checks of attempts, failures and retries at one topology node."""

from __future__ import annotations

from collections.abc import Iterator

from flowtime.engine.retry_kernel import MOST_RETRY_TAPS, retry_taps
from flowtime.engine.run_warning import RunWarning
from flowtime.engine.station_view import StationView
from flowtime.engine.tolerance import apart

__all__ = ["retry_warnings"]

# The part, and the code that says that its series holds no number.
_EMPTY = (
    ("attempts", "attempts_series_missing"),
    ("failures", "failures_series_missing"),
    ("retryEcho", "retry_echo_series_missing"),
    ("exhaustedFailures", "exhausted_failures_series_missing"),
)


def retry_warnings(view: StationView) -> Iterator[RunWarning]:
    """Yield what does not fit together in the retries of a node."""
    yield from _pair(view, "attempts_below_arrivals", "arrivals exceed attempts", "arrivals", "attempts")
    yield from _pair(view, "failures_exceed_attempts", "failures exceed attempts", "failures", "attempts")
    yield from _exhausted(view)
    for role, code in _EMPTY:
        if view.lacks_values(role):
            yield view.subject.note(code, f"no number in the {role} that are bound", "warning")
    yield from _balance(view)
    yield from _policy(view)


def _pair(view: StationView, code: str, message: str, more: str, less: str) -> Iterator[RunWarning]:
    yield from view.subject.above(code, message, view.series.get(more), view.series.get(less))


def _exhausted(view: StationView) -> Iterator[RunWarning]:
    # What the engine computes may give up in one bin what failed in an earlier one.
    if view.station.made.exhausted_failures is None:
        cause = "failures" if "failures" in view.series else "errors"
        code = "exhausted_exceeds_failures" if cause == "failures" else "exhausted_exceeds_errors"
        yield from _pair(view, code, f"exhausted failures exceed {cause}", "exhaustedFailures", cause)
    if view.station.node.semantics.max_attempts is None:
        return
    if "exhaustedFailures" not in view.station.series:
        message = "maxAttempts is set, but no exhaustedFailures: what is given up leaves unseen"
        yield view.subject.note("missing_exhausted_failures_series", message)
    if "retryBudgetRemaining" not in view.station.series:
        message = "maxAttempts is set, but no retryBudgetRemaining series"
        yield view.subject.note("missing_retry_budget_series", message)


def _balance(view: StationView) -> Iterator[RunWarning]:
    # Attempts that the engine computes are arrivals and echo; those at a queue end in a later bin.
    if view.station.made.attempts is not None or view.station.has_queue:
        return
    attempts, served = view.series.get("attempts"), view.series.get("served")
    failed = view.series.get("failures", view.series.get("errors"))
    if attempts is None or served is None or failed is None:
        return
    ended = served + failed
    message = "attempts are not served and failures together"
    yield from view.subject.where(
        "attempts_conservation_mismatch", message, apart(attempts, ended), attempts - ended, "info"
    )


def _policy(view: StationView) -> Iterator[RunWarning]:
    given = view.station.node.semantics.retry_kernel
    if given and tuple(given) != retry_taps(given):
        message = (
            f"the retry kernel is not used as given: at most {MOST_RETRY_TAPS} taps, none negative, "
            "and together no more than 1"
        )
        yield view.subject.note("retry_kernel_policy", message, "warning")
