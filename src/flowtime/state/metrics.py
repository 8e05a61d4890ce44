"""How well each service of a run kept up with what arrived."""

from __future__ import annotations

from typing import Final

import numpy as np

from flowtime.model.spec import FloatArray
from flowtime.state.arithmetic import ratio, rounded
from flowtime.state.block import Span
from flowtime.state.facts import category
from flowtime.state.open_run import OpenRun
from flowtime.state.overview import MetricsAnswer, MetricsGrid, MetricsWindow, ServiceMetrics
from flowtime.state.places import ABSENT

__all__ = ["MET", "MOST_MINI_POINTS", "read_metrics"]

# From which share of arrivals served a bin counts as met.
MET: Final = 0.95
MOST_MINI_POINTS: Final = 120
# Bins that are looked at together, so that a long run needs no copy of whole series.
_CHUNK: Final = 1 << 16


def read_metrics(run: OpenRun, start: int = 0, end: int | None = None) -> MetricsAnswer:
    """Return, for each service, in how many of bins ``start`` to ``end`` (inside; None is the last) it served at
    least 95 % of what arrived; a bin in which nothing arrived counts as met.

    Raises StateError: ``state.bin_out_of_range``, ``state.window_reversed``.
    """
    last = run.bins - 1 if end is None else end
    run.check_bins(start, last)
    count = last + 1 - start
    return MetricsAnswer(
        run_id=run.bundle.run.run_id,
        window=MetricsWindow(start=run.time_of(start), start_bin=start, end_bin=last),
        grid=MetricsGrid(bin_minutes=run.milliseconds / 60_000.0, bins=count),
        services=tuple(
            _service(run, station.id, int(served), int(arrivals), start, last + 1)
            for station, served, arrivals in zip(
                run.places.stations, run.places.table("served")[:, 0], run.places.coming[:, 0], strict=True
            )
            if category(station) == "service" and served != ABSENT and arrivals != ABSENT
        ),
    )


def _service(run: OpenRun, node: str, served: int, arrivals: int, start: int, end: int) -> ServiceMetrics:
    matrix, met = run.reader.matrix, 0
    for first in range(start, end, _CHUNK):
        bins = slice(first, min(first + _CHUNK, end))
        met += int(np.count_nonzero(_share(matrix[served, bins], matrix[arrivals, bins]) >= MET))
    span = Span(start, end, -(-(end - start) // MOST_MINI_POINTS))
    through, came = run.reader.aggregate(np.array([served, arrivals]), span, ("sum",))[0]
    with np.errstate(all="ignore"):
        mini = rounded(np.clip(_share(through, came), 0.0, 1.0))
    share = round(met / (end - start), 6)
    return ServiceMetrics(id=node, sla_pct=share, bins_met=met, bins_total=end - start, mini=mini)


def _share(served: FloatArray, arrivals: FloatArray) -> FloatArray:
    """Served over arrivals, 1 where nothing arrived; NaN where one of the two is."""
    with np.errstate(all="ignore"):
        share: FloatArray = np.where(arrivals <= 0.0, np.where(np.isnan(served), np.nan, 1.0), ratio(served, arrivals))
    return share
