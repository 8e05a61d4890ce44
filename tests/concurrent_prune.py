"""Prunes a root again and again, or starts runs in it, for a test that does both at once.

    python concurrent_prune.py prune ROOT SECONDS        prints how many runs it pruned
    python concurrent_prune.py start ROOT COUNT          prints how many live runs were taken away

Everything that has ended is pruned, none is kept: only what is alive may stay.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from flowtime.errors import RunConflictError
from flowtime.runs.query import RunQuery
from flowtime.runs.retention import RetentionRules, plan_retention, prune_runs
from flowtime.tracking import track
from flowtime.tracking.live.holding import hold_ended
from flowtime.tracking.live.live_runs import open_registry


def prune(root: Path, seconds: float) -> int:
    """Prune until the time is up."""
    pruned = 0
    until = time.monotonic() + seconds
    with open_registry(root, clock=lambda: datetime.now(UTC)) as registry:
        while time.monotonic() < until:
            runs = registry.all_runs(RunQuery())
            plan = plan_retention(
                runs, RetentionRules(keep=0), root=root, now=datetime.now(UTC), size_of=lambda _path: 0
            )
            report = prune_runs(
                root, plan, guard=hold_ended, purge=True, clock=lambda: datetime.now(UTC), entropy=os.urandom
            )
            pruned += len(report.pruned)
    return pruned


def start(root: Path, count: int) -> int:
    """Begin and end runs, every third of them taken up once more; count those whose folder went while they lived."""
    lost = 0
    for number in range(count):
        run_id = f"run-{os.getpid()}-{number}"
        with track("prune", root=root, run_id=run_id, sample=False, signals=False) as run:
            run.log(value=1.0)
            lost += not (root / run_id / "run.json").is_file()
            if number % 3 == 0:
                run.finish("failed")
        if number % 3 == 0:
            # By now it may be pruned: then this is a new run of that id; or it is being moved: then it is refused.
            with (
                suppress(RunConflictError),
                track("prune", root=root, run_id=run_id, resume=True, sample=False, signals=False) as again,
            ):
                again.log(value=2.0)
                lost += again.is_enabled and not (root / run_id / "run.json").is_file()
    return lost


if __name__ == "__main__":
    task, root, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    result = prune(root, float(number)) if task == "prune" else start(root, int(number))
    sys.stdout.write(f"{result}\n")
