"""The end of a run as its own process writes it; for that of one that died see ``burial``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtime.tracking.ends import SHELL_BASE, Seen
from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.run_document import Outcome, end_document, final_document, step_status_at_end
from flowtime.tracking.run_files import write_document

if TYPE_CHECKING:
    from flowtime.tracking.guard import Guard
    from flowtime.tracking.live.pulse import Pulse
    from flowtime.tracking.opening import RunRequest, Session

__all__ = ["Closing", "close_session"]


class Closing(NamedTuple):
    """What the run knows of its end: its status, the signal that led to it if one did, and what is to be kept."""

    status: str
    seen: Seen | None
    cause: Mapping[str, Any]
    lines: Sequence[str]
    summary: Mapping[str, Any]
    perf_tests: Sequence[Mapping[str, Any]]


def close_session(request: RunRequest, session: Session, pulse: Pulse, guard: Guard, closing: Closing) -> None:
    """Write the last records and run.json, close the files and let go of the lock.

    What is of less weight than run.json may fail on its own: it is counted by ``guard``.
    """
    try:
        _close_steps(request, session, closing)
        advice: list[dict[str, Any]] = []
        figures: dict[str, float | int] = {}
        with guard:
            advice, figures = pulse.last(is_completed=closing.status == "completed")
        session.log.append(Kind.RUN, {"status": closing.status, "signal": _signal(closing)})
        if advice:
            figures["recommendation_count"] = len(advice)
        _write(request, session, pulse, closing, advice, figures)
    finally:
        session.log.close()
        if request.durability == "power":
            session.live.flush()
        session.live.close()
        session.lock.release()


def _close_steps(request: RunRequest, session: Session, closing: Closing) -> None:
    clock = request.clock
    status = step_status_at_end(closing.status)
    reason = None if status == "completed" else _reason(closing)
    for row in session.table.close_running(status, reason, clock.wall_ns(), clock.monotonic_ns()):
        data = {"id": row.id, "status": status, "reason": reason, "done": row.done, "total": row.total}
        session.log.append(Kind.STEP, data)


def _write(
    request: RunRequest,
    session: Session,
    pulse: Pulse,
    closing: Closing,
    advice: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
) -> None:
    clock = request.clock
    outcome = Outcome(
        status=closing.status,
        wall_ns=clock.wall_ns(),
        elapsed_s=pulse.elapsed_s(),
        end=_end(closing, pulse.reason),
        summary={**figures, **closing.summary},
        recommendations=advice,
        perf_tests=closing.perf_tests,
        eta=pulse.score(),
        events=session.log.counts.events,
        dropped=pulse.dropped,
    )
    write_document(
        session.files.folder, final_document(session.document, session.table, outcome), durability=request.durability
    )


def _end(closing: Closing, lost: str | None) -> dict[str, Any] | None:
    """Return why the run ended; nothing of one that is completed and has nothing to say."""
    known = _known(closing.cause)
    if closing.seen is not None:
        known.setdefault("reason", f"ended by {closing.seen.name}")
        known["exit_code"] = SHELL_BASE + closing.seen.number
    if lost is not None:
        known["reason"] = "; ".join(filter(None, (known.get("reason"), f"not all was recorded: {lost}")))
    if closing.status == "completed" and not known:
        return None
    if closing.status != "completed":
        known.setdefault("log_lines", closing.lines)
    if closing.seen is not None:
        known["signal"] = closing.seen.name
    return end_document(**known)


def _reason(closing: Closing) -> str:
    return str(_signal(closing) or closing.cause.get("error") or closing.cause.get("reason") or "the run ended")


def _signal(closing: Closing) -> str | None:
    return closing.cause.get("signal") if closing.seen is None else closing.seen.name


def _known(cause: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in cause.items() if value is not None}
