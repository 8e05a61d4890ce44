"""Runs to be looked at: opened from a model without a folder, or really written."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowtime.bundle import grid_entry
from flowtime.engine import Result, compile_model
from flowtime.model import Model, dump_model, parse_model
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.settings import Settings
from flowtime.state import OpenRun, open_run_state
from flowtime.state.block import Span
from flowtime.state.derived import context_points, derive
from flowtime.templates import template

__all__ = [
    "WINDOW_MODEL",
    "Difference",
    "derived_values",
    "differences",
    "evaluated",
    "opened",
    "written",
    "written_template",
]

# Waits, retries, servers that change, a gate and a constraint.
WINDOW_MODEL = """\
schemaVersion: 1
grid: {bins: 7, binSize: 5, binUnit: minutes, start: "2025-01-01T00:00:00Z"}
nodes:
  - {id: orders, kind: const, values: [4, 8, 0, 6, 6, 6, 2]}
  - {id: pace, kind: const, values: [2, 2, 4, 4, 1, 1, 1]}
  - {id: hands, kind: const, values: [3, 1, 1, 1, 2, 2, 4]}
  - {id: broken, kind: const, values: [1, 0, 2, 0, 1, 0, 0]}
  - {id: wave, kind: const, values: 100}
  - {id: left, kind: expr, expr: "20 - CUMSUM(broken)"}
topology:
  nodes:
    - id: Pack
      kind: serviceWithBuffer
      semantics:
        {arrivals: orders, capacity: pace, parallelism: hands, errors: broken, retryKernel: [0, 0.5, 0.25],
         retryBudgetRemaining: left}
    - id: Dock
      kind: queue
      semantics: {arrivals: pack_served, capacity: wave}
      dispatchSchedule: {periodBins: 4, phaseOffset: 3}
    - {id: Desk, kind: service, semantics: {arrivals: orders, capacity: wave}, constraints: [db]}
  edges: [{id: pack_dock, from: Pack, to: Dock}]
  constraints: [{id: db, semantics: {arrivals: orders, served: pace}}]
"""
MOMENT = datetime(2026, 7, 31, 12, 0, tzinfo=UTC)


class Difference(NamedTuple):
    """A derived value that is not that of the engine."""

    node: str
    metric: str
    bins: list[int]


def opened(model: Model, result: Result) -> OpenRun:
    """Open a result as if it had been written and mapped."""
    names = tuple(dict.fromkeys((*result, *result.derived_series)))
    entries = tuple(
        SimpleNamespace(name=name, row=row, hash=name, kind=result.describe(name).kind)
        for row, name in enumerate(names)
    )
    run = SimpleNamespace(
        run_id="fake",
        warnings=(),
        grid=grid_entry(model.spec),
        classes=model.spec.classes or (),
        class_coverage=result.class_coverage,
        mode="simulation",
        template_id="adhoc-model",
        template_title=None,
        template_version="0.0.0",
        model_hash="sha256:" + "0" * 64,
        input_hash="sha256:" + "0" * 64,
    )
    metadata = SimpleNamespace(
        template_narrative=None, has_telemetry_sources=False, node_sources={}, randomness=SimpleNamespace(rng=None)
    )
    bundle = SimpleNamespace(
        run=run,
        metadata=metadata,
        model_text=dump_model(model),
        index=SimpleNamespace(series=entries),
        matrix=np.stack([result.values_of(name) for name in names]),
        has=lambda relative: False,
        provenance=None,
    )
    return OpenRun(bundle)


def derived_values(run: OpenRun, start: int, end: int) -> dict[str, NDArray[np.float64]]:
    """The derived values of bins ``start`` up to ``end``, unrounded; (nodes, parts, bins)."""
    context = context_points(run.places, run.order, start, 1)
    block = run.reader.read(Span(start, end, 1, context))
    with np.errstate(all="ignore"):
        made = derive(run.places, run.order, block, run.reader, run.milliseconds)
    return {name: values[:, :, context:] for name, values in made.items()}


def differences(run: OpenRun, result: Result, start: int, end: int) -> list[Difference]:
    """Where the derived values of some bins are not bit for bit those of the engine."""
    found, parts = [], ("", *(f"@{class_id}" for class_id in run.places.class_ids))
    made = derived_values(run, start, end)
    for node, station in enumerate(run.places.stations):
        for metric, values in result.metrics[station.id].items():
            name, at, class_id = metric.partition("@")
            if name == "kingmanQueueTimeMs":
                continue
            ours = made[name][node, parts.index(at + class_id)]
            theirs = values[start:end]
            apart = np.flatnonzero(~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))))
            found += [Difference(station.id, metric, apart.tolist())] if apart.size else []
    return found


def evaluated(text: str) -> tuple[OpenRun, Result]:
    """Evaluate a model and open it."""
    model = parse_model(text)
    result = compile_model(model).evaluate()
    return opened(model, result), result


def written(folder: Path, text: str, run_id: str = "looked-at", *, overwrite: bool = False) -> OpenRun:
    """Run a model into ``folder`` and open what was written."""
    source = parse_model(text)
    return _written(folder, RunRequest(source=source, run_id=run_id, series_csv="never", overwrite=overwrite))


def written_template(folder: Path, template_id: str) -> OpenRun:
    """Run a shipped template as it is, and open what was written."""
    return _written(folder, RunRequest(source=_rendered(template_id), run_id=template_id, series_csv="never"))


@functools.cache
def _rendered(template_id: str) -> object:
    return template(template_id).render({})


def _written(folder: Path, request: RunRequest) -> OpenRun:
    settings = Settings(durability="process")
    run_simulation(request, root=folder, settings=settings, clock=lambda: MOMENT, entropy=bytes)
    return open_run_state(folder / str(request.run_id))
