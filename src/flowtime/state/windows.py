"""Aggregates of windows over a buffer of series: one behind the other, or one that ends with each bin.

NaN is a missing value and is left out; infinities are values.  Aggregates, by the names they are asked for:

=========  ==========================================================================================
`sum`      of the values
`mean`     `sum` by `count`
`min max`  the least, the greatest
`last`     the newest value, however far back in the window it lies
`count`    how many values there are, in float64 as the others
`std`      standard deviation over `count` (of a population: one value has 0)
`q0.95`    quantile, any number from 0 to 1: between two values in proportion, as NumPy's `linear`
=========  ==========================================================================================

A window needs one value: one without any has count 0 and NaN for all else.  No result depends on other windows, on the
number of threads or on what is asked for besides, to the last bit.  With u = 1.1e-16, and S the sum of the absolute
values of a window of n, a `sum` is within ``(256 + n / 1024) u S`` of the exact one for fixed windows, and for rolling
ones within ``2 log2(n) u S`` below 16 bins and ``(n + 1) u S`` from there on, whatever was before the window.
A `std` takes squares, so values should stay below 1e150.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowtime.engine.kernel_cache import WarmReport
from flowtime.engine.kernel_family import load_family, warm_family
from flowtime.errors import ParameterError
from flowtime.model.spec import FloatArray
from flowtime_kernels import aggregates as agg

__all__ = ["fixed", "rolling", "warm_window_kernels"]

Indices: TypeAlias = NDArray[np.int64]
Part: TypeAlias = tuple[int, int, int, int]

_CODES = MappingProxyType(
    {
        "sum": agg.SUM,
        "mean": agg.MEAN,
        "min": agg.MIN,
        "max": agg.MAX,
        "last": agg.LAST,
        "count": agg.COUNT,
        "std": agg.STD,
    }
)
# Bins that are worked on at once: levels are quickest in the nearest cache, blocks have to scan those ahead again.
_CHUNK = 1024
_LONG_CHUNK = 4096
# From this width on levels would have to begin too far ahead of a short chunk.
_WIDE = 128
_LINE_BYTES = 64
# Starting a thread takes as long as aggregating some hundred thousand bins, or putting some ten thousand in order.
_BINS_A_THREAD = 1 << 20
_ORDERED_A_THREAD = 1 << 16


def fixed(
    values: FloatArray,
    windows: int | ArrayLike,
    aggregates: Sequence[str],
    *,
    rows: Sequence[int] | Indices | None = None,
    threads: int = 0,
) -> dict[str, FloatArray]:
    """Aggregate windows that stand one behind the other: name -> float64 (series, windows).

    ``values`` (series, bins), which may be a memory map or a view of some bins: rows are read where they lie.
    ``windows`` is a width in bins (the last window may be shorter) or edges (windows + 1,), ascending: window k has
    the bins from edges[k] up to, without, edges[k + 1], and equal edges make an empty window.  ``rows`` chooses series,
    in that order.  ``threads`` 0 means as many as there is work for, at most one a processor.

    Raises ParameterError (``parameter.value``): an unknown aggregate or none, a width below 1, edges that descend or
    leave the bins, a row that is not there, values of another shape.
    """
    table = _Table.of(values, rows)
    wanted = _Wanted.of(aggregates)
    edges = _edges(windows, table.bins)
    out = _aligned((wanted.codes.size, table.starts.size, edges.size - 1))
    kernels = load_family("windows", _call_fixed_once)
    longest = int(np.diff(edges).max(initial=0)) if wanted.has(agg.QUANTILE) else 0

    def work(part: Part) -> None:
        kernels.fixed_rows(
            table.flat, table.starts, edges, wanted.codes, wanted.probabilities, np.array(part), np.empty(longest), out
        )

    bins = table.starts.size * int(edges[-1] - edges[0])
    _share(work, _parts(table.starts.size, edges.size - 1, 1, _threads(threads, bins, wanted)))
    return wanted.named(out)


def rolling(
    values: FloatArray,
    width: int,
    aggregates: Sequence[str],
    *,
    rows: Sequence[int] | Indices | None = None,
    threads: int = 0,
) -> dict[str, FloatArray]:
    """Aggregate the window of ``width`` bins that ends with each bin: name -> float64 (series, bins).

    The first windows are shorter, since nothing is before bin 0.  ``values``, ``rows`` and ``threads`` as for
    ``fixed``.  Needs about ``60 width`` bytes of work space a thread.  A quantile keeps its window in order, which
    takes time in proportion to the width where that is some thousand bins and more.

    Raises ParameterError as ``fixed`` does.
    """
    table = _Table.of(values, rows)
    wanted = _Wanted.of(aggregates)
    kernels = load_family("rolling", _call_rolling_once)
    # A window wider than there are bins holds the same values, and from BLOCKS on they are added up alike.
    wide = min(_checked_width(width), max(kernels.BLOCKS, table.bins))
    out = _aligned((wanted.codes.size, table.starts.size, table.bins))
    has_std = wanted.has(agg.STD)
    chunk = _LONG_CHUNK if has_std or wide >= _WIDE else _CHUNK
    if wide >= kernels.BLOCKS:
        # A whole number of windows, and of cache lines unless that takes much room.
        unit = min(math.lcm(wide, kernels.LANES), max(wide, _LONG_CHUNK // wide * wide))
        chunk = unit * max(1, chunk // unit)
    length = wide + 2 * kernels.LANES + chunk
    float_rows = kernels.STD_ROWS if has_std else kernels.SUM_ROWS

    def work(part: Part) -> None:
        floats = _work_space(float_rows, length)
        marks, tally = _work_space(kernels.ROWS, length, np.uint8), _work_space(kernels.ROWS, length, np.int32)
        sizes = np.array((*part, wide, chunk))
        kernels.rolling_rows(
            table.flat, table.starts, sizes, wanted.codes, wanted.probabilities, floats, marks, tally, out
        )

    bins = table.starts.size * table.bins
    _share(work, _parts(table.starts.size, table.bins, chunk, _threads(threads, bins, wanted)))
    return wanted.named(out)


def warm_window_kernels(root: Path | None = None) -> WarmReport:
    """Compile the kernels of windows into the cache below ``root``.

    Raises StorageError when the folder can not be made or another process holds it for ten minutes.
    """
    stood = warm_family("windows", _call_fixed_once, root)
    rolled = warm_family("rolling", _call_rolling_once, root)
    return WarmReport(stood.folder, stood.compiled or rolled.compiled, stood.seconds + rolled.seconds)


@dataclass(frozen=True)
class _Table:
    """Series where they lie: ``flat`` is the memory from the first to the last of them, read only, and ``starts``
    (series,) the place of bin 0 of each in it."""

    flat: FloatArray
    starts: Indices
    bins: int

    @classmethod
    def of(cls, values: FloatArray, rows: Sequence[int] | Indices | None) -> _Table:
        """Name chosen rows of an array; it is copied only if its bins do not lie side by side as float64."""
        table = np.asarray(values)
        if table.ndim != 2:
            raise _refuse(f"windows want values of (series, bins), not {table.ndim} dimensions")
        size = table.itemsize
        is_ready = table.dtype == np.float64 and table.flags.aligned and table.strides[1] == size
        if not is_ready or table.strides[0] < 0 or table.strides[0] % size:
            table = np.ascontiguousarray(table, dtype=np.float64)
        series, bins = table.shape
        chosen = np.arange(series) if rows is None else np.asarray(rows, dtype=np.int64)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < series:
            raise _refuse(f"a row is outside 0 to {series - 1}")
        step = table.strides[0] // table.itemsize
        extent = (series - 1) * step + bins if table.size else 0
        # One type for maps, views and arrays, so that one compiled kernel serves all.
        flat = np.lib.stride_tricks.as_strided(table, (extent,), (table.itemsize,), writeable=False)
        return cls(flat, chosen * step, bins)


@dataclass(frozen=True)
class _Wanted:
    """What is asked for, in the order that kernels want: a mean right behind its sum."""

    names: tuple[str, ...]
    order: tuple[int, ...]
    codes: Indices
    probabilities: FloatArray

    @classmethod
    def of(cls, aggregates: Sequence[str]) -> _Wanted:
        names = tuple(dict.fromkeys([aggregates] if isinstance(aggregates, str) else aggregates))
        if not names:
            raise _refuse("no aggregate is asked for")
        pairs = [_code(name) for name in names]
        order = tuple(sorted(range(len(names)), key=lambda i: pairs[i]))
        codes, probabilities = zip(*(pairs[i] for i in order), strict=True)
        return cls(names, order, np.array(codes, dtype=np.int64), np.array(probabilities, dtype=np.float64))

    def has(self, code: int) -> bool:
        return bool(np.any(self.codes == code))

    def named(self, out: FloatArray) -> dict[str, FloatArray]:
        """The rows of ``out`` by name, in the order that was asked for."""
        places = {i: place for place, i in enumerate(self.order)}
        return {name: out[places[i]] for i, name in enumerate(self.names)}


def _code(name: str) -> tuple[int, float]:
    if name in _CODES:
        return _CODES[name], 0.0
    try:
        probability = float(name[1:]) if name[:1] == "q" else np.nan
    except ValueError:
        probability = np.nan
    if not 0.0 <= probability <= 1.0:
        raise _refuse(f"there is no aggregate {name!r}", f"there are {', '.join(_CODES)}, and quantiles such as q0.95")
    return agg.QUANTILE, probability


def _checked_width(width: int) -> int:
    if width < 1:
        raise _refuse(f"a window of {width} bins is too narrow")
    return int(width)


def _edges(windows: int | ArrayLike, bins: int) -> Indices:
    if np.ndim(windows) == 0:
        width = _checked_width(int(np.asarray(windows)))
        return np.append(np.arange(0, bins, width), bins)
    edges = np.asarray(windows, dtype=np.int64)
    if edges.ndim != 1 or edges.size == 0 or edges[0] < 0 or edges[-1] > bins or np.any(np.diff(edges) < 0):
        raise _refuse(f"edges of windows have to ascend from 0 or more to {bins} or less")
    return edges


def _refuse(message: str, hint: str | None = None) -> ParameterError:
    return ParameterError(message, code="parameter.value", hint=hint)


def _aligned(shape: tuple[int, ...], dtype: type[Any] = np.float64) -> NDArray[Any]:
    """An empty array that begins with a cache line: vectors that straddle two take twice the time."""
    size, item = math.prod(shape), np.dtype(dtype).itemsize
    raw = np.empty(size + _LINE_BYTES // item, dtype=dtype)
    skip = (-raw.ctypes.data % _LINE_BYTES) // item
    return raw[skip : skip + size].reshape(shape)


def _work_space(rows: int, length: int, dtype: type[Any] = np.float64) -> NDArray[Any]:
    """An empty array (rows, length or more) whose rows begin with a cache line, at different places of a page."""
    line = _LINE_BYTES // np.dtype(dtype).itemsize
    page = 64 * line
    return _aligned((rows, -(-length // page) * page + 9 * line), dtype)


def _threads(given: int, bins: int, wanted: _Wanted) -> int:
    enough = _ORDERED_A_THREAD if wanted.has(agg.QUANTILE) else _BINS_A_THREAD
    return given if given > 0 else max(1, min(os.cpu_count() or 1, bins // enough))


def _parts(series: int, items: int, step: int, count: int) -> list[Part]:
    """At most ``count`` shares: of the series if there are enough, else of windows or bins, cut at ``step``."""
    if count == 1 or series >= count:
        return [(a, b, 0, items) for a, b in _cuts(series, min(count, max(1, series)))]
    steps = -(-items // step)
    cuts = _cuts(steps, min(count, max(1, steps)))
    return [(0, series, a * step, min(b * step, items)) for a, b in cuts]


def _cuts(size: int, count: int) -> list[tuple[int, int]]:
    return list(pairwise(size * i // count for i in range(count + 1)))


def _share(work: Callable[[Part], None], parts: Sequence[Part]) -> None:
    if len(parts) == 1:
        work(parts[0])
        return
    # This thread does its part too: starting one takes time.
    with ThreadPoolExecutor(len(parts) - 1) as pool:
        others = [pool.submit(work, part) for part in parts[1:]]
        work(parts[0])
        for other in others:
            other.result()


def _read_only() -> FloatArray:
    nothing = np.zeros(0)
    nothing.flags.writeable = False
    return nothing


def _call_fixed_once(kernels: Any) -> None:
    none, part = np.zeros(0, dtype=np.int64), np.zeros(4, dtype=np.int64)
    kernels.fixed_rows(_read_only(), none, none, none, np.zeros(0), part, np.zeros(0), np.zeros((0, 0, 0)))


def _call_rolling_once(kernels: Any) -> None:
    none, sizes = np.zeros(0, dtype=np.int64), np.array([0, 0, 0, 0, 1, 1])
    floats, marks, tally = (np.zeros((1, 1), dtype=kind) for kind in (np.float64, np.uint8, np.int32))
    kernels.rolling_rows(_read_only(), none, sizes, none, np.zeros(0), floats, marks, tally, np.zeros((0, 0, 0)))
