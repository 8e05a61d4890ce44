"""A dry run: what a run would be called, hold and weigh, without evaluating it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowtime.bundle import (
    Origin,
    RunHashes,
    SelectedSeries,
    estimate_csv_bytes,
    given_series,
    grid_entry,
    open_bundle,
    select_series,
)
from flowtime.bundle.documents import RngEntry
from flowtime.bundle.layout import INDEX, MANIFEST, MATRIX, METADATA, MODEL, PROVENANCE, RUN, SPEC
from flowtime.model import Model, dump_model
from flowtime.orchestration.envelope import PlannedFile, RunEnvelope, RunPlan, TelemetryStatus

__all__ = ["PlanInputs", "plan_run"]

_NPY_HEADER_BYTES = 128
_VALUE_BYTES = 8
# Measured on runs of 4 to 400 series: what one series adds to each file, and what the rest weighs.
_INDEX_ENTRY_BYTES = 560
_RUN_ENTRY_BYTES = 150
_MANIFEST_ENTRY_BYTES = 270
_DOCUMENT_BYTES = 1000


@dataclass(frozen=True, kw_only=True)
class PlanInputs:
    """What is settled about a run before it is evaluated; ``run_id`` None is a random one."""

    model: Model
    origin: Origin
    rng: RngEntry | None
    hashes: RunHashes
    run_id: str | None
    deterministic_id: str
    series_csv: bool
    overwrite: bool
    # Series beyond those of the model.
    derived: tuple[str, ...] = ()


def plan_run(inputs: PlanInputs, target: Path | None) -> RunEnvelope:
    """Return the envelope of a dry run; ``target`` is the folder the run would have, where that is known."""
    given = given_series(inputs.model.spec, inputs.rng, inputs.origin.telemetry_bindings)
    series = select_series(inputs.model, inputs.derived, given)
    files = tuple(_files(inputs, series))
    exists = target is not None and target.exists()
    plan = RunPlan(
        run_id=inputs.run_id,
        deterministic_run_id=inputs.deterministic_id,
        exists=exists,
        would_reuse=not inputs.overwrite and target is not None and _is_same(target, inputs.hashes.input),
        template_id=inputs.origin.template_id,
        template_version=inputs.origin.template_version,
        mode=inputs.origin.mode,
        parameters=dict(inputs.origin.parameters),
        telemetry_bindings=dict(inputs.origin.telemetry_bindings),
        rng=inputs.rng,
        input_hash=inputs.hashes.input,
        model_hash=inputs.hashes.model,
        scenario_hash=inputs.hashes.scenario,
        grid=grid_entry(inputs.model.spec),
        series_count=len(series),
        files=files,
        estimated_bytes=sum(file.estimated_bytes for file in files),
    )
    return RunEnvelope(
        is_dry_run=True,
        metadata=None,
        plan=plan,
        artifacts=None,
        warnings=(),
        can_replay=False,
        telemetry=TelemetryStatus(),
        was_reused=False,
    )


def _is_same(target: Path, input_hash: str) -> bool:
    return (target / RUN).is_file() and open_bundle(target).run.input_hash == input_hash


def _files(inputs: PlanInputs, series: tuple[SelectedSeries, ...]) -> Iterator[PlannedFile]:
    bins, count = inputs.model.spec.grid.bins, len(series)
    model_bytes = len(dump_model(inputs.model).encode("utf-8"))
    sizes = {
        SPEC: model_bytes,
        RUN: _DOCUMENT_BYTES + count * _RUN_ENTRY_BYTES,
        MANIFEST: _DOCUMENT_BYTES + count * _MANIFEST_ENTRY_BYTES * (2 if inputs.series_csv else 1),
        INDEX: _DOCUMENT_BYTES + count * _INDEX_ENTRY_BYTES,
        MATRIX: _NPY_HEADER_BYTES + count * bins * _VALUE_BYTES,
        MODEL: model_bytes,
        METADATA: _DOCUMENT_BYTES,
    }
    if inputs.origin.is_told or inputs.model.spec.provenance is not None:
        sizes[PROVENANCE] = _DOCUMENT_BYTES
    if inputs.series_csv:
        sizes |= {entry.csv_path: estimate_csv_bytes(1, bins) for entry in series}
    return (PlannedFile(path=path, estimated_bytes=size) for path, size in sizes.items())
