"""From a run folder to a capture: every part of every node, edge and constraint, with the gaps that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle import Bundle
from flowtime.bundle.documents import Count
from flowtime.bundle.layout import INDEX, METADATA, MODEL, PROVENANCE, RUN
from flowtime.errors import RunCorruptError, TelemetryError
from flowtime.events import BoundLog, EventLog, SilentLog
from flowtime.model.spec import FloatArray, Grid, Wire
from flowtime.runs import utc_text
from flowtime.settings import Durability
from flowtime.storage import StagingFolder, sha256_array, sha256_file, sweep
from flowtime.storage.hashing import Sha256
from flowtime.telemetry.capture_csv import CaptureCsvWriter
from flowtime.telemetry.capture_folder import file_name, may_replace
from flowtime.telemetry.gap_plan import GapPlan
from flowtime.telemetry.gaps import Filling, Finding, detect, fill
from flowtime.telemetry.injection import SeriesKey, apply_plan
from flowtime.telemetry.manifest import (
    DEFAULT_CLASS,
    MANIFEST,
    CaptureFile,
    CaptureGrid,
    CaptureManifest,
    CaptureProvenance,
    CaptureWarning,
    CaptureWindow,
    FileKind,
    GapRecord,
    manifest_bytes,
    sealed,
    window_minutes,
)
from flowtime.telemetry.parts import VALUE, Part, run_parts

__all__ = ["CaptureReport", "CaptureRequest", "CapturedFile", "CapturedPart", "capture_run"]

# What a capture reads of a run beside the series, whose own hashes are in the index.
_READ = (RUN, INDEX, MODEL, METADATA, PROVENANCE)
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class CaptureRequest:
    """What to capture, and where to: ``output`` is the folder that will hold the capture.

    ``gaps`` are put in first, then what is missing or NaN is filled, except gaps above ``fill_limit`` bins;
    ``fill_period`` (bins) is that of the seasonal fill, a day where it is None.
    """

    output: Path
    gaps: GapPlan | None = None
    fill: Filling = "none"
    fill_limit: int | None = None
    fill_period: int | None = None
    dry_run: bool = False
    overwrite: bool = False


class CapturedPart(Wire, frozen=True, kw_only=True):
    """A part that the numbers of a file play; ``subject`` is the id of the node, edge or constraint."""

    kind: FileKind
    subject: str
    metric: str
    class_id: str


class CapturedFile(Wire, frozen=True, kw_only=True):
    """One file of a capture: its size, the series that it holds, and every part that this plays."""

    path: str
    bytes: Count
    series_id: str
    parts: tuple[CapturedPart, ...]


class CaptureReport(Wire, frozen=True, kw_only=True):
    """What was captured, or with ``isDryRun`` would be; ``bytes`` are those of all files but the manifest."""

    is_dry_run: bool
    run_id: str
    folder: str
    replaces: bool
    fill: Filling
    files: tuple[CapturedFile, ...]
    bytes: Count
    manifest: CaptureManifest


class _Row:
    """One series to write: the file it goes to and the parts that it plays."""

    def __init__(self, path: str, part: Part) -> None:
        self.path = path
        self.series = part.series
        self.class_id = part.class_id
        self.parts = [part]


@dataclass(frozen=True, eq=False)
class _Numbers:
    """What the files will hold: values and missing are (series, bins), in the order of the rows."""

    rows: Sequence[_Row]
    values: FloatArray
    missing: BoolArray
    findings: tuple[Finding, ...]
    records: tuple[GapRecord, ...]


def capture_run(
    bundle: Bundle,
    request: CaptureRequest,
    *,
    clock: Callable[[], datetime],
    durability: Durability = "power",
    events: EventLog | None = None,
) -> CaptureReport:
    """Capture a run into ``request.output``, which appears whole or not at all; return what it holds.

    ``clock`` gives an aware time, which enters no hash; ``events`` is told of it.  A dry run does all but write.
    Raises RunCorruptError for a run that is not as it was written, GapPlanError for gaps that do not fit it,
    CaptureConflictError for an output that is there (``telemetry.exists``: a capture, and no ``overwrite``;
    ``telemetry.not_a_capture``: anything else, which is never replaced), UnsafeNameError, StorageError.
    """
    log = BoundLog(events or SilentLog(), run_id=bundle.run.run_id)
    log.log("capture_start", dry_run=request.dry_run)
    replaces = may_replace(request.output, overwrite=request.overwrite)
    _check_documents(bundle)
    numbers = _numbers(bundle, request)
    if request.dry_run:
        files, entries = _write(numbers, None)
        manifest = sealed(_manifest(bundle, numbers, entries, utc_text(clock())))
        _tell_warnings(log, manifest)
        return _report(bundle, request, replaces, files, manifest)
    # What a killed capture left hidden beside its place.
    sweep(request.output.parent)
    with StagingFolder(request.output.parent, request.output.name, durability) as staging:
        files, entries = _write(numbers, staging)
        manifest = sealed(_manifest(bundle, numbers, entries, utc_text(clock())))
        staging.write(MANIFEST, manifest_bytes(manifest))
        staging.publish(replace=replaces)
    _tell_files(log, manifest)
    _tell_warnings(log, manifest)
    log.log("capture_completed", files=len(files), warnings=len(manifest.warnings))
    return _report(bundle, request, replaces, files, manifest)


def _check_documents(bundle: Bundle) -> None:
    """Check the hashes of what is read of the run beside its series."""
    hashes = {file.path: file.hash for file in bundle.manifest.files}
    for path in _READ:
        if not bundle.has(path):
            # Where a model comes from is not known of every run; the manifest says so.
            if path != PROVENANCE or path in hashes:
                raise RunCorruptError(f"{path} is not there")
            continue
        actual = sha256_file(bundle.path / path)
        if actual != hashes.get(path):
            raise RunCorruptError(f"{path} should hash to {hashes.get(path)}, but hashes to {actual}")


def _numbers(bundle: Bundle, request: CaptureRequest) -> _Numbers:
    rows = _rows(run_parts(bundle))
    values = _values(bundle, rows)
    missing = np.zeros(values.shape, dtype=np.bool_)
    records: tuple[GapRecord, ...] = ()
    if request.gaps is not None:
        keys = [[SeriesKey(part.subject, part.metric, part.class_id) for part in row.parts] for row in rows]
        grid = bundle.run.grid
        spec = Grid(bins=grid.bins, bin_size=grid.bin_size, bin_unit=grid.bin_unit, start=grid.start)
        values, missing, records = apply_plan(request.gaps, keys, values, grid=spec)
    # A series without a meaning may well be below 0.
    signed = np.array([row.parts[0].metric == VALUE for row in rows], dtype=np.bool_)
    findings = detect(values, missing=missing, signed=signed)
    if request.fill != "none":
        period = request.fill_period or _bins_a_day(request, bundle)
        filled = fill(values, request.fill, missing=missing, limit=request.fill_limit, period=period)
        # What the fill left open stays what it was: missing, or a NaN that was there.
        values, missing = filled.values, missing & np.isnan(filled.values)
        findings = (*findings, *filled.findings)
    return _Numbers(rows, values, missing, findings, records)


def _values(bundle: Bundle, rows: Sequence[_Row]) -> FloatArray:
    """Return the series of the run as (series, bins), each checked against its hash."""
    values = np.empty((len(rows), bundle.run.grid.bins))
    hashes = {entry.name: entry.hash for entry in bundle.index.series}
    for row, target in zip(rows, values, strict=True):
        target[:] = bundle.series(row.series)
        # The numbers as they are captured, and not the file again: it may be on a network, or change meanwhile.
        if sha256_array(target) != hashes[row.series]:
            raise RunCorruptError(f"series {row.series} does not agree with its hash in {INDEX}")
    return values


def _bins_a_day(request: CaptureRequest, bundle: Bundle) -> int | None:
    """Return the period of a seasonal fill that nobody gave; raises TelemetryError where a day is no whole number."""
    if request.fill != "seasonal":
        return None
    grid = bundle.run.grid
    one = CaptureGrid(bins=1, bin_size=grid.bin_size, bin_unit=grid.bin_unit)
    bins = 1440.0 / window_minutes(one)
    if bins < 2 or not bins.is_integer():
        raise TelemetryError(
            f"a day is no whole number of bins of {grid.bin_size} {grid.bin_unit}",
            code="telemetry.fill_period",
            hint="say how many bins a season has",
        )
    return int(bins)


def _rows(parts: Sequence[Part]) -> list[_Row]:
    """Return the series to write, each once for every class that it stands for."""
    rows: dict[tuple[str, str], _Row] = {}
    taken: set[str] = set()
    for part in parts:
        # With the class: a line of a CSV says which it is of, so what stands for two classes is written twice.
        place = part.series, part.class_id
        if place in rows:
            rows[place].parts.append(part)
        else:
            words = [part.subject, part.metric, *([] if part.class_id == DEFAULT_CLASS else [part.class_id])]
            rows[place] = _Row(file_name(words, taken), part)
    return list(rows.values())


def _write(
    numbers: _Numbers, staging: StagingFolder | None
) -> tuple[tuple[CapturedFile, ...], tuple[CaptureFile, ...]]:
    """Write each file, or only make and measure it; return the files, and the entries of the manifest."""
    writer = CaptureCsvWriter(numbers.values.shape[1])
    files: list[CapturedFile] = []
    entries: list[CaptureFile] = []
    for row, values, missing in zip(numbers.rows, numbers.values, numbers.missing, strict=True):
        chunks = writer.chunks(values, row.class_id, missing)
        size, digest = _measured(chunks) if staging is None else staging.write_chunks(row.path, chunks)[1:]
        parts = tuple(
            CapturedPart(kind=part.kind, subject=part.subject, metric=part.metric, class_id=part.class_id)
            for part in row.parts
        )
        files.append(CapturedFile(path=row.path, bytes=size, series_id=row.series, parts=parts))
        points = int(values.size - np.count_nonzero(missing))
        entries.extend(_entries(row, digest, points))
    return tuple(files), tuple(entries)


def _measured(chunks: Iterable[bytes]) -> tuple[int, str]:
    """Return the size and the hash of what would be written."""
    digest = Sha256()
    return sum(len(chunk) for chunk in digest.passing(chunks)), digest.text()


def _entries(row: _Row, digest: str, points: int) -> Iterator[CaptureFile]:
    for part in row.parts:
        yield CaptureFile(
            node_id=part.subject if part.kind == "node" else None,
            metric=part.metric,
            class_id=part.class_id,
            series_id=part.series,
            path=row.path,
            hash=digest,
            points=points,
            kind=part.kind,
            edge_id=part.subject if part.kind == "edge" else None,
            constraint_id=part.subject if part.kind == "constraint" else None,
        )


def _manifest(
    bundle: Bundle, numbers: _Numbers, entries: tuple[CaptureFile, ...], captured_at_utc: str
) -> CaptureManifest:
    run = bundle.run
    grid = CaptureGrid(bins=run.grid.bins, bin_size=run.grid.bin_size, bin_unit=run.grid.bin_unit)
    classes = tuple(found.id for found in run.classes)
    return CaptureManifest(
        window=CaptureWindow(start_time_utc=run.grid.start, duration_minutes=window_minutes(grid)),
        grid=grid,
        files=entries,
        warnings=tuple(_warnings(numbers)),
        injections=numbers.records,
        provenance=_provenance(bundle, captured_at_utc),
        supports_class_metrics=any(entry.class_id != DEFAULT_CLASS for entry in entries),
        classes=classes,
        class_coverage=run.class_coverage,
    )


def _provenance(bundle: Bundle, captured_at_utc: str) -> CaptureProvenance:
    run, origin = bundle.run, bundle.provenance
    template: Mapping[str, str | None] = {}
    if origin is not None and origin.template_hash is not None:
        template = {
            "template_id": origin.template_id,
            "template_version": origin.template_version,
            "template_hash": origin.template_hash,
        }
    return CaptureProvenance(
        run_id=run.run_id,
        source="run",
        scenario_hash=run.scenario_hash,
        model_hash=run.model_hash,
        input_hash=run.input_hash,
        parameters=bundle.metadata.parameters,
        captured_at_utc=captured_at_utc,
        **template,
    )


def _warnings(numbers: _Numbers) -> Iterator[CaptureWarning]:
    """Yield each finding once for every part that the series plays."""
    for finding in numbers.findings:
        for part in numbers.rows[finding.row].parts:
            yield CaptureWarning(
                code=finding.code,
                # Only a node has a field of its own.
                message=finding.message if part.kind == "node" else f"{part.kind} {part.subject}: {finding.message}",
                severity=finding.severity,
                node_id=part.subject if part.kind == "node" else None,
                metric=part.metric,
                class_id=part.class_id,
                bins=finding.bins,
                bin_count=finding.bin_count,
            )


def _tell_files(log: EventLog, manifest: CaptureManifest) -> None:
    for file in manifest.files:
        about = {"node_id": file.node_id, "metric": file.metric, "class_id": file.class_id}
        log.log("capture_file", **about, path=file.path, points=file.points)


def _tell_warnings(log: EventLog, manifest: CaptureManifest) -> None:
    for found in manifest.warnings:
        about = {"node_id": found.node_id, "metric": found.metric, "class_id": found.class_id}
        log.log("capture_warning", code=found.code, **about, bin_count=found.bin_count)


def _report(
    bundle: Bundle,
    request: CaptureRequest,
    replaces: bool,
    files: tuple[CapturedFile, ...],
    manifest: CaptureManifest,
) -> CaptureReport:
    return CaptureReport(
        is_dry_run=request.dry_run,
        run_id=bundle.run.run_id,
        folder=str(request.output),
        replaces=replaces,
        fill=request.fill,
        files=files,
        bytes=sum(file.bytes for file in files),
        manifest=manifest,
    )
