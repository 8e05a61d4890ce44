"""Keep only what is asked for, and see what a series is."""

import flowtime

compiled = flowtime.compile("hand_written.yaml", outputs=["desk_queue", "Desk.latencyMinutes"])
result = compiled.evaluate()
print(list(result))
print(result.describe("desk_queue"))
print(result["Desk.latencyMinutes"])
