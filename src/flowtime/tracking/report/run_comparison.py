"""Two tracked runs beside each other: what they were made with, how long their steps took, what they measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowtime.errors import ParameterError
from flowtime.tracking.records import PipelineRunRecord, Record, Scalar, Seconds
from flowtime.tracking.report.progress_text import duration_text
from flowtime.tracking.report.sections import Section
from flowtime.tracking.report.status_text import number_text
from flowtime.tracking.run_files import is_tracked, read_record

__all__ = ["StepDifference", "TrackedComparison", "TrackedDifference", "compare_tracked", "comparison_sections"]


class TrackedDifference(Record, frozen=True, kw_only=True):
    """A value that differs; None where a run does not have it.  Values that are no scalars are JSON texts."""

    name: str
    a: Scalar
    b: Scalar


class StepDifference(Record, frozen=True, kw_only=True):
    """One step in both runs; ``ratio`` is the seconds of B over those of A."""

    step_id: str
    a_status: str | None
    b_status: str | None
    a_seconds: Seconds | None
    b_seconds: Seconds | None
    ratio: float | None


class TrackedComparison(Record, frozen=True, kw_only=True):
    """Two tracked runs: every step, and what differs of the rest.  ``is_same`` looks at all but times."""

    a: str
    b: str
    is_same: bool
    made_with: tuple[TrackedDifference, ...]
    steps: tuple[StepDifference, ...]
    summary: tuple[TrackedDifference, ...]


def compare_tracked(a: Path, b: Path) -> TrackedComparison:
    """Compare two tracked runs; raises ParameterError where one of them is of another kind, and as ``read_record``."""
    for folder in (a, b):
        if not is_tracked(folder):
            message = f"run {folder.name} was not tracked, so it can not be compared with one that was"
            raise ParameterError(message, hint="compare runs of one kind")
    left, right = read_record(a), read_record(b)
    made_with = _differences(_made_with(left), _made_with(right))
    steps = _steps(left, right)
    summary = _differences(left.summary, right.summary)
    return TrackedComparison(
        a=left.run_id,
        b=right.run_id,
        is_same=not made_with and not summary and all(step.a_status == step.b_status for step in steps),
        made_with=made_with,
        steps=steps,
        summary=summary,
    )


def comparison_sections(found: TrackedComparison) -> list[Section]:
    """Return a comparison for a person."""
    sides = (found.a, found.b)
    steps = [
        (
            step.step_id,
            *(f"{status or '-'} {_seconds(seconds)}" for status, seconds in _sides(step)),
            "-" if step.ratio is None else f"{step.ratio:.2f}",
        )
        for step in found.steps
    ]
    return [
        Section("made with", ("", *sides), [_row(item) for item in found.made_with]),
        Section("steps", ("step", *sides, "ratio"), steps),
        Section("summary", ("", *sides), [_row(item) for item in found.summary]),
    ]


def _sides(step: StepDifference) -> tuple[tuple[str | None, float | None], tuple[str | None, float | None]]:
    return (step.a_status, step.a_seconds), (step.b_status, step.b_seconds)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else duration_text(seconds)


def _row(item: TrackedDifference) -> tuple[str, str, str]:
    return item.name, _text(item.a), _text(item.b)


def _text(value: Scalar) -> str:
    return "-" if value is None else number_text(value) if isinstance(value, float) else str(value)


def _made_with(record: PipelineRunRecord) -> dict[str, Scalar]:
    config = {f"config.{name}": _scalar(json.loads(bytes(raw))) for name, raw in record.config.items()}
    tags: dict[str, Scalar] = {f"tag.{name}": value for name, value in record.tags.items()}
    facts: dict[str, Scalar] = {"pipeline": record.pipeline, "scenario": record.scenario, "status": record.status}
    return {**facts, **config, **tags}


def _scalar(value: Any) -> Scalar:
    return value if value is None or isinstance(value, str | int | float | bool) else json.dumps(value, sort_keys=True)


def _differences(a: Mapping[str, Scalar], b: Mapping[str, Scalar]) -> tuple[TrackedDifference, ...]:
    names = dict.fromkeys((*a, *b))
    return tuple(
        TrackedDifference(name=name, a=a.get(name), b=b.get(name)) for name in names if a.get(name) != b.get(name)
    )


def _steps(left: PipelineRunRecord, right: PipelineRunRecord) -> tuple[StepDifference, ...]:
    ours = {step.step_id: step for step in left.steps if step.parent is None}
    theirs = {step.step_id: step for step in right.steps if step.parent is None}
    found = []
    for step_id in dict.fromkeys((*ours, *theirs)):
        a, b = ours.get(step_id), theirs.get(step_id)
        a_seconds = None if a is None else a.duration_seconds
        b_seconds = None if b is None else b.duration_seconds
        found.append(
            StepDifference(
                step_id=step_id,
                a_status=None if a is None else a.status,
                b_status=None if b is None else b.status,
                a_seconds=a_seconds,
                b_seconds=b_seconds,
                ratio=b_seconds / a_seconds if a_seconds and b_seconds is not None else None,
            )
        )
    return tuple(found)
