"""From a file of measurements to a capture: what a loader found, with all that is odd about it, published whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from flowtime.bundle.documents import ClassCoverage, Count
from flowtime.bundle.encoding import canonical_hash
from flowtime.engine.tolerance import bin_ranges
from flowtime.errors import TelemetryError
from flowtime.model.spec import Wire
from flowtime.runs import utc_text
from flowtime.settings import Durability
from flowtime.storage import StagingFolder, sha256_bytes, sha256_file, sweep
from flowtime.telemetry.capture_csv import CaptureCsvWriter
from flowtime.telemetry.capture_folder import file_name, may_replace
from flowtime.telemetry.gaps import Severity, detect
from flowtime.telemetry.loaders.base import ByteStream, ImportOptions, Loader
from flowtime.telemetry.loaders.mapping import Target
from flowtime.telemetry.loaders.moments import moment_text
from flowtime.telemetry.loaders.notes import NOTES
from flowtime.telemetry.loaders.registry import find_loader
from flowtime.telemetry.loaders.series_bins import Measured, SeriesBins
from flowtime.telemetry.loaders.zones import offset_at
from flowtime.telemetry.manifest import (
    DEFAULT_CLASS,
    MANIFEST,
    BinRange,
    CaptureFile,
    CaptureGrid,
    CaptureManifest,
    CaptureProvenance,
    CaptureWarning,
    CaptureWindow,
    FileKind,
    manifest_bytes,
    sealed,
    window_minutes,
)

__all__ = ["ImportReport", "ImportRequest", "ImportedSeries", "import_telemetry"]

_NAMED_RANGES: Final = 10
# A warning with more would make a manifest that nobody reads, and no reader takes.
_LISTED_RANGES: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What to import, and where to: ``output`` is the folder that will hold the capture.

    ``loader`` is the name of one, or one itself, which ``loader_name`` then names in the manifest; None is found by
    the suffix of the source.  With a ``stream`` the source is what can be read there once, ``source`` is only what it
    is called, and without a loader it is CSV.
    """

    source: Path
    output: Path
    options: ImportOptions
    loader: str | Loader | None = None
    loader_name: str = "custom"
    dry_run: bool = False
    overwrite: bool = False
    stream: ByteStream | None = None


class ImportedSeries(Wire, frozen=True, kw_only=True):
    """One series of an import, ``DEFAULT`` where it is of all classes; ``points`` are the bins with a value, ``total``
    is their sum, null where infinite."""

    kind: FileKind
    subject: str
    metric: str
    class_id: str
    measure: str | None
    path: str
    bytes: Count
    points: Count
    total: float | None


class ImportReport(Wire, frozen=True, kw_only=True):
    """What was imported, or with ``isDryRun`` would be; ``rows`` are the rows, or spans, that were read."""

    is_dry_run: bool
    source: str
    loader: str
    rows: Count
    folder: str
    replaces: bool
    series: tuple[ImportedSeries, ...]
    bytes: Count
    manifest: CaptureManifest


def import_telemetry(
    request: ImportRequest, *, clock: Callable[[], datetime], durability: Durability = "power"
) -> ImportReport:
    """Import a source into ``request.output``, which appears whole or not at all; return what it holds.

    ``clock`` gives an aware time, which enters no hash.  A dry run does all but write.  Raises TelemetryError
    ``telemetry.grid_invalid`` for a window that is none; SourceError, with the line where there is one;
    CaptureConflictError for an output that is there; MissingExtraError for Parquet without pyarrow;
    UnsafeNameError, StorageError.
    """
    _check_window(request.options)
    replaces = may_replace(request.output, overwrite=request.overwrite)
    name, measured, digest = _measure(request)
    made_at = utc_text(clock())
    if request.dry_run:
        series, entries = _write(request, measured, None)
        manifest = sealed(_manifest(_origin(request, measured, digest), name, measured, entries, made_at))
        return _report(request, name, measured, replaces, series, manifest)
    sweep(request.output.parent)
    with StagingFolder(request.output.parent, request.output.name, durability) as staging:
        series, entries = _write(request, measured, staging)
        manifest = sealed(_manifest(_origin(request, measured, digest), name, measured, entries, made_at))
        staging.write(MANIFEST, manifest_bytes(manifest))
        staging.publish(replace=replaces)
    return _report(request, name, measured, replaces, series, manifest)


