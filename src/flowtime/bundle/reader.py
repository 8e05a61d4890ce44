"""Opens the folder of a flow run: files are read when asked for, series are mapped, hashes are checked."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle.documents import IndexFile, ManifestFile, MetadataFile, ProvenanceFile, RunFile, SeriesEntry
from flowtime.bundle.encoding import decode_file
from flowtime.bundle.layout import INDEX, MANIFEST, METADATA, MODEL, PROVENANCE, RUN
from flowtime.bundle.series_csv import parse_series_csv
from flowtime.errors import RunCorruptError, RunNotFoundError, StorageError
from flowtime.storage import safe_relative, sha256_array, sha256_file

__all__ = ["Bundle", "open_bundle"]

T = TypeVar("T")


def open_bundle(path: Path) -> Bundle:
    """Open the run folder at ``path``, reading its run.json.

    Raises RunNotFoundError when there is none, RunCorruptError when it is not one of a flow run.
    """
    bundle = Bundle(path)
    if not (path / RUN).is_file():
        raise RunNotFoundError(f"{path.name!r} is no run folder: it holds no {RUN}")
    if bundle.run.run_id != path.resolve().name:
        raise RunCorruptError(f"{RUN} is of run {bundle.run.run_id!r}, but the folder is {path.resolve().name!r}")
    return bundle


class Bundle:
    """A run folder.  Every property raises RunCorruptError when its file is missing or not as it should be."""

    def __init__(self, path: Path) -> None:
        """Point at a folder; nothing is read yet."""
        self.path = path

    @cached_property
    def run(self) -> RunFile:
        """``run.json``."""
        return self._document(RUN, RunFile)

    @cached_property
    def manifest(self) -> ManifestFile:
        """``manifest.json``."""
        return self._document(MANIFEST, ManifestFile)

    @cached_property
    def index(self) -> IndexFile:
        """``series/index.json``."""
        return self._document(INDEX, IndexFile)

    @cached_property
    def metadata(self) -> MetadataFile:
        """``model/metadata.json``."""
        return self._document(METADATA, MetadataFile)

    @cached_property
    def provenance(self) -> ProvenanceFile | None:
        """``model/provenance.json``, or None where the origin of the model is not known."""
        return self._document(PROVENANCE, ProvenanceFile) if self.has(PROVENANCE) else None

    @property
    def model_text(self) -> str:
        """The model as it was evaluated, YAML."""
        return self._read(MODEL).decode("utf-8-sig")

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names of the series in the order of the index."""
        return tuple(entry.name for entry in self.index.series)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """All series as they are mapped, read-only (series, bins), in the order of the index.

        Raises RunCorruptError where the file is missing: whoever wants it all at once should not read CSVs.
        """
        if self._matrix is None:
            raise RunCorruptError(f"{self.index.formats.matrix.path} is missing")
        return np.asarray(self._matrix)

    def has(self, relative: str) -> bool:
        """Whether a file is there."""
        return (self.path / relative).is_file()

    def series(self, name_or_id: str) -> NDArray[np.float64]:
        """Return a series as a read-only array (bins,), mapped from the matrix or else read from its CSV.

        Raises RunNotFoundError ``run.series_not_found`` when the run has no such series.
        """
        entry = self._entries.get(name_or_id)
        if entry is None:
            message = f"run {self.run.run_id} has no series {name_or_id!r}"
            raise RunNotFoundError(message, code="run.series_not_found", hint=f"it has {_some(self.series_names)}")
        if self._matrix is not None:
            return np.asarray(self._matrix[entry.row])
        return self._from_csv(entry)

    def verify(self) -> None:
        """Recompute every hash that the manifest holds, of files and of series.

        Raises RunCorruptError at the first that differs, naming the file and both hashes.  Files that
        the manifest does not know, such as later exports, are left alone.
        """
        for file in self.manifest.files:
            self._check_file(file.path, file.hash)
        for entry in self.index.series:
            expected = self.manifest.series_hashes.get(entry.id)
            actual = sha256_array(self.series(entry.id))
            if not actual == expected == entry.hash:
                raise _differs(f"series {entry.id}", expected, actual)

    @cached_property
    def _entries(self) -> dict[str, SeriesEntry]:
        entries = self.index.series
        # Ids after names: a name holds no @, so neither hides the other.
        return {entry.name: entry for entry in entries} | {entry.id: entry for entry in entries}

    @cached_property
    def _matrix(self) -> NDArray[np.float64] | None:
        form = self.index.formats.matrix
        path = self.path / safe_relative(form.path)
        if not path.is_file():
            return None
        try:
            # An empty file can not be mapped, and has nothing worth mapping.
            matrix: NDArray[np.float64] = np.load(
                path, mmap_mode="r" if 0 not in form.shape else None, allow_pickle=False
            )
        except OSError as error:
            raise RunCorruptError(f"{form.path} can not be read: {error.strerror or error}") from error
        except (ValueError, EOFError) as error:
            # What NumPy says of it is advice to trust the file.
            raise RunCorruptError(f"{form.path} can not be read: it is cut short, or no array of numbers") from error
        if matrix.shape != form.shape or matrix.dtype != np.dtype(form.dtype):
            raise RunCorruptError(f"{form.path} holds {matrix.dtype}{matrix.shape}, not {form.dtype}{form.shape}")
        if any(entry.row >= len(matrix) for entry in self.index.series):
            raise RunCorruptError(f"{INDEX} names rows that {form.path} does not have")
        return matrix

    def _from_csv(self, entry: SeriesEntry) -> NDArray[np.float64]:
        if entry.path is None:
            raise RunCorruptError(f"{self.index.formats.matrix.path} is missing, and series {entry.id} has no CSV")
        values = parse_series_csv(self._read(safe_relative(entry.path)), entry.points, file=entry.path)
        values.flags.writeable = False
        return values

    def _check_file(self, relative: str, expected: str) -> None:
        try:
            actual = sha256_file(self.path / safe_relative(relative))
        except StorageError as error:
            raise RunCorruptError(f"{relative} is in the manifest but can not be read: {error.message}") from error
        if actual != expected:
            raise _differs(relative, expected, actual)

    def _document(self, relative: str, kind: type[T]) -> T:
        return decode_file(self._read(relative), kind, file=relative)

    def _read(self, relative: str) -> bytes:
        try:
            return (self.path / relative).read_bytes()
        except OSError as error:
            raise RunCorruptError(f"{relative} can not be read: {error.strerror}") from error


def _differs(what: str, expected: str | None, actual: str) -> RunCorruptError:
    hint = "the file was changed after the run, or the disk lost it: run again"
    return RunCorruptError(f"{what} should hash to {expected}, but hashes to {actual}", hint=hint)


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
