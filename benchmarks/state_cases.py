"""Reading a run: one bin, a whole long run at 1,000 points, a day of 50 nodes as JSON; peers read the same files."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.case import Case, Size, Timed, require
from flowtime.model import parse_model
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.settings import SeriesCsv, Settings
from flowtime.state import encode_answer, open_run_state, read_state, read_window

__all__ = ["STATE_CASES", "line_model", "write_run"]

Array = NDArray[np.float64]
LONG_STAGES = 12
POINTS = 1000


def line_model(bins: int, stages: int) -> str:
    """Return the YAML of ``stages`` stages in a line, without a list of values in it; the run of 12 has 50 series."""
    nodes = [
        "  - {id: one, kind: const, values: 1}",
        '  - {id: step, kind: expr, expr: "MOD(CUMSUM(one), 288) / 288"}',
        '  - {id: work, kind: expr, expr: "80 + 120 * step * (1 - step)"}',
    ]
    nodes += [f"  - {{id: cap_{stage}, kind: const, values: {96 + stage % 5}}}" for stage in range(stages)]
    stations = [
        f"    - {{id: S{stage}, kind: serviceWithBuffer, semantics: "
        f"{{arrivals: {f's{stage - 1}_served' if stage else 'work'}, capacity: cap_{stage}}}}}"
        for stage in range(stages)
    ]
    edges = [f"    - {{from: S{stage}, to: S{stage + 1}}}" for stage in range(stages - 1)]
    grid = f'grid: {{bins: {bins}, binSize: 5, binUnit: minutes, start: "2025-01-01T00:00:00Z"}}'
    head = ["schemaVersion: 1", grid, "nodes:", *nodes, "topology:", "  nodes:", *stations, "  edges:"]
    return "\n".join([*head, *edges]) + "\n"


def write_run(folder: Path, bins: int, stages: int, *, series_csv: SeriesCsv = "never") -> Path:
    """Run the line into ``folder`` and return the run folder."""
    request = RunRequest(source=parse_model(line_model(bins, stages)), run_id="measured", series_csv=series_csv)
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    settings = Settings(durability="process")
    run_simulation(request, root=folder, settings=settings, clock=lambda: moment, entropy=bytes)
    return folder / "measured"


class _Long(NamedTuple):
    """A run of 50 series and a million bins, or a small one of that kind."""

    path: Path
    bins: int
    width: int

    @property
    def matrix(self) -> Array:
        """All its series, mapped."""
        mapped: Array = np.load(self.path / "series" / "series.npy", mmap_mode="r")
        return mapped


def _long(folder: Path, size: Size) -> _Long:
    bins, width = (1_000_000, 1_000) if size == "full" else (3_000, 3)
    return _Long(write_run(folder, bins, LONG_STAGES), bins, width)


def _state(folder: Path, size: Size, *, as_json: bool = False) -> Timed:
    long = _long(folder, size)
    run = open_run_state(long.path)
    # A bin elsewhere each time, so that no page of the file is at hand because of the call before.
    indices = itertools.cycle(np.random.default_rng(1).integers(0, long.bins, 997).tolist())

    def call() -> Any:
        answer = read_state(run, next(indices))
        return encode_answer(answer) if as_json else answer

    def check(_answer: object) -> None:
        node = read_state(run, long.bins // 2).nodes[-1]
        row = [entry.row for entry in run.bundle.index.series if entry.name == f"s{LONG_STAGES - 1}_served"]
        require(node.metrics.served == round(float(long.matrix[row[0], long.bins // 2]), 6), "the value of another bin")

    return Timed(call, check)


def _column(folder: Path, size: Size) -> Timed:
    """The least that can be read: one value of each series, and nothing said about it."""
    long = _long(folder, size)
    matrix = long.matrix
    indices = itertools.cycle(np.random.default_rng(1).integers(0, long.bins, 997).tolist())
    return Timed(lambda: matrix[:, next(indices)].tolist(), lambda values: require(len(values) == 50, "50 series"))


def _window(folder: Path, size: Size) -> Timed:
    long = _long(folder, size)
    run = open_run_state(long.path)

    def check(answer: Any) -> None:
        require(answer.window.points == POINTS, "1,000 points")
        row = next(entry.row for entry in run.bundle.index.series if entry.name == "work")
        sums = np.asarray(long.matrix[row]).reshape(POINTS, long.width).sum(axis=1)
        require(bool(np.allclose(answer.nodes[0].series.arrivals, sums, rtol=0.0, atol=1e-6)), "other sums")

    return Timed(lambda: read_window(run, resolution=POINTS), check)


def _window_by_numpy(folder: Path, size: Size) -> Timed:
    """Sums and means of all series, missing values left out, and no derived value."""
    long = _long(folder, size)
    matrix = long.matrix

    def call() -> tuple[Array, Array]:
        cut = matrix.reshape(len(matrix), POINTS, long.width)
        return np.nansum(cut, axis=2), np.nanmean(cut, axis=2)

    return Timed(call, lambda result: require(result[0].shape == (50, POINTS), "1,000 points of 50 series"))


def _window_by_xarray(folder: Path, size: Size) -> Timed:
    import xarray

    long = _long(folder, size)
    array = xarray.DataArray(np.asarray(long.matrix), dims=("series", "bin"))

    def call() -> Any:
        cut = array.coarsen(bin=long.width)
        return cut.sum(), cut.mean()

    return Timed(call, lambda result: require(result[0].shape == (50, POINTS), "1,000 points of 50 series"))


def _day(folder: Path, size: Size) -> Timed:
    bins, stages = (288, 50) if size == "full" else (12, 3)
    run = open_run_state(write_run(folder, bins, stages))

    def check(text: bytes) -> None:
        nodes = json.loads(text)["nodes"]
        require([len(node["series"]["flowLatencyMs"]) for node in nodes] == [bins] * stages, "a value a bin and node")

    return Timed(lambda: encode_answer(read_window(run)), check)


def _day_by_pandas(folder: Path, size: Size) -> Timed:
    """What reading the CSVs takes: four series a node, utilization and waits from them, JSON."""
    import pandas

    bins, stages = (288, 50) if size == "full" else (12, 3)
    path = write_run(folder, bins, stages, series_csv="always")
    entries = {
        entry["name"]: path / entry["path"] for entry in json.loads((path / "series/index.json").read_text())["series"]
    }

    def call() -> str:
        columns: dict[str, Any] = {}
        for stage in range(stages):
            names = (f"s{stage - 1}_served" if stage else "work", f"s{stage}_served", f"s{stage}_queue", f"cap_{stage}")
            parts = [pandas.read_csv(entries[name])["value"] for name in names]
            columns |= {f"S{stage}.{place}": part for place, part in enumerate(parts)}
            columns[f"S{stage}.utilization"] = parts[1] / parts[3]
            columns[f"S{stage}.latencyMinutes"] = parts[2] / parts[1] * 5.0
            columns[f"S{stage}.throughputRatio"] = (parts[1] / parts[0]).clip(0.0, 1.0)
        text: str = pandas.DataFrame(columns).to_json(orient="columns", double_precision=6)
        return text

    return Timed(call, lambda text: require(len(json.loads(text)) == 7 * stages, "seven columns a node"))


STATE_CASES = (
    Case("state_1m", "one bin of 1m bins x 50 series", _state, 4),
    Case("state_1m_json", "one bin of 1m bins x 50 series", partial(_state, as_json=True), 4),
    Case("numpy_column_1m", "one bin of 1m bins x 50 series", _column, 20),
    Case("window_1m", "1m bins x 50 series at 1,000 points", _window),
    Case("numpy_window_1m", "1m bins x 50 series at 1,000 points", _window_by_numpy),
    Case("xarray_window_1m", "1m bins x 50 series at 1,000 points", _window_by_xarray),
    Case("window_day_json", "288 bins x 50 nodes as JSON", _day),
    Case("pandas_day_json", "288 bins x 50 nodes as JSON", _day_by_pandas),
)
