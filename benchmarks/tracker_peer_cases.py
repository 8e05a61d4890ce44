"""Logging scalars with our tracker and with the peers that are installed, side by side in one group.

A peer that is not installed (``pip install 'flowtime[peers]'``) has no case; the header of ``make bench`` says so.
``docs/tracker_peers.py`` measures more of them, each in processes of its own.
"""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path

from benchmarks.case import Case, Size, Timed, require
from benchmarks.trackers import TRACKERS, Tracker

__all__ = ["TRACKER_PEER_CASES"]

# A call of mlflow takes milliseconds.
SCALARS = {"mlflow": 5}
USUAL_SCALARS = 100


def _log(folder: Path, _size: Size, *, tracker: Tracker, scalars: int) -> Timed:
    """Log scalars to a run that goes on until the data of the case is given up."""
    opened = tracker.begin(folder)
    log = opened.log
    rows = [0]

    def call() -> int:
        first = rows[0]
        for row in range(first, first + scalars):
            log(row, 0.5)
        rows[0] = first + scalars
        return scalars

    weakref.finalize(call, opened.finish)
    return Timed(call, lambda count: require(count == scalars and rows[0] >= scalars, "all are logged"))


def _case(tracker: Tracker) -> Case:
    scalars = SCALARS.get(tracker.name, USUAL_SCALARS)
    factory = partial(_log, tracker=tracker, scalars=scalars)
    return Case(f"log_{scalars}_scalars_{tracker.name.lower()}", "log scalars", factory, items=scalars)


TRACKER_PEER_CASES = tuple(_case(tracker) for tracker in TRACKERS if tracker.reason_missing is None)
