"""Whole processes: start-up, help, and a run from a model file to its published folder."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TypeAlias

from benchmarks.case import Case, Size, Timed, require
from benchmarks.models import chain_model

__all__ = ["PROCESS_CASES"]

Done: TypeAlias = "subprocess.CompletedProcess[str]"


def _process(words: list[str], said: str, **variables: str) -> Timed:
    """Time one process of this Python; right if it exits 0 and ``said`` is in what it prints."""
    environment = {**os.environ, **variables}
    # Where it is set, each start would compile all sources anew, which no user pays for.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def call() -> Done:
        return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)

    def check(done: Done) -> None:
        require(done.returncode == 0 and said in done.stdout, f"{words}: {done.returncode} {done.stdout}{done.stderr}")

    return Timed(call, check)


def _empty_start(_folder: Path, _size: Size) -> Timed:
    return _process(["-c", "pass"], "")


def _import_flowtime(_folder: Path, _size: Size) -> Timed:
    return _process(["-c", "import flowtime"], "")


def _help(_folder: Path, _size: Size) -> Timed:
    return _process(["-c", "import sys; from flowtime.cli import main; sys.exit(main(['--help']))"], "run")


def _run(folder: Path, size: Size, *, stages: int, bins: int) -> Timed:
    """Time ``flowtime run`` of a chain, series as CSV included; each call makes a run folder of its own."""
    model = folder / "chain.yaml"
    model.write_text(chain_model(stages, bins) if size == "full" else chain_model(2, 8), encoding="utf-8")
    program = "import sys; from flowtime.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["-c", program, "run", str(model), "--out", str(folder / "runs")]
    return _process(words, "Stage0", FLOWTIME_SERIES_CSV="always")


PROCESS_CASES = (
    Case("empty_start", "start", _empty_start),
    Case("import_flowtime", "start", _import_flowtime),
    Case("help", "start", _help),
    Case("run_100x288", "run 100x288", partial(_run, stages=100, bins=288)),
    Case("run_100x10000", "run 100x10000", partial(_run, stages=100, bins=10_000)),
)
