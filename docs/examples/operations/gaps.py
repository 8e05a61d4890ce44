"""Put gaps into numbers, find them, and fill them."""

import numpy as np

from flowtime.model.spec import Grid
from flowtime.telemetry.gap_plan import load_gap_plan
from flowtime.telemetry.gaps import detect, fill
from flowtime.telemetry.injection import SeriesKey, apply_plan

grid = Grid(bins=24, bin_size=1, bin_unit="hours", start="2025-01-01T00:00:00Z")
keys = [
    # A row may play two parts: what the shop serves is what comes to the packing.
    [SeriesKey("Shop", "served", "DEFAULT"), SeriesKey("Packing", "arrivals", "DEFAULT")],
    [SeriesKey("Packing", "queueDepth", "DEFAULT")],
]
values = np.array([np.arange(24.0), np.arange(24.0) * 10])

done = apply_plan(load_gap_plan("gap_plan.yaml"), keys, values, grid=grid)
for record in done.records:
    print("put in:", record.kind, record.node_id, record.metric, record.bins, record.code)

for finding in detect(done.values, missing=done.missing):
    print("found: ", finding.row, finding.code, finding.bins, finding.severity)

filled = fill(done.values, "linear", missing=done.missing, limit=2)
for finding in filled.findings:
    print("filled:", finding.row, finding.code, finding.bins)
print("left:  ", int(np.isnan(filled.values).sum()), "bins of gaps that are longer than 2 bins, or at an end")
