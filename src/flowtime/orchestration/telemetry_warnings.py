"""The warnings of a telemetry run that are about its inputs, and how bad each is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle.documents import WarningEntry
from flowtime.engine.tolerance import bin_ranges
from flowtime.model import Model
from flowtime.model.naming import ALL_CLASSES
from flowtime.telemetry.capture_grid import Fit
from flowtime.telemetry.manifest import CaptureManifest, CaptureWarning

__all__ = ["TELEMETRY_WARNINGS", "captured_warnings", "telemetry_warning"]

_Severity: TypeAlias = Literal["info", "warning", "error"]

TELEMETRY_WARNINGS: Mapping[str, _Severity] = MappingProxyType(
    {
        "telemetry_sources_missing": "warning",
        "telemetry_sources_unresolved": "warning",
        "telemetry_series_invalid": "warning",
        "telemetry_series_unknown": "warning",
        "telemetry_series_conflict": "warning",
        "telemetry_gaps_modelled": "warning",
        "telemetry_template_differs": "warning",
        "telemetry_model_differs": "info",
        "telemetry_parameters_differ": "info",
        "class_series_missing": "warning",
        "class_totals_missing": "warning",
        "class_conservation_mismatch": "warning",
    }
)


def telemetry_warning(
    code: str, message: str, *, node_id: str | None = None, broken: NDArray[np.bool_] | None = None
) -> WarningEntry:
    """Return a warning of one of ``TELEMETRY_WARNINGS``; ``broken`` (bins,) says in which bins."""
    return WarningEntry(
        code=code,
        message=message,
        severity=TELEMETRY_WARNINGS[code],
        node_id=node_id,
        bins=() if broken is None else bin_ranges(broken),
        bin_count=0 if broken is None else int(np.count_nonzero(broken)),
    )


def captured_warnings(manifest: CaptureManifest, fit: Fit, model: Model) -> tuple[WarningEntry, ...]:
    """Return what a capture says of its own numbers as warnings of the run that it feeds, each once.

    Bins are those of the model: ranges are brought to its grid as the series are, and what is wholly outside its
    window is left out.  Messages keep the numbers of the capture.
    """
    known = {node.id for node in model.spec.topology.nodes} if model.spec.topology else set()
    found = (entry for warning in manifest.warnings for entry in _captured(warning, manifest.grid.bins, fit, known))
    return tuple(dict.fromkeys(found))


def _captured(warning: CaptureWarning, bins: int, fit: Fit, known: set[str]) -> Iterator[WarningEntry]:
    ranges, count = warning.bins, warning.bin_count
    if ranges and fit.how is not None:
        flags = np.zeros(bins, dtype=np.bool_)
        for first, last in ranges:
            flags[first : last + 1] = True
        there = fit.gaps(flags)
        ranges, count = bin_ranges(there), int(np.count_nonzero(there))
        if not ranges:
            return
    is_part = warning.class_id is not None and warning.class_id not in ALL_CLASSES
    is_known = warning.node_id in known
    words = [None if is_known else warning.node_id, warning.metric]
    about = ".".join(word for word in words if word) + (f"@{warning.class_id}" if is_part else "")
    yield WarningEntry(
        code=warning.code,
        message=f"in the capture, {about}: {warning.message}" if about else f"in the capture: {warning.message}",
        severity=warning.severity,
        node_id=warning.node_id if is_known else None,
        class_id=warning.class_id if is_part else None,
        bins=ranges,
        bin_count=count,
    )
