"""Kernels that evaluation does not need, such as those of gaps: compiled when first used, kept beside the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowtime.engine.kernel_cache import FAMILY_MARK, WarmReport, announce, cache_folder, import_kernels, locked

__all__ = ["load_family", "warm_family"]


def load_family(name: str, call_once: Callable[[Any], None], root: Path | None = None) -> Any:
    """Import ``flowtime_kernels.<name>`` with its cache in our folder, compiling first if nothing is there.

    ``call_once`` gets the module and calls every kernel of it on next to nothing, with arrays of the types that are
    passed later.  ``root`` None: where ``kernels_in`` says.  Raises StorageError when the folder can not be made or
    another process holds it for ten minutes.
    """
    loaded = sys.modules.get(f"flowtime_kernels.{name}")
    if loaded is not None:
        return loaded
    folder = cache_folder(root)
    kernels = import_kernels(folder, name)
    if not (folder / f"{FAMILY_MARK}{name}").exists():
        announce()
        _compile(kernels, call_once, folder, name)
    return kernels


def warm_family(name: str, call_once: Callable[[Any], None], root: Path | None = None) -> WarmReport:
    """Compile the kernels of a family into the cache, unless that was done before; as ``load_family`` otherwise."""
    folder = cache_folder(root)
    begin = time.perf_counter()
    done = (folder / f"{FAMILY_MARK}{name}").exists()
    # A process that took them from elsewhere compiles nothing into this folder.
    if not done and f"flowtime_kernels.{name}" not in sys.modules:
        _compile(import_kernels(folder, name), call_once, folder, name)
    return WarmReport(folder, not done, time.perf_counter() - begin)


def _compile(kernels: Any, call_once: Callable[[Any], None], folder: Path, name: str) -> None:
    with locked(folder):
        call_once(kernels)
        (folder / f"{FAMILY_MARK}{name}").write_text(f"{folder.name}\n", encoding="ascii")
