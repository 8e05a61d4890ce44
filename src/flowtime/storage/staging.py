"""A folder that is filled in secret and published whole, by one rename."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from flowtime.errors import StorageError
from flowtime.storage.atomic import disk_error, sync_file, sync_folder, write_chunks
from flowtime.storage.hashing import Sha256
from flowtime.storage.locks import locked
from flowtime.storage.names import safe_id, safe_relative
from flowtime.storage.owner import is_gone, owner_mark

if TYPE_CHECKING:
    from flowtime.settings import Durability

__all__ = ["StagedFile", "StagingFolder", "sweep"]

# Measured on ext4, 400 files of 6 KB and of 240 KB: one thread 100 and 190 ms, eight 45 and 90, sixteen no less.
_SYNC_THREADS = 8
_LOCK_FILE = ".publish.lock"
_LOCK_TIMEOUT_S = 30.0
_LEFTOVER = re.compile(r"\.(?P<role>staging|replaced)-(?P<name>.+)-(?P<owner>[0-9a-f]{6}-\d+-\d+)-[0-9a-f]{8}")


class StagedFile(NamedTuple):
    """A file as written: path relative to the folder, size in bytes, ``sha256:<hex>``."""

    path: str
    size: int
    sha256: str


class StagingFolder:
    """Files that appear all together under ``root/name``, or not at all.

    A context manager: leaving it unpublished removes everything.  The folder is hidden until then,
    and marked with its process, so that ``sweep`` can remove what a killed one left.  Not for use by
    several threads at once.
    """

    def __init__(self, root: Path, name: str, durability: Durability) -> None:
        """Prepare to publish ``root/name``; raises UnsafeNameError when ``name`` can not be a folder."""
        self.root = root
        self.name = safe_id(name, "folder name")
        self.files: list[StagedFile] = []
        self._durability: Durability = durability
        self._folders: set[Path] = set()
        self._syncs: list[Future[None]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._path = root / _hidden("staging", name)

    def __enter__(self) -> Self:
        """Make the hidden folder, and the root where it is not there yet."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._path.mkdir()
        except OSError as error:
            raise disk_error(error, self.root) from error
        if self._durability == "power":
            self._pool = ThreadPoolExecutor(_SYNC_THREADS, thread_name_prefix="flowtime-sync")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not published."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self._path, ignore_errors=True)

    def write(self, relative: str, data: bytes | memoryview) -> StagedFile:
        """Write one new file; raises UnsafeNameError, or StorageError as ``write_atomic`` does."""
        return self.write_chunks(relative, (data,))

    def write_chunks(self, relative: str, chunks: Iterable[bytes | memoryview]) -> StagedFile:
        """Write one new file piece by piece, hashing on the way."""
        path = self._path / safe_relative(relative)
        digest = Sha256()
        try:
            self._make_folder(path.parent)
            size = write_chunks(path, digest.passing(chunks), durability="process")
        except OSError as error:
            raise disk_error(error, path) from error
        if self._pool is not None:
            # While the next file is made: on the disk only the last ones are waited for.
            self._syncs.append(self._pool.submit(sync_file, path))
        staged = StagedFile(relative, size, digest.text())
        self.files.append(staged)
        return staged

    def publish(self, *, replace: bool = False) -> Path:
        """Bring everything to the disk, then show it as ``root/name`` by one rename; return that path.

        Raises StorageError ``storage.exists`` when the name is taken.  With ``replace`` the old folder
        is moved aside first, deleted after, and put back should the rename fail.
        """
        target = self.root / self.name
        try:
            self._sync()
            if replace:
                with locked(self.root / _LOCK_FILE, timeout_s=_LOCK_TIMEOUT_S):
                    aside = self._replace(target)
            else:
                aside = None
                self._show(target)
            sync_folder(self.root, durability=self._durability)
        except OSError as error:
            raise disk_error(error, target) from error
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)  # sweep removes what is left of it
        return target

    def _make_folder(self, folder: Path) -> None:
        if folder != self._path and folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            inner = folder.relative_to(self._path)
            self._folders.update(self._path / part for part in (inner, *inner.parents) if part != Path())

    def _sync(self) -> None:
        """Wait for the bytes of all files, then bring the names in all folders to the disk."""
        for sync in self._syncs:
            sync.result()
        for folder in sorted(self._folders, reverse=True):
            sync_folder(folder, durability=self._durability)
        sync_folder(self._path, durability=self._durability)

    def _show(self, target: Path) -> None:
        # A rename over an empty folder would go through on Linux, over a full one fail: treat both alike.
        if target.exists():
            raise _exists(target)
        try:
            self._path.rename(target)
        except OSError as error:
            if target.exists():  # somebody published the same name between the two lines
                raise _exists(target) from error
            raise

    def _replace(self, target: Path) -> Path:
        """Swap the folders and return where the old one lies now; put it back when the new one fails."""
        aside = self.root / _hidden("replaced", self.name)
        with suppress(FileNotFoundError):  # nothing there to replace
            target.rename(aside)
        try:
            self._show(target)
        finally:
            if not target.exists():
                with suppress(FileNotFoundError):
                    aside.rename(target)
        return aside


def sweep(root: Path) -> list[str]:
    """Remove what ended processes left in ``root``; return the names of the runs that it was for.

    A folder that was moved aside for a new one which never came is put back.
    """
    swept = []
    for path, name, role in _leftovers(root):
        target = root / name
        if role == "replaced" and not target.exists():
            with suppress(FileNotFoundError):  # another process sweeps as well, and was faster
                path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)
        swept.append(name)
    return swept


def _leftovers(root: Path) -> Iterator[tuple[Path, str, str]]:
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise StorageError(
            f"{root} is a file, and no folder that could hold runs", code="storage.not_a_folder", hint="name a folder"
        ) from error
    for text in names:
        match = _LEFTOVER.fullmatch(text)
        if match and is_gone(match["owner"]):
            yield root / text, match["name"], match["role"]


def _hidden(role: str, name: str) -> str:
    return f".{role}-{name}-{owner_mark()}-{os.urandom(4).hex()}"


def _exists(target: Path) -> StorageError:
    return StorageError(
        f"{target.name} is there already", code="storage.exists", hint="choose another name, or overwrite"
    )
