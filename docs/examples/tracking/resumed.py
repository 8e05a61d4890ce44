"""A run that fails, and goes on where it stopped."""

from pathlib import Path

import flowtime
from flowtime.tracking import read_record


def pipeline(*, is_disk_full: bool) -> None:
    with flowtime.track("build", steps=["unpack", "compile"], run_id="resumed", resume=True) as run:
        if not run.is_done("unpack"):
            with run.step("unpack"):
                print("unpacking")
        with run.step("compile"):
            print("compiling")
            if is_disk_full:
                raise OSError("no room for objects")


try:
    pipeline(is_disk_full=True)
except OSError as error:
    print("failed:", error)
pipeline(is_disk_full=False)

record = read_record(Path("runs/resumed"))
print(record.status, "in", record.sessions, "sessions")
print({entry.step_id: entry.attempts for entry in record.steps})
