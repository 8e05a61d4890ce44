"""Kernels that evaluation does not need, such as those of gaps: compiled when first used, kept beside the others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowtime.engine.kernel_cache import cache_folder, import_kernels
from flowtime.errors import StorageError

__all__ = ["load_family"]

_LOCK_SECONDS = 600.0


def load_family(name: str, call_once: Callable[[Any], None], root: Path | None = None) -> Any:
    """Import ``flowtime_kernels.<name>`` with its cache in our folder, compiling first if nothing is there.

    ``call_once`` gets the module and calls every kernel of it on next to nothing, with arrays of the types that are
    passed later.  Raises StorageError when the folder can not be made or another process holds it for ten minutes.
    """
    loaded = sys.modules.get(f"flowtime_kernels.{name}")
    if loaded is not None:
        return loaded
    folder = cache_folder(root)
    kernels = import_kernels(folder, name)
    if not (folder / f"warm-{name}").exists():
        _compile(kernels, call_once, folder, folder / f"warm-{name}")
    return kernels


def _compile(kernels: Any, call_once: Callable[[Any], None], folder: Path, mark: Path) -> None:
    from filelock import FileLock, Timeout

    try:
        # One process at a time: two that write one cache of Numba's at once can leave it broken.
        with FileLock(folder / "lock", timeout=_LOCK_SECONDS):
            call_once(kernels)
            mark.write_text(f"{folder.name}\n", encoding="ascii")
    except Timeout as error:
        raise StorageError(
            f"another process has been compiling kernels in {folder} for ten minutes",
            code="storage.locked",
            hint="end it, or run `flowtime kernels clear` and try again",
        ) from error
