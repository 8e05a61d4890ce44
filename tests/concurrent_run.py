"""One run of id ``one``, for tests that start several at once: prints what became of it.

    python concurrent_run.py ROOT SEED [overwrite]

It says ``ready`` when all is imported, and starts on a line from its standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path

import runfakes
from flowtime.errors import RunConflictError


def outcome(root: Path, seed: int, overwrite: bool) -> str:
    """Make the run and say what became of it."""
    try:
        envelope = runfakes.simulate(root, run_id="one", seed=seed, overwrite=overwrite)
    except RunConflictError:
        return "conflict"
    return "reused" if envelope.was_reused else "written"


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(outcome(Path(sys.argv[1]), int(sys.argv[2]), "overwrite" in sys.argv) + "\n")
