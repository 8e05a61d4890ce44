"""The folder of a flow run: its documents, its writer and its reader."""

from __future__ import annotations

from flowtime.bundle.compose import BundleContent, grid_entry
from flowtime.bundle.hashes import Origin, RunHashes, hash_run
from flowtime.bundle.reader import Bundle, open_bundle
from flowtime.bundle.selection import SelectedSeries, given_series, select_series
from flowtime.bundle.series_csv import estimate_csv_bytes
from flowtime.bundle.writer import BundleSummary, wants_csv, write_bundle

__all__ = [
    "Bundle",
    "BundleContent",
    "BundleSummary",
    "Origin",
    "RunHashes",
    "SelectedSeries",
    "estimate_csv_bytes",
    "given_series",
    "grid_entry",
    "hash_run",
    "open_bundle",
    "select_series",
    "wants_csv",
    "write_bundle",
]
