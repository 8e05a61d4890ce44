"""A measurement for people and for CI: Markdown, and JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from flowtime.tracking.perf.outcome import PerfOutcome
from flowtime.tracking.perf.results import REASONS
from flowtime.tracking.records import PerformanceTestResult

__all__ = ["case_rows", "junit_xml", "markdown_text", "summary_line", "time_text"]

COLUMNS = ("case", "base", "head", "ratio", "interval", "twin", "verdict")
GUARD_COLUMNS = ("case", "measured", "limits", "wall", "probe", "counts", "verdict")
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
MARKS = {"passed": "passed", "soft-breach": "**soft-breach**", "failed": "**FAILED**", "no-baseline": "*no-baseline*"}


def markdown_text(outcome: PerfOutcome) -> str:
    """Return the report as Markdown, fit for the summary of a CI job."""
    title = {"gate": "Performance", "guard": "Guardrails", "compare": "Comparison of two measurements"}[outcome.kind]
    columns, rows = case_rows(outcome)
    lines = [f"# {title}: {MARKS[outcome.verdict]}", "", summary_line(outcome), ""]
    lines += [_row(columns), _row(["---"] + ["---:"] * (len(columns) - 2) + ["---"])]
    lines += [_row([*row[:-1], row[-1].replace(result.status, MARKS[result.status], 1)])
              for row, result in zip(rows, outcome.results, strict=True)]  # fmt: skip
    seen = dict.fromkeys(result.reason for result in outcome.results if result.reason)
    if seen or outcome.notes:
        lines.append("")
    lines += [f"- `{reason}`: {REASONS.get(reason, reason)}" for reason in seen]
    lines += [f"- {note}" for note in outcome.notes]
    lines += ["", _host_line(outcome), ""]
    return "\n".join(lines)


def summary_line(outcome: PerfOutcome) -> str:
    """Return how many cases ended how, and what was compared."""
    statuses = [result.status for result in outcome.results]
    counts = [f"{statuses.count(status)} {status}" for status in MARKS if status in statuses]
    against = f" against {_commit(outcome.base.sha)}" if outcome.base else ""
    against += f" (run {outcome.base_run})" if outcome.base_run else ""
    measured = f"{outcome.episodes} episodes of {outcome.sweeps} sweeps, seed {outcome.seed}, "
    how = measured if outcome.kind == "gate" else ""
    head = f"{outcome.suite} at {_commit(outcome.head.sha)}{against}"
    return f"{head}: {', '.join(counts)} ({how}{outcome.duration_seconds:.0f} s)"


def case_rows(outcome: PerfOutcome) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the columns of the table and a row of texts for each result."""
    if outcome.kind == "guard":
        return GUARD_COLUMNS, [_guard_row(result) for result in outcome.results]
    return COLUMNS, [_gate_row(result) for result in outcome.results]


def junit_xml(outcome: PerfOutcome) -> bytes:
    """Return the report as JUnit XML: failed is a failure, a soft breach a property, no baseline skipped."""
    statuses = [result.status for result in outcome.results]
    suite = ElementTree.Element(
        "testsuite",
        name=f"perf {outcome.suite}",
        tests=str(len(statuses)),
        failures=str(statuses.count("failed")),
        skipped=str(statuses.count("no-baseline")),
        errors="0",
        time=f"{outcome.duration_seconds:.3f}",
        timestamp=outcome.created_utc,
    )
    for result in outcome.results:
        _junit_case(suite, outcome, result)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    body: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def time_text(seconds: float | None) -> str:
    """Return a time with three digits and a unit, as ``1.23 ms``; a dash for none."""
    if seconds is None:
        return "-"
    # Three digits: more would look surer than it is.
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{seconds / size:.3g} {unit}" if seconds / size < 100 else f"{seconds / size:.0f} {unit}"


def _junit_case(suite: ElementTree.Element, outcome: PerfOutcome, result: PerformanceTestResult) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"perf.{_printable(outcome.suite)}",
        name=_printable(result.test_id),
        time=f"{result.duration_seconds:.3f}",
    )
    properties = ElementTree.SubElement(case, "properties")
    facts = {"verdict": result.status, "reason": result.reason, "ratio": result.ratio, **result.evidence}
    for name, value in facts.items():
        if value is not None:
            ElementTree.SubElement(properties, "property", name=name, value=_printable(str(value)))
    message = _printable(REASONS.get(result.reason or "", result.reason or ""))
    if result.status == "failed":
        ElementTree.SubElement(case, "failure", message=message, type=result.reason or "failed")
    elif result.status == "no-baseline":
        ElementTree.SubElement(case, "skipped", message=message)


def _gate_row(result: PerformanceTestResult) -> tuple[str, ...]:
    twin = result.evidence.get("twinRatio")
    bounds = (result.ratio_low, result.ratio_high)
    interval = "-" if None in bounds else " to ".join(_ratio(bound) for bound in bounds)
    return (
        result.test_id,
        time_text(result.baseline_seconds),
        time_text(result.measured_seconds),
        _ratio(result.ratio),
        interval,
        _ratio(twin) if isinstance(twin, float) else "-",
        _verdict(result),
    )


def _guard_row(result: PerformanceTestResult) -> tuple[str, ...]:
    figures = result.evidence
    names = [name.removesuffix(" limit ms") for name in figures if name.endswith(" limit ms") and name[:5] != "probe"]
    counts = [name.removesuffix(" counted") for name in figures if name.endswith(" counted")]

    def times(kind: str) -> str:
        return ", ".join(f"{name} {_ms(figures[f'{name} {kind} ms'])}" for name in names)

    probe = _ms(figures["probe p99 net ms"]) if "probe p99 net ms" in figures else "-"
    listed = [f"{name} {figures[f'{name} counted']} of {figures[f'{name} must be']}" for name in counts]
    return (
        result.test_id,
        times("net"),
        times("limit"),
        times("wall"),
        probe,
        ", ".join(listed) or "-",
        _verdict(result),
    )


def _verdict(result: PerformanceTestResult) -> str:
    return f"{result.status} ({result.reason})" if result.reason else result.status


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3f}"


def _ms(value: object) -> str:
    return time_text(value / 1000.0) if isinstance(value, (int, float)) else "-"


def _commit(sha: str | None) -> str:
    return sha[:12] if sha else "no commit"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _host_line(outcome: PerfOutcome) -> str:
    host = outcome.host
    net = "net of waiting for a core" if host.has_net_time else "wall time, as this system tells no waiting"
    load = f", load {host.load_before[0]:g} before and {host.load_after[0]:g} after" if host.load_before else ""
    sure = [result.evidence.get("confidence") for result in outcome.results]
    least = min((value for value in sure if isinstance(value, float)), default=None)
    bounds = "" if least is None else f" An interval holds the ratio with {least:.0%}."
    return f"{host.cpu}, {host.cores} cores, {host.system}{load}; times are {net}.{bounds}"


def _printable(text: str) -> str:
    """Leave out what XML can not hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
