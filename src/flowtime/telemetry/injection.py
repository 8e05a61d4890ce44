"""Puts the gaps of a plan into series, and says bin by bin what was done.

Every rule has a random stream of its own for every series, named by both, so that another rule or another series
changes no gap that was drawn; in all but bursts bin t takes its t-th number, and a longer horizon changes none either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowtime.engine.kernel_cache import load_kernels
from flowtime.engine.sampling import stream_state
from flowtime.engine.tolerance import bin_ranges
from flowtime.errors import Fault, GapPlanError, ParameterError
from flowtime.model.dates import utc_moment
from flowtime.model.spec import FloatArray, Grid
from flowtime.telemetry.gap_kernels import copied, load_gap_kernels, share_rows
from flowtime.telemetry.gap_plan import (
    Burst,
    ClockSkew,
    Drop,
    Effect,
    GapPlan,
    GapWindow,
    Injection,
    NanGap,
    Partial,
    Spike,
    Stuck,
    ZeroFill,
)
from flowtime.telemetry.manifest import GapRecord

__all__ = ["Injected", "SeriesKey", "apply_plan"]

Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]

# How a rule chooses, in the order of a SeriesKey: its field, what that names, and the code where nothing has it.
_CHOICES = (
    ("nodes", "node", "gaps.unknown_node"),
    ("metrics", "metric", "gaps.unknown_metric"),
    ("classes", "class", "gaps.unknown_class"),
)

# What whoever finds a gap calls it: by what is put in the place of values, or by the kind.
_CODES: Mapping[str, str] = MappingProxyType(
    {
        "drop": "data_gap",
        "nan": "nan_detected",
        "zero": "zero_fill",
        "stuck": "stuck_value",
        "spike": "spike",
        "clock_skew": "clock_skew",
    }
)

# So many bins at a time are changed together, for the work space that they need.
_BINS_AT_ONCE = 1 << 22


class SeriesKey(NamedTuple):
    """A part that a row plays: id of a node (edge, constraint), metric, class (``DEFAULT`` for all together)."""

    subject: str
    metric: str
    class_id: str


class Injected(NamedTuple):
    """New values (series, bins), which of them are missing (bool, same shape; NaN in the values), and what was done."""

    values: FloatArray
    missing: Flags
    records: tuple[GapRecord, ...]


def apply_plan(
    plan: GapPlan,
    keys: Sequence[Sequence[SeriesKey]],
    values: FloatArray,
    *,
    grid: Grid,
    missing: Flags | None = None,
) -> Injected:
    """Return a copy of ``values`` (series, bins) with the gaps of the plan, rule after rule.

    ``keys[row]`` are the parts that the row plays (one or more: a shared series is one row); a rule that chooses any
    of them changes the row once and is recorded for each of them, and its random stream is named by the first.
    ``missing`` are the bins that were missing before; without it, every NaN.  Every bin that differs afterwards is in
    a record.  Raises GapPlanError with every rule that chooses nothing or does not fit the grid, ParameterError
    ``parameter.shape``.
    """
    if values.shape != (len(keys), grid.bins):
        text = f"the series are {values.shape}, their names and the grid {(len(keys), grid.bins)}"
        raise ParameterError(text, code="parameter.shape")
    places = [_place(plan, index, keys, grid) for index in range(len(plan.spec.injections))]
    faults = [fault for place in places for fault in place.faults]
    if faults:
        raise GapPlanError(faults)
    work = _Work.of(values, missing)
    records: list[GapRecord] = []
    for index, (rule, place) in enumerate(zip(plan.spec.injections, places, strict=True)):
        for rows in _batches(place.rows, grid.bins):
            streams = [_stream(rule, index, keys[row]) for row in rows]
            touched = np.stack([_touched(rule, place.bins, plan.seed, stream) for stream in streams])
            work.inject(rule, rows, touched)
            records += _records(rule, plan.seed, [keys[row] for row in rows], touched)
    return Injected(work.values, work.missing, tuple(records))


def _batches(rows: Indices, bins: int) -> list[Indices]:
    step = max(1, _BINS_AT_ONCE // bins)
    return [rows[i : i + step] for i in range(0, rows.size, step)]


# --- where ------------------------------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where one rule happens: ``rows`` (k,), ``bins`` (bins,) as flags, and why it can not."""

    rows: Indices
    bins: Flags
    faults: tuple[Fault, ...]


