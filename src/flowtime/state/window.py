"""A run over a window of bins: bin by bin, or aggregated to so many points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np

from flowtime.errors import StateError
from flowtime.model.spec import FloatArray
from flowtime.state.arithmetic import rounded
from flowtime.state.documents import (
    Category,
    ConstraintSeries,
    ConstraintSeriesValues,
    NodeSeries,
    NodeWindow,
    SeriesMetadata,
    SlaSeries,
    Window,
    WindowInfo,
)
from flowtime.state.edge_answers import constraint_aggregation, constraint_metadata
from flowtime.state.figures import ATTRIBUTES, Figures
from flowtime.state.open_run import ConstraintPlace, OpenRun
from flowtime.state.places import ABSENT
from flowtime.state.reading import Reading, read
from flowtime.state.status import objectives, paused, window_status

__all__ = ["DEFAULT_RESOLUTION", "MOST_POINTS", "WindowMode", "read_window"]

WindowMode: TypeAlias = Literal["operational", "full"]

DEFAULT_RESOLUTION: Final = 1000
MOST_POINTS: Final = 100_000

_CONSTRAINT_ATTRIBUTES: Final = {f.encode_name: f.name for f in msgspec.structs.fields(ConstraintSeriesValues)}
_QUEUE_MAX: Final = SeriesMetadata(aggregation="max", origin="explicit")
_DECLARED: Final[Mapping[str, Category]] = {
    "const": "constant",
    "pmf": "constant",
    "expr": "expression",
    "router": "router",
    "queue": "queue",
}


def read_window(
    run: OpenRun,
    start: int = 0,
    end: int | None = None,
    *,
    resolution: int = DEFAULT_RESOLUTION,
    nodes: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    mode: WindowMode = "operational",
) -> Window:
    """Return bins ``start`` to ``end`` (inside; None is the last) of all nodes and classes, or of those named.

    Where there are more bins than ``resolution``, as many as needed become one point: flows are added up, levels
    are a mean, the largest or the last value, ratios are those of the aggregated series; ``seriesMetadata`` says
    which.  With ``mode="full"`` the declared series of the model come as further nodes.

    Raises StateError: ``state.bin_out_of_range``, ``state.window_reversed``, ``state.resolution_out_of_range``,
    ``state.unknown_node``, ``state.unknown_class``.
    """
    last = run.bins - 1 if end is None else end
    run.check_bins(start, last)
    if not 1 <= resolution <= MOST_POINTS:
        message = f"a window can not have {resolution} points"
        raise StateError(message, code="state.resolution_out_of_range", hint=f"1 to {MOST_POINTS:,} points")
    count = last + 1 - start
    reading = read(run, start, last + 1, -(-count // resolution), nodes=nodes, classes=classes)
    shown = _Nodes(reading).answers()
    if mode == "full" and nodes is None:
        shown += tuple(_declared(run, reading.figures))
    span = reading.figures.span
    return Window(
        metadata=run.metadata,
        window=WindowInfo(
            start_bin=start, end_bin=last, bin_count=count, points=span.points, bins_per_point=span.width
        ),
        timestamps_utc=run.times_of(span.firsts[span.context :]),
        nodes=shown,
        edges=reading.edges,
        edge_warnings=reading.edge_warnings,
        warnings=reading.warnings,
    )


class _Nodes:
    """The topology nodes of one answer."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._run = reading.run
        self._figures = reading.figures

    def answers(self) -> tuple[NodeWindow, ...]:
        """Return a struct per chosen node."""
        return tuple(self._node(node) for node in self._reading.choice.nodes)

    def _node(self, node: int) -> NodeWindow:
        reading, figures = self._reading, self._figures
        series, metadata = self._series(node)
        held = reading.constraints(node)
        return NodeWindow(
            **reading.head(node),
            series=series,
            series_metadata=metadata,
            by_class=reading.by_class(node, lambda name, part: figures.series(name, node, part)),
            constraints={place.spec.id: self._constraint(place) for place in held},
            constraint_status={p.spec.id: self._column(p.status, "max") for p in held if p.status != ABSENT},
            queue_latency_status=self._gate_status(node),
            sla=self._sla(node),
        )

    def _series(self, node: int) -> tuple[NodeSeries, dict[str, SeriesMetadata]]:
        fields, figures = self._run.fields, self._figures
        series: dict[str, Any] = {ATTRIBUTES[name]: figures.series(name, node) for name in fields.names[node][0]}
        metadata = dict(fields.metadata[node])
        if "queue" in series and "queueMax" in figures.values:
            series["queue_max"] = figures.series("queueMax", node)
            metadata["queueMax"] = _QUEUE_MAX
        return NodeSeries(**series), metadata

    def _gate_status(self, node: int) -> tuple[Literal["paused_gate_closed"] | None, ...] | None:
        """Where a closed gate holds work back; None for a node without a gate."""
        held = paused(self._run.places, self._figures, node)
        if held is None:
            return None
        return tuple("paused_gate_closed" if is_paused else None for is_paused in held.tolist())

    def _constraint(self, place: ConstraintPlace) -> ConstraintSeries:
        named = {
            _CONSTRAINT_ATTRIBUTES[key]: self._column(row, constraint_aggregation(key))
            for key, row in place.rows.items()
        }
        return ConstraintSeries(series=ConstraintSeriesValues(**named), series_metadata=constraint_metadata(place.rows))

    def _column(self, row: int, aggregation: str) -> FloatArray:
        figures = self._figures
        if aggregation == "max":
            (found,) = self._run.reader.aggregate(np.array([row]), figures.span, ("max",))
        else:
            rows = np.array([row])
            found = figures.block.sum(rows) if aggregation == "sum" else figures.block.mean(rows)
        with np.errstate(all="ignore"):
            return rounded(found[0, figures.span.context :])

    def _sla(self, node: int) -> tuple[SlaSeries, ...]:
        return tuple(
            SlaSeries(
                kind=objective.kind,
                status=window_status(objective),
                threshold=objective.threshold,
                values=objective.values,
            )
            for objective in objectives(self._run.places, self._figures, node)
        )


def _declared(run: OpenRun, figures: Figures) -> Iterator[NodeWindow]:
    """Yield the series that the model declares as nodes; of those that are kept."""
    declared = run.model.names.declared
    entries = [entry for entry in run.bundle.index.series if entry.name in declared]
    if not entries:
        return
    span = figures.span
    (found,) = run.reader.aggregate(np.array([entry.row for entry in entries]), span, ("mean",))
    with np.errstate(all="ignore"):
        every = rounded(found[:, span.context :])
    metadata = {"values": SeriesMetadata(aggregation="mean", origin="explicit")}
    for entry, values in zip(entries, every, strict=True):
        yield NodeWindow(
            id=entry.name,
            kind=entry.kind,
            category=_DECLARED.get(entry.kind, "expression"),
            series=NodeSeries(values=values),
            series_metadata=metadata,
        )
