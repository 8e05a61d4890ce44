"""A small model, and an engine that makes numbers up: for tests of everything around a run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowtime.events import Observer
from flowtime.model import Model, parse_model
from flowtime.model.spec import Wire
from flowtime.orchestration import RunEnvelope, RunRequest, run_simulation
from flowtime.settings import Settings

MODEL_TEXT = """\
schemaVersion: 1
grid: {bins: 4, binSize: 5, binUnit: minutes, start: "2025-01-01T00:00:00Z"}
nodes:
  - {id: demand, kind: const, values: [1, 2, 3, 4]}
  - {id: limit, kind: const, values: 2.5}
  - {id: double, kind: expr, expr: "demand * 2"}
topology:
  nodes:
    - id: Desk
      kind: serviceWithBuffer
      semantics: {arrivals: demand, capacity: limit}
  edges: []
"""
NAMES = ("demand", "limit", "double", "desk_queue", "desk_served")
DAY_ONE = datetime(2025, 1, 1, 8, 0, tzinfo=UTC)
DAY_TWO = datetime(2026, 7, 31, 23, 59, 59, tzinfo=UTC)


class FakeInfo(NamedTuple):
    """What an engine says of a series."""

    name: str
    kind: str
    unit: str
    node: str | None
    role: str | None
    synthesized: bool
    class_id: str | None = None


class FakeWarning(Wire, kw_only=True):
    """A warning of the shape that an engine gives."""

    code: str = "served_exceeds_capacity"
    message: str = "more was served than capacity allows"
    severity: str = "warning"
    node_id: str | None = "Desk"
    bins: tuple[tuple[int, int], ...] = ((1, 2),)
    bin_count: int = 2
    value: float | None = 0.5


class FakeResult(Mapping[str, NDArray[np.float64]]):
    """Numbers that follow from the names alone."""

    def __init__(self, model: Model) -> None:
        names = model.names
        self._implied = frozenset(names.series)
        bins = model.spec.grid.bins
        self._arrays = {name: np.arange(bins) * 1.25 + row for row, name in enumerate(names.names)}
        self.warnings = (FakeWarning(),)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def values_of(self, name: str) -> NDArray[np.float64]:
        """The numbers of a series."""
        return self._arrays[name]

    derived_series: tuple[str, ...] = ()
    class_coverage = "missing"

    def describe(self, name: str) -> FakeInfo:
        """Say what a series is."""
        implied = name in self._implied
        return FakeInfo(name, "queue" if implied else "const", "entities", "Desk" if implied else None, None, implied)


@dataclass
class FakeEngine:
    """Compiles and evaluates, and counts how often; ``change`` may alter the arrays of a result."""

    change: Callable[[dict[str, NDArray[np.float64]]], None] = lambda arrays: None
    evaluations: int = 0
    seeds: list[int | None] = field(default_factory=list)

    def compile(self, model: Model, seed: int | None) -> FakeCompiled:
        """Compile a model, and note the seed that it is to be drawn from."""
        self.seeds.append(seed)
        return FakeCompiled(self, model)


@dataclass
class FakeCompiled:
    """A compiled model."""

    engine: FakeEngine
    model: Model
    derived_series: tuple[str, ...] = ()

    def evaluate(self, *, with_metrics: bool) -> FakeResult:
        """Evaluate it; a run asks for warnings, and so for metrics."""
        assert with_metrics
        self.engine.evaluations += 1
        result = FakeResult(self.model)
        self.engine.change(result._arrays)
        return result


@dataclass(frozen=True)
class FakeRendered:
    """What a template renders to."""

    model: Model
    template_id: str = "web-frontend"
    template_version: str = "1.2.0"
    title: str = "Web front end"
    narrative: str | None = "A tale."
    template_hash: str = "sha256:" + "ab" * 32
    parameters: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", self.parameters or {"rate": 2.0, "steps": (1, 2)})


def rendered(text: str = MODEL_TEXT, **fields: Any) -> FakeRendered:
    """Return the small model, or another, as if a template had made it."""
    return FakeRendered(a_model(text), **fields)


def a_model(text: str = MODEL_TEXT) -> Model:
    """Parse the small model, or another."""
    return parse_model(text)


def simulate(
    root: Path,
    *,
    model: Model | None = None,
    engine: FakeEngine | None = None,
    day: datetime = DAY_ONE,
    settings: Settings | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    observer: Observer | None = None,
    **request: object,
) -> RunEnvelope:
    """Run the small model with the fake engine, on a fixed day and with random bytes that count up."""
    counter = itertools.count(1)
    return run_simulation(
        RunRequest(**{"source": model or a_model(), **request}),  # type: ignore[arg-type]
        root=root,
        settings=settings or Settings(durability="process"),
        clock=lambda: day,
        entropy=lambda size: next(counter).to_bytes(size, "big"),
        compiler=(engine or FakeEngine()).compile,
        progress=progress,
        observer=observer,
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hashed_files_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a run by its relative path but the log of its steps: it says when, so it has no hash."""
    return {path: data for path, data in files_of(folder).items() if not path.startswith("tracking/")}
