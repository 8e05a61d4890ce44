"""The report of a tracked run: what it did, how long that took, what the machine did, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from flowtime.tracking.records import EtaScore, PerformanceTestResult, Record, Scalar, Seconds
from flowtime.tracking.report.run_status import StatusDocument, read_status
from flowtime.tracking.report.sections import Section
from flowtime.tracking.report.status_text import advice_section, number_text, status_sections, steps_section
from flowtime.tracking.run_files import read_record

__all__ = ["RunReport", "RunSide", "report_run", "report_sections", "show_sections"]

_MEASURED = frozenset({
    "telemetry_samples",
    "avg_cpu_percent_process",
    "avg_cpu_percent_system",
    "avg_steps_per_sec",
    "max_memory_rss_mb",
    "recommendation_count",
})  # fmt: skip
_RATE_OF_STEP = "avg_steps_per_sec."
_MOST_ROWS = 200


class RunSide(Record, frozen=True, kw_only=True):
    """What a program said of a run, beside what was measured: the figures of its summary and what it was made with."""

    summary: dict[str, Scalar] = msgspec.field(default_factory=dict)
    config: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    environment: dict[str, Scalar] = msgspec.field(default_factory=dict)
    initiator: str | None = None
    artifacts: tuple[str, ...] = ()


class RunReport(Record, frozen=True, kw_only=True):
    """A run as it stands or stood, what its program said of it, its performance tests, and how good its ETA was.

    ``telemetry`` are means and peaks over the samples, as the tracker summed them up at the end.
    """

    status: StatusDocument
    told: RunSide
    telemetry: dict[str, float] = msgspec.field(default_factory=dict)
    perf_tests: tuple[PerformanceTestResult, ...] = ()
    eta_score: EtaScore | None = None
    steps_seconds: Seconds = 0.0


def report_run(folder: Path) -> RunReport:
    """Return the report of a tracked run; of one that goes on, what is known so far.  Raises as ``read_status``."""
    status = read_status(folder)
    record = read_record(folder)
    summary = record.summary
    telemetry = {
        name: float(value) for name, value in summary.items() if _is_measured(name) and isinstance(value, int | float)
    }
    return RunReport(
        status=status,
        told=RunSide(
            summary={name: value for name, value in summary.items() if name not in telemetry},
            config=record.config,
            environment=record.environment,
            initiator=record.initiator,
            artifacts=record.artifacts,
        ),
        telemetry=telemetry,
        perf_tests=record.perf_tests,
        eta_score=record.eta,
        steps_seconds=sum(step.duration_seconds or 0.0 for step in status.steps if step.parent is None),
    )


def report_sections(report: RunReport) -> list[Section]:
    """Return the report for a person, as text or Markdown."""
    status = report.status
    head = status_sections(status, most_rows=_MOST_ROWS)[0]
    facts = Section(head.title, (), [row for row in head.rows if row[0] not in ("heartbeat", "machine")])
    return [
        facts,
        _durations(report),
        Section("summary", (), _pairs(report.told.summary)),
        Section(
            "machine", ("figure", "value"), [(name, number_text(value)) for name, value in report.telemetry.items()]
        ),
        advice_section(status.advice),
        _perf_section(report.perf_tests),
        _eta_section(report.eta_score),
        _last_values(status),
        _end_section(status),
    ]


def show_sections(report: RunReport) -> list[Section]:
    """Return what a run is: as the report, with what it was made with, and without what it measured."""
    status = report.status
    return [
        status_sections(status)[0],
        Section("made with", (), _pairs(report.told.config)),
        Section("where", (), _pairs(report.told.environment)),
        steps_section(status.steps),
        Section("summary", (), _pairs({**report.told.summary, **report.telemetry})),
        _end_section(status),
    ]


def _is_measured(name: str) -> bool:
    """Say whether a figure of a summary was put there by the tracker itself."""
    return name in _MEASURED or name.startswith(_RATE_OF_STEP)


def _durations(report: RunReport) -> Section:
    """Return the steps with the share that each took."""
    whole = report.steps_seconds
    section = steps_section(report.status.steps, _MOST_ROWS)
    shown = {step.step_id: step for step in report.status.steps}
    rows = []
    for row in section.rows:
        step = shown.get(row[0].strip().partition(" (")[0])
        seconds = None if step is None or step.parent is not None else step.duration_seconds
        rows.append((*row, f"{seconds / whole:.0%}".replace("%", " %") if seconds and whole else "-"))
    return Section("steps", (*section.columns, "share"), rows, section.more)


def _perf_section(tests: tuple[PerformanceTestResult, ...]) -> Section:
    rows = [
        (
            test.test_id,
            test.status if test.reason is None else f"{test.status} ({test.reason})",
            "-" if test.baseline_seconds is None else f"{test.baseline_seconds:.4g} s",
            "-" if test.measured_seconds is None else f"{test.measured_seconds:.4g} s",
            "-" if test.ratio is None else f"{test.ratio:.3f}",
        )
        for test in tests
    ]
    return Section("performance tests", ("test", "verdict", "base", "measured", "ratio"), rows)


def _eta_section(score: EtaScore | None) -> Section:
    rows: list[tuple[str, str]] = []
    if score is not None:
        rows = [
            ("forecasts", f"{score.forecasts:,}"),
            ("median error", _share(score.median_error)),
            ("error after the second step", _share(score.after_step_2_error)),
            ("intervals that held the end", _share(score.interval_coverage)),
        ]
    return Section("how good the ETA was", (), rows)


def _last_values(status: StatusDocument) -> Section:
    rows = [(item.name, number_text(item.value), f"{item.row:,}") for item in status.scalars[:_MOST_ROWS]]
    return Section("last values", ("name", "value", "row"), rows, max(0, len(status.scalars) - len(rows)))


def _end_section(status: StatusDocument) -> Section:
    end = status.end
    if end is None or status.status == "completed":
        return Section("what was said last", ("line",), [])
    lines = [*(end.traceback or "").splitlines(), *end.log_lines]
    return Section("what was said last", ("line",), [(line,) for line in lines])


def _pairs(values: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in values.items()]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number_text(value)
    text = bytes(value).decode("utf-8", "replace") if isinstance(value, msgspec.Raw) else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}".replace("%", " %")
