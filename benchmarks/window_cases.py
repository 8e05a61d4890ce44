"""Aggregates of windows, beside what bottleneck, numbagg, polars and NumPy have for them.

Data as for the published figures: uniform numbers, 5 % single gaps and some of 120 bins, one window of 50 bins.  For
polars the NaNs are nulls beforehand, outside the clock, as is its column of window numbers.  bottleneck has one thread;
numbagg and polars take all processors, ours one for each million bins, or each 65,536 where quantiles are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.case import Case, Size, Timed, require
from benchmarks.gap_cases import gappy
from flowtime.state.windows import fixed, rolling

__all__ = ["WINDOW_CASES"]

Table: TypeAlias = NDArray[np.float64]
Results: TypeAlias = Mapping[str, Any]

WIDTH = 50
BINS = {"1e6": 1_000_000, "1e7": 10_000_000}
TINY = 8 * WIDTH
FIVE = ("sum", "mean", "min", "max", "count")
# Standard deviations of populations; others have samples' by default.
DDOF = {"std": {"ddof": 0}}
ROLLING_FIVE = ("sum", "mean", "min", "max", "std")


class _Data(NamedTuple):
    """One series (1, bins), its windows (windows, WIDTH), and the same for polars."""

    values: Table
    windows: Table
    nulls: Any
    frame: Any


def _data(bins: str, size: Size) -> _Data:
    import polars as pl

    count = BINS[bins] if size == "full" else TINY
    values = gappy(1, count)
    nulls = pl.Series("value", values[0], nan_to_null=True)
    frame = pl.DataFrame({"window": np.arange(count) // WIDTH, "value": nulls})
    return _Data(values, values.reshape(-1, WIDTH), nulls, frame)


# Each peer: what it computes of the data, by name of the aggregate.
Peer: TypeAlias = Callable[[_Data, str], Any]


def _rolling_ours(data: _Data, name: str) -> Any:
    return rolling(data.values, WIDTH, [name])[name]


def _rolling_bottleneck(data: _Data, name: str) -> Any:
    import bottleneck as bn

    call = bn.move_median if name == "q0.5" else getattr(bn, f"move_{name}")
    return call(data.values[0], WIDTH, min_count=1)


def _rolling_numbagg(data: _Data, name: str) -> Any:
    import numbagg

    return getattr(numbagg, f"move_{name}")(data.values[0], window=WIDTH, min_count=1)


def _rolling_polars(data: _Data, name: str) -> Any:
    if name == "q0.5":
        return data.nulls.rolling_median(WIDTH, min_samples=1)
    return getattr(data.nulls, f"rolling_{name}")(WIDTH, min_samples=1, **DDOF.get(name, {}))


def _fixed_ours(data: _Data, name: str) -> Any:
    return fixed(data.values, WIDTH, [name])[name]


def _fixed_bottleneck(data: _Data, name: str) -> Any:
    import bottleneck as bn

    call = bn.nanmedian if name == "q0.5" else getattr(bn, f"nan{name}")
    return call(data.windows, axis=1)


def _fixed_numbagg(data: _Data, name: str) -> Any:
    import numbagg

    if name == "q0.5":
        return numbagg.nanquantile(data.windows, 0.5, axis=1)
    return getattr(numbagg, f"nan{name}")(data.windows, axis=1, **DDOF.get(name, {}))


def _fixed_numpy(data: _Data, name: str) -> Any:
    if name == "count":
        return np.count_nonzero(~np.isnan(data.windows), axis=1)
    return getattr(np, f"nan{name}")(data.windows, axis=1)


def _fixed_polars(data: _Data, names: Sequence[str]) -> Any:
    import polars as pl

    column = pl.col("value")
    wanted = [getattr(column, name)().alias(name) for name in names]
    return data.frame.group_by("window", maintain_order=True).agg(wanted)


def _fixed_polars_one(data: _Data, name: str) -> Any:
    return _fixed_polars(data, [name])[name]


def _flat(result: Any) -> Table:
    """Any library's result as floats, without its windows of no value: 0 for one, NaN or null for another."""
    made = np.asarray(result, dtype=np.float64).reshape(-1)
    return np.where(np.isnan(made), 0.0, made)


def _check(result: Any, expected: Any) -> None:
    require(bool(np.allclose(_flat(result), _flat(expected), rtol=1e-7, atol=1e-6)), "another result")


