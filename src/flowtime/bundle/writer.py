"""Writes the folder of a flow run into a staging folder, every hash taken on the way."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle.compose import (
    BundleContent,
    index_file,
    manifest_file,
    metadata_file,
    provenance_file,
    run_file,
    series_entries,
)
from flowtime.bundle.documents import RunFile
from flowtime.bundle.encoding import encode_file
from flowtime.bundle.layout import INDEX, MANIFEST, MATRIX, METADATA, MODEL, PROVENANCE, RUN, SPEC
from flowtime.bundle.selection import SelectedSeries, given_series, select_series
from flowtime.bundle.series_csv import SeriesCsvWriter, estimate_csv_bytes
from flowtime.model import dump_model
from flowtime.settings import SeriesCsv
from flowtime.storage import StagedFile, StagingFolder, array_bytes, sha256_array

__all__ = ["BundleSummary", "wants_csv", "write_bundle"]

_MB = 1_000_000


class BundleSummary(NamedTuple):
    """What was written."""

    run: RunFile
    files: tuple[StagedFile, ...]


Progress = Callable[[int, int], None]
"""Called with the number of series done and their total."""


def wants_csv(choice: SeriesCsv, limit_mb: int, series: int, bins: int) -> bool:
    """Decide, from the shape alone, whether a run of ``series`` x ``bins`` gets CSV files."""
    if choice == "auto":
        return estimate_csv_bytes(series, bins) <= limit_mb * _MB
    return choice == "always"


def write_bundle(staging: StagingFolder, content: BundleContent, *, progress: Progress | None = None) -> BundleSummary:
    """Write every file of the run into ``staging``; the caller publishes it.  Raises StorageError.

    All bytes but run ids and times follow from the inputs.
    """
    given = given_series(content.model.spec, content.rng, content.origin.telemetry_bindings)
    selected = select_series(content.model, content.result.derived_series, given)
    rows = [_with_one_nan(content.result.values_of(series.name)) for series in selected]
    entries = series_entries(content, selected, [sha256_array(row) for row in rows])
    staging.write_chunks(MATRIX, _matrix_chunks(rows, content.model.spec.grid.bins))
    if content.series_csv:
        _write_csvs(staging, content.model.spec.grid.bins, selected, rows, progress)
    _write_model(staging, content)
    run = run_file(content, entries)
    staging.write(INDEX, encode_file(index_file(content, entries)))
    staging.write(RUN, encode_file(run))
    # Last, since it holds the hash of every other file.
    staging.write(MANIFEST, encode_file(manifest_file(content, entries, staging.files)))
    return BundleSummary(run, tuple(staging.files))


def _with_one_nan(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values with every NaN the same: processors differ in its sign, and hashes must not."""
    missing = np.isnan(values)
    return np.where(missing, np.nan, values) if missing.any() else values


def _matrix_chunks(rows: Sequence[NDArray[np.float64]], bins: int) -> Iterator[bytes | memoryview]:
    """Yield an NPY file of shape (series, bins) row by row, without a second copy of all series."""
    header = io.BytesIO()
    layout = {"descr": "<f8", "fortran_order": False, "shape": (len(rows), bins)}
    np.lib.format.write_array_header_1_0(header, layout)
    yield header.getvalue()
    for row in rows:
        yield array_bytes(row)


def _write_csvs(
    staging: StagingFolder,
    bins: int,
    selected: Sequence[SelectedSeries],
    rows: Sequence[NDArray[np.float64]],
    progress: Progress | None,
) -> None:
    writer = SeriesCsvWriter(bins)
    for done, (series, row) in enumerate(zip(selected, rows, strict=True), start=1):
        staging.write(series.csv_path, writer.text(row))
        if progress is not None:
            progress(done, len(rows))


def _write_model(staging: StagingFolder, content: BundleContent) -> None:
    # The model as it was evaluated.  References stay names: to rewrite them to file: references made
    # every simulation look as if it had been fed by telemetry.
    text = dump_model(content.model).encode("utf-8")
    staging.write(SPEC, text)
    staging.write(MODEL, text)
    staging.write(METADATA, encode_file(metadata_file(content)))
    if content.origin.is_told or content.model.spec.provenance is not None:
        staging.write(PROVENANCE, encode_file(provenance_file(content)))
