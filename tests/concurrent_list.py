"""Lists the runs of a root again and again, for tests that start several at once: prints how many it saw at last.

    python concurrent_list.py ROOT ROUNDS NAME

Each round makes a run of its own and removes it, reindexes now and then, and lists.  It says ``ready`` when all is
imported, and starts on a line from its standard input.  A list that lacks a run which is there, or was made without
the index, ends it with a message.
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from flowtime.runs.query import RunQuery
from flowtime.runs.registry import Registry
from registryfakes import make_run


def work(root: Path, rounds: int, name: str) -> str:
    """Do the rounds and say what came of them."""
    with Registry(root, clock=lambda: datetime.now(UTC)) as registry:
        for number in range(rounds):
            run_id = f"{name}-{number}"
            make_run(root, run_id, "2030-01-01T00:00:00Z")
            if number % 5 == 0:
                registry.reindex()
            page = registry.page(RunQuery(page_size=200))
            if page.note is not None:
                return page.note
            if run_id not in {run.run_id for run in page.items}:
                return f"{run_id} is missing"
            shutil.rmtree(root / run_id)
            if run_id in {run.run_id for run in registry.page(RunQuery(page_size=200)).items}:
                return f"{run_id} is still there"
    return "done"


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(work(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]) + "\n")
