"""The parts that series can play at a topology node, under their names on the wire."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from flowtime.model.spec import Semantics

__all__ = ["SERIES_FIELDS", "bound_references"]

# The semantics that may name a series, in Python and in the file.
SERIES_FIELDS: Final = (
    ("arrivals", "arrivals"),
    ("served", "served"),
    ("errors", "errors"),
    ("attempts", "attempts"),
    ("failures", "failures"),
    ("exhausted_failures", "exhaustedFailures"),
    ("retry_echo", "retryEcho"),
    ("retry_budget", "retryBudget"),
    ("retry_budget_remaining", "retryBudgetRemaining"),
    ("external_demand", "externalDemand"),
    ("queue_depth", "queueDepth"),
    ("capacity", "capacity"),
    ("processing_time_ms_sum", "processingTimeMsSum"),
    ("served_count", "servedCount"),
    ("parallelism", "parallelism"),
)

_WIRE_NAMES: Final = tuple(wire for _, wire in SERIES_FIELDS)
# All at once: this is asked several times of every node of a model.
_VALUES: Final = attrgetter(*(name for name, _ in SERIES_FIELDS))


def bound_references(semantics: Semantics) -> dict[str, str]:
    """Map each part that a series plays to the text that names the series; a numeric parallelism is none."""
    given = zip(_WIRE_NAMES, _VALUES(semantics), strict=True)
    return {wire: text for wire, text in given if isinstance(text, str)}
