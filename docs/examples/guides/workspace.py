"""Evaluate many times in one buffer; what is kept must be copied."""

import flowtime

compiled = flowtime.compile("hand_written.yaml")
workspace = compiled.workspace()  # one per thread
peaks = {}
for capacity in (4.0, 6.0, 8.0):
    result = workspace.evaluate({"capacity": capacity})
    peaks[capacity] = float(result["desk_queue"].max())  # a number, and no view of the buffer
print(peaks)
