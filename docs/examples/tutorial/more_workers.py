"""What would another worker, or a quieter day, change?"""

import numpy as np

import flowtime
from flowtime import Scale

compiled = flowtime.compile("photo_service.yaml")
print("inputs:", ", ".join(compiled.parameters))

night_shift = np.where(np.arange(24) < 8, 2.0, 5.0)
for name, overrides in {
    "as it is": {},
    "5 workers": {"workers": 5},
    "2 at night, 5 by day": {"workers": night_shift},
    "10 % fewer uploads": {"uploads": Scale(0.9)},
}.items():
    result = compiled.evaluate(overrides)
    wait_min = result.metrics["Resize"]["latencyMinutes"]
    print(f"{name:22} queue at most {result['resize_queue'].max():5.0f}, wait at most {np.nanmax(wait_min):4.0f} min")
