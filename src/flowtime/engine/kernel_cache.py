"""Where compiled kernels are kept, and when they are compiled.

Numba names a cached kernel by its own source file alone, not by those of the functions that it calls,
so a folder shared by two versions would run old code.  Ours is named by everything that a kernel
depends on: all kernel sources, Numba, NumPy, Python and the processor.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowtime.errors import StorageError
from flowtime_kernels import table

__all__ = [
    "FAMILIES",
    "FAMILY_MARK",
    "KernelInfo",
    "Kernels",
    "WarmReport",
    "announce",
    "cache_folder",
    "clear",
    "import_kernels",
    "info",
    "kernels_in",
    "load_kernels",
    "locked",
    "warm",
]

_MARK = "warm"
# Kernels beside the engine's, which ``kernel_family`` loads, and what the marks of theirs begin with.
FAMILIES = ("gaps", "rolling", "windows")
FAMILY_MARK = "warm-"
_LOCK_SECONDS = 600.0


class Kernels(Protocol):
    """The compiled core as a module."""

    LANES: int
    run_plan: Callable[..., None]
    run_lanes: Callable[..., None]
    fill_uniforms: Callable[..., None]
    draw_pmf: Callable[..., None]
    draw_poisson: Callable[..., None]


class _Place(NamedTuple):
    """Where kernels are kept where nothing else is said, and what to call before some are compiled."""

    root: Path | None
    announce: Callable[[], None]


# Kernels beside the engine's are loaded far below whoever knows the settings, in functions about numbers alone.
_PLACE: ContextVar[_Place | None] = ContextVar("flowtime_kernels", default=None)


class WarmReport(NamedTuple):
    """What warming did: whether anything had to be compiled, and how long it took."""

    folder: Path
    compiled: bool
    seconds: float


class KernelInfo(NamedTuple):
    """What the cache holds for this installation: ``is_warm`` is about the engine's kernels, ``families`` are the
    names of the others that are compiled."""

    folder: Path
    signature: str
    is_warm: bool
    families: tuple[str, ...]
    files: int
    bytes: int


@contextmanager
def kernels_in(root: Path | None, announce: Callable[[], None]) -> Iterator[None]:
    """Within, kernels are kept below ``root`` (None: the user's cache folder) where a caller names no other folder.

    ``announce`` is called before some are compiled, which takes some seconds.  What a process has loaded before stays
    as it is.
    """
    token = _PLACE.set(_Place(root, announce))
    try:
        yield
    finally:
        _PLACE.reset(token)


def announce() -> None:
    """Tell whoever runs this, through ``kernels_in``, that kernels will be compiled."""
    place = _PLACE.get()
    if place is not None:
        place.announce()


def cache_folder(root: Path | None = None) -> Path:
    """The folder of this installation's kernels: below ``root``, else where ``kernels_in`` says, else below the
    user's cache folder."""
    place = _PLACE.get()
    return (root or (place and place.root) or _user_cache()) / _signature()


def load_kernels(root: Path | None = None) -> Kernels:
    """Import the compiled core with its cache in our folder, compiling first if nothing is there.

    Once a process has loaded it, its folder stays.  Raises StorageError when the folder can not be made
    or another process holds it for ten minutes.
    """
    loaded = sys.modules.get("flowtime_kernels.entry")
    if loaded is not None:
        return loaded
    folder = cache_folder(root)
    kernels: Kernels = import_kernels(folder)
    if not (folder / _MARK).exists():
        announce()
        warm(root)
    return kernels


def warm(root: Path | None = None) -> WarmReport:
    """Compile every kernel of the engine into the cache, one process at a time; quick when that was done before."""
    folder = cache_folder(root)
    begin = time.perf_counter()
    kernels: Kernels = import_kernels(folder)
    with locked(folder):
        done = (folder / _MARK).exists()
        _call_once(kernels)
        # A process that took its kernels from elsewhere compiles nothing into this folder.
        if not done and any(folder.rglob("*.nbc")):
            (folder / _MARK).write_text(f"{_signature()}\n", encoding="ascii")
    return WarmReport(folder, not done, time.perf_counter() - begin)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time compile into ``folder``: two that write one cache of Numba's can leave it broken.

    Raises StorageError ``storage.locked`` where another one holds it for ten minutes.
    """
    # Here and not at the top: loading the kernels does not need the lock once they are there.
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "lock", timeout=_LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"another process has been compiling kernels in {folder} for ten minutes",
            code="storage.locked",
            hint="end it, or run `flowtime kernels clear` and try again",
        ) from error
    try:
        yield
    finally:
        lock.release()


def info(root: Path | None = None) -> KernelInfo:
    """Say where the kernels are and what is there."""
    folder = cache_folder(root)
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    size = sum(path.stat().st_size for path in files)
    families = tuple(sorted(path.name.removeprefix(FAMILY_MARK) for path in folder.glob(f"{FAMILY_MARK}*")))
    return KernelInfo(folder, folder.name, (folder / _MARK).exists(), families, len(files), size)


def clear(root: Path | None = None) -> int:
    """Delete the cached kernels of every version; return the number of files that went."""
    parent = cache_folder(root).parent
    count = 0
    for folder in parent.glob("kernels-*"):
        count += sum(1 for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder)
    return count


def _user_cache() -> Path:
    given = os.environ.get("FLOWTIME_KERNEL_CACHE_DIR")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "flowtime"


def _signature() -> str:
    spec = find_spec("flowtime_kernels")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in Path(folder).glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    machine = (version("numba"), np.__version__, platform.python_version(), platform.machine(), *folders)
    digest.update("\n".join(machine).encode())
    return f"kernels-{digest.hexdigest()[:16]}"


def import_kernels(folder: Path, name: str = "entry") -> Any:
    """Import a module of kernels that keeps what it compiles in ``folder``; StorageError where that can not be made."""
    # Intel's vector library, where it is installed, rounds exp, log and powers unlike the scalar one that
    # ends a row with, and a result must not depend on where blocks end.  Numba reads this when imported.
    os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")
    import numba

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the kernel cache {folder} can not be made: {error.strerror}",
            hint="set FLOWTIME_KERNEL_CACHE_DIR to a folder that you may write to",
        ) from error
    config: Any = numba.config
    before = config.CACHE_DIR
    # Numba asks for the folder when a kernel is declared; other users of Numba keep theirs.
    config.CACHE_DIR = str(folder)
    try:
        return import_module(f"flowtime_kernels.{name}")
    finally:
        config.CACHE_DIR = before


def _call_once(kernels: Kernels) -> None:
    """Call each kernel on nothing, with arrays of the types that the engine passes."""

    def indices(*shape: int) -> NDArray[np.int64]:
        return np.zeros(shape, dtype=np.int64)

    def floats(*shape: int) -> NDArray[np.float64]:
        return np.zeros(shape)

    ops = indices(0, table.WIDTH)
    places = np.zeros((0, 2 * table.WIDTH), dtype=np.uint64)
    kernels.run_plan(ops, indices(0, 3), indices(3, 1), floats(1), 1, 1, indices(1), places, floats(4))
    kernels.run_lanes(
        ops, indices(3, 1), floats(1), floats(1, 1), floats(0, 1, kernels.LANES), indices(0),
        floats(3 * kernels.LANES), floats(0, 1, 1),
    )  # fmt: skip
    kernels.fill_uniforms(np.uint64(0), floats(0))
    kernels.draw_pmf(floats(0), floats(1), floats(1), floats(0))
    kernels.draw_poisson(floats(0), floats(0), floats(0))
