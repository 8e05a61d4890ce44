"""How many workers does each load need, if nobody should wait longer than 30 minutes?"""

import numpy as np

import flowtime
from flowtime import Scale

loads = (0.8, 1.0, 1.2, 1.4)
workers = range(3, 10)
scenarios = [{"uploads": Scale(load), "workers": n} for load in loads for n in workers]

compiled = flowtime.compile("photo_service.yaml")
sweep = flowtime.evaluate_many(compiled, scenarios, ["Resize.latencyMinutes"])

worst = np.nanmax(sweep["Resize.latencyMinutes"], axis=1).reshape(len(loads), len(workers))
print("load", *(f"{n:>5} w" for n in workers))
for load, row in zip(loads, worst, strict=True):
    print(f"{load:4.0%}", *(f"{wait:7.0f}" for wait in row))
for load, row in zip(loads, worst, strict=True):
    enough = next(n for n, wait in zip(workers, row, strict=True) if wait <= 30.0)
    print(f"at {load:.0%} of the uploads {enough} workers are enough")
