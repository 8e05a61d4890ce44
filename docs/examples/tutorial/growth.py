"""When does the queue grow, when is it longest, and when is it gone?"""

import numpy as np

import flowtime

result = flowtime.evaluate("photo_service.yaml")
queue = result["resize_queue"]
wait_min = result.metrics["Resize"]["latencyMinutes"]

grows = np.flatnonzero(np.diff(queue, prepend=40.0) > 0)
print(f"the queue grows from bin {grows[0]} to bin {grows[-1]}")
print(f"it is longest in bin {queue.argmax()}: {queue.max():.0f} photos")
print(f"the wait is longest in bin {np.nanargmax(wait_min)}: {np.nanmax(wait_min):.0f} minutes")
print(f"left at the end of the day: {queue[-1]:.0f} photos")

arrived, lost = result["uploads"].sum(), result["resize_loss"].sum()
served, left = result["resize_served"].sum(), queue[-1]
print(f"40 + {arrived:.0f} = {served:.1f} served + {lost:.1f} lost + {left:.1f} left")
