import numpy as np

import flowtime
from flowtime import Scale

model = flowtime.template("web-frontend").render({"backendWorkers": 4})
compiled = flowtime.compile(model)  # once; evaluate as often as you like

result = compiled.evaluate()  # a mapping: name of a series -> float64 array, one value per bin
wait = result.metrics["Backend"]["latencyMinutes"]  # NaN where it is undefined, never 0
print(f"{len(result)} series of {result.grid.bins} bins")
print(f"longest wait: {np.nanmax(wait):.0f} min, in bin {np.nanargmax(wait)}")

loads = (0.8, 0.9, 1.0, 1.1, 1.2)  # what if there were less or more traffic of the same shape?
scenarios = [{"elb_requests": Scale(load)} for load in loads]
sweep = flowtime.evaluate_many(compiled, scenarios, outputs=["backend_queue"])
for load, queue in zip(loads, sweep["backend_queue"], strict=True):
    print(f"load x {load}: at most {queue.max():5,.0f} jobs wait, {queue[-1]:.0f} are left at the end")
