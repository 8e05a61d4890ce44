"""A tracked program for tests that watch, kill or prune it: ``python tracked_program.py ROOT RUN_ID ITEMS [STATUS]``.

It says ``ready`` once its run is open, and then does ITEMS items of 10 ms in two steps.
"""

from __future__ import annotations

import sys
import time

from flowtime.tracking import track


def work(root: str, run_id: str, items: int) -> None:
    """Do the work."""
    with track("imitation", steps=["collect", "train"], root=root, run_id=run_id, sample=False) as run:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for name in ("collect", "train"):
            with run.step(name, total=items) as step:
                for number in range(items):
                    run.log(loss=1.0 / (number + 1))
                    step.advance()
                    time.sleep(0.01)


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]))
