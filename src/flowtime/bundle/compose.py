"""What the JSON files of a run say, made from what was evaluated; pure, so that the same inputs say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from flowtime import __version__
from flowtime.bundle.documents import (
    CsvFormat,
    FileEntry,
    Formats,
    GridEntry,
    IndexFile,
    ManifestFile,
    ManifestProvenance,
    MatrixFormat,
    MetadataFile,
    ProvenanceFile,
    Randomness,
    RngEntry,
    RunFile,
    RunSeries,
    SeriesEntry,
    WarningEntry,
)
from flowtime.bundle.hashes import Origin, RunHashes
from flowtime.bundle.layout import MATRIX, PROVENANCE
from flowtime.bundle.selection import SelectedSeries, component_id
from flowtime.model import Model
from flowtime.model.naming import DEFAULT_CLASS
from flowtime.model.randomness import random_inputs
from flowtime.model.spec import ModelSpec
from flowtime.storage import StagedFile

if TYPE_CHECKING:
    from flowtime.engine import Result

__all__ = [
    "BundleContent",
    "grid_entry",
    "index_file",
    "manifest_file",
    "metadata_file",
    "provenance_file",
    "run_file",
    "series_entries",
]

GENERATOR = f"flowtime/{__version__}"
_NOT_SAMPLED = "Nothing was drawn: every distribution enters as its expected value, so the seed changes no number."
_NOTHING_RANDOM = "The run was to be sampled, and the model holds nothing random: the seed changes no number."
_SAMPLED = "Each stream was drawn from the seed and its own name, one number for each bin."


@dataclass(frozen=True, kw_only=True)
class BundleContent:
    """All that goes into a run folder; ``created_utc`` is the only thing that is not computed."""

    run_id: str
    model: Model
    result: Result
    origin: Origin
    hashes: RunHashes
    rng: RngEntry | None
    created_utc: str
    series_csv: bool
    # What is odd beside what the result itself says.
    notes: tuple[WarningEntry, ...] = ()

    @property
    def capture_hash(self) -> str | None:
        """The content hash of the capture that fed the run; None for a simulation."""
        return self.origin.capture.content_hash if self.origin.capture else None


def grid_entry(spec: ModelSpec) -> GridEntry:
    """Return the grid of a model as run files carry it."""
    grid = spec.grid
    return GridEntry(bins=grid.bins, bin_size=grid.bin_size, bin_unit=grid.bin_unit, start=grid.start)


def series_entries(
    content: BundleContent, selected: Sequence[SelectedSeries], hashes: Sequence[str]
) -> tuple[SeriesEntry, ...]:
    """Return the entry of each series, in the order of the matrix; ``hashes`` are those of their values."""
    entries = []
    for row, (series, digest) in enumerate(zip(selected, hashes, strict=True)):
        info = content.result.describe(series.name)
        class_id = info.class_id or DEFAULT_CLASS
        entry = SeriesEntry(
            id=series.id,
            name=series.name,
            kind=info.kind,
            path=series.csv_path if content.series_csv else None,
            row=row,
            unit=info.unit,
            component_id=component_id(series.name),
            class_id=class_id,
            class_kind="fallback" if class_id == DEFAULT_CLASS else "specific",
            node_id=info.node,
            role=info.role,
            synthesized=info.synthesized,
            points=content.model.spec.grid.bins,
            hash=digest,
        )
        entries.append(entry)
    return tuple(entries)


def index_file(content: BundleContent, entries: tuple[SeriesEntry, ...]) -> IndexFile:
    """Return what series/index.json says."""
    grid = grid_entry(content.model.spec)
    return IndexFile(
        grid=grid,
        series=entries,
        formats=Formats(
            matrix=MatrixFormat(path=MATRIX, shape=(len(entries), grid.bins)),
            csv=CsvFormat() if content.series_csv else None,
        ),
        classes=content.model.spec.classes or (),
        class_coverage=content.result.class_coverage,
    )


def run_file(content: BundleContent, entries: tuple[SeriesEntry, ...]) -> RunFile:
    """Return what run.json says."""
    return RunFile(
        run_id=content.run_id,
        engine_version=__version__,
        mode=content.origin.mode,
        template_id=content.origin.template_id,
        template_title=content.origin.title,
        template_version=content.origin.template_version,
        input_hash=content.hashes.input,
        model_hash=content.hashes.model,
        scenario_hash=content.hashes.scenario,
        capture_hash=content.capture_hash,
        grid=grid_entry(content.model.spec),
        created_utc=content.created_utc,
        class_coverage=content.result.class_coverage,
        warnings=(*content.notes, *(_warning_entry(warning) for warning in content.result.warnings)),
        series=tuple(RunSeries(id=entry.id, path=entry.path, unit=entry.unit) for entry in entries),
        classes=content.model.spec.classes or (),
    )


def manifest_file(
    content: BundleContent, entries: tuple[SeriesEntry, ...], files: Sequence[StagedFile]
) -> ManifestFile:
    """Return what manifest.json says of ``files``, all but itself."""
    return ManifestFile(
        run_id=content.run_id,
        input_hash=content.hashes.input,
        model_hash=content.hashes.model,
        scenario_hash=content.hashes.scenario,
        rng=content.rng,
        created_utc=content.created_utc,
        series_hashes={entry.id: entry.hash for entry in entries},
        files=tuple(FileEntry(path=file.path, bytes=file.size, hash=file.sha256) for file in sorted(files)),
        provenance=ManifestProvenance(
            has_provenance=any(file.path == PROVENANCE for file in files),
            model_id=_model_id(content.hashes),
            template_id=content.origin.template_id,
            input_hash=content.hashes.input,
            capture_hash=content.capture_hash,
        ),
        classes=content.model.spec.classes or (),
    )


def metadata_file(content: BundleContent) -> MetadataFile:
    """Return what model/metadata.json says."""
    sources = {node.id: source for node in content.model.spec.nodes if (source := getattr(node, "source", None))}
    bindings = tuple(sorted(set(content.origin.telemetry_bindings.values())))
    return MetadataFile(
        template_id=content.origin.template_id,
        template_title=content.origin.title,
        template_narrative=content.origin.narrative,
        template_version=content.origin.template_version,
        mode=content.origin.mode,
        model_id=_model_id(content.hashes),
        model_hash=content.hashes.model,
        generator=GENERATOR,
        generated_at_utc=content.created_utc,
        parameters=dict(content.origin.parameters),
        has_telemetry_sources=bool(bindings),
        telemetry_sources=bindings,
        node_sources=sources,
        randomness=_randomness(content),
    )


def _randomness(content: BundleContent) -> Randomness:
    if content.rng is None or not content.rng.sampled:
        return Randomness(rng=content.rng, sampled_nodes=0, note=_NOT_SAMPLED)
    streams = random_inputs(content.model.spec)
    return Randomness(
        rng=content.rng,
        sampled_nodes=len({stream.partition("@")[0] for stream in streams}),
        sampled_streams=streams,
        note=_SAMPLED if streams else _NOTHING_RANDOM,
    )


def provenance_file(content: BundleContent) -> ProvenanceFile:
    """Return what model/provenance.json says."""
    origin = content.origin
    return ProvenanceFile(
        generator=GENERATOR,
        generated_at_utc=content.created_utc,
        model_id=_model_id(content.hashes),
        model_hash=content.hashes.model,
        input_hash=content.hashes.input,
        mode=origin.mode,
        template_id=origin.template_id if origin.is_template else None,
        template_version=origin.template_version if origin.is_template else None,
        template_title=origin.title,
        template_hash=origin.template_hash,
        parameters=dict(origin.parameters),
        telemetry_bindings=dict(origin.telemetry_bindings),
        capture=origin.capture,
        rng=content.rng,
        authored=content.model.spec.provenance,
    )


def _warning_entry(warning: object) -> WarningEntry:
    return msgspec.convert(warning, WarningEntry, from_attributes=True)


def _model_id(hashes: RunHashes) -> str:
    # From the model, not from the time as it used to be: the same model has one id.
    return "model_" + hashes.model.removeprefix("sha256:")[:16]
