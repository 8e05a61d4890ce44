"""Steps that are nested, parallel, tried again, and left out."""

from concurrent.futures import ThreadPoolExecutor

import flowtime
from flowtime.tracking import Step, read_record

failures = iter([ConnectionError("no answer"), None])


def fetch() -> None:
    error = next(failures)
    if error is not None:
        raise error


def shard(load: Step, number: int) -> None:
    with load.step(f"shard{number}", total=100) as part:  # a thread names the step that it works for
        part.advance(100)


with flowtime.track("nightly", steps=["fetch", "expert", "load", "report"], run_id="steps", strict=True) as run:
    for attempt in run.step("fetch").retry(3):  # the last exception passes on
        with attempt:
            fetch()

    run.skip("expert", "its gains are known")

    with run.step("load") as load, ThreadPoolExecutor() as pool:
        list(pool.map(lambda number: shard(load, number), range(2)))

    with run.step("report", name="Write the report"), run.step("plots"):
        pass  # a step that is entered inside another one is a part of it

for entry in sorted(read_record(run.folder).steps, key=lambda entry: entry.step_id):
    print(f"{entry.step_id:14} {entry.status:10} attempts {entry.attempts}, part of {entry.parent}")
