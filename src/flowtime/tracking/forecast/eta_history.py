"""What the earlier runs of a pipeline say about a new one: durations of its steps, and its throughput."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from flowtime.errors import FlowtimeError
from flowtime.tracking.advice.throughput import ThroughputHistory
from flowtime.tracking.forecast.eta import NO_HISTORY, StepHistory, StepPast

if TYPE_CHECKING:
    from flowtime.tracking.records import PipelineRunRecord, StepExecutionEntry

__all__ = ["PipelinePast", "load_history", "summarize"]

# Folders looked at in one root, newest first: beyond, a root full of other pipelines would cost seconds.
_MOST_LOOKED_AT = 2000


class PipelinePast(NamedTuple):
    """``steps`` for the forecast; ``throughput`` holds the mean steps a second of each earlier run that has one.

    ``throughput_by_step`` holds the same of single steps.
    """

    steps: StepHistory
    throughput: tuple[float, ...]
    throughput_by_step: Mapping[str, tuple[float, ...]] = {}


def load_history(
    root: Path, pipeline: str, machine: str | None, *, scenario: str | None = None, limit: int = 50
) -> PipelinePast:
    """Return what the newest ``limit`` ended runs of a pipeline on such a machine say, from their run.json.

    Of the same ``scenario``, or without one like the run that asks: a quick run says nothing of a whole one.
    ``machine`` is the mark of ``environment`` in a record; None takes runs of any.  What can not be read is passed
    over: a forecast without it is better than none.
    """
    records: list[PipelineRunRecord] = []
    for record in _ended(root):
        is_alike = record.pipeline == pipeline and record.scenario == scenario
        if is_alike and (machine is None or record.environment.get("machine") == machine):
            records.append(record)
            if len(records) == limit:
                break
    return summarize(records[::-1])


def summarize(records: Sequence[PipelineRunRecord]) -> PipelinePast:
    """Return what records, oldest first, say; steps count where they were completed, runs where they were whole."""
    if not records:
        return PipelinePast(NO_HISTORY, ())
    done: dict[str, list[StepExecutionEntry]] = {}
    for record in records:
        for step in record.steps:
            if step.parent is None and step.status == "completed" and step.duration_seconds is not None:
                done.setdefault(step.step_id, []).append(step)
    pasts = {
        name: StepPast(tuple(step.duration_seconds or 0.0 for step in steps), tuple(step.total for step in steps))
        for name, steps in done.items()
    }
    rates = ThroughputHistory.from_summaries(record.summary for record in records if record.status == "completed")
    return PipelinePast(StepHistory(len(records), pasts, _overlap(records)), rates.values, rates.by_step)


def _overlap(records: Sequence[PipelineRunRecord]) -> float:
    """Return elapsed time over the sum of the steps' durations, the median of the completed runs; 1 without any."""
    shares = []
    for record in records:
        seconds = sum(step.duration_seconds or 0.0 for step in record.steps if step.parent is None)
        if record.status == "completed" and record.elapsed_seconds and seconds > 0.0:
            shares.append(record.elapsed_seconds / seconds)
    return median(shares) if shares else 1.0


def _ended(root: Path) -> Iterator[PipelineRunRecord]:
    from flowtime.tracking.run_files import is_tracked, read_record

    try:
        # Ids sort by the time they were made, so the newest are last; names that say no time come where they come.
        names = sorted(os.listdir(root), reverse=True)[:_MOST_LOOKED_AT]
    except OSError:
        return
    for name in names:
        folder = root / name
        if name.startswith(".") or not is_tracked(folder):
            continue
        record = None
        with suppress(FlowtimeError):
            record = read_record(folder)
        if record is not None and record.completed_utc is not None:
            yield record
