"""Gaps: finding, filling and making them in a buffer, beside what numbagg, bottleneck, polars and NumPy have for it.

Data as for the published figures: uniform numbers, 5 % single gaps and some of 120 bins.  For polars the NaNs are nulls
beforehand, outside the clock.  "reused" writes into memory that was touched before: polars keeps what it freed, and so
never waits for new pages, which NumPy's large arrays do at every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.case import Case, Size, Timed, require
from flowtime.telemetry.gap_kernels import copied, fault_counts, filled_copy, list_runs, load_gap_kernels, share_rows

__all__ = ["GAP_CASES", "gappy"]

Table = NDArray[np.float64]

PERIOD = 200
SHAPES = {"1e6": (1, 1_000_000), "1e7": (1, 10_000_000), "10x1e6": (10, 1_000_000)}
TINY = (2, 2 * PERIOD)


class _Data(NamedTuple):
    """Series (rows, bins), as nulls and as NaNs in polars, and a tenth of the bins marked."""

    values: Table
    nulls: Any
    nans: Any
    touched: NDArray[np.bool_]


def gappy(rows: int, bins: int) -> Table:
    """Return uniform numbers with gaps, from a fixed seed."""
    rng = np.random.default_rng(4)
    values = rng.random((rows, bins))
    flat = values.reshape(-1)
    flat[rng.random(flat.size) < 0.05] = np.nan
    for first in rng.integers(0, max(1, flat.size - 120), flat.size // 24_000):
        flat[first : first + 120] = np.nan
    return values


def _data(shape: str, size: Size) -> _Data:
    import polars as pl

    values = gappy(*(SHAPES[shape] if size == "full" else TINY))
    nulls = pl.DataFrame({str(row): pl.Series(line, nan_to_null=True) for row, line in enumerate(values)})
    touched = np.random.default_rng(5).random(values.shape) < 0.1
    # What a stuck sensor repeats before its first value is its own choice.
    touched[:, 0] = False
    nans = pl.DataFrame({str(row): line for row, line in enumerate(values)})
    return _Data(values, nulls, nans, touched)


def _table(result: Any) -> Table:
    found: Table = result if isinstance(result, np.ndarray) else result.to_numpy().T
    return found.reshape(-1)


def _timed(call: Callable[[], Any], expected: Callable[[], Table]) -> Timed:
    def check(result: Any) -> None:
        require(bool(np.allclose(_table(result), expected().reshape(-1), equal_nan=True)), "another result")

    return Timed(call, check)


# --- filling ----------------------------------------------------------------------------------------------------------


def _fill(_folder: Path, size: Size, *, shape: str, how: str, reused: bool) -> Timed:
    data = _data(shape, size)
    out = np.zeros_like(data.values) if reused else None
    return _timed(
        lambda: filled_copy(data.values, how, period=PERIOD, out=out),
        lambda: filled_copy(data.values, how, period=PERIOD, threads=1),
    )


def _fill_peer(_folder: Path, size: Size, *, shape: str, how: str, peer: str) -> Timed:
    data = _data(shape, size)
    call = _PEERS[how][peer]
    return _timed(lambda: call(data), lambda: filled_copy(data.values, how, period=PERIOD))


def _periods(values: Table) -> Table:
    return values.reshape(values.shape[0], -1, PERIOD)


def _bn_replace(data: _Data) -> Table:
    import bottleneck

    values = data.values.copy()
    bottleneck.replace(values, np.nan, 0.0)
    return values


def _bn_push(data: _Data) -> Table:
    import bottleneck

    pushed: Table = bottleneck.push(data.values, axis=-1)
    return pushed


def _bn_seasonal(data: _Data) -> Table:
    import bottleneck

    pushed: Table = bottleneck.push(_periods(data.values), axis=1)
    return pushed


def _numbagg_fill(data: _Data) -> Table:
    import numbagg

    filled: Table = numbagg.ffill(data.values, axis=-1)
    return filled


def _numbagg_seasonal(data: _Data) -> Table:
    import numbagg

    filled: Table = numbagg.ffill(_periods(data.values), axis=1)
    return filled


def _polars(data: _Data, what: str) -> Any:
    import polars as pl

    column = pl.all()
    ways = {"zero": column.fill_null(0.0), "forward": column.forward_fill(), "linear": column.interpolate()}
    return data.nulls.select(ways[what])


_PEERS: Mapping[str, Mapping[str, Callable[[_Data], Any]]] = {
    "zero": {"polars": partial(_polars, what="zero"), "bottleneck": _bn_replace},
    "forward": {"polars": partial(_polars, what="forward"), "bottleneck": _bn_push, "numbagg": _numbagg_fill},
    "linear": {"polars": partial(_polars, what="linear")},
    "seasonal": {"bottleneck": _bn_seasonal, "numbagg": _numbagg_seasonal},
}


# --- finding ----------------------------------------------------------------------------------------------------------


def _count(_folder: Path, size: Size, *, shape: str, who: str) -> Timed:
    import numbagg
    import polars as pl

    data = _data(shape, size)

    ways: Mapping[str, Callable[[], Any]] = {
        "ours": lambda: fault_counts(data.values)[:, 0].astype(np.float64),
        # It counts the values that are there.
        "numbagg": lambda: data.values.shape[1] - numbagg.nancount(data.values, axis=-1).astype(np.float64),
        "polars": lambda: data.nans.select(pl.all().is_nan().sum()),
    }
    return _timed(ways[who], lambda: np.isnan(data.values).sum(axis=1).astype(np.float64))


def _find(_folder: Path, size: Size, *, shape: str, who: str) -> Timed:
    import polars as pl

    data = _data(shape, size)
    columns = data.nans.get_columns()
    ways: Mapping[str, Callable[[], Any]] = {
        "ours": lambda: list_runs(data.values),
        "polars": lambda: pl.concat([column.is_nan().rle() for column in columns]),
    }

    def check(found: Any) -> None:
        edges = np.diff(np.isnan(data.values).astype(np.int8), axis=1, prepend=0)
        gaps = found if isinstance(found, np.ndarray) else found.struct.field("value").to_numpy().nonzero()[0]
        require(len(gaps) == int((edges == 1).sum()), "another number of gaps")

    return Timed(ways[who], check)


# --- making -----------------------------------------------------------------------------------------------------------


def _inject(_folder: Path, size: Size, *, shape: str, kind: str, who: str) -> Timed:
    data = _data(shape, size)
    rows = np.arange(data.values.shape[0])
    kernels, work = load_gap_kernels(), data.values.copy()
    ways: Mapping[str, Callable[[Table, slice], None]] = {
        "zero_fill": lambda target, part: kernels.replace(target, rows[part], data.touched[part], 0.0),
        "spike": lambda target, part: kernels.scale(target, rows[part], data.touched[part], 2.0, 1.0),
        "stuck": lambda target, part: kernels.hold(target, rows[part], data.touched[part]),
        "clock_skew": lambda target, part: kernels.shift(data.values[part], rows[part], data.touched[part], 3, target),
    }

    def change(target: Table) -> Table:
        share_rows(lambda a, b: ways[kind](target, slice(a, b)), target)
        return target

    def with_copy() -> Table:
        return change(copied(data.values))

    def in_place() -> Table:
        return change(work)

    if who == "ours_in_place":
        # Twice the same on one buffer is something else only for a spike, whose numbers grow and cost the same.
        return Timed(in_place, lambda _: None) if kind == "spike" else _timed(in_place, with_copy)
    return _timed(with_copy if who == "ours" else _inject_by_polars(data, kind), with_copy)


def _inject_by_polars(data: _Data, kind: str) -> Callable[[], Any]:
    import polars as pl

    rows = range(data.values.shape[0])
    frame = data.nans.with_columns(pl.Series(f"m{row}", data.touched[row]) for row in rows)

    def way(row: int) -> Any:
        mark, column = pl.col(f"m{row}"), pl.col(str(row))
        changed = {
            "zero_fill": pl.lit(0.0),
            "spike": column * 2.0 + 1.0,
            "clock_skew": column.shift(3, fill_value=np.nan),
        }
        if kind == "stuck":
            return pl.when(~mark).then(column).forward_fill()
        return pl.when(mark).then(changed[kind]).otherwise(column)

    return lambda: frame.select(way(row).alias(str(row)) for row in rows)


def _cases() -> list[Case]:
    cases: list[Case] = []
    for shape in SHAPES:
        for how, peers in _PEERS.items():
            group = f"fill {how} {shape}"
            for name, reused in (("ours", False), ("ours_reused", True)):
                cases.append(
                    Case(f"fill_{how}_{shape}_{name}", group, partial(_fill, shape=shape, how=how, reused=reused))
                )
            for peer in peers:
                cases.append(
                    Case(f"fill_{how}_{shape}_{peer}", group, partial(_fill_peer, shape=shape, how=how, peer=peer))
                )
        for who in ("ours", "numbagg", "polars"):
            cases.append(
                Case(f"count_gaps_{shape}_{who}", f"count gaps {shape}", partial(_count, shape=shape, who=who))
            )
        for who in ("ours", "polars"):
            cases.append(Case(f"find_gaps_{shape}_{who}", f"find gaps {shape}", partial(_find, shape=shape, who=who)))
        for kind in ("zero_fill", "spike", "stuck", "clock_skew"):
            for who in ("ours", "ours_in_place", "polars"):
                factory = partial(_inject, shape=shape, kind=kind, who=who)
                cases.append(Case(f"inject_{kind}_{shape}_{who}", f"inject {kind} {shape}", factory))
    return cases


GAP_CASES = tuple(_cases())
