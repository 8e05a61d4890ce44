"""The library in one place: load, compile, evaluate, sweep, and open what was written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from flowtime.bundle import Bundle, open_bundle
from flowtime.engine import CompiledModel, Overrides, Result, Scenarios, Sweep, compile_model
from flowtime.engine import evaluate_many as sweep_compiled
from flowtime.model import Model, load_model
from flowtime.model.randomness import sampling_seed
from flowtime.templates import Rendered, Template, find_template

__all__ = ["ModelLike", "compile", "evaluate", "evaluate_many", "open_run", "template"]

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
