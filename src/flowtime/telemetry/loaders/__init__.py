"""Loaders: each reads one kind of source, rows or spans, and puts what it measures into bins."""

from __future__ import annotations

from flowtime.telemetry.loaders.axis import GridStep, parse_step
from flowtime.telemetry.loaders.base import ImportOptions, Loader, SourceError
from flowtime.telemetry.loaders.mapping import Measure, Target, parse_measures
from flowtime.telemetry.loaders.registry import LOADERS
from flowtime.telemetry.loaders.series_bins import SeriesBins

__all__ = [
    "LOADERS",
    "GridStep",
    "ImportOptions",
    "Loader",
    "Measure",
    "SeriesBins",
    "SourceError",
    "Target",
    "parse_measures",
    "parse_step",
]
