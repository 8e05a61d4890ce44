"""Two runs side by side: what differs in what they were made of, in their series, and at their nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
import numpy as np

from flowtime.bundle.reader import Bundle
from flowtime.bundle.stored_model import stored_model
from flowtime.bundle.summary import NodeSummary, summarize
from flowtime.bundle.view import RunView
from flowtime.errors import ParameterError
from flowtime.model import FloatArray, Wire

if TYPE_CHECKING:
    from flowtime.engine.stations import Station

__all__ = [
    "NodeDifference",
    "RunComparison",
    "SeriesDifference",
    "Tolerance",
    "ValueDifference",
    "compare_runs",
]

# What a node's summary says in one number: its name on the wire, and how to get it.
_FIGURES: Mapping[str, Callable[[NodeSummary], float | None]] = MappingProxyType(
    {
        "arrivals": lambda node: node.arrivals,
        "served": lambda node: node.served,
        "throughputRatio": lambda node: node.throughput_ratio,
        "peakQueue": lambda node: node.peak_queue.value if node.peak_queue else None,
        "meanUtilization": lambda node: node.mean_utilization,
        "maxUtilization": lambda node: node.max_utilization,
        "worstWaitMs": lambda node: node.worst_wait_ms.value if node.worst_wait_ms else None,
        "warningCount": lambda node: float(node.warning_count),
    }
)

Facts: TypeAlias = Mapping[str, object]


class Tolerance(NamedTuple):
    """Two numbers are equal where ``|a - b| <= atol + rtol * |a|``; NaN equals NaN."""

    rtol: float = 0.0
    atol: float = 0.0


class ValueDifference(Wire, frozen=True, kw_only=True):
    """Something that is not the same in both runs; null where one has no such thing."""

    name: str
    a: object
    b: object


class SeriesDifference(Wire, frozen=True, kw_only=True):
    """A series that is not the same: in how many bins, the first of them (from 0), and what it says there.

    ``largest`` is the largest ``|a - b|`` of the bins where both are finite, and ``largestBin`` the first bin that
    has it; null where there is none.  Values that are NaN or infinite are null.
    """

    name: str
    bins: int
    first_bin: int
    a: float
    b: float
    largest: float | None
    largest_bin: int | None


class NodeDifference(Wire, frozen=True, kw_only=True):
    """A figure of a node's summary that is not the same; null where one run has no such node or figure."""

    node_id: str
    metric: str
    a: float | None
    b: float | None