def _one(_folder: Path, size: Size, *, peer: Peer, other: Peer, name: str, bins: str) -> Timed:
    """Time one library, and check it by another one."""
    data = _data(bins, size)
    return Timed(lambda: peer(data, name), lambda result: _check(result, other(data, name)))


def _all_at_once(
    _folder: Path, size: Size, *, call: Callable[[_Data], Results], peer: Peer, names: tuple[str, ...], bins: str
) -> Timed:
    data = _data(bins, size)

    def check(result: Results) -> None:
        for name in names:
            _check(result[name], peer(data, name))

    return Timed(lambda: call(data), check)


def _best_of_each(data: _Data) -> Results:
    """Five calls, each of the library that is quickest at it."""
    quick = {"min": _fixed_bottleneck, "max": _fixed_bottleneck}
    return {name: quick.get(name, _fixed_numbagg)(data, name) for name in FIVE}


def _bottleneck_and_count(data: _Data) -> Results:
    other = {"count": _fixed_numpy}
    return {name: other.get(name, _fixed_bottleneck)(data, name) for name in FIVE}


ROLLING: Mapping[str, Peer] = {
    "flowtime": _rolling_ours,
    "bottleneck": _rolling_bottleneck,
    "numbagg": _rolling_numbagg,
    "polars": _rolling_polars,
}
FIXED: Mapping[str, Peer] = {
    "flowtime": _fixed_ours,
    "bottleneck": _fixed_bottleneck,
    "numbagg": _fixed_numbagg,
    "numpy": _fixed_numpy,
    "polars": _fixed_polars_one,
}
# What a library does not have; numbagg's moving deviation is that of a sample, and nothing else.
LACKING = {
    ("rolling", "numbagg"): ("min", "max", "q0.5", "std"),
    ("fixed", "bottleneck"): ("count",),
    ("fixed", "numpy"): ("q0.5", "std"),
    ("fixed", "polars"): ("q0.5", "std"),
}


def _cases(kind: str, names: Sequence[str], bins: str) -> tuple[Case, ...]:
    peers = ROLLING if kind == "rolling" else FIXED
    ours = peers["flowtime"]
    cases = []
    for name in names:
        for library, peer in peers.items():
            if name not in LACKING.get((kind, library), ()):
                # Ours is checked by what every kind of window and aggregate has, a peer by ours.
                other = (
                    peers["numbagg" if (kind, name) == ("fixed", "count") else "bottleneck"] if peer is ours else ours
                )
                factory = partial(_one, peer=peer, other=other, name=name, bins=bins)
                cases.append(Case(f"{kind}_{name}_{bins}_{library}", f"{kind} {name} {bins}", factory))
    return tuple(cases)


def _fives(bins: str) -> tuple[Case, ...]:
    made: Mapping[str, Callable[[_Data], Results]] = {
        "flowtime": lambda data: fixed(data.values, WIDTH, FIVE),
        "bottleneck_and_numpy": _bottleneck_and_count,
        "best_of_each": _best_of_each,
        "numbagg": lambda data: {name: _fixed_numbagg(data, name) for name in FIVE},
        "polars": lambda data: _fixed_polars(data, FIVE),
    }
    moved: Mapping[str, Callable[[_Data], Results]] = {
        "flowtime": lambda data: rolling(data.values, WIDTH, ROLLING_FIVE),
        "bottleneck": lambda data: {name: _rolling_bottleneck(data, name) for name in ROLLING_FIVE},
    }
    stood = partial(_all_at_once, peer=_fixed_numbagg, names=FIVE, bins=bins)
    rolled = partial(_all_at_once, peer=_rolling_bottleneck, names=ROLLING_FIVE, bins=bins)
    return (
        *(Case(f"fixed_five_{bins}_{name}", f"fixed five {bins}", partial(stood, call=made[name])) for name in made),
        *(
            Case(f"rolling_five_{bins}_{name}", f"rolling five {bins}", partial(rolled, call=moved[name]))
            for name in moved
        ),
    )


WINDOW_CASES: tuple[Case, ...] = (
    *_cases("rolling", ("sum", "mean", "min", "max", "std", "q0.5"), "1e6"),
    *_cases("rolling", ("sum", "mean", "min", "max"), "1e7"),
    *_cases("fixed", ("sum", "mean", "min", "max", "count", "std", "q0.5"), "1e6"),
    *_cases("fixed", FIVE, "1e7"),
    *_fives("1e6"),
    *_fives("1e7"),
)
