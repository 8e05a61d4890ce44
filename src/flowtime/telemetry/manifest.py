"""``manifest.json`` of a telemetry capture: which series it holds, where, from what, and what was done to them.

The numbers themselves come from ``flowtime.telemetry.reader.read_capture``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from flowtime.bundle.documents import ClassCoverage, Count, Hash, Utc
from flowtime.bundle.encoding import canonical_hash, encode_file
from flowtime.errors import CaptureAlteredError, CaptureNotFoundError, TelemetryError
from flowtime.model.naming import DEFAULT_CLASS
from flowtime.model.spec import UNIT_SECONDS, Bins, BinSize, BinUnit, Wire

__all__ = [
    "DEFAULT_CLASS",
    "MANIFEST",
    "BinRange",
    "CaptureFile",
    "CaptureGrid",
    "CaptureManifest",
    "CaptureProvenance",
    "CaptureWarning",
    "CaptureWindow",
    "FileKind",
    "GapRecord",
    "check_content",
    "content_hash",
    "decode_manifest",
    "manifest_bytes",
    "read_manifest",
    "sealed",
    "window_minutes",
]

MANIFEST = "manifest.json"

BinRange: TypeAlias = tuple[int, int]
"""First and last bin, both inside."""
FileKind: TypeAlias = Literal["node", "edge", "constraint"]
ClassName = Annotated[str, Meta(min_length=1, description="A class of flow, or `DEFAULT` for all together.")]
# Flat, so that no path of a manifest can lead out of its folder; `storage.safe_relative` checks the rest.
FileName = Annotated[str, Meta(min_length=1, pattern=r"^[^/\\]+$", description="A file beside the manifest.")]

_MAX_BYTES = 64 * 1024 * 1024


class CaptureWindow(Wire, frozen=True, kw_only=True):
    """The time that a capture covers; the start is null where the grid has none."""

    start_time_utc: str | None
    duration_minutes: Annotated[float, Meta(gt=0.0)]


class CaptureGrid(Wire, frozen=True, kw_only=True):
    """The time grid: ``bins`` bins of ``binSize`` ``binUnit``."""

    bins: Bins
    bin_size: BinSize
    bin_unit: BinUnit


class CaptureFile(Wire, frozen=True, kw_only=True):
    """One part that a series plays; where several parts share a series, several entries name one file.

    ``seriesId`` is the name of the series in the model (``name`` or ``name@class``), null where it comes from
    elsewhere; ``points`` counts the values that are there, so bins less the missing ones.
    """

    node_id: str | None = None
    metric: Annotated[str, Meta(min_length=1)]
    class_id: ClassName = DEFAULT_CLASS
    series_id: str | None = None
    path: FileName
    hash: Hash
    points: Count
    kind: FileKind = "node"
    edge_id: str | None = None
    constraint_id: str | None = None

    @property
    def subject(self) -> str | None:
        """The id of the node, edge or constraint that the numbers are about."""
        return {"node": self.node_id, "edge": self.edge_id, "constraint": self.constraint_id}[self.kind]


class CaptureWarning(Wire, frozen=True, kw_only=True):
    """Something about the captured numbers that a person should know; ``bins`` are inclusive ranges."""

    code: Annotated[str, Meta(min_length=1)]
    message: str
    severity: Literal["info", "warning", "error"]
    node_id: str | None = None
    metric: str | None = None
    class_id: str | None = None
    bins: tuple[BinRange, ...] = ()
    bin_count: Count = 0


class GapRecord(Wire, frozen=True, kw_only=True):
    """One gap that was put in on purpose: its code, kind, where, in which bins, and by which seed."""

    code: Annotated[str, Meta(min_length=1)]
    kind: Annotated[str, Meta(min_length=1)]
    node_id: str | None = None
    metric: str
    class_id: ClassName = DEFAULT_CLASS
    bins: tuple[BinRange, ...]
    seed: int | None = None


class CaptureProvenance(Wire, frozen=True, kw_only=True):
    """Where the numbers came from; ``source`` is ``run`` or the loader that read them.

    The hashes are those of the run: scenario, model and input hash of its run.json.
    """

    run_id: str | None = None
    source: Annotated[str, Meta(min_length=1)]
    scenario_hash: Hash | None = None
    model_hash: Hash | None = None
    input_hash: Hash | None = None
    template_id: str | None = None
    template_version: str | None = None
    template_hash: Hash | None = None
    parameters: dict[str, object] = msgspec.field(default_factory=dict)
    captured_at_utc: Utc


class CaptureManifest(Wire, frozen=True, kw_only=True):
    """``manifest.json``; ``contentHash`` covers all of it but when it was captured, from which run id, and itself."""

    schema_version: Literal[2] = 2
    window: CaptureWindow
    grid: CaptureGrid
    files: tuple[CaptureFile, ...]
    warnings: tuple[CaptureWarning, ...] = ()
    injections: tuple[GapRecord, ...] = ()
    provenance: CaptureProvenance
    supports_class_metrics: bool = False
    classes: tuple[str, ...] = ()
    class_coverage: ClassCoverage = "missing"
    content_hash: str = ""

    def find(self, metric: str, subject: str, class_id: str = DEFAULT_CLASS, kind: FileKind = "node") -> CaptureFile:
        """Return the entry of a metric; raises CaptureNotFoundError ``telemetry.series_not_found``."""
        for file in self.files:
            if (file.metric, file.subject, file.class_id, file.kind) == (metric, subject, class_id, kind):
                return file
        raise CaptureNotFoundError(
            f"the capture holds no {metric} of {kind} {subject!r} for class {class_id}",
            code="telemetry.series_not_found",
        )


def window_minutes(grid: CaptureGrid) -> float:
    """Return the length of a grid in minutes, by its unit."""
    return grid.bins * grid.bin_size * (UNIT_SECONDS[grid.bin_unit] / 60)


def content_hash(manifest: CaptureManifest) -> str:
    """Return ``sha256:<hex>`` of what was captured: equal for equal numbers and origin on any day."""
    document = msgspec.to_builtins(manifest)
    del document["contentHash"], document["provenance"]["capturedAtUtc"], document["provenance"]["runId"]
    return canonical_hash(document)


def sealed(manifest: CaptureManifest) -> CaptureManifest:
    """Return the manifest with its content hash in place."""
    return msgspec.structs.replace(manifest, content_hash=content_hash(manifest))


def manifest_bytes(manifest: CaptureManifest) -> bytes:
    """Return the sealed manifest as the bytes of ``manifest.json``."""
    return encode_file(sealed(manifest))


def read_manifest(folder: Path) -> CaptureManifest:
    """Read and check the manifest of the capture in ``folder``; the files that it names are not looked at.

    Raises CaptureNotFoundError ``telemetry.not_found`` when there is none, TelemetryError
    ``telemetry.invalid`` when it is not one of a capture, CaptureAlteredError when its content hash is wrong.
    """
    manifest = decode_manifest(folder)
    check_content(manifest)
    return manifest


def check_content(manifest: CaptureManifest) -> None:
    """Raise CaptureAlteredError when the content hash of a manifest is not that of its content."""
    expected = content_hash(manifest)
    if manifest.content_hash != expected:
        raise CaptureAlteredError(
            f"{MANIFEST} should hash to {manifest.content_hash or 'nothing'}, but hashes to {expected}",
            hint="it was changed after the capture: capture again",
        )


def decode_manifest(folder: Path) -> CaptureManifest:
    """Read the manifest of the capture in ``folder`` as ``read_manifest`` does, with whatever content hash."""
    return _decode(_read(folder), folder)


def _read(folder: Path) -> bytes:
    try:
        with (folder / MANIFEST).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CaptureNotFoundError(
            f"{folder.name!r} is no capture: it holds no {MANIFEST}",
            hint="`flowtime telemetry capture` makes one from a run",
        ) from error
    except OSError as error:
        raise TelemetryError(f"{MANIFEST} can not be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise TelemetryError(f"{MANIFEST} is larger than {_MAX_BYTES:,} bytes")
    return data


def _decode(data: bytes, folder: Path) -> CaptureManifest:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=CaptureManifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TelemetryError(
            f"{MANIFEST} in {folder.name!r} is not one of a capture: {error}",
            hint="a run folder has another manifest: capture it with `flowtime telemetry capture`",
        ) from error
