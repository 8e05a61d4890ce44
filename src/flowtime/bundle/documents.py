"""The JSON files of a flow run as structs: what each one says, and nothing that is not there.

Fields keep the names that such files always had.  What those files got wrong is put right: no byte
order mark, the unit of each series, ``runId`` equal to the folder, the whole grid, ``kind`` as
computed, and a path only where there is a file.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from flowtime.model.naming import DEFAULT_CLASS
from flowtime.model.spec import Bins, BinSize, BinUnit, ClassSpec, Provenance, Seed, Wire

__all__ = [
    "CaptureOrigin",
    "ClassCoverage",
    "Count",
    "CsvFormat",
    "FileEntry",
    "Formats",
    "GapChoice",
    "GridEntry",
    "Hash",
    "IndexFile",
    "ManifestFile",
    "ManifestProvenance",
    "MatrixFormat",
    "MetadataFile",
    "Mode",
    "ProvenanceFile",
    "Randomness",
    "RelativePath",
    "Resampling",
    "RngEntry",
    "RunFile",
    "RunId",
    "RunSeries",
    "SeriesEntry",
    "SeriesId",
    "Utc",
    "WarningEntry",
]

Hash = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$", description="SHA-256 of bytes.")]
RunId = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="Name of the run folder.")]
Utc = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", description="Time in UTC.")]
SeriesId = Annotated[str, Meta(pattern="^[^@]+@[^@]+@[^@]+$", description="`measure@COMPONENT@CLASS`.")]
RelativePath = Annotated[str, Meta(min_length=1, description="Path below the run folder, split by `/`.")]
Count = Annotated[int, Meta(ge=0)]
Mode: TypeAlias = Literal["simulation", "telemetry"]
ClassCoverage: TypeAlias = Literal["full", "partial", "missing"]
Resampling: TypeAlias = Literal["sum", "mean"]
GapChoice: TypeAlias = Literal["model", "keep"]


class GridEntry(Wire, frozen=True, kw_only=True):
    """The time grid: ``bins`` bins of ``binSize`` ``binUnit``, labeled by their start."""

    bins: Bins
    bin_size: BinSize
    bin_unit: BinUnit
    start: str | None
    timezone: Literal["UTC"] = "UTC"
    align: Literal["left"] = "left"


class WarningEntry(Wire, frozen=True, kw_only=True):
    """Something about the numbers that a person should know; ``bins`` are inclusive ranges.

    ``nodeId``, ``edgeId``, ``classId`` and ``constraintId`` say what it is about, as far as it is one thing.
    """

    code: str
    message: str
    severity: Literal["info", "warning", "error"]
    node_id: str | None = None
    edge_id: str | None = None
    class_id: str | None = None
    constraint_id: str | None = None
    bins: tuple[tuple[int, int], ...] = ()
    bin_count: Count = 0
    value: float | None = None


class RngEntry(Wire, frozen=True, kw_only=True):
    """The random source that was recorded with a run; ``sampled`` says that inputs were drawn from it."""

    kind: Literal["pcg32", "mt19937", "xoshiro256"]
    seed: Seed
    sampled: bool = False


class RunSeries(Wire, frozen=True, kw_only=True):
    """A series in short; ``path`` is its CSV, null where none was written."""

    id: SeriesId
    path: RelativePath | None
    unit: str


class RunFile(Wire, frozen=True, kw_only=True):
    """``run.json``: what this run is."""

    schema_version: Literal[1] = 1
    run_id: RunId
    kind: Literal["flow"] = "flow"
    engine_version: str
    source: Literal["flowtime"] = "flowtime"
    mode: Mode
    template_id: str
    template_title: str | None
    template_version: str
    input_hash: Hash
    model_hash: Hash
    scenario_hash: Hash
    capture_hash: Hash | None = None
    grid: GridEntry
    created_utc: Utc
    class_coverage: ClassCoverage
    warnings: tuple[WarningEntry, ...]
    series: tuple[RunSeries, ...]
    classes: tuple[ClassSpec, ...]


class FileEntry(Wire, frozen=True, kw_only=True):
    """One file of the run: its size in bytes and its hash."""

    path: RelativePath
    bytes: Count
    hash: Hash


class ManifestProvenance(Wire, frozen=True, kw_only=True):
    """Where the model came from, in short."""

    has_provenance: bool
    model_id: str
    template_id: str
    input_hash: Hash
    capture_hash: Hash | None = None


class ManifestFile(Wire, frozen=True, kw_only=True):
    """``manifest.json``: what the run must hold; every file but this one is in ``files``.

    ``seriesHashes`` are over the little-endian float64 bytes of each series, so they do not depend
    on which files were written.
    """

    schema_version: Literal[1] = 1
    run_id: RunId
    input_hash: Hash
    model_hash: Hash
    scenario_hash: Hash
    rng: RngEntry | None
    created_utc: Utc
    event_count: Count = 0
    series_hashes: dict[str, Hash]
    files: tuple[FileEntry, ...]
    provenance: ManifestProvenance
    classes: tuple[ClassSpec, ...]


class MatrixFormat(Wire, frozen=True, kw_only=True):
    """All series in one NPY file: shape (series, bins), C order, rows in the order of ``series``."""

    path: RelativePath
    shape: tuple[Count, Count]
    dtype: Literal["<f8"] = "<f8"


class CsvFormat(Wire, frozen=True, kw_only=True):
    """One CSV file per series."""

    header: Literal["bin_index,value"] = "bin_index,value"


class Formats(Wire, frozen=True, kw_only=True):
    """In which forms the series are there; ``csv`` is null where no CSV was written."""

    matrix: MatrixFormat
    csv: CsvFormat | None


class SeriesEntry(Wire, frozen=True, kw_only=True):
    """One series: what it is, where it is, and the hash of its values.

    ``kind`` is how it was computed (``const``, ``expr``, ``pmf``, ``queue``, ``served`` ...);
    ``nodeId`` and ``role`` say which part it plays at which topology node, where it does.
    """

    id: SeriesId
    name: str
    kind: Annotated[str, Meta(min_length=1)]
    path: RelativePath | None
    row: Count
    unit: str
    component_id: str
    class_id: str = DEFAULT_CLASS
    class_kind: Literal["fallback", "specific"] = "fallback"
    node_id: str | None
    role: str | None
    synthesized: bool
    points: Count
    hash: Hash


class IndexFile(Wire, frozen=True, kw_only=True):
    """``series/index.json``: every series of the run."""

    schema_version: Literal[1] = 1
    grid: GridEntry
    series: tuple[SeriesEntry, ...]
    formats: Formats
    classes: tuple[ClassSpec, ...]
    class_coverage: ClassCoverage


class Randomness(Wire, frozen=True, kw_only=True):
    """What the seed did: how many nodes were drawn from it, and by which streams (``node`` or ``node@class``)."""

    rng: RngEntry | None
    sampled_nodes: Count
    sampled_streams: tuple[str, ...] = ()
    note: str


class MetadataFile(Wire, frozen=True, kw_only=True):
    """``model/metadata.json``: the model as a person knows it."""

    schema_version: Literal[1] = 1
    template_id: str
    template_title: str | None
    template_narrative: str | None
    template_version: str
    mode: Mode
    model_id: str
    model_hash: Hash
    source: Literal["flowtime"] = "flowtime"
    generator: str
    generated_at_utc: Utc
    parameters: dict[str, object]
    has_telemetry_sources: bool
    telemetry_sources: tuple[str, ...]
    node_sources: dict[str, str]
    randomness: Randomness


class CaptureOrigin(Wire, frozen=True, kw_only=True):
    """The telemetry capture that a run was fed from, and where that one came from.

    ``contentHash`` is that of the capture's manifest; ``runId`` and the hashes are those of the run that was
    captured, null where it was none; ``capturedAtUtc`` is when.  ``resample`` says how the capture was brought
    to the grid of the model, null where the grids are one; ``gaps`` what stood where nothing was measured.
    """

    content_hash: Hash
    source: str
    run_id: str | None = None
    model_hash: Hash | None = None
    scenario_hash: Hash | None = None
    input_hash: Hash | None = None
    template_id: str | None = None
    template_version: str | None = None
    template_hash: Hash | None = None
    captured_at_utc: Utc
    resample: Resampling | None = None
    gaps: GapChoice = "model"


class ProvenanceFile(Wire, frozen=True, kw_only=True):
    """``model/provenance.json``: how the model was made; only where that is known.

    ``authored`` is what the model file itself said of its origin.
    """

    schema_version: Literal[1] = 1
    source: Literal["flowtime"] = "flowtime"
    generator: str
    generated_at_utc: Utc
    model_id: str
    model_hash: Hash
    input_hash: Hash
    mode: Mode
    template_id: str | None
    template_version: str | None
    template_title: str | None
    template_hash: Hash | None
    parameters: dict[str, object]
    telemetry_bindings: dict[str, str]
    capture: CaptureOrigin | None = None
    rng: RngEntry | None
    authored: Provenance | None
