"""A simulation run, step by step: names and hashes, reuse, evaluation, writing, publication."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from flowtime.bundle import (
    Bundle,
    BundleContent,
    Origin,
    RunHashes,
    given_series,
    hash_run,
    open_bundle,
    select_series,
    wants_csv,
    write_bundle,
)
from flowtime.bundle.documents import RngEntry, WarningEntry
from flowtime.bundle.layout import RUN
from flowtime.errors import RunConflictError, StorageError
from flowtime.events import Observer, silent_observer
from flowtime.model import Model
from flowtime.model.randomness import checked_seed, sampling_seed
from flowtime.orchestration.envelope import RunEnvelope, describe_run
from flowtime.orchestration.mode_rules import check_mode
from flowtime.orchestration.plan import PlanInputs, plan_run
from flowtime.orchestration.run_watch import RunWatch
from flowtime.runs import model_run_id, random_run_id, template_run_id, utc_text
from flowtime.settings import SeriesCsv, Settings
from flowtime.storage import StagingFolder, safe_id, sweep
from flowtime.tracking.flow_steps import FlowSteps

if TYPE_CHECKING:
    from flowtime.engine import Result
    from flowtime.templates import Rendered

__all__ = ["Compiled", "Compiler", "PreparedSource", "Progress", "RunRequest", "run_simulation"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the step (``compile``, ``evaluate``, ``write``, ``publish``), what is done and the total."""


class Compiled(Protocol):
    """A model that is ready to be evaluated."""

    @property
    def derived_series(self) -> tuple[str, ...]:
        """What it gives beyond the series of the model: parts by class, and volumes of edges."""

    def evaluate(self, *, with_metrics: bool) -> Result:
        """Return every series, ``with_metrics`` with room for those from the start."""


Compiler: TypeAlias = Callable[[Model, int | None], Compiled]
"""Called with the model and the seed to draw from; None: inputs enter as their expected values."""


