"""Run folders of every kind: what they are called and which ones there are."""

from __future__ import annotations

from flowtime.runs.folders import find_run, list_runs
from flowtime.runs.ids import model_run_id, random_run_id, template_run_id
from flowtime.runs.summary import RunSummary
from flowtime.runs.times import utc_text

__all__ = [
    "RunSummary",
    "find_run",
    "list_runs",
    "model_run_id",
    "random_run_id",
    "template_run_id",
    "utc_text",
]
