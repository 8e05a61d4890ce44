"""The warnings of a run by bin: which of them say something about a stretch of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from flowtime.bundle.documents import WarningEntry
from flowtime.state.documents import StateWarning

__all__ = ["Findings", "about", "about_telemetry", "by_edge"]

# The value that a warning about a course of things looked at.
_SIGNALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "backlog_growth_streak": "queue",
        "backlog_overload_ratio": "arrivals",
        "backlog_age_risk": "latencyMinutes",
        "littles-law-non-stationary": "arrivals",
    }
)
_TELEMETRY: Final = (
    "telemetry_",
    "data_gap",
    "nan_",
    "zero_fill",
    "forward_fill",
    "linear_fill",
    "seasonal_fill",
    "infinite_value",
    "negative_value",
    "duplicate_bin",
    "bin_out_of_range",
    "length_mismatch",
)


class Findings:
    """The warnings of a run, to be asked which of them fall into some bins."""

    def __init__(self, warnings: Iterable[WarningEntry]) -> None:
        self._warnings = tuple(warnings)
        # Ranges are in order and apart, so their ends are in order too.
        self._bounds = [([a for a, _ in w.bins], [b for _, b in w.bins]) for w in self._warnings]

    def within(self, start: int, end: int) -> tuple[StateWarning, ...]:
        """Return the warnings about bins ``start`` to ``end`` (inside), with the ranges cut to these.

        Those about the whole run, which name no bins, always belong to it.
        """
        found = []
        for warning, (firsts, lasts) in zip(self._warnings, self._bounds, strict=True):
            begin, stop = bisect_left(lasts, start), bisect_right(firsts, end)
            if begin < stop or not firsts:
                cut = tuple((max(a, start), min(b, end)) for a, b in warning.bins[begin:stop])
                found.append(_warning(warning, cut))
        return tuple(found)


def about(warnings: Sequence[StateWarning], nodes: Collection[str], edges: Collection[str]) -> tuple[StateWarning, ...]:
    """Return those about some nodes and edges, and those about neither."""
    return tuple(
        warning
        for warning in warnings
        if (warning.node_id is None or warning.node_id in nodes)
        and (warning.edge_id is None or warning.edge_id in edges)
    )


def by_edge(warnings: Sequence[StateWarning]) -> dict[str, tuple[StateWarning, ...]]:
    """Group the warnings about edges by edge id."""
    found: dict[str, list[StateWarning]] = {}
    for warning in warnings:
        if warning.edge_id is not None:
            found.setdefault(warning.edge_id, []).append(warning)
    return {edge: tuple(own) for edge, own in found.items()}


def about_telemetry(warnings: Sequence[StateWarning], node: str) -> tuple[StateWarning, ...]:
    """Return those that say something of the telemetry of a node."""
    return tuple(w for w in warnings if w.node_id == node and w.code.startswith(_TELEMETRY))


def _warning(warning: WarningEntry, bins: tuple[tuple[int, int], ...]) -> StateWarning:
    return StateWarning(
        code=warning.code,
        message=warning.message,
        severity=warning.severity,
        node_id=warning.node_id,
        edge_id=warning.edge_id,
        class_id=warning.class_id,
        constraint_id=warning.constraint_id,
        start_bin=bins[0][0] if bins else None,
        end_bin=bins[-1][1] if bins else None,
        bins=bins,
        signal=_SIGNALS.get(warning.code),
        value=warning.value,
    )
