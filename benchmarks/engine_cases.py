"""The engine: one evaluation, many scenarios and reading a model, each with its peer in the same group."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.case import Case, Size, Timed, require
from benchmarks.models import chain_model
from benchmarks.peers import HAND_LANES, chain_loop, chain_scenarios, triad
from flowtime.engine import CompiledModel, Scale, compile_model, evaluate_many
from flowtime.engine.overrides import Overrides
from flowtime.model import parse_model

__all__ = ["ENGINE_CASES"]

Array = NDArray[np.float64]


class _Chain(NamedTuple):
    compiled: CompiledModel
    arrivals: Array
    capacity: Array
    served: Array


def _chain(stages: int, bins: int, size: Size) -> _Chain:
    if size == "tiny":
        stages, bins = min(stages, 3), min(bins, 16)
    compiled = compile_model(parse_model(chain_model(stages, bins)))
    result = compiled.evaluate()
    capacity = np.stack([result[f"cap_{stage}"] for stage in range(stages)])
    return _Chain(compiled, result["arrivals"].copy(), capacity, result[f"served_{stages - 1}"].copy())


def _ours(_folder: Path, size: Size, *, stages: int, bins: int, reused: bool, metrics: bool = False) -> Timed:
    chain = _chain(stages, bins, size)
    evaluate = chain.compiled.workspace().evaluate if reused else chain.compiled.evaluate
    last = f"served_{len(chain.capacity) - 1}"

    def call() -> Any:
        result = evaluate()
        if metrics:
            result.need_metrics()
        return result

    return Timed(call, lambda result: require(bool((result[last] == chain.served).all()), "another result"))


def _by_hand(_folder: Path, size: Size, *, stages: int, bins: int, reused: bool) -> Timed:
    chain = _chain(stages, bins, size)
    kept = np.zeros((3, *chain.capacity.shape))

    def call() -> Array:
        out = kept if reused else np.empty((3, *chain.capacity.shape))
        chain_loop(chain.arrivals, chain.capacity, out[0], out[1], out[2])
        return out

    return Timed(call, lambda out: require(bool((out[1, -1] == chain.served).all()), "another result"))


def _bytes_moved(_folder: Path, size: Size, *, stages: int, bins: int) -> Timed:
    shape = (3 * stages, bins) if size == "full" else (3, 16)
    x, y, out = np.ones(shape), np.ones(shape), np.zeros(shape)

    def call() -> Array:
        triad(x, y, out)
        return out

    return Timed(call, lambda result: require(float(result[0, 0]) == 3.0, "not a triad"))


def _scenarios(count: int, stages: int) -> list[Overrides]:
    return [
        {
            "arrivals": Scale(0.9 + 0.0002 * i),
            "cap_0": Scale(1.0 + 0.0001 * i),
            f"cap_{stages // 2}": 90.0 + 0.01 * i,
            f"cap_{stages - 1}": Scale(0.99),
        }
        for i in range(count)
    ]


def _sweep(_folder: Path, size: Size, *, threads: int) -> Timed:
    chain = _chain(100, 288, size)
    stages = len(chain.capacity)
    scenarios = _scenarios(1000 if size == "full" else 3, stages)
    outputs = (f"q_{stages // 2}", f"served_{stages - 1}")
    expected = chain.compiled.evaluate(scenarios[1])[outputs[1]]

    def call() -> Any:
        return evaluate_many(chain.compiled, scenarios, outputs, threads=threads)

    return Timed(call, lambda sweep: require(bool((sweep[outputs[1]][1] == expected).all()), "another result"))


def _one_by_one(_folder: Path, size: Size) -> Timed:
    chain = _chain(100, 288, size)
    scenarios = _scenarios(1000 if size == "full" else 3, len(chain.capacity))
    workspace = chain.compiled.workspace()

    def call() -> list[float]:
        return [float(workspace.evaluate(scenario)[f"served_{len(chain.capacity) - 1}"][-1]) for scenario in scenarios]

    return Timed(call, lambda served: require(len(served) == len(scenarios), "a scenario is missing"))


def _scenarios_by_hand(_folder: Path, size: Size) -> Timed:
    chain = _chain(100, 288, size)
    blocks = -(-1000 // HAND_LANES) if size == "full" else 1
    factor = np.ones(HAND_LANES)
    out = np.zeros((chain.arrivals.size, HAND_LANES))

    def call() -> Array:
        for _ in range(blocks):
            chain_scenarios(chain.arrivals, chain.capacity, factor, np.zeros((len(chain.capacity), HAND_LANES)), out)
        return out

    return Timed(call, lambda result: require(bool((result[:, 0] == chain.served).all()), "another result"))


def _read_model(_folder: Path, size: Size) -> Timed:
    text = chain_model(100, 10_000) if size == "full" else chain_model(2, 16)
    bins = 10_000 if size == "full" else 16
    return Timed(lambda: parse_model(text), lambda model: require(model.spec.grid.bins == bins, "another model"))


def _read_yaml(_folder: Path, size: Size) -> Timed:
    text = chain_model(100, 10_000) if size == "full" else chain_model(2, 16)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Timed(lambda: yaml.load(text, loader), lambda tree: require("nodes" in tree, "another model"))


def _evaluations(stages: int, bins: int) -> tuple[Case, ...]:
    group = f"evaluate {stages}x{bins}"
    size = {"stages": stages, "bins": bins}
    return (
        Case(f"evaluate_{stages}x{bins}_reused", group, partial(_ours, **size, reused=True)),
        Case(f"evaluate_{stages}x{bins}_fresh", group, partial(_ours, **size, reused=False)),
        Case(f"evaluate_{stages}x{bins}_with_metrics", group, partial(_ours, **size, reused=True, metrics=True)),
        Case(f"by_hand_{stages}x{bins}_reused", group, partial(_by_hand, **size, reused=True)),
        Case(f"by_hand_{stages}x{bins}_fresh", group, partial(_by_hand, **size, reused=False)),
        Case(f"triad_{stages}x{bins}", group, partial(_bytes_moved, **size)),
    )


ENGINE_CASES: tuple[Case, ...] = (
    *_evaluations(10, 288),
    *_evaluations(100, 10_000),
    *_evaluations(1000, 1000),
    Case("sweep_1000_of_100x288_1_thread", "sweep", partial(_sweep, threads=1)),
    Case("sweep_1000_of_100x288_2_threads", "sweep", partial(_sweep, threads=2)),
    Case("sweep_1000_of_100x288_one_by_one", "sweep", _one_by_one),
    Case("sweep_1000_of_100x288_by_hand", "sweep", _scenarios_by_hand),
    Case("read_model_8mb", "read 8 MB", _read_model),
    Case("read_yaml_8mb_pyyaml", "read 8 MB", _read_yaml),
)
