"""A small checkout to measure, and made-up measurements: for tests of the performance gate."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from flowtime.tracking.perf.drive import Means, Plan
from flowtime.tracking.perf.judge import Estimate
from flowtime.tracking.perf.outcome import CaseTurns, EpisodeTurns, HostFacts, PerfOutcome, SideFacts
from flowtime.tracking.perf.suite import CaseSpec
from flowtime.tracking.records import PerformanceTestResult

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# Sleeping takes no core, so a busy machine does not make it longer by much: net time leaves the wait for one out.
APP = """\
from time import sleep


def work():
    sleep(0.004)
    return 7
"""
SUITE = """\
schemaVersion: 1
name: toy
cases:
  - {name: work, callable: "app:work", callsPerTurn: 2}
"""
CASES = '''\
"""Cases of the toy."""

from flowtime.tracking.perf import Case, Guardrail, Timed, require


def _work(folder, size):
    from app import work

    return Timed(work, lambda result: require(result == 7, "not seven"))


def _write(folder):
    return lambda: (folder / "x").write_bytes(b"x")


def _limits(p50):
    # Any host is fit for this one: the machine of a test may be busy.
    return Guardrail({"p50": p50}, turns=5, probe="probe", probe_limit_ms=1e9)


CASES = (
    Case("work", _work, calls_per_turn=2),
    Case("kept", _work, guardrail=_limits(1000.0), gate=False),
    Case("broken", _work, guardrail=_limits(0.001), gate=False),
    Case("probe", _write, gate=False),
)
'''
QUICK = Plan(episodes=2, sweeps=5, seed=1, size="tiny", timeout_s=60.0)


def git(folder: Path, *words: str) -> str:
    """Run git there and return what it says."""
    options = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", str(folder), *options, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def make_checkout(folder: Path) -> Path:
    """Make a repository with a package ``app`` below src, a suite file and a registry of cases, all committed."""
    files = {"src/app.py": APP, "suite.yaml": SUITE, "toybench/__init__.py": "", "toybench/cases.py": CASES}
    for name, text in {**files, ".gitignore": "runs/\n__pycache__/\n"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=base")
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text in a file, by one of another length: Python takes an old .pyc for a new one of the same second."""
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def means(folder: Path, environ: Mapping[str, str]) -> Means:
    """Return what a measurement needs, below ``folder``, at a fixed time."""
    return Means(folder / "work", environ, lambda: NOON)


def estimates(heads: Sequence[float], twins: Sequence[float] = ()) -> list[Estimate]:
    """Return episodes of given logarithms; twins are 0 where none are given."""
    return [Estimate(head, twin) for head, twin in zip(heads, twins or [0.0] * len(heads), strict=True)]


def turns(name: str = "work", head: float = 1.0, *, twin: float = 1.0, episodes: int = 10, **case: object) -> CaseTurns:
    """Return a case whose turns took 1 ms on the base and ``head`` and ``twin`` times that elsewhere."""
    spec = msgspec.convert({"name": name, "callable": "app:work", **case}, CaseSpec)
    net = {"base": [1_000_000] * 3, "twin": [int(1e6 * twin)] * 3, "head": [int(1e6 * head)] * 3}
    episode = EpisodeTurns(order=("bth", "htb", "tbh"), wall_ns=net, net_ns=net)
    return CaseTurns(case=spec, episodes=(episode,) * episodes)


def outcome(*results: PerformanceTestResult, **fields: object) -> PerfOutcome:
    """Return a measurement with these results; ``fields`` replace what is made up."""
    made = PerfOutcome(
        kind="gate",
        suite="toy",
        verdict="passed",
        created_utc="2026-03-01T12:00:00.000Z",
        duration_seconds=2.5,
        size="full",
        seed=1,
        episodes=10,
        sweeps=3,
        head=SideFacts(sha="b" * 40, python="3.12.1"),
        base=SideFacts(sha="a" * 40),
        host=HostFacts(cpu="Abacus", cores=2, system="Linux 6", machine="x86_64", has_net_time=True),
        results=results,
    )
    return msgspec.structs.replace(made, **fields)
