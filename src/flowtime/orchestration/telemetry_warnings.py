"""The warnings of a telemetry run that are about its inputs, and how bad each is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle.documents import WarningEntry

__all__ = ["TELEMETRY_WARNINGS", "telemetry_warning"]

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
    # Here, since the engine brings numba along, which a run that is reused does not need.
    from flowtime.engine.tolerance import bin_ranges

    return WarningEntry(
        code=code,
        message=message,
        severity=TELEMETRY_WARNINGS[code],
        node_id=node_id,
        bins=() if broken is None else bin_ranges(broken),
        bin_count=0 if broken is None else int(np.count_nonzero(broken)),
    )
