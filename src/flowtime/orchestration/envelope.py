"""The answer to a run request: what was made, or for a dry run what would be."""

from __future__ import annotations

from typing import Literal

from flowtime.bundle import Bundle
from flowtime.bundle.documents import (
    ClassCoverage,
    Count,
    GridEntry,
    Hash,
    Mode,
    RelativePath,
    RngEntry,
    RunId,
    Utc,
    WarningEntry,
)
from flowtime.bundle.layout import INDEX, MANIFEST, MATRIX, METADATA, MODEL, PROVENANCE, RUN, SPEC
from flowtime.model.spec import ClassSpec, Wire

__all__ = [
    "ArtifactFlags",
    "PlannedFile",
    "RunEnvelope",
    "RunMetadata",
    "RunPlan",
    "SchemaEntry",
    "StorageEntry",
    "TelemetryStatus",
    "describe_run",
]


class SchemaEntry(Wire, frozen=True, kw_only=True):
    """The format of the run, and the hash of its model."""

    id: Literal["time-travel/v1"] = "time-travel/v1"
    version: Literal["1"] = "1"
    hash: Hash


class StorageEntry(Wire, frozen=True, kw_only=True):
    """Where the model lies, relative to the run folder: absolute paths are nobody else's business."""

    model_path: RelativePath
    metadata_path: RelativePath
    provenance_path: RelativePath | None


class RunMetadata(Wire, frozen=True, kw_only=True):
    """What a client needs to know of a run before it reads any series."""

    run_id: RunId
    template_id: str
    template_title: str | None
    template_narrative: str | None
    template_version: str
    mode: Mode
    created_utc: Utc
    grid: GridEntry
    input_hash: Hash
    scenario_hash: Hash
    provenance_hash: Hash
    telemetry_sources_resolved: bool
    schema: SchemaEntry
    storage: StorageEntry
    edge_quality: Literal["exact", "approx", "partial", "missing"] = "missing"
    rng: RngEntry | None
    class_coverage: ClassCoverage
    classes: tuple[ClassSpec, ...]


class PlannedFile(Wire, frozen=True, kw_only=True):
    """A file that a run would write; JSON and CSV sizes are estimates."""

    path: RelativePath
    estimated_bytes: Count


class RunPlan(Wire, frozen=True, kw_only=True):
    """What a run would do.

    ``runId`` is null when the id would be drawn at random; ``exists`` says that the folder is there,
    ``wouldReuse`` that it was made from the same inputs and would be returned.
    """

    run_id: RunId | None
    deterministic_run_id: RunId
    exists: bool
    would_reuse: bool
    template_id: str
    template_version: str
    mode: Mode
    parameters: dict[str, object]
    telemetry_bindings: dict[str, str]
    rng: RngEntry | None
    input_hash: Hash
    model_hash: Hash
    scenario_hash: Hash
    grid: GridEntry
    series_count: Count
    files: tuple[PlannedFile, ...]
    estimated_bytes: Count


class ArtifactFlags(Wire, frozen=True, kw_only=True):
    """Which files of a run are there."""

    run: bool
    manifest: bool
    model: bool
    spec: bool
    metadata: bool
    provenance: bool
    series_index: bool
    series_matrix: bool
    series_csv: bool


class TelemetryStatus(Wire, frozen=True, kw_only=True):
    """The telemetry capture of the run, where there is one."""

    available: bool = False
    generated_at_utc: Utc | None = None
    warning_count: Count = 0
    source_run_id: RunId | None = None


class RunEnvelope(Wire, frozen=True, kw_only=True):
    """``flowtime run --json``: exactly one of ``metadata`` and ``plan`` is set."""

    is_dry_run: bool
    metadata: RunMetadata | None
    plan: RunPlan | None
    artifacts: ArtifactFlags | None
    warnings: tuple[WarningEntry, ...]
    can_replay: bool
    telemetry: TelemetryStatus
    was_reused: bool


def describe_run(bundle: Bundle, *, was_reused: bool) -> RunEnvelope:
    """Return the envelope of a run that is on the disk; raises RunCorruptError when it can not be read."""
    artifacts = _artifacts(bundle)
    series = artifacts.series_index and (artifacts.series_matrix or artifacts.series_csv)
    return RunEnvelope(
        is_dry_run=False,
        metadata=_metadata(bundle),
        plan=None,
        artifacts=artifacts,
        warnings=bundle.run.warnings,
        can_replay=artifacts.model and artifacts.metadata and series,
        telemetry=_telemetry(bundle),
        was_reused=was_reused,
    )


def _telemetry(bundle: Bundle) -> TelemetryStatus:
    """Say which capture the run was fed from, where it was."""
    capture = bundle.provenance.capture if bundle.provenance is not None else None
    return TelemetryStatus(
        available=capture is not None,
        generated_at_utc=None if capture is None else capture.captured_at_utc,
        warning_count=sum(found.severity != "info" for found in bundle.run.warnings),
        source_run_id=None if capture is None else capture.run_id,
    )


def _artifacts(bundle: Bundle) -> ArtifactFlags:
    paths = [series.path for series in bundle.run.series]
    return ArtifactFlags(
        run=bundle.has(RUN),
        manifest=bundle.has(MANIFEST),
        model=bundle.has(MODEL),
        spec=bundle.has(SPEC),
        metadata=bundle.has(METADATA),
        provenance=bundle.has(PROVENANCE),
        series_index=bundle.has(INDEX),
        series_matrix=bundle.has(MATRIX),
        series_csv=bool(paths) and all(path is not None and bundle.has(path) for path in paths),
    )


def _metadata(bundle: Bundle) -> RunMetadata:
    run, metadata = bundle.run, bundle.metadata
    return RunMetadata(
        run_id=run.run_id,
        template_id=run.template_id,
        template_title=run.template_title,
        template_narrative=metadata.template_narrative,
        template_version=run.template_version,
        mode=run.mode,
        created_utc=run.created_utc,
        grid=run.grid,
        input_hash=run.input_hash,
        scenario_hash=run.scenario_hash,
        provenance_hash=run.model_hash,
        telemetry_sources_resolved=metadata.has_telemetry_sources,
        schema=SchemaEntry(hash=run.model_hash),
        storage=StorageEntry(
            model_path=MODEL,
            metadata_path=METADATA,
            provenance_path=PROVENANCE if bundle.has(PROVENANCE) else None,
        ),
        rng=bundle.manifest.rng,
        class_coverage=run.class_coverage,
        classes=run.classes,
    )
