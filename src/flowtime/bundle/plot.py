"""Pictures of a run: what flows through each node, and what waits there; needs the extra ``plot``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowtime.bundle.view import RunView
from flowtime.errors import MissingExtraError, ParameterError, StorageError
from flowtime.model import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FORMATS", "plot_run"]

FORMATS = ("pdf", "png", "svg")

Arrays = Mapping[str, FloatArray]

# Arrays of the upper picture of a node, and how each is drawn; colors that color-blind people tell apart.
FLOWS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("effectiveCapacity", "capacity", {"color": "#999999", "linestyle": "--", "linewidth": 1.0}),
    # Wide and pale, so that it shows where all that arrives is served.
    ("arrivals", "arrivals", {"color": "#56B4E9", "linewidth": 3.0}),
    ("served", "served", {"color": "#009E73", "linewidth": 1.0}),
)
QUEUE_COLOR = "#D55E00"
ROW_HEIGHT_IN = 2.2
WIDTH_IN = 11.0
DPI = 120


def plot_run(view: RunView, path: Path, *, title: str, nodes: Sequence[str] = ()) -> None:
    """Draw one row per node: arrivals, served and capacity on the left, the queue on the right.

    All nodes where ``nodes`` is empty.  The suffix of ``path`` chooses PNG, SVG or PDF.  Raises
    MissingExtraError without matplotlib, ParameterError ``parameter.unknown_node``, StorageError.
    """
    chosen = _chosen(view, nodes)
    try:
        # No pyplot: it keeps figures in a global and may open a window.
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "pip install 'flowtime[plot]'"
        raise MissingExtraError("plots need matplotlib, which is not installed", hint=hint) from error
    figure = Figure(figsize=(WIDTH_IN, 0.6 + ROW_HEIGHT_IN * len(chosen)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    rows = figure.subplots(len(chosen), 2, squeeze=False, sharex=True)
    for (flow_axes, queue_axes), (node, arrays) in zip(rows, chosen.items(), strict=True):
        _draw_flows(flow_axes, node, arrays)
        _draw_queue(queue_axes, arrays)
    for axes in rows[-1]:
        axes.set_xlabel(f"bin of {view.grid.bin_size} {view.grid.bin_unit}")
    try:
        # No date and no random ids in the file, so that the same run gives the same bytes.
        with rc_context({"svg.hashsalt": "flowtime"}):
            figure.savefig(path, dpi=DPI, metadata=_undated(path))
    except (OSError, ValueError) as error:
        raise StorageError(f"can not write {path.name}: {error}", hint=f"formats: {', '.join(FORMATS)}") from error


def _chosen(view: RunView, nodes: Sequence[str]) -> Mapping[str, Arrays]:
    names = list(nodes) or list(view.nodes)
    unknown = [name for name in names if name not in view.nodes]
    if unknown:
        hint = f"its nodes are {', '.join(view.nodes)}"
        raise ParameterError(f"the run has no node {unknown[0]!r}", code="parameter.unknown_node", hint=hint)
    if not names:
        message = "the run has no topology nodes, so there is nothing to draw"
        raise ParameterError(message, code="parameter.unknown_node")
    return {name: view.nodes[name] for name in names}


def _draw_flows(axes: Axes, node: str, arrays: Arrays) -> None:
    axes.set_title(node, loc="left", fontsize="medium")
    axes.set_ylabel("entities per bin")
    drawn = [axes.plot(arrays[name], label=label, **style) for name, label, style in FLOWS if name in arrays]
    if drawn:
        axes.legend(loc="upper right", fontsize="small", frameon=False)
    axes.set_ylim(bottom=0)
    axes.margins(x=0)


def _draw_queue(axes: Axes, arrays: Arrays) -> None:
    """Draw what waits; where nothing can wait, the share of the capacity that is used."""
    has_queue = "queueDepth" in arrays
    name = "queueDepth" if has_queue else "utilization"
    axes.set_ylabel("queue, entities" if has_queue else "utilization")
    values = arrays.get(name)
    if values is None:
        axes.set_axis_off()
        return
    axes.fill_between(np.arange(values.size), values, color=QUEUE_COLOR, alpha=0.3, linewidth=0.0)
    axes.plot(values, color=QUEUE_COLOR, linewidth=1.0)
    # A scale of its own making would turn an empty queue into a picture of rounding.
    axes.set_ylim(bottom=0, top=None if (values > 0.0).any() else 1.0)
    axes.margins(x=0)


def _undated(path: Path) -> dict[str, None]:
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(path.suffix.lstrip(".").lower(), {})
