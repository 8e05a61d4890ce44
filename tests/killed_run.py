"""A run that stops at a given moment and says so: started by tests, which then kill it.

    python killed_run.py ROOT MOMENT

Everything is as in a real run, but one step of the writer is wrapped so that it waits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import runfakes
from flowtime.bundle import writer
from flowtime.settings import Settings
from flowtime.storage import StagingFolder, staging


def wait_here() -> None:
    """Tell the parent that the moment has come, then wait to be killed."""
    sys.stdout.write("here\n")
    sys.stdout.flush()
    time.sleep(60)


def before(owner: Any, name: str, when: Callable[..., bool] = lambda *_arguments: True) -> None:
    """Wait before a call of ``owner.name`` whose arguments are the right ones."""
    function = getattr(owner, name)

    def waiting(*arguments: Any, **keywords: Any) -> Any:
        if when(*arguments):
            wait_here()
        return function(*arguments, **keywords)

    setattr(owner, name, waiting)


def is_staged(path: Path, _target: Path) -> bool:
    """Whether a rename is the one that publishes."""
    return path.name.startswith(".staging-")


MOMENTS: dict[str, Callable[[], None]] = {
    "first file": lambda: before(StagingFolder, "write_chunks"),
    "between csvs": lambda: before(
        StagingFolder, "write", lambda _self, path, _data: path.startswith("series/double@")
    ),
    "before the manifest": lambda: before(writer, "manifest_file"),
    "before the sync": lambda: before(StagingFolder, "_sync"),
    "before the rename": lambda: before(Path, "rename", is_staged),
    "before the root is synced": lambda: before(staging, "sync_folder", lambda folder: folder == Path(sys.argv[1])),
}


if __name__ == "__main__":
    MOMENTS[sys.argv[2]]()
    runfakes.simulate(
        Path(sys.argv[1]),
        run_id="one",
        seed=2,
        overwrite="overwrite" in sys.argv,
        settings=Settings(durability="power"),
    )