class RunComparison(Wire, frozen=True, kw_only=True):
    """What differs between run ``a`` and run ``b``; ``isSame`` says that nothing of this does.

    ``inputs`` are what the runs were made of (template, mode, seed, hashes), with the grid; ``comparedBins`` is how
    many bins, from the first, were compared: 0 where the bins of the two are of other lengths.
    """

    a: str
    b: str
    is_same: bool
    rtol: float
    atol: float
    inputs: tuple[ValueDifference, ...]
    parameters: tuple[ValueDifference, ...]
    compared_bins: int
    compared_series: int
    series: tuple[SeriesDifference, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    nodes: tuple[NodeDifference, ...]


def compare_runs(a: Bundle, b: Bundle, tolerance: Tolerance | None = None) -> RunComparison:
    """Compare two runs bin by bin, and what they were made of.

    Series are those that are stored; figures of nodes are derived from them.  Without a tolerance numbers must be
    equal.  Raises RunCorruptError for a file that can not be read, ParameterError for a tolerance below 0.
    """
    near = tolerance or Tolerance()
    if not (near.rtol >= 0.0 and near.atol >= 0.0):
        raise ParameterError(f"tolerances must be numbers of at least 0, not {near.rtol} and {near.atol}")
    inputs = tuple(_differing(_inputs(a), _inputs(b)))
    parameters = tuple(_differing(a.metadata.parameters, b.metadata.parameters))
    bins = _common_bins(a, b)
    names = _split_names(a.series_names, b.series_names)
    compared = names.common if bins else ()
    series = tuple(_series_differences(a, b, compared, bins, near))
    nodes = tuple(_node_differences(_nodes(a), _nodes(b), near))
    return RunComparison(
        a=a.run.run_id,
        b=b.run.run_id,
        is_same=not any((inputs, parameters, series, names.only_in_a, names.only_in_b, nodes)),
        rtol=near.rtol,
        atol=near.atol,
        inputs=inputs,
        parameters=parameters,
        compared_bins=bins,
        compared_series=len(compared),
        series=series,
        only_in_a=names.only_in_a,
        only_in_b=names.only_in_b,
        nodes=nodes,
    )


class _Names(NamedTuple):
    """The series of two runs, each kind in the order of the run that has them."""

    common: tuple[str, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]


def _split_names(a: Sequence[str], b: Sequence[str]) -> _Names:
    in_a, in_b = frozenset(a), frozenset(b)
    return _Names(
        common=tuple(name for name in a if name in in_b),
        only_in_a=tuple(name for name in a if name not in in_b),
        only_in_b=tuple(name for name in b if name not in in_a),
    )


def _common_bins(a: Bundle, b: Bundle) -> int:
    """Return how many bins, from the first, both runs have; 0 where a bin is not equally long."""
    left, right = a.run.grid, b.run.grid
    is_same_bin = (left.bin_size, left.bin_unit) == (right.bin_size, right.bin_unit)
    return min(left.bins, right.bins) if is_same_bin else 0


def _inputs(bundle: Bundle) -> Facts:
    """Return what a run was made of; times and ids are none of it."""
    run, rng = bundle.run, bundle.manifest.rng
    return {
        "templateId": run.template_id,
        "templateVersion": run.template_version,
        "mode": run.mode,
        "seed": rng.seed if rng else None,
        "sampled": rng.sampled if rng else False,
        "inputHash": run.input_hash,
        "modelHash": run.model_hash,
        "scenarioHash": run.scenario_hash,
        **msgspec.to_builtins(run.grid),
    }


def _differing(a: Facts, b: Facts) -> Iterator[ValueDifference]:
    for name in dict.fromkeys((*a, *b)):
        left, right = a.get(name), b.get(name)
        if left != right or (name in a) != (name in b):
            yield ValueDifference(name=name, a=left, b=right)


def _series_differences(
    a: Bundle, b: Bundle, names: Sequence[str], bins: int, near: Tolerance
) -> Iterator[SeriesDifference]:
    for name in names:
        left, right = a.series(name)[:bins], b.series(name)[:bins]
        differing = np.flatnonzero(~_is_near(left, right, near))
        if differing.size:
            first = int(differing[0])
            largest, largest_bin = _largest(left, right)
            yield SeriesDifference(
                name=name,
                bins=int(differing.size),
                first_bin=first,
                a=float(left[first]),
                b=float(right[first]),
                largest=largest,
                largest_bin=largest_bin,
            )


def _largest(a: FloatArray, b: FloatArray) -> tuple[float, int] | tuple[None, None]:
    """Return the largest ``|a - b|`` of the bins where both are finite, and the first bin that has it."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(np.isfinite(a) & np.isfinite(b), np.abs(a - b), -1.0)
    largest = int(np.argmax(apart))
    return (float(apart[largest]), largest) if apart[largest] >= 0.0 else (None, None)


def _is_near(a: FloatArray, b: FloatArray, near: Tolerance) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    # Infinities differ by NaN from themselves, and by infinity from all else: equality first, then finite ones.
    with np.errstate(invalid="ignore", over="ignore"):
        within = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= near.atol + near.rtol * np.abs(a))
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)) | within)


def _node_differences(
    a: Mapping[str, NodeSummary], b: Mapping[str, NodeSummary], near: Tolerance
) -> Iterator[NodeDifference]:
    for node_id in dict.fromkeys((*a, *b)):
        for metric, figure in _FIGURES.items():
            left = figure(a[node_id]) if node_id in a else None
            right = figure(b[node_id]) if node_id in b else None
            if not _is_same_figure(left, right, near):
                yield NodeDifference(node_id=node_id, metric=metric, a=left, b=right)


def _is_same_figure(a: float | None, b: float | None, near: Tolerance) -> bool:
    if a is None or b is None:
        return a is b
    return bool(_is_near(np.asarray(a), np.asarray(b), near))


def _nodes(bundle: Bundle) -> dict[str, NodeSummary]:
    """Return the summary of each topology node, from the series that are stored."""
    # Here, since the engine brings numba along.
    from flowtime.engine.metrics import bin_milliseconds
    from flowtime.engine.stations import stations

    model = stored_model(bundle)
    grid, stored = model.spec.grid, set(bundle.series_names)
    nodes = {
        station.id: _node_arrays(station, bundle, stored, bin_milliseconds(grid))
        for station in stations(model.spec, model.names)
    }
    return {node.node_id: node for node in summarize(RunView(grid, nodes, bundle.run.warnings))}


def _node_arrays(station: Station, bundle: Bundle, stored: set[str], bin_ms: float) -> dict[str, FloatArray]:
    """Return what a summary needs of a node; undefined values are NaN, as the metrics of a run have them."""
    arrays = {role: bundle.series(name) for role, name in station.series.items() if name in stored}
    served, capacity = arrays.get("served"), station.effective_capacity(arrays)
    if served is not None and capacity is not None:
        arrays["utilization"] = _ratio(served, capacity)
    if served is not None and "queueDepth" in arrays and station.has_queue:
        arrays["queueTimeMs"] = _ratio(arrays["queueDepth"], served) * bin_ms
    return arrays


def _ratio(values: FloatArray, by: FloatArray) -> FloatArray:
    """Return ``values / by`` where ``by`` is positive and both are finite, else NaN."""
    is_known = (by > 0.0) & (by < np.inf) & np.isfinite(values)
    result: FloatArray = np.full(values.shape, np.nan)
    np.divide(values, by, out=result, where=is_known)
    return result
