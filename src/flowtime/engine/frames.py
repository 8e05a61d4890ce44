"""Results as tables of other libraries, imported only when asked for."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.metrics import bin_milliseconds
from flowtime.errors import MissingExtraError
from flowtime.model.spec import Grid

if TYPE_CHECKING:
    import pandas
    import polars
    import xarray

    from flowtime.engine.result import Result

__all__ = ["bin_times", "to_html", "to_pandas", "to_polars", "to_xarray"]

_SHOWN_ROWS = 8
_SHOWN_SERIES = 12


def bin_times(grid: Grid) -> NDArray[np.datetime64] | None:
    """Start of each bin as datetime64[ms] in UTC, (bins,), or None where the grid has no start."""
    if grid.start is None:
        return None
    # NumPy has no time zones; a valid grid start is UTC and says so at its end.
    start = np.datetime64(grid.start.removesuffix("Z").removesuffix("+00:00"), "ms")
    step = np.timedelta64(int(bin_milliseconds(grid)), "ms")
    times: NDArray[np.datetime64] = start + np.arange(grid.bins) * step
    return times


def to_pandas(result: Result) -> pandas.DataFrame:
    """Return a frame of bins by series; raises MissingExtraError without pandas."""
    try:
        import pandas as pd
    except ImportError as error:
        raise _missing("pandas") from error
    times = bin_times(result.grid)
    index = pd.RangeIndex(result.grid.bins, name="bin") if times is None else pd.DatetimeIndex(times, name="time")
    return pd.DataFrame({name: np.asarray(values) for name, values in result.items()}, index=index)


def to_polars(result: Result) -> polars.DataFrame:
    """Return a frame with ``bin``, ``time`` and the series; raises MissingExtraError without polars."""
    try:
        import polars as pl
    except ImportError as error:
        raise _missing("polars") from error
    times = bin_times(result.grid)
    columns: dict[str, object] = {"bin": np.arange(result.grid.bins)}
    if times is not None:
        columns["time"] = times
    columns.update({name: np.ascontiguousarray(values) for name, values in result.items()})
    return pl.DataFrame(columns)


def to_xarray(result: Result) -> xarray.Dataset:
    """Return a dataset along ``bin``; raises MissingExtraError without xarray."""
    try:
        import xarray as xr
    except ImportError as error:
        raise _missing("xarray") from error
    data = {name: ("bin", np.asarray(values), {"units": _unit(result, name)}) for name, values in result.items()}
    coordinates: dict[str, object] = {"bin": np.arange(result.grid.bins)}
    times = bin_times(result.grid)
    if times is not None:
        coordinates["time"] = ("bin", times)
    return xr.Dataset(data, coords=coordinates)


def to_html(result: Result) -> str:
    """Return the first bins of the first series as an HTML table, every name escaped."""
    names = list(result)[:_SHOWN_SERIES]
    rows = min(_SHOWN_ROWS, result.grid.bins)
    head = "".join(f"<th>{escape(name)}</th>" for name in ["bin", *names])
    body = "".join(
        f"<tr><th>{t}</th>" + "".join(f"<td>{result[name][t]:.6g}</td>" for name in names) + "</tr>"
        for t in range(rows)
    )
    left = f"{len(result)} series x {result.grid.bins} bins"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{left}</p>"


def _unit(result: Result, name: str) -> str:
    info = result.compiled.flow.info
    return info[name].unit if name in info else "unspecified"


def _missing(library: str) -> MissingExtraError:
    return MissingExtraError(f"{library} is not installed", hint=f"pip install {library}")
