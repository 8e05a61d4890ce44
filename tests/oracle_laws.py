"""What must hold of any flow, told of series that somebody else computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from oracle import BUFFER_KINDS, Evaluation, bare
from oracle_kernels import safe

if TYPE_CHECKING:
    from flowtime.model import Model

__all__ = ["as_bytes", "violations"]

TOLERANCE = 1e-8


def violations(model: Model, series: Mapping[str, Sequence[float]]) -> list[str]:
    """The bins in which a station that computes what it serves creates, loses or holds what it can not.

    For arrivals of at least 0: served and depth are at least 0, served is at most the capacity, and
    ``arrivals + Q[t-1] = served + loss + Q[t]`` (overflow in the place of Q at a service without a buffer).
    """
    evaluation = Evaluation(model)
    evaluation.known = {(name, t): float(value) for name, values in series.items() for t, value in enumerate(values)}
    found: list[str] = []
    for index, station in enumerate(evaluation.stations):
        if evaluation.names[index].served and station.semantics.capacity is not None:
            for t in range(model.spec.grid.bins):
                found += (f"{station.id} at bin {t}: {law}" for law in _broken(evaluation, index, t))
    return found


def _broken(evaluation: Evaluation, index: int, t: int) -> Iterator[str]:
    station, names = evaluation.stations[index], evaluation.names[index]

    def value(name: str | None, at: int = t) -> float:
        return 0.0 if name is None else evaluation.read(name, at)

    arrivals = safe(value(evaluation.resolve(bare(station.semantics.arrivals or ""), index)))
    served, loss, capacity = value(names.served), value(names.loss), evaluation.capacity(index, t)
    left = value(names.queue) if station.kind in BUFFER_KINDS else value(names.overflow)
    before = 0.0
    if names.queue:
        before = value(names.queue, t - 1) if t else evaluation.initial.get(names.queue, 0.0)
    if station.kind not in BUFFER_KINDS and station.semantics.errors is not None:
        # A service without a buffer has no series of what it lost: it is what the errors took from the arrivals.
        errors = evaluation.read(evaluation.resolve(bare(station.semantics.errors), index), t)
        loss = min(max(0.0, safe(errors)), arrivals)
    if abs(before + arrivals - served - loss - left) > TOLERANCE:
        yield f"{before} + {arrivals} is not {served} + {loss} + {left}"
    if min(served, loss, left) < 0.0:
        yield f"served {served}, loss {loss}, left {left}: below 0"
    if served > max(0.0, capacity):
        yield f"served {served} of {capacity}"


def as_bytes(series: Mapping[str, Sequence[float]], bins: int | None = None) -> dict[str, bytes]:
    """The exact values of each series, or of its first bins; every NaN is the same one."""
    arrays = {name: np.array(values[:bins], dtype=np.float64) for name, values in series.items()}
    return {name: np.where(np.isnan(values), np.nan, values).tobytes() for name, values in arrays.items()}
