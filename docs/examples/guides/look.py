"""Look at a run: one bin, and all of it at three points."""

from flowtime.state import open_run_state, read_state, read_window

run = open_run_state("runs/monday")  # opened once, asked often, also by several threads
state = read_state(run, 1)
for node in state.nodes:
    print(node.id, node.derived.color, node.metrics.queue, node.derived.latency_minutes)

window = read_window(run, resolution=3)
api = window.nodes[0]
print(window.timestamps_utc)
print("arrivals", api.series.arrivals, api.series_metadata["arrivals"].aggregation)
print("queue   ", api.series.queue, api.series_metadata["queue"].aggregation)
