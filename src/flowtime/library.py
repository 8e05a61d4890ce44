"""The library in one place: load, compile, evaluate, sweep, and open what was written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from flowtime.bundle import Bundle, open_bundle
from flowtime.engine import CompiledModel, Overrides, Result, Scenarios, Sweep, compile_model
from flowtime.engine import evaluate_many as sweep_compiled
from flowtime.model import Model, load_model
from flowtime.model.randomness import sampling_seed
from flowtime.templates import Rendered, Template, find_template

if TYPE_CHECKING:
    from flowtime.telemetry.capture import CaptureReport
    from flowtime.telemetry.diff import DiffReport
    from flowtime.telemetry.gaps import Filling
    from flowtime.telemetry.reader import Capture

__all__ = [
    "ModelLike",
    "capture",
    "compile",
    "diff",
    "evaluate",
    "evaluate_many",
    "open_capture",
    "open_run",
    "template",
]

ModelLike: TypeAlias = CompiledModel | Model | Rendered | str | os.PathLike[str]


def compile(model: ModelLike, *, outputs: Sequence[str] | None = None, seed: int | None = None) -> CompiledModel:
    """Compile a model, a rendered template or a model file once, to evaluate it many times.

    ``outputs`` names the series and metrics to keep (all without it).  With a ``seed`` distributions and Poisson
    arrivals are drawn, once; without it they enter as what they expect.  Raises ModelError for a file that is no
    model, CompileError for what can not be evaluated, ParameterError for a seed out of bounds and for a model
    that names a generator other than pcg32.
    """
    if isinstance(model, CompiledModel):
        if outputs is None and seed is None:
            return model
        # Other outputs of the same thing: what was drawn is drawn again.
        seed = model.seed if seed is None else seed
        model = model.model
    if isinstance(model, Rendered):
        model = model.model
    model = model if isinstance(model, Model) else load_model(model)
    return compile_model(model, outputs=outputs, seed=None if seed is None else sampling_seed(model.spec, seed))


def evaluate(
    model: ModelLike,
    overrides: Overrides | None = None,
    *,
    outputs: Sequence[str] | None = None,
    seed: int | None = None,
) -> Result:
    """Compute what happens in every bin; a mapping of series names to float64 arrays (bins,).

    ``overrides`` replaces inputs by a number, a ``Scale`` or a series for this evaluation; ``seed`` draws
    what is random, as in ``compile``.
    """
    return compile(model, outputs=outputs, seed=seed).evaluate(overrides)


def evaluate_many(
    model: ModelLike,
    scenarios: Scenarios,
    outputs: Sequence[str],
    *,
    threads: int = 0,
    memory_budget_mb: float | None = None,
) -> Sweep:
    """Evaluate a model under many scenarios, each a mapping of overrides, and keep the chosen outputs.

    Gives a mapping of output names to float64 arrays (scenarios, bins), the same bytes for any number of
    ``threads`` (0: one a processor).
    """
    budget = {} if memory_budget_mb is None else {"memory_budget_mb": memory_budget_mb}
    return sweep_compiled(compile(model), scenarios, outputs, threads=threads, **budget)


def template(name: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None) -> Template:
    """Find a shipped template by id, one in ``folder``, or a template file; ``.render({...})`` it."""
    return find_template(name, () if folder is None else (Path(folder),))


def open_run(path: str | os.PathLike[str]) -> Bundle:
    """Open a run folder; raises RunNotFoundError where there is none."""
    return open_bundle(Path(path))


def capture(
    run: Bundle | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    gaps: str | os.PathLike[str] | None = None,
    fill: Filling = "none",
    overwrite: bool = False,
    dry_run: bool = False,
) -> CaptureReport:
    """Capture a run into the folder ``output``; see ``telemetry.capture.capture_run`` for what it raises.

    ``gaps`` is a YAML file of gaps to put in; ``fill`` says how missing bins are filled then.
    """
    from flowtime.telemetry.capture import CaptureRequest, capture_run
    from flowtime.telemetry.gap_plan import load_gap_plan

    request = CaptureRequest(
        output=Path(output),
        gaps=None if gaps is None else load_gap_plan(gaps),
        fill=fill,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    return capture_run(_bundle(run), request, clock=lambda: datetime.now(UTC))


def open_capture(path: str | os.PathLike[str]) -> Capture:
    """Open a capture, every checksum checked; raises CaptureNotFoundError, CaptureAlteredError, TelemetryError."""
    from flowtime.telemetry.reader import read_capture

    return read_capture(Path(path))


def diff(
    run: Bundle | str | os.PathLike[str],
    telemetry: Capture | str | os.PathLike[str],
    *,
    rtol: float = 1e-9,
    atol: float = 1e-9,
) -> DiffReport:
    """Compare a run with a capture, metric by metric; see ``telemetry.diff.diff_capture``."""
    from flowtime.telemetry.diff import diff_capture
    from flowtime.telemetry.reader import Capture

    held = telemetry if isinstance(telemetry, Capture) else open_capture(telemetry)
    return diff_capture(_bundle(run), held, rtol=rtol, atol=atol)


def _bundle(run: Bundle | str | os.PathLike[str]) -> Bundle:
    return run if isinstance(run, Bundle) else open_run(run)
