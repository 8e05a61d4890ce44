"""What a run logged: columns, last values, and events; also while it goes on."""

import flowtime
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.log_report import scan_log
from flowtime.tracking.log.scalar_reader import last_scalars, read_scalars

with flowtime.track("search", run_id="read-log", sample=False, advice=False) as run:
    for trial in range(1000):
        run.log(score=trial % 7)
    run.note("best score: 6")

    # Any process may read now.
    value, row, _wall_ns = last_scalars(run.folder)["score"]
    print("last:", value, "in row", row)

print("mean:", sum(read_scalars(run.folder)["score"].values) / 1000)
for event in read_events(run.folder, streams=["notes"]):
    print(event.sequence, event.data)
report = scan_log(run.folder)
print(report.events, "events,", len(report.damages), "damages,", len(report.gaps), "gaps")
