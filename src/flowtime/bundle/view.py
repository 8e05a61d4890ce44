"""A run as its topology nodes see it: the series bound at each node and the metrics derived from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flowtime.bundle.reader import Bundle
from flowtime.model import FloatArray, Grid, parse_model

if TYPE_CHECKING:
    from flowtime.engine import Result
    from flowtime.engine.stations import Station

__all__ = ["Finding", "NodeArrays", "RunView", "view_bundle", "view_result"]


class Finding(Protocol):
    """A warning, as far as a view needs it."""

    @property
    def node_id(self) -> str | None:
        """The topology node that the warning is about."""

    @property
    def severity(self) -> str:
        """``info`` for a hint, else ``warning`` or ``error``."""


class NodeArrays(Mapping[str, FloatArray]):
    """Arrays (bins,) of one node: bound series (``arrivals``, ``queueDepth`` ...) and metrics (``utilization`` ...).

    ``effectiveCapacity`` is the bound capacity times parallelism.  What the model binds wins over what is
    derived; metrics are computed when they are asked for.
    """

    def __init__(self, bound: Mapping[str, FloatArray], metrics: Mapping[str, FloatArray]) -> None:
        self._bound = bound
        self._metrics = metrics

    def __getitem__(self, name: str) -> FloatArray:
        return self._bound[name] if name in self._bound else self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._bound
        yield from (name for name in self._metrics if name not in self._bound)

    def __len__(self) -> int:
        return len({*self._bound, *self._metrics})


@dataclass(frozen=True)
class RunView:
    """The grid, the arrays of each topology node in the order of the model, and what was found to be odd.

    Undefined values are NaN.
    """

    grid: Grid
    nodes: Mapping[str, Mapping[str, FloatArray]]
    warnings: tuple[Finding, ...]


def view_result(result: Result) -> RunView:
    """Return the view of a result that was just evaluated, with every series kept."""
    return RunView(result.grid, _nodes(result, result.__getitem__), result.warnings)


def view_bundle(bundle: Bundle) -> RunView:
    """Return the view of a run folder.

    Bound series are read; metrics are not kept in a run, so they are derived again from its model.
    Raises RunCorruptError where a file can not be read, and ModelError where its model is none.
    """
    # Here, since the engine brings numba along, and whoever lists runs needs none.
    from flowtime.engine import compile_model

    result = compile_model(parse_model(bundle.model_text, file=bundle.path.name)).evaluate()
    return RunView(result.grid, _nodes(result, bundle.series), bundle.run.warnings)


def _nodes(result: Result, series: Callable[[str], FloatArray]) -> dict[str, NodeArrays]:
    return {
        station.id: NodeArrays(_bound(station, series), result.metrics[station.id])
        for station in result.compiled.stations
    }


def _bound(station: Station, series: Callable[[str], FloatArray]) -> dict[str, FloatArray]:
    bound = {role: series(name) for role, name in station.series.items()}
    capacity = station.effective_capacity(bound)
    return bound if capacity is None else {**bound, "effectiveCapacity": capacity}