def _place(plan: GapPlan, index: int, keys: Sequence[Sequence[SeriesKey]], grid: Grid) -> _Place:
    rule, path = plan.spec.injections[index], f"$.injections[{index}]"
    faults = list(_name_faults(plan, rule, path, keys))
    nodes, metrics, classes = (_pattern(names) for names in (rule.nodes, rule.metrics, rule.classes))
    rows = np.array(
        [
            row
            for row, parts in enumerate(keys)
            if any(nodes.fullmatch(n) and metrics.fullmatch(m) and classes.fullmatch(c) for n, m, c in parts)
        ],
        dtype=np.int64,
    )
    if not faults and not rows.size:
        hint = "these nodes have other metrics and classes"
        faults.append(
            plan.fault("gaps.no_match", "no series has this node, metric and class together", path, hint=hint)
        )
    bins = _window_bins(plan, rule, path, grid, faults)
    room = int(bins.sum())
    if isinstance(rule, Burst) and not faults and rule.count * rule.length > room:
        text = f"{rule.count:,} outages of {rule.length:,} bins do not fit into {room:,} bins"
        faults.append(plan.fault("gaps.burst_too_long", text, path))
    return _Place(rows, bins, tuple(faults))


def _window_bins(plan: GapPlan, rule: Injection, path: str, grid: Grid, faults: list[Fault]) -> Flags:
    """Return the bins (bins,) of a rule's windows; adds to the faults what does not fit."""
    bins = np.zeros(grid.bins, dtype=np.bool_)
    for place, window in enumerate(rule.windows or (GapWindow(),)):
        span = _span(plan, window, f"{path}.windows[{place}]", grid)
        if isinstance(span, Fault):
            faults.append(span)
        else:
            bins[span[0] : span[1] + 1] = True
    return bins


def _name_faults(plan: GapPlan, rule: Injection, path: str, keys: Sequence[Sequence[SeriesKey]]) -> Iterator[Fault]:
    for place, (field, noun, code) in enumerate(_CHOICES):
        known = sorted({key[place] for parts in keys for key in parts})
        for item, name in enumerate(getattr(rule, field)):
            if not any(map(_pattern((name,)).fullmatch, known)):
                hint = f"there are {', '.join(known[:8])}{', ...' if len(known) > 8 else ''}"
                yield plan.fault(code, f"there is no {noun} {name!r}", f"{path}.{field}[{item}]", hint=hint)


def _pattern(names: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names or ("*",)), re.DOTALL)


def _span(plan: GapPlan, window: GapWindow, path: str, grid: Grid) -> tuple[int, int] | Fault:
    """Return the first and last bin of a window, both inside; a fault where the grid has no such bins."""
    first, last = window.first_bin, window.last_bin
    if window.start is not None or window.end is not None:
        begin = utc_moment(grid.start) if grid.start is not None else None
        if begin is None:
            hint = "say the window in bins: firstBin, lastBin"
            return plan.fault("gaps.no_start", "the grid has no start, so no times either", path, hint=hint)
        first, last = _bins_of_times(window, begin, timedelta(**{grid.bin_unit: grid.bin_size}))
    first = 0 if first is None else first
    last = grid.bins - 1 if last is None else last
    if not 0 <= first <= last < grid.bins:
        text = f"the window is bins {first:,} to {last:,}; the grid has bins 0 to {grid.bins - 1:,}"
        return plan.fault("gaps.window_outside", text, path)
    return first, last


