"""What an import says of imperfect data: one table of codes, each a warning of the manifest with its bins."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

__all__ = ["NOTES", "Note"]


class Note(NamedTuple):
    """How a warning reads; ``{rows}`` is how many rows it is about."""

    severity: Literal["info", "warning"]
    text: str


NOTES: Final[Mapping[str, Note]] = MappingProxyType(
    {
        "bin_out_of_range": Note("info", "{rows} rows are before the start or after the end, and were left out"),
        "bin_shifted": Note("warning", "{rows} rows are not at the start of a bin, and were moved back to it"),
        "duplicate_bin": Note("warning", "{rows} rows are about a bin that another row is about"),
        "partial_bin": Note("info", "the source begins or ends within the first or last bin, which may lack events"),
        "parents_unresolved": Note("warning", "{rows} spans name a parent that is not in the source, or far from them"),
        "rows_filtered": Note("info", "{rows} rows do not match --where, and were left out"),
        "rows_unclassed": Note("warning", "{rows} rows have no class; they count in the totals alone"),
        "rows_unsorted": Note("info", "{rows} rows are earlier than the row before them; each went to its own bin"),
        "span_ends_before_start": Note("warning", "{rows} spans end before they start; they took no time"),
        "time_ambiguous": Note("warning", "{rows} rows are of an hour that clocks showed twice; the first was taken"),
        "time_zone_assumed": Note("info", "{rows} rows do not say their time zone, and were read as UTC"),
        "values_missing": Note("warning", "{rows} rows hold no finite number there, and add nothing"),
    }
)
"""By code."""
