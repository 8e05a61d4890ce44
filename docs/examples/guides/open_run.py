"""Read a run folder back."""

import flowtime

run = flowtime.open_run("runs/monday")
run.verify()  # every hash that the manifest holds
print(run.run.run_id, run.run.grid.bins, "bins of", run.run.grid.bin_size, run.run.grid.bin_unit)
print(run.series_names)
print(run.series("api_queue"))