def _check_window(options: ImportOptions) -> None:
    if options.start is not None and options.end is not None and options.start >= options.end:
        raise TelemetryError("the end is not after the start", code="telemetry.grid_invalid")


class _HashedStream:
    """A stream that takes the hash of what is read."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._hash = sha256()

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _measure(request: ImportRequest) -> tuple[str, Measured, str]:
    """Run the loader; return its name, what it found, and the hash of the source."""
    stream = None if request.stream is None else _HashedStream(request.stream)
    if request.loader is None or isinstance(request.loader, str):
        name, loader = find_loader(request.source, request.loader or (None if stream is None else "csv"))
    else:
        name, loader = request.loader_name, request.loader
    zone = request.options.zone
    local: Callable[[int], int] = (lambda _: 0) if zone is None else (lambda nanos: offset_at(nanos, zone))
    bins = SeriesBins(request.options, file=request.source.name, local=local)
    options = request.options if stream is None else replace(request.options, stream=stream)
    loader(request.source, options, bins)
    return name, bins.finish(), sha256_file(request.source) if stream is None else stream.digest


def _write(
    request: ImportRequest, measured: Measured, staging: StagingFolder | None
) -> tuple[tuple[ImportedSeries, ...], tuple[CaptureFile, ...]]:
    """Write each series, or only make and measure its file; return the series, and the entries of the manifest."""
    writer = CaptureCsvWriter(measured.bins)
    taken = {MANIFEST}
    how = {measure.target: measure.text for measure in request.options.measures}
    series: list[ImportedSeries] = []
    entries: list[CaptureFile] = []
    for target, values, missing in measured.series:
        of_class = () if target.class_id == DEFAULT_CLASS else (target.class_id,)
        path = file_name((target.subject, target.metric, *of_class), taken)
        text = writer.text(values, target.class_id, missing)
        if staging is not None:
            staging.write(path, text)
        points = int(missing.size - np.count_nonzero(missing))
        total = float(values[~missing].sum())
        series.append(
            ImportedSeries(
                kind=target.kind,
                subject=target.subject,
                metric=target.metric,
                class_id=target.class_id,
                measure=how.get(target.of_class(DEFAULT_CLASS)),
                path=path,
                bytes=len(text),
                points=points,
                total=total if np.isfinite(total) else None,
            )
        )
        entries.append(
            CaptureFile(
                **_subject(target),
                metric=target.metric,
                class_id=target.class_id,
                path=path,
                hash=sha256_bytes(text),
                points=points,
                kind=target.kind,
            )
        )
    return tuple(series), tuple(entries)


def _subject(target: Target) -> dict[str, str]:
    return {"edge_id" if target.kind == "edge" else "node_id": target.subject}


def _manifest(
    origin: dict[str, object], loader: str, measured: Measured, entries: tuple[CaptureFile, ...], made_at: str
) -> CaptureManifest:
    grid = CaptureGrid(bins=measured.bins, bin_size=measured.step.size, bin_unit=measured.step.unit)
    start = None if measured.start is None else moment_text(measured.start)
    return CaptureManifest(
        window=CaptureWindow(start_time_utc=start, duration_minutes=window_minutes(grid)),
        grid=grid,
        classes=measured.classes,
        class_coverage=_coverage(measured),
        files=entries,
        warnings=(*_findings(measured), *_remarks(measured)),
        provenance=CaptureProvenance(
            source=loader, input_hash=canonical_hash(origin), parameters=origin, captured_at_utc=made_at
        ),
    )


def _coverage(measured: Measured) -> ClassCoverage:
    """Say how far the classes make up the totals: rows without one are in no part."""
    if not measured.classes:
        return "missing"
    return "partial" if any(remark.code == "rows_unclassed" for remark in measured.remarks) else "full"


def _origin(request: ImportRequest, measured: Measured, digest: str) -> dict[str, object]:
    """Return what the capture was made from and how, so that the same import can be made again."""
    options = request.options
    asked = {
        "start": None if options.start is None else moment_text(options.start),
        "end": None if options.end is None else moment_text(options.end),
        "timeColumn": options.time_column,
        "timeUnit": None if options.time_unit == "auto" else options.time_unit,
        "timeZone": None if options.zone is None else str(options.zone),
        "duplicates": None if options.duplicates == "error" else options.duplicates,
        "classColumn": options.class_column,
        "where": dict(options.where) or None,
        "offGrid": None if options.off_grid == "error" else options.off_grid,
    }
    return {
        "file": request.source.name,
        "fileHash": digest,
        "rows": measured.rows,
        "grid": str(options.step),
        "maps": {str(measure.target): measure.text for measure in options.measures},
        **{name: value for name, value in asked.items() if value is not None},
    }


def _findings(measured: Measured) -> Iterator[CaptureWarning]:
    """Yield what is odd about the numbers: bins without a row, NaN, infinite and negative values."""
    if not measured.series:
        return
    values = np.stack([series.values for series in measured.series])
    missing = np.stack([series.missing for series in measured.series])
    for found in detect(values, missing=missing):
        target = measured.series[found.row].target
        yield _warning(target, found.code, found.severity, found.message, found.bins, measured)


def _remarks(measured: Measured) -> Iterator[CaptureWarning]:
    """Yield what the loader remarked on."""
    for remark in measured.remarks:
        note = NOTES[remark.code]
        text = note.text.format(rows=f"{remark.rows:,}")
        yield _warning(remark.target, remark.code, note.severity, text, bin_ranges(remark.chosen), measured)


def _warning(
    target: Target | None,
    code: str,
    severity: Severity,
    message: str,
    ranges: Sequence[BinRange],
    measured: Measured,
) -> CaptureWarning:
    # Only a node has a field of its own.
    where = f"edge {target.subject}: " if target is not None and target.kind == "edge" else ""
    return CaptureWarning(
        code=code,
        message=f"{where}{message}{_times(ranges, measured)}",
        severity=severity,
        node_id=target.subject if target is not None and target.kind == "node" else None,
        metric=None if target is None else target.metric,
        class_id=None if target is None else target.class_id,
        bins=tuple(ranges[:_LISTED_RANGES]),
        bin_count=sum(last - first + 1 for first, last in ranges),
    )


def _times(ranges: Sequence[BinRange], measured: Measured) -> str:
    """Return the times of ranges, for people: when their bins start."""
    if measured.start is None or not ranges:
        return ""
    start, step = measured.start, measured.step.nanos
    named = [
        moment_text(start + first * step) + ("" if first == last else f" to {moment_text(start + last * step)}")
        for first, last in ranges[:_NAMED_RANGES]
    ]
    return f": {', '.join(named)}" + (", ..." if len(ranges) > _NAMED_RANGES else "")


def _report(
    request: ImportRequest,
    loader: str,
    measured: Measured,
    replaces: bool,
    series: tuple[ImportedSeries, ...],
    manifest: CaptureManifest,
) -> ImportReport:
    return ImportReport(
        is_dry_run=request.dry_run,
        source=request.source.name,
        loader=loader,
        rows=measured.rows,
        folder=str(request.output),
        replaces=replaces,
        series=series,
        bytes=sum(item.bytes for item in series),
        manifest=manifest,
    )
