"""A run against a capture, number by number: how far the model is from what was measured."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle import Bundle
from flowtime.bundle.documents import Count, Resampling
from flowtime.engine.tolerance import bin_ranges
from flowtime.errors import ParameterError, TelemetryError
from flowtime.model.dates import utc_text
from flowtime.model.spec import FloatArray, Grid, Wire
from flowtime.telemetry.capture_grid import Fit, fit_grid
from flowtime.telemetry.manifest import BinRange, CaptureFile, FileKind
from flowtime.telemetry.parts import VALUE, Part, run_parts
from flowtime.telemetry.reader import Capture, GapKey

__all__ = ["ATOL", "RTOL", "DiffPart", "DiffReport", "DiffRow", "diff_capture"]

RTOL = 1e-9
ATOL = 1e-9
"""What computing in another order can do to a number; a replay of a clean capture needs neither."""

BoolArray = NDArray[np.bool_]
_Key: TypeAlias = tuple[FileKind, str | None, str, str]


class DiffPart(Wire, frozen=True, kw_only=True):
    """A part that only one side has."""

    kind: FileKind
    subject: str | None
    metric: str
    class_id: str


class DiffRow(Wire, frozen=True, kw_only=True):
    """One metric: the model less the telemetry.

    ``compared`` counts the bins that both sides have as numbers; ``bias`` is the mean and ``rmse`` the root of the
    mean square of the differences in them, ``correlation`` Pearson's, each null where it is not defined.
    ``differing`` counts the bins beyond the tolerance, a number against none among them, and ``bins`` says which;
    ``unexplained`` those of them in which no gap was put in on purpose.  Bins that the telemetry misses are in
    ``missing`` alone.  The worst bin is null where nothing differs at all.
    """

    kind: FileKind
    subject: str | None
    metric: str
    class_id: str
    series_id: str
    within: bool
    compared: Count
    missing: Count
    differing: Count
    unexplained: Count
    bins: tuple[BinRange, ...]
    bias: float | None
    rmse: float | None
    correlation: float | None
    worst_bin: int | None
    worst_difference: float | None
    worst_model: float | None
    worst_telemetry: float | None


class DiffReport(Wire, frozen=True, kw_only=True):
    """A run against a capture; ``within`` says that every metric of the capture is there and within the tolerance.

    What only the run has is listed, and is no difference: telemetry seldom measures everything.  ``resample`` says
    how the capture was brought to the grid of the run, which is how the run was fed from it; null where the grids
    are one.  Bins are those of the run.
    """

    run_id: str
    content_hash: str
    resample: Resampling | None
    rtol: float
    atol: float
    within: bool
    rows: tuple[DiffRow, ...]
    only_in_capture: tuple[DiffPart, ...]
    only_in_run: tuple[DiffPart, ...]


class _Telemetry(NamedTuple):
    """One captured series: its values, where it misses them, and where a gap was put in on purpose; each (bins,)."""

    values: FloatArray
    missing: BoolArray
    injected: BoolArray


@dataclass(frozen=True)
class _Tolerance:
    """How far numbers may be apart: ``atol`` plus ``rtol`` times what was measured."""

    rtol: float
    atol: float

    def apart(self, model: FloatArray, telemetry: FloatArray) -> BoolArray:
        """Return where two series differ, (bins,); NaN is like NaN, and each infinity like itself."""
        same = (model == telemetry) | (np.isnan(model) & np.isnan(telemetry))
        finite = np.isfinite(model) & np.isfinite(telemetry)
        allowed = self.atol + self.rtol * np.abs(telemetry, where=finite, out=np.zeros_like(telemetry))
        distance = np.abs(np.subtract(model, telemetry, where=finite, out=np.zeros_like(model)))
        found: BoolArray = ~same & ~(finite & (distance <= allowed))
        return found


def diff_capture(bundle: Bundle, capture: Capture, *, rtol: float = RTOL, atol: float = ATOL) -> DiffReport:
    """Compare every metric of a capture with the run: number against number, bin by bin.

    A bin differs where the model is further from the telemetry than ``atol + rtol * |telemetry|``.  A run that this
    very capture fed after resampling is compared with the capture resampled in the same way.  Raises TelemetryError
    ``telemetry.grid_mismatch`` for other grids that are not the same, ParameterError for a tolerance that is no
    number >= 0, RunCorruptError for a run that can not be read.
    """
    if not (rtol >= 0 and atol >= 0):
        raise ParameterError(f"a tolerance must be 0 or more, not {rtol} and {atol}")
    fit = _fit(bundle, capture)
    parts = {_part_key(part): part for part in run_parts(bundle)}
    held = {entry.name for entry in bundle.index.series}
    injected = capture.injected()
    rows, missing = [], []
    for file in capture.manifest.files:
        part = parts.pop(_file_key(file), None) or _unbound(file, held)
        if part is None:
            missing.append(_described(_file_key(file)))
        else:
            model = bundle.series(part.series)
            # Numbers near the largest there is overflow: their distance is then infinite, which says enough.
            with np.errstate(all="ignore"):
                telemetry = _telemetry(file, capture, fit, injected.get(_gap_key(file)))
                rows.append(_row(file, telemetry, model, _Tolerance(rtol, atol)))
    return DiffReport(
        run_id=bundle.run.run_id,
        content_hash=capture.manifest.content_hash,
        resample=fit.how,
        rtol=rtol,
        atol=atol,
        within=not missing and all(row.within for row in rows),
        rows=tuple(rows),
        only_in_capture=tuple(missing),
        only_in_run=tuple(_described(key) for key in parts),
    )


def _unbound(file: CaptureFile, held: Set[str]) -> Part | None:
    """Return the series of that name, where it was captured for itself alone, and here is one like others."""
    name = file.series_id
    if file.metric != VALUE or file.kind != "node" or name is None or name not in held:
        return None
    return Part(file.kind, file.node_id or name, VALUE, file.class_id, name)


def _fit(bundle: Bundle, capture: Capture) -> Fit:
    """Return how the capture comes to the grid of the run: as the run itself was fed, else not at all."""
    grid, fed = bundle.run.grid, bundle.provenance.capture if bundle.provenance else None
    if fed is None or fed.resample is None or fed.content_hash != capture.manifest.content_hash:
        _check_grids(bundle, capture)
        return Fit(0, grid.bins, 1, 1, None)
    spec = Grid(bins=grid.bins, bin_size=grid.bin_size, bin_unit=grid.bin_unit, start=grid.start)
    return fit_grid(capture.manifest, spec, fed.resample)


def _check_grids(bundle: Bundle, capture: Capture) -> None:
    run, held, window = bundle.run.grid, capture.manifest.grid, capture.manifest.window
    if (run.bins, run.bin_size, run.bin_unit) != (held.bins, held.bin_size, held.bin_unit):
        raise TelemetryError(
            f"the run has {run.bins} bins of {run.bin_size} {run.bin_unit}, "
            f"the capture {held.bins} of {held.bin_size} {held.bin_unit}",
            code="telemetry.grid_mismatch",
        )
    starts = [None if text is None else utc_text(text) for text in (run.start, window.start_time_utc)]
    # One that does not say when it starts can be laid beside anything of its length.
    if None not in starts and starts[0] != starts[1]:
        raise TelemetryError(
            f"the run starts at {run.start}, the capture at {window.start_time_utc}", code="telemetry.grid_mismatch"
        )


def _telemetry(file: CaptureFile, capture: Capture, fit: Fit, injected: BoolArray | None) -> _Telemetry:
    """Return what was captured, in the bins of the run."""
    row = capture.row(file)
    values, missing = fit.apply(capture.values[row], file.metric), fit.gaps(capture.missing[row])
    return _Telemetry(values, missing, np.zeros_like(missing) if injected is None else fit.gaps(injected))


def _row(file: CaptureFile, found: _Telemetry, model: FloatArray, tolerance: _Tolerance) -> DiffRow:
    telemetry, missing = found.values, found.missing
    differs = tolerance.apart(model, telemetry) & ~missing
    unexplained = differs & ~found.injected
    both = np.isfinite(model) & np.isfinite(telemetry) & ~missing
    difference = np.subtract(model, telemetry, where=both, out=np.zeros(model.shape))
    worst = _worst(difference, differs, both)
    return DiffRow(
        kind=file.kind,
        subject=file.subject,
        metric=file.metric,
        class_id=file.class_id,
        series_id=file.series_id or file.path,
        within=not differs.any(),
        compared=int(np.count_nonzero(both)),
        missing=int(np.count_nonzero(missing)),
        differing=int(np.count_nonzero(differs)),
        unexplained=int(np.count_nonzero(unexplained)),
        bins=bin_ranges(differs),
        bias=float(difference[both].mean()) if both.any() else None,
        rmse=float(np.sqrt(np.square(difference[both]).mean())) if both.any() else None,
        correlation=_correlation(model[both], telemetry[both]),
        worst_bin=worst,
        worst_difference=None if worst is None else _number(model[worst] - telemetry[worst]),
        worst_model=None if worst is None else _number(model[worst]),
        worst_telemetry=None if worst is None else _number(telemetry[worst]),
    )


def _worst(difference: FloatArray, differs: BoolArray, both: BoolArray) -> int | None:
    """Return the bin that differs most; a number against none is worse than any number against another."""
    if (alone := differs & ~both).any():
        return int(np.argmax(alone))
    largest = int(np.argmax(np.abs(difference)))
    return largest if difference[largest] != 0.0 else None


def _correlation(model: FloatArray, telemetry: FloatArray) -> float | None:
    """Return Pearson's correlation; None below two bins, and where one side does not vary."""
    if model.size < 2 or not (np.ptp(model) > 0.0 and np.ptp(telemetry) > 0.0):
        return None
    # Scaled, so that squares of large numbers stay numbers.
    model, telemetry = model / np.abs(model).max(), telemetry / np.abs(telemetry).max()
    model, telemetry = model - model.mean(), telemetry - telemetry.mean()
    spread = float(np.sqrt(np.square(model).sum() * np.square(telemetry).sum()))
    return float(np.clip((model * telemetry).sum() / spread, -1.0, 1.0)) if spread > 0.0 else None


def _number(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


def _gap_key(file: CaptureFile) -> GapKey:
    return file.subject, file.metric, file.class_id


def _file_key(file: CaptureFile) -> _Key:
    return file.kind, file.subject, file.metric, file.class_id


def _part_key(part: Part) -> _Key:
    return part.kind, part.subject, part.metric, part.class_id


def _described(key: _Key) -> DiffPart:
    kind, subject, metric, class_id = key
    return DiffPart(kind=kind, subject=subject, metric=metric, class_id=class_id)
