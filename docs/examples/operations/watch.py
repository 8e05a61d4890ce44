"""Watch a run from a program: its events, and what they add up to."""

from datetime import UTC, datetime
from os import urandom
from pathlib import Path
from time import perf_counter

import flowtime
from flowtime.events import MemoryLog, MemoryMeter, Observer
from flowtime.orchestration import RunRequest, run_simulation
from flowtime.settings import Settings

log, meter = MemoryLog(), MemoryMeter()
for run_id in ("first", "second", "first"):
    run_simulation(
        RunRequest(source=flowtime.template("web-frontend").render(), run_id=run_id),
        root=Path("runs"),
        settings=Settings(),
        clock=lambda: datetime.now(UTC),
        entropy=urandom,
        observer=Observer(log, meter, perf_counter),
    )
for event in log.events:
    print(event.fields["run_id"], event.name)
for counter in meter.counters():
    print(counter.name, dict(counter.labels), counter.value)
for histogram in meter.histograms():
    print(histogram.name, dict(histogram.labels), histogram.observations, "observations")