@dataclass(frozen=True, kw_only=True)
class PreparedSource:
    """A model that is ready to run, where it is from, and what was odd about making it."""

    model: Model
    origin: Origin
    notes: tuple[WarningEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run, and what to call it.

    ``run_id`` wins over ``deterministic``; without both the id is drawn at random.  ``seed`` None
    means that of the model; it is recorded, and drawn from where ``sample`` asks for that (0 if the model
    has none).  ``series_csv`` None means that of the settings.
    """

    source: Model | Rendered | PreparedSource
    seed: int | None = None
    sample: bool = False
    run_id: str | None = None
    deterministic: bool = False
    overwrite: bool = False
    dry_run: bool = False
    series_csv: SeriesCsv | None = None


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A request with everything settled that does not need the engine."""

    request: RunRequest
    root: Path
    settings: Settings
    model: Model
    origin: Origin
    rng: RngEntry | None
    hashes: RunHashes
    deterministic_id: str
    notes: tuple[WarningEntry, ...]

    @property
    def fixed_id(self) -> str | None:
        """The id that the request determines, or None where it is left to chance."""
        if self.request.run_id is not None:
            return self.request.run_id
        return self.deterministic_id if self.request.deterministic else None

    @property
    def target(self) -> Path | None:
        """The folder that the run will have, or None where its id is left to chance."""
        return None if self.fixed_id is None else self.root / self.fixed_id

    def series_csv(self, derived: Sequence[str]) -> bool:
        """Whether CSV files are written; ``derived`` series are those beyond the model's own."""
        choice = self.request.series_csv or self.settings.series_csv
        given = given_series(self.model.spec, self.rng, self.origin.telemetry_bindings)
        series = len(select_series(self.model, derived, given))
        return wants_csv(choice, self.settings.series_csv_limit_mb, series, self.model.spec.grid.bins)


class _Steps(NamedTuple):
    """What the steps of a run are done with, and told to."""

    compiler: Compiler
    report: Progress
    watch: RunWatch
    log: FlowSteps


def run_simulation(
    request: RunRequest,
    *,
    root: Path,
    settings: Settings,
    clock: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    compiler: Compiler | None = None,
    progress: Progress | None = None,
    observer: Observer | None = None,
) -> RunEnvelope:
    """Evaluate the model and publish its run folder below ``root``; return the envelope.

    ``clock`` gives aware times and ``entropy(n)`` random bytes; neither enters a hash.  A target that
    exists is returned when it was made from the same inputs, else refused (RunConflictError), unless
    the request says ``overwrite``.  A dry run compiles, and writes nothing.  ``observer`` is told of every
    step (``flowtime.events``).  Raises CompileError, ParameterError, UnsafeNameError, StorageError; on any of
    them no run is there that was not before; so also on ModelError, where the series of a simulation have gaps
    (``mode_rules.check_mode``).
    """
    source = _unpack(request.source)
    with RunWatch(
        observer or silent_observer(),
        template_id=source.origin.template_id,
        mode=source.origin.mode,
        dry_run=request.dry_run,
        run_id=request.run_id,
    ) as watch:
        job = _prepare(request, source, (root, settings))
        steps = _Steps(compiler or _compile_with_engine, progress or _no_progress, watch, FlowSteps())
        return _plan(job, steps) if request.dry_run else _run(job, steps, (clock, entropy))


def _plan(job: _Job, steps: _Steps) -> RunEnvelope:
    steps.watch.start(job.fixed_id)
    planned = _compile(job, steps)
    envelope = plan_run(_plan_inputs(job, planned.derived_series), job.target)
    steps.watch.completed(was_reused=False, warnings=0)
    return envelope


def _run(job: _Job, steps: _Steps, chance: tuple[Callable[[], datetime], Callable[[int], bytes]]) -> RunEnvelope:
    sweep(job.root)
    clock, entropy = chance
    now = clock()
    # Drawn before the work, so that everything that is told of the run can name it.
    run_id = job.fixed_id or random_run_id(now, entropy(4))
    steps.watch.start(run_id)
    reused = _find_reusable(job, job.target)
    if reused is None:
        result = _evaluate(job, steps)
        return _publish(job, result, (run_id, utc_text(now)), steps)
    return _describe(reused, steps.watch, was_reused=True)


def _prepare(request: RunRequest, source: PreparedSource, place: tuple[Path, Settings]) -> _Job:
    root, settings = place
    model, origin = source.model, source.origin
    if request.run_id is not None:
        safe_id(request.run_id, "run id")
    rng = _rng(model, request)
    hashes = hash_run(model, origin, rng)
    # Two captures may hold the same numbers, and a simulation too: the model alone does not tell their runs apart.
    scenario = hashes.scenario if origin.mode == "simulation" else hashes.input
    named = template_run_id(origin.template_id, hashes.input) if origin.is_template else model_run_id(scenario)
    return _Job(
        request=request,
        root=root,
        settings=settings,
        model=model,
        origin=origin,
        rng=rng,
        hashes=hashes,
        deterministic_id=named,
        notes=source.notes,
    )


def _unpack(source: Model | Rendered | PreparedSource) -> PreparedSource:
    if isinstance(source, PreparedSource):
        return source
    if isinstance(source, Model):
        return PreparedSource(model=source, origin=Origin())
    origin = Origin(
        template_id=source.template_id,
        template_version=source.template_version,
        template_hash=source.template_hash,
        title=source.title,
        narrative=source.narrative,
        parameters=source.parameters,
    )
    return PreparedSource(model=source.model, origin=origin)


def _rng(model: Model, request: RunRequest) -> RngEntry | None:
    """Settle the random source: the seed that was asked for, else the model's, else 0 to sample and none not to."""
    declared, seed = model.spec.rng, request.seed
    if request.sample:
        return RngEntry(kind="pcg32", seed=sampling_seed(model.spec, seed), sampled=True)
    if seed is None:
        return RngEntry(kind=declared.kind, seed=declared.seed) if declared else None
    return RngEntry(kind=declared.kind if declared else "pcg32", seed=checked_seed(seed))


def _find_reusable(job: _Job, target: Path | None) -> Bundle | None:
    """Return the run at ``target`` if it may stand for this request, None if there is nothing or it may go."""
    if target is None or not target.exists():
        return None
    if not (target / RUN).is_file():
        # Not even with overwrite: whatever this folder is, it is not ours to delete.
        raise RunConflictError(f"{target.name!r} is there, and is no run", hint="choose another run id")
    if job.request.overwrite:
        return None
    bundle = open_bundle(target)
    if bundle.run.input_hash != job.hashes.input:
        raise RunConflictError(
            f"run {target.name!r} was made from other inputs: "
            f"its input hash is {bundle.run.input_hash}, that of this request {job.hashes.input}",
            hint="choose another run id, or overwrite it",
        )
    return bundle


def _compile(job: _Job, steps: _Steps) -> Compiled:
    steps.report("compile", 0, 1)
    with steps.log.step("compile"):
        compiled = steps.compiler(job.model, job.rng.seed if job.rng is not None and job.rng.sampled else None)
    steps.report("compile", 1, 1)
    topology = job.model.spec.topology
    steps.watch.validated(len(topology.nodes) if topology is not None else 0)
    return compiled


def _evaluate(job: _Job, steps: _Steps) -> Result:
    compiled = _compile(job, steps)
    steps.report("evaluate", 0, 1)
    with steps.log.step("evaluate"), steps.watch.evaluation(job.model.spec.grid):
        # Every run asks for its warnings, and they look at what flows over edges, which are metrics.
        result = compiled.evaluate(with_metrics=True)
    steps.report("evaluate", 1, 1)
    return result


def _publish(job: _Job, result: Result, name: tuple[str, str], steps: _Steps) -> RunEnvelope:
    run_id, created_utc = name
    content = BundleContent(
        run_id=run_id,
        model=job.model,
        result=result,
        origin=job.origin,
        hashes=job.hashes,
        rng=job.rng,
        created_utc=created_utc,
        series_csv=job.series_csv(result.derived_series),
        notes=(*job.notes, *check_mode(job.origin.mode, job.model, result)),
    )
    with StagingFolder(job.root, run_id, job.settings.durability) as staging:
        with steps.log.step("write"):
            write_bundle(staging, content, progress=lambda done, total: steps.report("write", done, total))
        # After the manifest, which holds hashes: what says when and how long has none.
        staging.write(*steps.log.file())
        sizes = [file.size for file in staging.files]
        steps.watch.artifacts(seed=job.rng.seed if job.rng else None, files=len(sizes), size=sum(sizes))
        steps.report("publish", 0, 1)
        try:
            target = staging.publish(replace=job.request.overwrite)
        except StorageError as error:
            if error.code != "storage.exists":
                raise
            # Another process published this id meanwhile: its run stands for ours, or is a conflict.
            other = _find_reusable(job, job.root / run_id)
            if other is None:
                raise
            return _describe(other, steps.watch, was_reused=True)
    steps.report("publish", 1, 1)
    return _describe(open_bundle(target), steps.watch, was_reused=False)


def _describe(bundle: Bundle, watch: RunWatch, *, was_reused: bool) -> RunEnvelope:
    envelope = describe_run(bundle, was_reused=was_reused)
    watch.completed(was_reused=was_reused, warnings=envelope.telemetry.warning_count)
    return envelope


def _plan_inputs(job: _Job, derived: tuple[str, ...]) -> PlanInputs:
    return PlanInputs(
        model=job.model,
        origin=job.origin,
        rng=job.rng,
        hashes=job.hashes,
        run_id=job.fixed_id,
        deterministic_id=job.deterministic_id,
        series_csv=job.series_csv(derived),
        derived=derived,
        overwrite=job.request.overwrite,
    )


def _compile_with_engine(model: Model, seed: int | None) -> Compiled:
    # Here, since the engine brings numba along, which a run that is reused does not need.
    from flowtime.engine import compile_model

    return compile_model(model, seed=seed)


def _no_progress(step: str, done: int, total: int) -> None:
    """Stand in where nobody watches."""
