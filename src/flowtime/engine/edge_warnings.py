"""Checks of the edges: whether what goes over them agrees with both of their ends, in all and class by class.

An edge that carries more than its source serves, or brings more than its target takes in, makes or loses work:
a warning.  Less is a hint only, since work may enter and leave the model anywhere; so is any difference where
nothing said how several edges share a flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from flowtime.engine.class_warnings import unequal
from flowtime.engine.coverage import class_coverage
from flowtime.engine.edge_flows import EdgeInfo, edge_series_name
from flowtime.engine.run_warning import RunWarning, Subject
from flowtime.engine.station_view import StationView
from flowtime.engine.tolerance import exceeds
from flowtime.model.spec import FloatArray

if TYPE_CHECKING:
    from flowtime.engine.result import Result

__all__ = ["edge_warnings", "flow_warnings"]

_AT_TARGET = ("routed", "arrivals")
# The volume that stands for work which leaves its source and arrives at its target.
_VOLUMES = ("flowVolume", "failuresVolume")
_EFFORT = ("effort", "dependency")


def edge_warnings(result: Result, edge: EdgeInfo) -> Iterator[RunWarning]:
    """Yield what is wrong with one edge by itself."""
    subject = Subject(edge_id=edge.id)
    if edge.lag >= result.grid.bins:
        message = f"the lag of {edge.lag} bins is the whole horizon: nothing arrives over the edge"
        yield subject.note("edge_behavior_violation_lag", message, "warning")
    total = _volume(result, edge, "flowVolume")
    if total is None or not result.class_ids or not exceeds(np.abs(total), 0.0).any():
        return
    parts = [_volume(result, edge, "flowVolume", class_id) for class_id in result.class_ids]
    known = [part for part in parts if part is not None]
    coverage = class_coverage(total, known)
    code = "edge_class_partial_coverage"
    if coverage == "missing":
        yield subject.note(code, "the flow over the edge is not known by class")
    elif coverage == "partial":
        yield from unequal(subject, code, "the flow over the edge", known, total)


def flow_warnings(
    result: Result, view: StationView, incoming: Sequence[EdgeInfo], outgoing: Sequence[EdgeInfo]
) -> Iterator[RunWarning]:
    """Yield where what a node serves and takes in does not agree with its edges."""
    for kind in ("throughput", "terminal"):
        yield from _outgoing(result, view, [edge for edge in outgoing if edge.type == kind and edge.rule])
    yield from _incoming(result, view, [edge for edge in incoming if edge.type != "topology"])


def _outgoing(result: Result, view: StationView, edges: Sequence[EdgeInfo]) -> Iterator[RunWarning]:
    # Shares of what is served sum to it: only what is measured elsewhere can differ.
    if not any(edge.rule in _AT_TARGET for edge in edges) or any(edge.multiplier == 0.0 for edge in edges):
        return
    until = view.bins - max(edge.lag for edge in edges)
    texts = ("edges carry away more than is served", "edges carry away less than is served")
    check = _Check("edge_flow_mismatch_outgoing", texts, view, _is_measured(edges))
    for class_id in (None, *result.class_ids):
        left = _left(result, edges, class_id, until)
        whole = _series(result, view.station.series.get("served"), class_id)
        if left is not None and whole is not None:
            # What left in the last bins has not arrived yet, so that nobody can tell.
            left[until:] = whole[until:]
            yield from check.run(left, whole, class_id)


def _left(result: Result, edges: Sequence[EdgeInfo], class_id: str | None, until: int) -> FloatArray | None:
    """What went over edges as it left their source, before it was late and multiplied; None if one is not known."""
    total = np.zeros(result.grid.bins)
    for edge in edges:
        volume = _volume(result, edge, "flowVolume", class_id)
        if volume is None or until <= 0:
            return None
        total[:until] += volume[edge.lag : edge.lag + until] / edge.multiplier
    return total


def _incoming(result: Result, view: StationView, edges: Sequence[EdgeInfo]) -> Iterator[RunWarning]:
    if not edges or [edge.rule for edge in edges] == ["arrivals"]:
        return
    is_measured = _is_measured(edges) and any(edge.type not in _EFFORT for edge in edges)
    texts = ("edges bring more than arrives", "more arrives than edges bring")
    check = _Check("edge_flow_mismatch_incoming", texts, view, is_measured)
    for class_id in (None, *result.class_ids):
        brought = _brought(result, edges, class_id)
        whole = _series(result, view.station.series.get("arrivals"), class_id)
        if brought is not None and whole is not None:
            yield from check.run(brought, whole, class_id)


def _brought(result: Result, edges: Sequence[EdgeInfo], class_id: str | None) -> FloatArray | None:
    """What edges bring to their target; None if that is not known of one of them."""
    total = np.zeros(result.grid.bins)
    for edge in edges:
        metric = _arriving(edge)
        volume = None if metric is None else _volume(result, edge, metric, class_id)
        if volume is None:
            return None
        total += volume
    return total


class _Check:
    """Compares sums over edges with a series of a node, for the whole flow first and then class by class."""

    def __init__(self, code: str, texts: tuple[str, str], view: StationView, is_measured: bool) -> None:
        self._code = code
        self._texts = texts
        self._subject = view.subject
        self._is_measured = is_measured
        # Where the whole is apart, no class repeats it.
        self._differs = np.zeros(view.bins, dtype=np.bool_)

    def run(self, total: FloatArray, whole: FloatArray, class_id: str | None) -> Iterator[RunWarning]:
        """Yield where the edges have more, and where they have less."""
        over, under = exceeds(total, whole), exceeds(whole, total)
        code, by, subject = self._code, total - whole, self._subject._replace(class_id=class_id)
        if class_id is None:
            self._differs = over | under
        else:
            code = "edge_class_mismatch"
            over, under = over & ~self._differs, under & ~self._differs
        yield from subject.where(code, self._texts[0], over, by, "warning" if self._is_measured else "info")
        yield from subject.where(code, self._texts[1], under, by, "info")


def _is_measured(edges: Sequence[EdgeInfo]) -> bool:
    """Whether the author, or the flow itself, said how much goes over each edge."""
    return not any(edge.rule == "equal" or (edge.rule == "rest" and edge.quality == "approx") for edge in edges)


def _arriving(edge: EdgeInfo) -> str | None:
    """The volume of an edge that arrives at its target."""
    if edge.type in _EFFORT and "attemptsVolume" in edge.metrics:
        return "attemptsVolume"
    if edge.measure in ("attempts", "load"):
        return None
    return next((metric for metric in _VOLUMES if metric in edge.metrics), None)


def _volume(result: Result, edge: EdgeInfo, metric: str, class_id: str | None = None) -> FloatArray | None:
    """A volume of an edge, or None where it was not computed or not kept."""
    name = edge_series_name(edge.id, metric, class_id)
    if name not in result.compiled.flow.metrics or (result.compiled.outputs is not None and name not in result):
        return None
    return result.metric(name)


def _series(result: Result, name: str | None, class_id: str | None) -> FloatArray | None:
    """A series or a part of it, or None where it was not kept."""
    return result.get(f"{name}" if class_id is None else f"{name}@{class_id}")
