"""What is kept of a measurement: ``perf.json`` of a run folder, down to the raw turns."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from flowtime.errors import RunCorruptError, RunNotFoundError
from flowtime.tracking.perf.suite import CaseSpec
from flowtime.tracking.records import PerformanceTestResult, PerformanceVerdict, Record

__all__ = ["PERF_FILE", "CaseTurns", "EpisodeTurns", "HostFacts", "PerfOutcome", "SideFacts", "read_outcome"]

PERF_FILE = "perf.json"


class EpisodeTurns(Record, frozen=True, kw_only=True):
    """The turns of one case in one episode, in ns, by side (base, twin, head); one item per sweep.

    ``order`` holds the first letters of the sides as they came; ``compiles`` counts what Numba compiled meanwhile,
    which should be nothing.
    """

    order: tuple[str, ...]
    wall_ns: dict[str, list[int]]
    net_ns: dict[str, list[int]]
    compiles: int = 0


class CaseTurns(Record, frozen=True, kw_only=True):
    """A case, and all that was measured of it; ``confirming`` episodes came after a first failure."""

    case: CaseSpec
    episodes: tuple[EpisodeTurns, ...]
    confirming: int = 0


class SideFacts(Record, frozen=True, kw_only=True):
    """What was measured on one side: commit, Python, and hashes of the installed packages and of what is asked for."""

    sha: str | None
    is_dirty: bool = False
    ref: str | None = None
    python: str | None = None
    packages: str | None = None
    dependencies: str | None = None


class HostFacts(Record, frozen=True, kw_only=True):
    """The machine, and what it did: load means of 1, 5 and 15 minutes, and by episode a fixed loop and a raw write."""

    cpu: str
    cores: int
    system: str
    machine: str
    has_net_time: bool
    load_before: tuple[float, ...] = ()
    load_after: tuple[float, ...] = ()
    reference_loop_ns: tuple[int, ...] = ()
    raw_write_median_ns: tuple[int, ...] = ()
    raw_write_max_ns: tuple[int, ...] = ()


class PerfOutcome(Record, frozen=True, kw_only=True):
    """One run of the gate, of the guardrails, or a comparison of two runs.

    ``base_run`` names the run that stood in for a base; ``notes`` say what the reader should know.
    """

    schema_version: Literal[1] = 1
    kind: Literal["gate", "guard", "compare"]
    suite: str
    verdict: PerformanceVerdict
    created_utc: str
    duration_seconds: float
    size: str
    seed: int
    episodes: int
    sweeps: int
    head: SideFacts
    base: SideFacts | None = None
    base_run: str | None = None
    host: HostFacts
    results: tuple[PerformanceTestResult, ...]
    turns: tuple[CaseTurns, ...] = ()
    notes: tuple[str, ...] = ()


def read_outcome(folder: Path) -> PerfOutcome:
    """Read what a perf run left.  Raises RunNotFoundError or RunCorruptError."""
    try:
        return msgspec.json.decode((folder / PERF_FILE).read_bytes(), type=PerfOutcome)
    except FileNotFoundError as error:
        raise RunNotFoundError(
            f"{folder.name} holds no {PERF_FILE}", hint="`flowtime perf run` makes runs that do"
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        raise RunCorruptError(f"{PERF_FILE} of {folder.name} can not be read: {error}") from error
