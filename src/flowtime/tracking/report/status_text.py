"""How the status of a run is told to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowtime.tracking.forecast.eta import Forecast
from flowtime.tracking.report.progress_text import bar_text, duration_text, eta_text
from flowtime.tracking.report.sections import Section

if TYPE_CHECKING:
    from flowtime.tracking.records import PerformanceRecommendation, StepExecutionEntry, TelemetrySnapshot
    from flowtime.tracking.report.run_status import LastScalar, RemainingTime, StatusDocument

__all__ = ["advice_section", "machine_text", "number_text", "remaining_text", "status_sections", "steps_section"]

_MOST_ROWS = 40
_STEP_COLUMNS = ("step", "status", "attempts", "progress", "elapsed")
_MIB_IN_GIB = 1024.0
_REASON_LETTERS = 40


def status_sections(status: StatusDocument, *, most_rows: int = _MOST_ROWS) -> list[Section]:
    """Return what a person wants to know of a run, the most wanted first; tables have at most ``most_rows`` rows."""
    return [
        Section(f"{status.pipeline} ({status.run_id}) {status.status}", (), _facts(status)),
        steps_section(status.steps, most_rows),
        _scalar_section(status.scalars, most_rows),
        advice_section(status.advice),
    ]


def steps_section(steps: Sequence[StepExecutionEntry], most_rows: int = _MOST_ROWS) -> Section:
    """Return the table of steps; of many, those around the ones under way."""
    shown = _window(steps, most_rows)
    return Section("steps", _STEP_COLUMNS, [_step_row(step) for step in shown], len(steps) - len(shown))


def advice_section(advice: Sequence[PerformanceRecommendation]) -> Section:
    """Return the list of advice, each with what to do."""
    rows = [
        (item.severity, item.trigger, item.message, "; ".join(item.suggested_actions))
        for item in sorted(advice, key=lambda item: ("critical", "warning", "info").index(item.severity))
    ]
    return Section("advice", ("severity", "rule", "what was seen", "what to do"), rows)


def machine_text(machine: TelemetrySnapshot | None) -> str | None:
    """Return what the machine does, in one line; None where nothing of it is known."""
    if machine is None:
        return None
    parts = [
        _part("CPU of the run {:.0f} %", machine.cpu_percent_process),
        _part("of the machine {:.0f} %", machine.cpu_percent_system),
        _memory("memory", machine.memory_rss_mb),
        _part("GPU {:.0f} %", machine.gpu_util_percent),
        _memory("GPU memory", machine.gpu_mem_used_mb),
        _memory("disk free", machine.disk_free_mb),
    ]
    return ", ".join(part for part in parts if part) or None


def remaining_text(eta: RemainingTime) -> str:
    """Return when a run will end, ``unknown`` where that is not known."""
    return eta_text(Forecast(eta.seconds, eta.low, eta.high, None, "unknown" if eta.seconds is None else "live"))


def number_text(value: float | None) -> str:
    """Return a number with six digits; ``nan`` for what is no number."""
    return "nan" if value is None else f"{value:.6g}"


def _facts(status: StatusDocument) -> list[tuple[str, str]]:
    is_over = status.completed_utc is not None
    facts = [
        ("steps", f"{status.steps_done} of {status.steps_total}" if status.steps_total else None),
        ("step", None if status.step is None else _step_text(status)),
        ("elapsed", duration_text(status.elapsed_seconds)),
        ("eta", None if is_over or status.status != "running" else remaining_text(status.eta)),
        ("began", f"{status.created_utc}{f', {status.sessions} sessions' if status.sessions > 1 else ''}"),
        ("ended", status.completed_utc),
        ("end", None if status.end is None else _end_text(status)),
        ("heartbeat", None if status.heartbeat_seconds is None else f"{status.heartbeat_seconds:.1f} s ago"),
        ("events", f"{status.events:,}{f', {status.dropped:,} dropped' if status.dropped else ''}"),
        ("scenario", status.scenario),
        ("tags", " ".join(f"{key}={value}" if value else key for key, value in status.tags.items()) or None),
        ("pinned", "yes" if status.is_pinned else None),
        ("machine", machine_text(status.machine)),
        ("folder", status.path),
    ]
    return [(name, text) for name, text in facts if text is not None]


def _step_text(status: StatusDocument) -> str:
    place = f"{status.step_index}/{status.steps_total} {status.step}" if status.step_index else str(status.step)
    if status.done is None:
        return place
    items = f"{status.done:,}/{status.total:,}" if status.total else f"{status.done:,}"
    rate = f", {status.rate:.3g}/s" if status.rate is not None else ""
    return f"{place} {bar_text(status.done, status.total)} {items}{rate}" if status.total else f"{place} {items}{rate}"


def _end_text(status: StatusDocument) -> str | None:
    end = status.end
    if end is None:
        return None
    parts = [
        end.signal,
        None if end.exit_code is None else f"exit status {end.exit_code}",
        end.error,
        end.reason,
    ]
    # A program that was wrapped has its exit status for an error: said once.
    return ", ".join(dict.fromkeys(part for part in parts if part)) or None


def _window(steps: Sequence[StepExecutionEntry], most: int) -> Sequence[StepExecutionEntry]:
    if len(steps) <= most:
        return steps
    # The last step under way, or else the last one that was begun, in the middle.
    begun = [place for place, step in enumerate(steps) if step.status != "pending"]
    running = [place for place in begun if steps[place].status == "running"]
    middle = (running or begun or [0])[-1]
    start = min(max(0, middle - most // 2), len(steps) - most)
    return steps[start : start + most]


def _step_row(step: StepExecutionEntry) -> tuple[str, ...]:
    indent = "  " if step.parent is not None else ""
    name = step.step_id if step.display_name == step.step_id else f"{step.step_id} ({step.display_name})"
    status = step.status if not step.reason else f"{step.status}: {_cut(step.reason)}"
    if step.done is None:
        progress = "-"
    else:
        progress = f"{step.done:,}/{step.total:,}" if step.total is not None else f"{step.done:,}"
    elapsed = "-" if step.duration_seconds is None else duration_text(step.duration_seconds)
    return (indent + name, status, str(step.attempts) if step.attempts else "-", progress, elapsed)


def _cut(text: str) -> str:
    line = text.splitlines()[0]
    return line if len(line) <= _REASON_LETTERS else f"{line[: _REASON_LETTERS - 3]}..."


def _scalar_section(scalars: Sequence[LastScalar], most: int) -> Section:
    rows = [(item.name, number_text(item.value), f"{item.row:,}") for item in scalars[:most]]
    return Section("last values", ("name", "value", "row"), rows, max(0, len(scalars) - most))


def _part(form: str, value: float | None) -> str | None:
    return None if value is None else form.format(value)


def _memory(noun: str, mebibytes: float | None) -> str | None:
    if mebibytes is None:
        return None
    text = f"{mebibytes:.0f} MiB" if mebibytes < _MIB_IN_GIB else f"{mebibytes / _MIB_IN_GIB:.1f} GiB"
    return f"{noun} {text}"
