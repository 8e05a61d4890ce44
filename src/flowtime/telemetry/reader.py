"""Opens a capture: its manifest, and its numbers in one buffer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.errors import CaptureAlteredError, TelemetryError, UnsafeNameError
from flowtime.storage import safe_relative, sha256_bytes
from flowtime.telemetry.capture_csv import CsvColumn, parse_capture_csv
from flowtime.telemetry.manifest import DEFAULT_CLASS, CaptureFile, CaptureManifest, FileKind, read_manifest

__all__ = ["Capture", "GapKey", "check_file", "columns_of", "read_capture", "read_column"]

_Place: TypeAlias = tuple[str, str]
GapKey: TypeAlias = tuple[str | None, str, str]
"""Where a gap was put in: subject, metric and class."""


@dataclass(frozen=True, eq=False)
class Capture:
    """A capture in memory, read-only.

    ``values`` is float64 (series, bins), NaN where ``missing`` (series, bins) says that nothing was captured; a
    captured NaN is not missing.  A series that several parts share is there once; ``row`` finds it.
    """

    folder: Path
    manifest: CaptureManifest
    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    _rows: dict[_Place, int]

    def row(self, file: CaptureFile) -> int:
        """Return the row of an entry of the manifest in ``values`` and ``missing``."""
        return self._rows[file.path, file.class_id]

    def series(
        self, node: str, metric: str, class_id: str = DEFAULT_CLASS, *, kind: FileKind = "node"
    ) -> NDArray[np.float64]:
        """Return the numbers of a metric of a node (or edge, or constraint: ``kind``), a view (bins,).

        Raises CaptureNotFoundError ``telemetry.series_not_found``.
        """
        view: NDArray[np.float64] = self.values[self.row(self.manifest.find(metric, node, class_id, kind))]
        return view

    def injected(self) -> dict[GapKey, NDArray[np.bool_]]:
        """Return the bins (bins,) in which gaps were put in on purpose, by subject, metric and class."""
        found: dict[GapKey, NDArray[np.bool_]] = {}
        for record in self.manifest.injections:
            key = record.node_id, record.metric, record.class_id
            chosen = found.setdefault(key, np.zeros(self.manifest.grid.bins, dtype=np.bool_))
            for first, last in record.bins:
                chosen[first : last + 1] = True
        return found


def read_capture(folder: Path, *, verify: bool = True) -> Capture:
    """Read the capture in ``folder``; with ``verify`` the hash of every file is checked on the way.

    Raises CaptureNotFoundError, TelemetryError (a manifest or a CSV that is not one), and CaptureAlteredError
    that names the first file that is missing or differs.
    """
    manifest = read_manifest(folder)
    first_of = columns_of(manifest.files)
    shape = len(first_of), manifest.grid.bins
    values, missing = np.empty(shape), np.empty(shape, dtype=np.bool_)
    for row, file in enumerate(first_of.values()):
        values[row], missing[row] = read_column(folder, file, manifest.grid.bins, verify=verify)
    values.flags.writeable = missing.flags.writeable = False
    return Capture(folder, manifest, values, missing, {place: row for row, place in enumerate(first_of)})


def columns_of(files: Iterable[CaptureFile]) -> dict[_Place, CaptureFile]:
    """Return the columns of a capture, each by path and class with the first entry that names it."""
    first_of: dict[_Place, CaptureFile] = {}
    for file in files:
        first_of.setdefault((file.path, file.class_id), file)
    return first_of


def read_column(folder: Path, file: CaptureFile, bins: int, *, verify: bool = True) -> CsvColumn:
    """Read the numbers of one entry of a manifest; errors as those of ``read_capture``."""
    data = check_file(folder, file) if verify else _read(folder, file)
    columns = parse_capture_csv(data, bins, file=file.path)
    if file.class_id not in columns:
        raise TelemetryError(f"{file.path} holds no line of class {file.class_id}")
    column = columns[file.class_id]
    if column.points != file.points:
        raise TelemetryError(
            f"{file.path} holds {column.points:,} values of class {file.class_id}, and not {file.points:,}",
            code="telemetry.length_mismatch",
        )
    return column


def check_file(folder: Path, file: CaptureFile) -> bytes:
    """Return the bytes of a file of a capture; raises CaptureAlteredError when its hash differs, or it is gone."""
    data = _read(folder, file)
    actual = sha256_bytes(data)
    if actual != file.hash:
        raise CaptureAlteredError(
            f"{file.path} should hash to {file.hash}, but hashes to {actual}",
            hint="the file was changed after the capture: capture again",
        )
    return data


def _read(folder: Path, file: CaptureFile) -> bytes:
    try:
        path = folder / safe_relative(file.path)
    except UnsafeNameError as error:
        raise TelemetryError(f"{file.path!r} can not be a file of a capture", code="telemetry.unsafe_path") from error
    # Neither a link, which leads out of the folder, nor a pipe, which never ends.
    if path.is_symlink() or not path.is_file():
        raise CaptureAlteredError(f"{file.path} is in the manifest but is no file of the capture")
    try:
        return path.read_bytes()
    except OSError as error:
        raise TelemetryError(f"{file.path} can not be read: {error.strerror}") from error
