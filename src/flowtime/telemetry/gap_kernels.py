"""The kernels of gaps as they are called: compiled on first use, and shared out over threads where there is much."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.kernel_cache import WarmReport
from flowtime.engine.kernel_family import load_family, warm_family
from flowtime.model.spec import FloatArray

__all__ = [
    "GapKernels",
    "copied",
    "fault_counts",
    "filled_copy",
    "list_runs",
    "load_gap_kernels",
    "share_rows",
    "warm_gap_kernels",
]

Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]

# A thread costs as much as filling some hundred thousand bins.
_BINS_A_THREAD = 1 << 20


class GapKernels(Protocol):
    """``flowtime_kernels.gaps`` as a module."""

    KNOWN: int
    GAP: int
    NOT_A_NUMBER: int
    INFINITE: int
    NEGATIVE: int
    CHUNK: int
    count_faults: Callable[..., None]
    find_faults: Callable[..., None]
    find_filled: Callable[..., None]
    fill_zero: Callable[..., None]
    fill_forward: Callable[..., None]
    fill_linear: Callable[..., None]
    fill_seasonal: Callable[..., None]
    reopen: Callable[..., None]
    replace: Callable[..., None]
    scale: Callable[..., None]
    hold: Callable[..., None]
    shift: Callable[..., None]


def load_gap_kernels() -> GapKernels:
    """Return the kernels, compiled; raises StorageError where their cache can not be written."""
    kernels: GapKernels = load_family("gaps", _call_once)
    return kernels


def warm_gap_kernels(root: Path | None = None) -> WarmReport:
    """Compile the kernels into the cache below ``root``; raises StorageError as ``load_gap_kernels`` does."""
    return warm_family("gaps", _call_once, root)


def filled_copy(
    values: FloatArray, how: str, *, period: int = 1, threads: int = 0, out: FloatArray | None = None
) -> FloatArray:
    """Return contiguous ``values`` (series, bins) filled by ``how`` (zero, forward, linear, seasonal), without a limit.

    Written into ``out`` where that is given (it must be other memory than ``values``).  ``threads`` 0 means as many as
    there is work for; the bytes do not depend on it.
    """
    kernels = load_gap_kernels()
    result = np.empty_like(values) if out is None else out
    wanted = threads or _threads(values)
    if how == "seasonal":
        # A bin needs the one a period before, so only rows can be shared out.
        parts = _parts(values.shape[0], wanted)
        _share(lambda a, b: kernels.fill_seasonal(values[a:b], period, result[a:b]), parts)
    else:
        fill: Callable[..., None] = getattr(kernels, f"fill_{how}")
        _share(lambda a, b: fill(values, a, b, result), _parts(values.shape[1], wanted))
    return result


def copied(values: FloatArray) -> FloatArray:
    """Return a contiguous copy of ``values`` (series, bins)."""
    # Most of the time of a large copy goes into new pages, which threads share.
    result = np.empty(values.shape)
    parts = _parts(values.shape[1], _threads(values))
    _share(lambda a, b: np.copyto(result[:, a:b], values[:, a:b]), parts)
    return result


def share_rows(work: Callable[[int, int], None], table: NDArray[Any]) -> None:
    """Call ``work`` with ranges of the rows of a ``table`` (rows, bins), in threads where that is worth it."""
    _share(work, _parts(table.shape[0], _threads(table)))


def fault_counts(values: FloatArray) -> Indices:
    """Return how many NaN, infinite and negative values each row of contiguous ``values`` (series, bins) has;
    (series, 3)."""
    kernels = load_gap_kernels()
    counts = np.zeros((values.shape[0], 3), dtype=np.int64)
    share_rows(lambda a, b: kernels.count_faults(values[a:b], counts[a:b]), values)
    return counts


def list_runs(
    values: FloatArray, missing: Flags | None = None, *, signed: Flags | None = None, out: FloatArray | None = None
) -> Indices:
    """Return the faulty runs of ``values`` (series, bins) as (runs, 4): row, first and last bin, and what they are.

    With ``out``, what ``values`` was filled to, only the runs that were filled.  In order of rows and bins.
    """
    kernels = load_gap_kernels()
    counts = fault_counts(values)
    parts = _parts(values.shape[0], _threads(values))
    # With what was filled only NaNs count.
    faults = (counts if out is None else counts[:, :1]).sum(axis=1)
    mask = np.zeros((0, 0), dtype=np.bool_) if missing is None else missing
    allowed = np.zeros(values.shape[0], dtype=np.bool_) if signed is None else signed
    listed: dict[int, Indices] = {}

    def find(a: int, b: int) -> None:
        runs, found = np.empty((int(faults[a:b].sum()), 4), dtype=np.int64), np.zeros(1, dtype=np.int64)
        marks, edges = np.empty((2, kernels.CHUNK), dtype=np.bool_), np.empty(kernels.CHUNK + 1, dtype=np.int64)
        if len(runs) and out is None:
            kernels.find_faults(values[a:b], mask[a:b], allowed[a:b], marks, edges, runs, found)
        elif len(runs) and out is not None:
            kernels.find_filled(values[a:b], mask[a:b], out[a:b], marks, edges, runs, found)
        listed[a] = runs[: found[0]]
        listed[a][:, 0] += a

    _share(find, parts)
    return np.concatenate([listed[a] for a, _ in parts]) if len(parts) > 1 else listed[0]


def _threads(values: NDArray[Any]) -> int:
    return min(os.cpu_count() or 1, values.size // _BINS_A_THREAD)


def _parts(size: int, wanted: int) -> list[tuple[int, int]]:
    """Return ``size`` things as at most ``wanted`` ranges (from, to) of about equal length."""
    edges = np.linspace(0, size, max(1, min(wanted, size)) + 1).astype(int).tolist()
    return list(pairwise(edges))


def _share(work: Callable[[int, int], None], parts: Sequence[tuple[int, int]]) -> None:
    if len(parts) == 1:
        work(*parts[0])
        return
    with ThreadPoolExecutor(len(parts) - 1) as pool:
        others = [pool.submit(work, *part) for part in parts[1:]]
        work(*parts[0])
        for other in others:
            other.result()


def _call_once(kernels: Any) -> None:
    """Call each kernel with arrays of the types that are passed later."""
    values, out = np.zeros((1, 1)), np.zeros((1, 1))
    flags, rows, found = np.zeros((1, 1), dtype=np.bool_), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    marks, edges = np.empty((2, kernels.CHUNK), dtype=np.bool_), np.empty(kernels.CHUNK + 1, dtype=np.int64)
    runs, counts = np.zeros((1, 4), dtype=np.int64), np.zeros((1, 3), dtype=np.int64)
    kernels.count_faults(values, counts)
    kernels.find_faults(values, flags, flags[0], marks, edges, runs, found)
    kernels.find_filled(values, flags, out, marks, edges, runs, found)
    for fill in (kernels.fill_zero, kernels.fill_forward, kernels.fill_linear):
        fill(values, 0, 1, out)
    kernels.fill_seasonal(values, 1, out)
    kernels.reopen(values, 1, out)
    kernels.replace(values, rows, flags, 0.0)
    kernels.scale(values, rows, flags, 1.0, 0.0)
    kernels.hold(values, rows, flags)
    kernels.shift(out, rows, flags, 0, values)