def _bins_of_times(window: GapWindow, begin: datetime, size: timedelta) -> tuple[int | None, int | None]:
    start = utc_moment(window.start) if window.start is not None else None
    end = utc_moment(window.end) if window.end is not None else None
    # A bin that the window touches is in it, so the end rounds up.
    return (
        None if start is None else (start - begin) // size,
        None if end is None else -((begin - end) // size) - 1,
    )


# --- which bins -------------------------------------------------------------------------------------------------------


def _stream(rule: Injection, index: int, parts: Sequence[SeriesKey]) -> str:
    return "\x1f".join(("gaps", rule.id if rule.id is not None else str(index), *parts[0]))


def _touched(rule: Injection, bins: Flags, seed: int, stream: str) -> Flags:
    """Return which bins (bins,) a rule changes in one series, of those where it happens."""
    match rule:
        case Partial() | Spike() if rule.share < 1.0:
            drawn: Flags = bins & (_uniforms(seed, stream, bins.size) < rule.share)
            return drawn
        case Burst():
            return _outages(bins, rule, _uniforms(seed, stream, rule.count))
        case _:
            return bins


def _outages(bins: Flags, rule: Burst, drawn: FloatArray) -> Flags:
    """Place ``rule.count`` outages: each is shrunk to a point, points are drawn, and then each gets its length back."""
    places = np.flatnonzero(bins)
    slots = places.size - rule.count * rule.length + 1
    begins = np.sort((drawn * slots).astype(np.int64)) + rule.length * np.arange(rule.count)
    touched = np.zeros_like(bins)
    touched[places[(begins[:, None] + np.arange(rule.length)).ravel()]] = True
    return touched


def _uniforms(seed: int, stream: str, count: int) -> FloatArray:
    drawn = np.empty(count)
    load_kernels().fill_uniforms(np.uint64(stream_state(seed, stream)), drawn)
    return drawn


# --- what -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """The series (series, bins) as they are being changed, and which of their bins are missing."""

    values: FloatArray
    missing: Flags

    @classmethod
    def of(cls, values: FloatArray, missing: Flags | None) -> _Work:
        """Begin with copies; every NaN is missing where no mask says otherwise."""
        work = copied(values)
        if missing is None:
            return cls(work, np.isnan(work))
        work[missing] = np.nan
        return cls(work, missing.copy())

    def inject(self, rule: Injection, rows: Indices, touched: Flags) -> None:
        """Do what a rule says in the ``touched`` (k, bins) bins of ``rows`` (k,)."""
        kernels = load_gap_kernels()
        effect = _effect(rule)
        if effect is not None:
            self._put(effect, rows, touched)
            return
        match rule:
            case Spike(factor=factor, add=add):
                share_rows(lambda a, b: kernels.scale(self.values, rows[a:b], touched[a:b], factor, add), touched)
            case Stuck():
                share_rows(lambda a, b: kernels.hold(self.values, rows[a:b], touched[a:b]), touched)
                self._take(rows, np.maximum.accumulate(np.where(touched, 0, np.arange(touched.shape[1])), axis=1))
            case ClockSkew(shift=by):
                before = self.values[rows]
                share_rows(lambda a, b: kernels.shift(before[a:b], rows[a:b], touched[a:b], by, self.values), touched)
                bins = np.arange(touched.shape[1])
                self._take(rows, np.where(touched, bins - by, bins))

    def _put(self, effect: Effect, rows: Indices, touched: Flags) -> None:
        kernels, number = load_gap_kernels(), 0.0 if effect == "zero" else np.nan
        share_rows(lambda a, b: kernels.replace(self.values, rows[a:b], touched[a:b], number), touched)
        self.missing[rows] = self.missing[rows] | touched if effect == "drop" else self.missing[rows] & ~touched

    def _take(self, rows: Indices, origins: Indices) -> None:
        """Let a bin be missing where the bin that it comes from was, ``origins`` (k, bins), or is outside."""
        bins = origins.shape[1]
        known = np.take_along_axis(self.missing[rows], np.clip(origins, 0, bins - 1), axis=1)
        self.missing[rows] = known | (origins < 0) | (origins >= bins)


def _effect(rule: Injection) -> Effect | None:
    """Return what a rule puts in the place of values; None where it makes other values of them."""
    match rule:
        case ZeroFill():
            return "zero"
        case NanGap():
            return "nan"
        case Drop():
            return "drop"
        case Partial(effect=effect) | Burst(effect=effect):
            return effect
        case _:
            return None


def _records(rule: Injection, seed: int, parts: Sequence[Sequence[SeriesKey]], touched: Flags) -> Iterator[GapRecord]:
    kind = str(rule.__struct_config__.tag)
    code = _CODES[_effect(rule) or kind]
    for keys, bins in zip(parts, touched, strict=True):
        ranges = bin_ranges(bins)
        # A small share may have drawn no bin at all, and then nothing was done.
        for key in keys if ranges else ():
            yield GapRecord(
                code=code,
                kind=kind,
                node_id=key.subject,
                metric=key.metric,
                class_id=key.class_id,
                bins=ranges,
                seed=seed,
            )
