"""Processes that work for one run, each with a segment of its own."""

import os
import subprocess
import sys

import flowtime
from flowtime.tracking.log.scalar_reader import read_scalars

CHILD = """
import flowtime

with flowtime.track_child() as run:  # or track_child(folder)
    for row in range(100):
        run.log(score=row)
"""

with flowtime.track("workers", run_id="children") as run:
    environ = {**os.environ, "FLOWTIME_RUN_DIR": str(run.folder)}
    workers = [subprocess.Popen([sys.executable, "-c", CHILD], env=environ) for _ in range(2)]
    for worker in workers:
        worker.wait()

print(len(read_scalars(run.folder)["score"].values), "scores of two processes")
